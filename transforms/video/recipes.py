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
    """Of the encoder: other numbers of threads write other bytes, and more than one writes other bytes each time where
    it has to save bits. One is as fast beside the threads that decode."""
    fastest: Fraction
    """Frames a second at most."""
    scaling: str
    """FFmpeg's name of the way in which frames are made smaller."""
    sound_bits: int
    """Bits a second of sound that is encoded."""
    sound_coder: str
    """Of FFmpeg's AAC. `fast` chooses by the frame alone; the others look back further than any pre-roll, and are heard
    where segments join."""
    sound_before: int
    """Frames of sound that are encoded before a segment and thrown away: by then the encoder has settled."""


RECIPES: Final[Mapping[int, Recipe]] = MappingProxyType(
    {
        1: Recipe(
            first=(2, 2, 2),
            target=6,
            preset="superfast",
            crf=23,
            key=2,
            threads=1,
            fastest=Fraction(60),
            scaling="BILINEAR",
            sound_bits=192_000,
            sound_coder="fast",
            sound_before=4,
        ),
    }
)

CURRENT: Final = max(RECIPES)
"""Of new plans. Rows before it stay as long as players may be in the midst of a film that was planned by them."""
