"""What is known of a film before any of it is cut: its streams, and where its keyframes lie."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Self

from transforms.video import exact


@dataclass(frozen=True)
class Picture:
    """The stream of pictures that is shown."""

    stream: int
    codec: str
    """FFmpeg's name: h264, hevc, vp9, av1, mpeg4, ..."""
    width: int
    height: int
    """As shown: square pixels, upright."""
    rate: Fraction
    """Frames a second, on average."""
    time_base: Fraction
    """Seconds of one tick of its clock."""
    keys: tuple[int, ...]
    """When each keyframe is shown, in ticks; 0 is the start of the presentation."""
    seconds: Fraction
    """From the start of the presentation to the end of the last frame."""
    bit_rate: int
    """Bits a second, 0 where nobody knows."""
    remux: bool
    """Whether its packets can be cut and sent as they are."""
    why: str = ""
    """Why not, for people."""
    range: str = "SDR"
    """SDR, PQ or HLG."""
    weights: tuple[int, ...] = ()
    """Bytes from each keyframe to the next; in Matroska with those of the sound beside them."""


@dataclass(frozen=True)
class Sound:
    """One track of sound."""

    stream: int
    codec: str
    channels: int
    rate: int
    """Samples a second."""
    language: str
    """ISO 639 as the file says it, "" where it says none."""
    title: str
    default: bool
    remux: bool
    """Whether its packets can be cut and sent as they are."""
    bit_rate: int
    seconds: Fraction
    """From the start of the presentation to its end."""


@dataclass(frozen=True)
class Words:
    """One track of subtitles."""

    stream: int | None
    """None: a file beside the film."""
    codec: str
    language: str
    title: str
    default: bool
    forced: bool


@dataclass(frozen=True)
class Index:
    """A film's or a sound's tracks; a few kB, read once for every version of an original."""

    kind: str
    seconds: Fraction
    """How long it lasts: its pictures, or the longest sound where it has none."""
    picture: Picture | None
    sounds: tuple[Sound, ...] = ()
    words: tuple[Words, ...] = ()
    start: Fraction = Fraction(0)
    """Where the presentation starts on the clock of the file, in seconds: its first frame is shown then."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON values; `from_dict` is its inverse."""
        return dict(exact.as_json(self))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """An index from its JSON values. Raises KeyError, TypeError and ValueError for what is none."""
        return exact.read(cls, values)
