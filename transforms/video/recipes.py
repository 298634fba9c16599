"""Recipes: how segments are cut and encoded. A plan names its row, so that a row never changes."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True)
class Recipe:
    """One way of making segments. Whatever of it changes bytes makes a new row."""

    first: tuple[int, ...]
    """Seconds of the first segments: short, so that a film starts soon."""
    target: int
    """Seconds of each further one."""
    preset: str
    """Of x264. `ultrafast` writes other headers than it is told, and almost twice the bits."""
    crf: int
    key: int
    """Seconds from one keyframe to the next."""
    threads: int
    """Of the encoder: other numbers of threads write other bytes."""
    fastest: Fraction
    """Frames a second at most."""
    scaling: str
    """FFmpeg's name of the way in which frames are made smaller."""


RECIPES: Final[Mapping[int, Recipe]] = MappingProxyType(
    {
        1: Recipe(
            first=(2, 2, 2),
            target=6,
            preset="superfast",
            crf=23,
            key=2,
            threads=2,
            fastest=Fraction(60),
            scaling="BILINEAR",
        ),
    }
)

CURRENT: Final = max(RECIPES)
"""Of new plans. Rows before it stay as long as players may be in the midst of a film that was planned by them."""
