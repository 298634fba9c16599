"""What a film or a sound is, told from its first bytes and its index, without decoding a frame."""

from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from transforms.containers import opened
from transforms.errors import DamagedOriginal
from transforms.headers import Header
from transforms.limits import Limits

_EXIF: Final = {0: 1, 90: 8, 180: 3, 270: 6}
"""EXIF orientations by how far a display matrix turns, in degrees against the clock."""


def read(path: Path, kind: str, size: int, limits: Limits) -> Header:
    """The header of a film or a sound. Raises DamagedOriginal and TooManyStreams."""
    with opened(path, kind, limits) as container:
        film = picture_of(container)
        sounds = container.streams.audio
        if film is None and not sounds:
            raise DamagedOriginal("the original has neither pictures nor sound")
        cover = next((stream for stream in container.streams.video if is_cover(stream)), None)
        width, height = square(film) if film else (0, 0)
        return Header(
            kind=kind,
            width=width,
            height=height,
            bytes=size,
            orientation=_EXIF.get(rotation(container, film), 1) if film else 1,
            bits=_bits(film),
            seconds=lasting(container),
            rate=float(film.average_rate or film.guessed_rate or 0) if film else 0.0,
            sound=bool(sounds),
            cover=(cover.width, cover.height) if cover and cover.width else None,
        )


def picture_of(container: InputContainer) -> VideoStream | None:
    """The stream of pictures that a player shows: no cover, and the default one where there are several."""
    films = [stream for stream in container.streams.video if not is_cover(stream) and stream.width]
    return max(
        films,
        key=lambda stream: (bool(stream.disposition & av.stream.Disposition.default), -stream.index),
        default=None,
    )


def is_cover(stream: Any) -> bool:
    """Whether a stream is a picture attached to a sound."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def square(stream: VideoStream) -> tuple[int, int]:
    """Width and height of a frame in square pixels, before it is turned."""
    ratio = stream.sample_aspect_ratio or Fraction(1)
    if not Fraction(1, 10) <= ratio <= 10:
        ratio = Fraction(1)
    return max(1, round(stream.width * ratio)), stream.height


def lasting(container: InputContainer) -> float:
    """Seconds that the longest of its streams lasts, or that the container says."""
    if container.duration:
        return max(0.0, container.duration / 1_000_000)
    lengths = [float(stream.duration * (stream.time_base or 0)) for stream in container.streams if stream.duration]
    return max(lengths, default=0.0)


def rotation(container: InputContainer, stream: VideoStream) -> int:
    """By how many degrees against the clock, in steps of 90, a frame is turned to be shown."""
    return 0


def _bits(stream: VideoStream | None) -> int:
    if stream is None or stream.format is None:
        return 8
    return max((component.bits for component in stream.format.components), default=8)
