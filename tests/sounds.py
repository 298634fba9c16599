"""Sounds made for tests: short, and the same every time; words beside pictures; what is in a fragment of MP4."""

import io
import struct
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np

from transforms.audio.samples import Samples, samples, track
from transforms.containers import opened
from transforms.limits import Limits
from transforms.video.boxes import boxes, found
from transforms.video.parts import Source

# Muxer and encoder by extension.
KINDS = {
    "wav": ("wav", "pcm_s16le"),
    "flac": ("flac", "flac"),
    "mp3": ("mp3", "libmp3lame"),
    "m4a": ("ipod", "aac"),
    "aac": ("adts", "aac"),
    "opus": ("opus", "libopus"),
    "ogg": ("ogg", "vorbis"),
    "mkv": ("matroska", "aac"),
    "webm": ("webm", "libopus"),
    "ts": ("mpegts", "aac"),
    "mp4": ("mp4", "aac"),
    "mov": ("mov", "aac"),
    "avi": ("avi", "libmp3lame"),
}


def sweep(seconds: float, rate: int, channels: int = 2) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A tone that rises from 200 to 4000 Hz, softer in each further channel."""
    moments = np.arange(round(seconds * rate)) / rate
    wave = 0.4 * np.sin(2 * np.pi * (200 * moments + 1900 / seconds * moments**2))
    return np.stack([wave / (channel + 1) for channel in range(channels)]).astype(np.float32)


def sound(
    path: Path, seconds: float = 4, rate: int = 44_100, layout: str = "stereo", codec: str = "", **muxer: str
) -> Path:
    """Write a sweep as the extension of the path says. Returns the path."""
    format_, usual = KINDS[path.suffix[1:]]
    with av.open(str(path), "w", format=format_, options={"fflags": "+bitexact", **muxer}) as out:
        stream: Any = out.add_stream(codec or usual, rate=rate, layout=layout)
        if (codec or usual) == "vorbis":
            stream.codec_context.options = {"strict": "experimental"}
        wave = sweep(seconds, rate, len(stream.codec_context.layout.channels))
        resampler = av.AudioResampler(format=stream.codec_context.format, layout=layout, rate=rate)
        for first in range(0, wave.shape[1], 1000):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(wave[:, first : first + 1000]), "fltp", layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, first, Fraction(1, rate)
            for fitted in resampler.resample(frame):
                out.mux(stream.encode(fitted))
        out.mux(stream.encode(None))
    return path


def source(path: Path, **beside: Any) -> Source:
    return Source(path, path.suffix[1:], Limits(), **beside)


def heard(path: Path, first: int, last: int, stream: int = 0, start: Fraction = Fraction(0)) -> Samples:
    """Samples of a file on the grid, read by a container of its own."""
    with opened(path, path.suffix[1:], Limits()) as container:
        return samples(track(container, stream, start), first, last)


def decoded(*parts: bytes) -> Samples:
    """What a player hears of a head and segments."""
    with av.open(io.BytesIO(b"".join(parts)), format="mp4") as container:
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)


class Fragment(NamedTuple):
    """What a segment says of itself: where it begins, in ticks, and the bytes of its frames."""

    begin: int
    duration: int
    frames: tuple[bytes, ...]


def fragment(data: bytes) -> Fragment:
    """A segment of sound read: one fragment, whose frames all last equally long."""
    assert [box.name for box in boxes(data)] == ["moof", "mdat"]
    tfhd, tfdt, trun = (found(data, "moof", "traf", name) for name in ("tfhd", "tfdt", "trun"))
    mdat = found(data, "mdat")
    assert tfhd
    assert tfdt
    assert trun
    assert mdat
    assert int.from_bytes(data[tfhd.body + 1 : tfhd.body + 4]) == 0x2003A, "number, description, duration, size, flags"
    (duration,) = struct.unpack_from(">I", data, tfhd.body + 12)
    (begin,) = struct.unpack_from(">Q", data, tfdt.body + 4)
    flags, count = struct.unpack_from(">II", data, trun.body)
    assert flags & 0xFFFFFF in (0x1, 0x201), "where the data begins, and sizes where they are not all one"
    one = struct.unpack_from(">I", data, tfhd.body + 16)
    sizes = struct.unpack_from(f">{count}I", data, trun.body + 12) if flags & 0x200 else one * count
    edges = np.cumsum([mdat.body, *sizes])
    return Fragment(begin, duration, tuple(data[a:b] for a, b in pairwise(edges)))


def worded(path: Path, tracks: dict[str, tuple[str, list[tuple[int, int, bytes]]]], seconds: int = 8) -> Path:
    """A film with tracks of words: codec and cues (milliseconds, bytes as the container has them) by language."""
    codec = {"webm": "libvpx-vp9"}.get(path.suffix[1:], "libx264")
    with av.open(str(path), "w", format=KINDS[path.suffix[1:]][0], options={"fflags": "+bitexact"}) as out:
        film: Any = out.add_stream(codec, rate=5, options={"g": "10", "preset": "ultrafast", "cpu-used": "8"})
        film.width, film.height, film.pix_fmt = 64, 36, "yuv420p"
        film.codec_context.thread_count = 1
        waiting = []
        for language, (kind, cues) in tracks.items():
            stream: Any = out.add_mux_stream(kind)
            stream.time_base, stream.metadata["language"] = Fraction(1, 1000), language
            waiting += [(start, stream, end, data) for start, end, data in cues]
        waiting.sort(key=lambda cue: cue[0])
        for number in range(seconds * 5):
            while waiting and waiting[0][0] <= number * 200:
                start, stream, end, data = waiting.pop(0)
                packet = av.Packet(data)
                packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 1000), True
                packet.pts = packet.dts = start
                packet.duration = end - start
                out.mux_one(packet)
            frame = av.VideoFrame(64, 36, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 5)
            for plane in frame.planes:
                plane.update(bytes([number * 5 % 256]) * plane.buffer_size)
            out.mux(film.encode(frame))
        out.mux(film.encode(None))
    return path
