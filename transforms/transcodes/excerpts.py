"""Which parts of a film a transcode has, and at how many frames a second: arithmetic alone."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from transforms.errors import ConflictingOptions, NoSuchMoment, NotSupported
from transforms.operation import Loading, Moment

FASTEST: Final = 60
"""Frames a second that a film keeps at most where the URL says nothing."""

_BELIEVED: Final = 240
"""Frames a second above which a film speaks of its clock."""
_USUAL: Final = Fraction(25)
_STEADY: Final = tuple(
    Fraction(rate).limit_denominator(1001)
    for rate in ("10", "12", "12.5", "15", "24000/1001", "24", "25", "30000/1001", "30", "48", "50", "60000/1001", "60")
)
_MICROSECOND: Final = 1_000_000


@dataclass(frozen=True)
class Excerpt:
    """From `start` up to, not including, `end`, in seconds of the film; without an end it goes on as the film does."""

    start: Fraction
    end: Fraction | None = None

    def lasts(self, whole: Fraction) -> Fraction:
        """Seconds, of a film that lasts so many."""
        return max((whole if self.end is None else min(self.end, whole)) - self.start, Fraction(0))


def excerpts(loading: Loading, seconds: float) -> tuple[Excerpt, ...]:
    """The parts of a film of so many seconds that a plan asks for, in their order.

    Raises NoSuchMoment, ConflictingOptions and NotSupported.
    """
    if loading.interesting:
        raise NotSupported("so_auto: it finds one frame; a film begins at a moment that is named", part="so_auto")
    if loading.preview:
        if loading.start:
            raise ConflictingOptions(
                "e_preview: it takes its parts from the whole film, so so_ means nothing", part="so"
            )
        return _spread(*loading.preview, seconds)
    start, end = _moment(loading.start, seconds) or Fraction(0), _moment(loading.end, seconds)
    if start and start >= _exact(seconds):
        raise NoSuchMoment(f"the film lasts {seconds:.6g} seconds, and so_ names a moment behind its end", part="so")
    if loading.duration is not None:
        end = start + (_moment(loading.duration, seconds) or Fraction(0))
    if end is not None and end <= start:
        raise ConflictingOptions("eo_, du_: nothing lies between the beginning and the end", part="eo")
    if end is not None and end >= _exact(seconds):
        end = None
    return (Excerpt(start, end),)


def _spread(wanted: float, parts: int, seconds: float) -> tuple[Excerpt, ...]:
    """Parts of equal length from the middles of equal stretches of the film."""
    whole, all_of_it = _exact(seconds), _exact(wanted)
    if whole <= all_of_it:
        return (Excerpt(Fraction(0)),)
    length, stretch = all_of_it / parts, whole / parts
    starts = [stretch * number + (stretch - length) / 2 for number in range(parts)]
    return tuple(Excerpt(start, start + length) for start in starts)


def _moment(moment: Moment | None, seconds: float) -> Fraction | None:
    return None if moment is None else _exact(moment.of(seconds))


def _exact(seconds: float) -> Fraction:
    return Fraction(round(seconds * _MICROSECOND), _MICROSECOND)


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
