"""Films and sounds made for tests: small, short, and the same every time."""

import io
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import OutputContainer

MUXERS = {"mp4": "mp4", "mov": "mov", "webm": "webm", "mkv": "matroska", "avi": "avi", "ts": "mpegts", "3gp": "3gp"}

H264 = {"preset": "ultrafast", "tune": "fastdecode", "sc_threshold": "0"}
"""No B-frames and no CABAC: the cheapest there is."""

B_FRAMES = {"preset": "superfast", "bf": "2", "sc_threshold": "0"}


@dataclass(frozen=True)
class Film:
    """What a film is made of; `film` writes it."""

    size: tuple[int, int] = (160, 90)
    rate: Fraction | int = 25
    seconds: float = 4
    key: int = 25
    """Frames from one keyframe to the next."""
    keys: Sequence[int] | None = None
    """The numbers of the frames that are keyframes, where they do not come regularly."""
    codec: str = "libx264"
    options: dict[str, str] = field(default_factory=lambda: dict(H264))
    pixels: str = "yuv420p"
    sound: str | None = None
    """FFmpeg's name of an encoder of sound, such as `aac`."""
    sampling: int = 48_000
    sounds: Sequence[str] = ("eng",)
    """The languages of its tracks of sound, if it has sound."""
    aspect: Fraction | None = None
    """Of one pixel."""
    moments: Callable[[int], Fraction] | None = None
    """When frame n is shown, in seconds, where the frame rate varies."""
    muxer: dict[str, str] = field(default_factory=dict)
    colour: tuple[int, int, int] | None = None
    """Primaries, transfer and matrix by their numbers in ITU-T H.273."""

    @property
    def clock(self) -> Fraction:
        """The time base; that of MPEG-4 Part 2 has 16 bits."""
        return 1 / Fraction(self.rate) if self.codec == "mpeg4" else Fraction(1, 90_000)

    @property
    def frames(self) -> int:
        return round(self.seconds * Fraction(self.rate))


def film(path: Path, what: Film = Film(), **changes: Any) -> Path:
    """Write a film of moving test patterns; the container is that of the name. Returns the path."""
    what = Film(**{**vars(what), **changes})
    # Encoders of sound have their own ideas of time bases, and so has each container of pictures.
    with av.open(str(path), "w", format=MUXERS[path.suffix[1:]], options={"fflags": "+bitexact", **what.muxer}) as out:
        pictures = _pictures(out, what)
        tracks = [_track(out, what, language) for language in what.sounds] if what.sound else []
        for frame in _frames(what):
            out.mux(pictures.encode(frame))
        out.mux(pictures.encode(None))
        for number, track in enumerate(tracks):
            for frame in tone(what.seconds, what.sampling, 440 * (number + 1)):
                out.mux(track.encode(frame))
            out.mux(track.encode(None))
    return path


def _pictures(out: OutputContainer, what: Film) -> Any:
    stream: Any = out.add_stream(what.codec, rate=what.rate, options={"g": str(what.key), **what.options})
    stream.width, stream.height = what.size
    stream.pix_fmt = what.pixels
    stream.time_base = stream.codec_context.time_base = what.clock
    stream.codec_context.thread_count = 1
    if what.aspect:
        stream.codec_context.sample_aspect_ratio = what.aspect
    if what.colour:
        primaries, transfer, matrix = what.colour
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace = primaries, transfer, matrix
    return stream


def _track(out: OutputContainer, what: Film, language: str) -> Any:
    stream: Any = out.add_stream(str(what.sound), rate=what.sampling, layout="stereo")
    stream.codec_context.bit_rate = 96_000
    if language:
        stream.metadata["language"] = language
    return stream


def _frames(what: Film) -> Iterable[Any]:
    with av.open(_pattern(what), format="lavfi") as source:
        for number, frame in enumerate(source.decode(video=0)):
            made = frame.reformat(format=what.pixels)
            moment = what.moments(number) if what.moments else Fraction(number) / Fraction(what.rate)
            made.pts, made.time_base = round(moment / what.clock), what.clock
            made.pict_type = int(what.keys is not None and number in what.keys)
            yield made


def _pattern(what: Film) -> str:
    width, height = what.size
    return f"testsrc2=size={width}x{height}:rate={what.rate}:duration={float(what.frames / Fraction(what.rate))}"


def tone(seconds: float, sampling: int = 48_000, pitch: float = 440) -> Iterable[Any]:
    """Frames of a stereo tone, softer on the right."""
    for first in range(0, round(seconds * sampling), 1024):
        count = min(1024, round(seconds * sampling) - first)
        wave = 0.4 * np.sin(2 * np.pi * pitch * (first + np.arange(count)) / sampling)
        frame = av.AudioFrame.from_ndarray(np.stack([wave, wave / 2]).astype(np.float32), "fltp", "stereo")
        frame.sample_rate, frame.pts, frame.time_base = sampling, first, Fraction(1, sampling)
        yield frame


def turned(path: Path, degrees: int) -> Path:
    """Let an MP4 or MOV say, in the header of its first track, that it is shown turned clockwise by 90, 180 or 270."""
    one = 1 << 16
    a, b, c, d = {90: (0, one, -one, 0), 180: (-one, 0, 0, -one), 270: (0, -one, one, 0)}[degrees]
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40  # version 0: ISO/IEC 14496-12, 8.3.2
    struct.pack_into(">9i", data, matrix, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def decoded(data: bytes, kind: str = "mp4") -> list[Any]:
    """All frames of a film's first stream of pictures."""
    with av.open(io.BytesIO(data), "r", format=MUXERS[kind]) as container:
        return list(container.decode(video=0))
