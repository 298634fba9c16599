"""Parts of a stream: the head that a rung's segments share, and the segments, each made for itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from transforms.limits import Limits
from transforms.video.beside import Beside
from transforms.video.index import Index
from transforms.video.ladders import Ladder
from transforms.video.recipes import Recipe
from transforms.video.stream_plan import Kind, Rung, StreamPlan


@dataclass(frozen=True)
class Source:
    """An original that a stream is cut from, and with how many threads it is decoded."""

    path: Path
    kind: str
    limits: Limits
    threads: int = 1
    beside: tuple[Beside, ...] = ()
    """Files of subtitles that lie beside it."""


class Part(NamedTuple):
    """A head or a segment, and how many seconds it lasts."""

    data: bytes
    seconds: Fraction = Fraction(0)


@dataclass(frozen=True)
class Question:
    """What the rungs of a plan are made from."""

    source: Source
    index: Index
    ladder: Ladder
    recipe: Recipe
    cuts: tuple[Fraction, ...]


class Maker(NamedTuple):
    """What is to be known of a kind of rung."""

    rungs: Callable[[Question], tuple[Rung, ...]]
    """The rungs of this kind, with codecs as their heads say them. Raises Refusals."""
    head: Callable[[Source, StreamPlan, Rung], Part]
    """The init segment. Raises Refusals."""
    segment: Callable[[Source, StreamPlan, Rung, int], Part]
    """Segment n, of those that `StreamPlan.segments` counts. Raises Refusals."""


Makers = Mapping[Kind, Maker]
