"""Which parts of a film a transcode has, and at how many frames a second: arithmetic alone."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from transforms.errors import ConflictingOptions, NoSuchMoment, NotSupported
from transforms.video.excerpt import spans
from transforms.wishes import Loading

FASTEST: Final = 60
"""Frames a second that a film keeps at most where the URL says nothing."""

_BELIEVED: Final = 240
"""Frames a second above which a film speaks of its clock."""
_USUAL: Final = Fraction(25)
_STEADY: Final = tuple(
    Fraction(rate).limit_denominator(1001)
    for rate in ("10", "12", "12.5", "15", "24000/1001", "24", "25", "30000/1001", "30", "48", "50", "60000/1001", "60")
)


@dataclass(frozen=True)
class Excerpt:
    """From `start` up to, not including, `end`, in seconds of the film; without an end it goes on as the film does."""

    start: Fraction
    end: Fraction | None = None

    def lasts(self, whole: Fraction) -> Fraction:
        """Seconds, of a film that lasts so many."""
        return max((whole if self.end is None else min(self.end, whole)) - self.start, Fraction(0))


def excerpts(loading: Loading, seconds: float) -> tuple[Excerpt, ...]:
    """The parts of a film of so many seconds that a plan asks for, in their order; 0 seconds are unknown.

    Raises NoSuchMoment, ConflictingOptions and NotSupported.
    """
    if loading.interesting:
        raise NotSupported("so_auto: it finds one frame; a film begins at a moment that is named", part="so_auto")
    whole = Fraction(seconds)
    found = spans(loading, seconds)
    if seconds and found[0].start >= whole:
        raise NoSuchMoment(f"so_: the film has ended after {seconds:.6g} seconds", part="so")
    if len(found) == 1 and (found[0].end >= whole or not seconds):
        named = loading.end or loading.duration
        return (Excerpt(found[0].start, found[0].end if named and not seconds else None),)
    if any(span.end <= span.start for span in found):
        raise ConflictingOptions("du_: nothing lies between the beginning and the end", part="du")
    return tuple(Excerpt(*span) for span in found)


def steady(average: Fraction | None, guessed: Fraction | None, asked: float | None) -> Fraction:
    """The constant frame rate of a result: the one asked for, else the film's own, or the usual one it is near.

    The average of a film with gaps, or of one whose clock was read carelessly, lies a little beside its true rate.
    """
    if asked:
        return Fraction(asked).limit_denominator(1001)
    own = next((rate for rate in (average, guessed) if rate and rate <= _BELIEVED), _USUAL)
    near = [rate for rate in (guessed, *_STEADY) if rate and abs(rate / own - 1) < Fraction(1, 200)]
    rate = min(near, key=lambda rate: abs(rate - own)) if near else own.limit_denominator(1001)
    while rate > FASTEST:
        rate /= 2
    return max(rate, Fraction(1, 10))
