"""Where a film is cut: one function that playlists and segments both follow."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate, chain, repeat
from typing import Final

from transforms.video.recipes import Recipe

_SHORTEST: Final = Fraction(1, 2)
"""Seconds of the last segment, at least: what is shorter belongs to the one before."""


def cuts(seconds: Fraction, recipe: Recipe, keys: Sequence[Fraction] | None = None) -> tuple[Fraction, ...]:
    """Boundaries from 0 to `seconds`; no two are equal, so that no segment is empty.

    They lie on a grid of seconds, or each on the first keyframe (seconds, in order) that does not come before its
    place on the grid: the grid goes on where it was, so that late keyframes do not add up.
    """
    inside: list[Fraction] = [Fraction(0)]
    following = None if keys is None else iter(keys)
    for goal in accumulate(chain(recipe.first, repeat(recipe.target))):
        if goal >= seconds - _SHORTEST:
            break
        if following is None:
            inside.append(Fraction(goal))
        elif goal > inside[-1]:
            key = next((key for key in following if key >= goal), seconds)
            if key >= seconds - _SHORTEST:
                break
            inside.append(key)
    return (*inside, seconds)
