"""The plan of a stream: everything that decides the bytes of all its parts, and nothing else."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Any, Final, Literal, Self

from transforms.video import exact

Kind = Literal["picture", "sound", "words", "text"]
"""`words` are in segments, `text` is the same in one piece."""

_ID_DIGITS: Final = 16


@dataclass(frozen=True)
class Rung:
    """One rendition of a stream: pictures of one size, a track of sound, or one of subtitles."""

    name: str
    """Its folder: `src`, `720`, `a0-aac192`, `s0-en`; see `signing.leaves`."""
    kind: Kind
    remux: bool
    """Whether the original's packets are sent as they are."""
    codecs: str
    """RFC 6381, as the init segment says it."""
    bandwidth: int
    """Bits a second of the largest segment."""
    average: int
    """Bits a second of all of it."""
    stream: int | None = None
    """The track of the original; None: a file beside it."""
    end: Fraction = Fraction(0)
    """Where the last segment ends, in seconds."""
    unit: Fraction = Fraction(0)
    """Seconds of one frame, where all last equally long; 0: segments end exactly at the cuts."""
    phase: Fraction = Fraction(0)
    """Where frame 0 begins, in seconds; other than 0 only in sound that is sent as it is."""
    time_base: Fraction = Fraction(1, 90_000)
    """Seconds of one tick of the clock of its segments."""
    width: int = 0
    height: int = 0
    rate: Fraction = Fraction(0)
    """Frames a second of pictures, samples a second of sound."""
    bits: int = 0
    """Bits a second that its encoder may spend at most; 0 where nothing is encoded."""
    range: str = "SDR"
    """SDR, PQ or HLG."""
    channels: int = 0
    language: str = ""
    """BCP 47; "" where nobody knows."""
    title: str = ""
    default: bool = False
    forced: bool = False
    source: str = ""
    """What the kind of rung wants to know beside this: the codec of sound to make, the name of a file of words."""


@dataclass(frozen=True)
class StreamPlan:
    """Parts of one plan always fit together, whoever makes them and in whatever order."""

    recipe: int
    """The number of its row in `transforms.video.recipes`."""
    version: str
    """Of the original."""
    cuts: tuple[Fraction, ...]
    """Seconds from the start of the presentation: the first is 0, the last the end. No two are equal."""
    rungs: tuple[Rung, ...]
    start: Fraction = Fraction(0)
    """Where the presentation starts on the clock of the original, in seconds."""

    @cached_property
    def id(self) -> str:
        """A short hash of all of it."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:_ID_DIGITS]

    def rung(self, name: str) -> Rung | None:
        """The rung of a name, or None."""
        return next((rung for rung in self.rungs if rung.name == name), None)

    def of_kind(self, kind: Kind) -> tuple[Rung, ...]:
        """All rungs of a kind, in their order."""
        return tuple(rung for rung in self.rungs if rung.kind == kind)

    def edges(self, rung: Rung) -> tuple[Fraction, ...]:
        """Where the segments of a rung begin, and where the last one ends, in seconds.

        A frame belongs to the segment in which it begins, so that a rung of frames is cut at the first one that does
        not begin before the cut. No segment is empty: a rung that ends early has fewer.
        """
        if not rung.unit:
            return self._up_to(rung.end, self.cuts[:-1])
        frames = (math.ceil((cut - rung.phase) / rung.unit) for cut in self.cuts[:-1])
        return self._up_to(rung.end, (max(rung.phase, rung.phase + frame * rung.unit) for frame in frames))

    def segments(self, rung: Rung) -> tuple[tuple[Fraction, Fraction], ...]:
        """Beginning and end of each segment of a rung, in seconds; its number is its place."""
        return tuple(pairwise(self.edges(rung)))

    @staticmethod
    def _up_to(end: Fraction, edges: Any) -> tuple[Fraction, ...]:
        inside = sorted({edge for edge in edges if edge < end})
        return (*inside, end) if inside else ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON values; `from_dict` is its inverse."""
        return dict(exact.as_json(self))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """A plan from its JSON values. Raises KeyError, TypeError and ValueError for what is none."""
        return exact.read(cls, values)
