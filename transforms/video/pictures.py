"""Rungs of pictures, their heads and their segments: as they are in the original, or encoded."""

from transforms.errors import NotSupported
from transforms.video.parts import Part, Question, Source
from transforms.video.stream_plan import Rung, StreamPlan


def rungs(asked: Question) -> tuple[Rung, ...]:
    """The original's own rung where it has one, then those that are encoded, from the largest."""
    raise NotSupported("")


def head(source: Source, plan: StreamPlan, rung: Rung) -> Part:
    """The init segment of a rung of pictures."""
    raise NotSupported("")


def segment(source: Source, plan: StreamPlan, rung: Rung, number: int) -> Part:
    """One segment of a rung of pictures."""
    raise NotSupported("")
