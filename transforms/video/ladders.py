"""Ladders: which sizes of a film a stream offers, as data, and which of them suit a film."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Self

from transforms.video import exact


@dataclass(frozen=True)
class Step:
    """A size that a film is made in."""

    side: int
    """Pixels of the shorter side; it is the name of the rung, too."""
    bits: int
    """Bits a second at most."""


@dataclass(frozen=True)
class Ladder:
    """Which steps there are, from the largest, and how many of them a film gets."""

    steps: tuple[Step, ...]
    most: int = 2
    """Steps that one film is encoded in: each viewer costs about a core while segments are made."""
    remux: bool = True
    """Whether the original's own packets are offered where players can play them."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON values; `from_dict` is its inverse."""
        return dict(exact.as_json(self))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """A ladder from its JSON values. Raises KeyError, TypeError and ValueError for what is none."""
        return exact.read(cls, values)


# Bits after Apple's authoring specification for H.264 at 30 frames a second, for what superfast needs in their place.
_STEPS: Final = (
    Step(1080, 6_000_000),
    Step(720, 3_000_000),
    Step(480, 1_400_000),
    Step(360, 800_000),
    Step(240, 400_000),
)

LADDERS: Final[Mapping[str, Ladder]] = MappingProxyType(
    {
        "auto": Ladder(_STEPS),
        "full": Ladder(_STEPS, most=len(_STEPS)),
        "source": Ladder(_STEPS, most=1),
    }
)


@dataclass(frozen=True)
class Chosen:
    """A step as a film takes it: no larger than the film, and no more bits than it has."""

    name: str
    width: int
    height: int
    bits: int


def chosen(ladder: Ladder, width: int, height: int, bits: int, *, below: bool) -> tuple[Chosen, ...]:
    """The steps for a film of this size (pixels) and rate (bits a second, 0 where nobody knows), from the largest.

    `below` leaves out the film's own size, because it is offered already in a codec that every player plays.
    The second is about half as large as the first: two steps that look alike would be one too many.
    """
    side = min(width, height)
    fitting = [step for step in ladder.steps if step.side < side or (step.side == side and not below)]
    above = [step for step in ladder.steps if step.side > side]
    if above and not below and (not fitting or fitting[0].side * 1.1 < side):
        fitting.insert(0, above[-1])  # it is made in the film's own size
    taken = fitting if ladder.most >= len(fitting) else _apart(fitting)[: ladder.most]
    made, most = [], bits or 2**40
    for step in taken:
        share = min(1.0, step.side / side)
        most = min(step.bits, max(_LEAST_BITS, most))
        made.append(Chosen(str(step.side), _even(width * share), _even(height * share), most))
        most = round(most * _LESS)
    return tuple(made)


_LEAST_BITS: Final = 150_000
_LESS: Final = 0.7
"""How many bits of the step above a step may have at most, so that a player that steps down gains something."""


def _apart(steps: list[Step]) -> list[Step]:
    """Steps each half as large as the one before, or at least the smallest."""
    apart = steps[:1]
    while apart and apart[-1] is not steps[-1]:
        apart.append(next((step for step in steps if step.side * 2 <= apart[-1].side), steps[-1]))
    return apart


def _even(length: float) -> int:
    """The nearest even number of pixels, since colour is sampled at every other one."""
    return max(2, round(length / 2) * 2)
