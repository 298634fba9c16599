"""What a film or a sound is, told from its first bytes, its index and its first frame."""

from contextlib import suppress
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, Final

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from transforms.containers import opened
from transforms.errors import DamagedOriginal
from transforms.headers import Header
from transforms.limits import Limits
from transforms.video.covers import cover_size
from transforms.video.covers import is_cover as is_cover
from transforms.video.display import orientation

_SEVERAL: Final = 120
"""Packets that a rate is counted over where the container does not tell it."""
_ALIKE: Final = 1.1
"""By how much two guesses at a rate may differ to be believed."""
_FAST: Final = 120
"""Frames a second that are rarely true."""
_MOST_PACKETS: Final = 500_000
"""Packets that a length is looked for in where the container does not tell it."""


def read(path: Path, kind: str, size: int, limits: Limits) -> Header:
    """The header of a film or a sound. Raises DamagedOriginal and TooManyStreams."""
    with opened(path, kind, limits) as container:
        film = picture_of(container)
        sounds = container.streams.audio
        if film is None and not sounds:
            raise DamagedOriginal("the original has neither pictures nor sound")
        width, height = square(film) if film else (0, 0)
        header = Header(
            kind=kind,
            width=width,
            height=height,
            bytes=size,
            bits=_bits(film),
            seconds=lasting(container),
            sound=bool(sounds),
            cover=None if film else cover_size(container),
        )
        if film is None:
            return header
        rate = frame_rate(container, film)
        small = film.width * film.height <= limits.video_megapixels * 1_000_000
        frame = first_frame(container, film) if small else None
        return Header(**{**vars(header), "rate": rate, "orientation": orientation(frame) if frame else 1})


def picture_of(container: InputContainer) -> VideoStream | None:
    """The stream of pictures that a player shows: no cover, and the default one where there are several."""
    films = [stream for stream in container.streams.video if not is_cover(stream) and stream.width]
    return max(
        films,
        key=lambda stream: (bool(stream.disposition & av.stream.Disposition.default), -stream.index),
        default=None,
    )


def square(stream: VideoStream) -> tuple[int, int]:
    """Width and height of a frame in square pixels, before it is turned."""
    ratio = stream.sample_aspect_ratio or Fraction(1)
    if not Fraction(1, 10) <= ratio <= 10:
        ratio = Fraction(1)
    return max(1, round(stream.width * ratio)), stream.height


def lasting(container: InputContainer) -> float:
    """Seconds that the container says, or that the longest of its streams lasts.

    What a browser has recorded tells neither: its packets are then gone through, none of them decoded.
    """
    if container.duration:
        return max(0.0, container.duration / 1_000_000)
    lengths = [float(stream.duration * (stream.time_base or 0)) for stream in container.streams if stream.duration]
    return max(lengths, default=0.0) or _counted(container)


def _counted(container: InputContainer) -> float:
    """Seconds from the first packet to the end of the last, or of the last that is looked at."""
    spans = [
        (packet.pts * packet.time_base, (packet.pts + (packet.duration or 0)) * packet.time_base)
        for packet in islice(container.demux(), _MOST_PACKETS)
        if packet.pts is not None and packet.time_base is not None
    ]
    _rewind(container)
    return float(max(end for _, end in spans) - min(begin for begin, _ in spans)) if spans else 0.0


def _rewind(container: InputContainer) -> None:
    with suppress(av.FFmpegError):  # what cannot be sought in is read from where it is
        container.seek(0)


def frame_rate(container: InputContainer, stream: VideoStream) -> float:
    """Frames a second on average, 0 where nothing tells.

    FFmpeg takes the ticks of a clock of a millisecond for frames where the container names no rate, as Matroska may.
    Such a guess is held against the packets.
    """
    average, guessed = float(stream.average_rate or 0), float(stream.guessed_rate or 0)
    if average and guessed and max(average, guessed) <= _ALIKE * min(average, guessed) and average <= _FAST:
        return average
    if stream.frames and stream.duration and stream.time_base:
        return float(stream.frames / (stream.duration * stream.time_base))
    stamps = sorted(
        packet.pts for packet in islice(container.demux(stream), _SEVERAL) if packet.pts is not None and packet.size
    )
    _rewind(container)
    if len(stamps) < 2 or stamps[-1] == stamps[0] or not stream.time_base:
        return average or guessed
    return float((len(stamps) - 1) / ((stamps[-1] - stamps[0]) * stream.time_base))


def first_frame(container: InputContainer, stream: VideoStream) -> VideoFrame | None:
    """The first frame that can be decoded, for what it says beside its pixels; None where that takes too long."""
    stream.codec_context.thread_type = "SLICE"
    for packet in islice(container.demux(stream), _SEVERAL):
        if packet.is_keyframe:
            try:
                frames = [*stream.decode(packet), *stream.decode(None)]
            except av.FFmpegError:
                return None
            stream.codec_context.flush_buffers()
            return frames[0] if frames else None
    return None


def _bits(stream: VideoStream | None) -> int:
    form: Any = stream.format if stream else None
    return max((component.bits for component in form.components), default=8) if form else 8
