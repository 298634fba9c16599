"""How many frames a second a film has: what its frames say, told as the rate that it was made at."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from statistics import median
from typing import Final

_USUAL: Final = tuple(
    Fraction(*rate)
    for rate in (
        (24000, 1001),
        (24, 1),
        (25, 1),
        (30000, 1001),
        (30, 1),
        (48, 1),
        (50, 1),
        (60000, 1001),
        (60, 1),
        (15, 1),
        (12, 1),
        (10, 1),
    )
)
_NEAR: Final = Fraction(1, 2500)  # 24000/1001 and 24 are a thousandth apart
_STEADY: Final = 0.9
_UNKNOWN: Final = Fraction(25)
_SLOWEST: Final = Fraction(1)


def own_rate(moments: Sequence[Fraction], average: Fraction | None) -> Fraction:
    """The rate of a film by when some frames in a row are shown (seconds, sorted) and by its container's average.

    Where frames come regularly that is theirs: averages count a long last frame. Else it is the average.
    """
    steps = [later - earlier for earlier, later in pairwise(moments) if later > earlier]
    sane = average if average and _SLOWEST / 60 <= average <= 1000 else None
    if len(steps) >= 2:
        usual = Fraction(median(steps))
        near = [step for step in steps if abs(step - usual) <= max(usual / 20, Fraction(1, 900))]
        if len(near) >= _STEADY * len(steps):
            mean = sum(near, Fraction(0)) / len(near)
            if len(set(near)) == 1:
                return named(1 / mean)
            if sane and abs(sane * mean - 1) < Fraction(1, 50):
                return named(sane)  # rounded to milliseconds, a few steps tell less than the container does
            return named(1 / mean, rounded=True)
        if sane is None or sane > 120:
            span = sum(steps, Fraction(0))
            sane = len(steps) / span
    return named(sane) if sane else _UNKNOWN


def named(rate: Fraction, *, rounded: bool = False) -> Fraction:
    """The usual rate that is meant by one; `rounded` where it comes of times in milliseconds."""
    nearest = min(_USUAL, key=lambda usual: abs(usual - rate))
    if abs(nearest - rate) <= nearest * (Fraction(1, 150) if rounded else _NEAR):
        return nearest
    return rate.limit_denominator(1001)


def encoded_rate(own: Fraction, fastest: Fraction) -> Fraction:
    """At how many frames a second a film is encoded: its own rate, or half of it as often as it takes."""
    rate = max(own, _SLOWEST)
    while rate > fastest:
        rate /= 2
    return rate


def clock(rate: Fraction) -> Fraction:
    """Seconds of one tick of a clock on which every frame of a rate begins with a tick."""
    return Fraction(1, rate.numerator * -(-_TICKS // rate.numerator))


_TICKS: Final = 10_000
"""In a second at least, so that sound and pictures can be put side by side."""
