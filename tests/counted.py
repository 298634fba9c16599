"""Films that can be counted: each frame is as bright as its number says, and one moment is heard as well as seen."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

RATE = 48_000
STEP = 3
"""Levels of grey from one frame to the next."""


def counted(
    path: Path,
    *,
    width: int = 160,
    height: int = 90,
    fps: Fraction | int = 30,
    frames: int = 60,
    codec: str = "libx264",
    sound: str | None = "flac",
    pixels: str = "yuv420p",
    keys: int = 15,
    clicks: tuple[int, ...] = (),
    times: dict[int, Fraction] | None = None,
    options: dict[str, str] | None = None,
    form: str = "mp4",
) -> Path:
    """A film whose frame n is of brightness 20 + 3n on its left half; its right half is black.

    Its sound is silent but for clicks of one sample at these places. `times` moves frames: number to seconds.
    """
    with av.open(str(path), "w", format=form) as out:
        usual = {"g": str(keys), "preset": "ultrafast", "crf": "10"} if codec == "libx264" else {}
        video: Any = out.add_stream(codec, rate=fps, options=usual | (options or {}))
        video.width, video.height, video.pix_fmt = width, height, pixels
        video.codec_context.time_base = Fraction(1, 90_000)
        audio: Any = out.add_stream(sound, rate=RATE, layout="stereo") if sound else None
        for number in range(frames):
            time = (times or {}).get(number, number / Fraction(fps))
            frame = av.VideoFrame.from_ndarray(_picture(number, width, height), format="gray").reformat(format=pixels)
            frame.pts, frame.time_base, frame.pict_type = round(time * 90_000), Fraction(1, 90_000), 0  # type: ignore[assignment]
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        if audio:
            _clicked(out, audio, round(frames / Fraction(fps) * RATE), clicks)
    return path


def lively(path: Path, *, seconds: int, width: int = 320, height: int = 180, fps: int = 15) -> Path:
    """A film in which much moves, so that it has many bytes, with a tone."""
    pattern = f"testsrc2=size={width}x{height}:rate={fps}:duration={seconds}"
    with av.open(pattern, format="lavfi") as drawn, av.open(str(path), "w", format="mp4") as out:
        video: Any = out.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "crf": "18"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        audio: Any = out.add_stream("aac", rate=RATE, layout="stereo")
        for frame in drawn.decode(video=0):
            frame.pict_type = 0  # type: ignore[assignment]
            out.mux(video.encode(frame.reformat(format="yuv420p")))
        out.mux(video.encode(None))
        _clicked(out, audio, seconds * RATE, (RATE,))
    return path


def _picture(number: int, width: int, height: int) -> Any:
    picture = np.zeros((height, width), np.uint8)
    picture[:, : width // 2] = min(255, 20 + STEP * number)
    return picture


def _clicked(out: Any, audio: Any, samples: int, clicks: tuple[int, ...]) -> None:
    wave = np.zeros((2, samples), np.float32)
    wave[:, list(clicks)] = 0.9
    source = av.AudioFrame.from_ndarray(wave, format="fltp", layout="stereo")
    source.sample_rate, source.pts, source.time_base = RATE, 0, Fraction(1, RATE)
    context = audio.codec_context
    change = av.AudioResampler(format=context.format, layout="stereo", rate=RATE, frame_size=context.frame_size or 1024)
    for frame in (*change.resample(source), *change.resample(None)):
        out.mux(audio.encode(frame))
    out.mux(audio.encode(None))


def shown(path: Path) -> list[tuple[Fraction, int]]:
    """When each frame is shown, and which number it has by its brightness."""
    return [(time, number_of(picture)) for time, picture in pictures(path)]


def pictures(path: Path) -> Iterator[tuple[Fraction, Any]]:
    """When each frame is shown, and its rows of grey."""
    with av.open(str(path)) as film:
        for frame in film.decode(video=0):
            assert frame.pts is not None
            assert frame.time_base
            yield frame.pts * frame.time_base, frame.reformat(format="gray", dst_color_range=2).to_ndarray()


def number_of(picture: Any) -> int:
    """The number of the frame, by the middle of its left half."""
    height, width = picture.shape
    return round((float(picture[height // 4 : -height // 4, width // 8 : width * 3 // 8].mean()) - 20) / STEP)


def heard(path: Path) -> Any:
    """The samples of the left channel, from the film's first moment on."""
    with av.open(str(path)) as film:
        stream, blocks = film.streams.audio[0], []
        change = av.AudioResampler(format="fltp", layout="stereo", rate=stream.rate)
        first: Fraction | None = None
        for frame in film.decode(stream):
            assert frame.pts is not None
            assert frame.time_base
            first = frame.pts * frame.time_base if first is None else first
            blocks += [piece.to_ndarray()[0] for piece in change.resample(frame)]
        late = round((first or 0) * stream.rate)
        wave = np.concatenate([np.zeros(max(0, late), np.float32), *blocks])
        return wave[max(0, -late) :]


def clicks(path: Path) -> list[int]:
    """The places of the loudest sample of each click."""
    wave = np.abs(heard(path))
    places = np.flatnonzero(wave > 0.3)
    found: list[int] = []
    for place in places:
        if not found or place - found[-1] > 1000:
            found.append(int(place))
    return [begin + int(np.argmax(wave[begin : begin + 500])) for begin in found]


def boxes(data: bytes) -> list[str]:
    """The names of an MP4's outer boxes, in their order (ISO/IEC 14496-12, 4.2)."""
    names, at = [], 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4])
        names.append(data[at + 4 : at + 8].decode("latin-1"))
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16])
        if size < 8:
            break
        at += size
    return names
