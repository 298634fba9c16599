"""Which moments of a film or a sound a plan names, before anything of it is decoded."""

from fractions import Fraction
from itertools import pairwise
from typing import Final, NamedTuple

from transforms.errors import ConflictingOptions, NoSuchMoment, ResultTooLarge
from transforms.headers import Header
from transforms.limits import Limits
from transforms.operation import Size, joined
from transforms.operations.timing import MomentKind
from transforms.params import plain
from transforms.wishes import Loading

USUAL_RATE: Final = 10.0
"""Frames a second of an animation made of a film, where nothing is said and the film has as many."""

_SLACK: Final = Fraction(1, 1000)
"""Seconds by which a moment may lie behind the end: lengths are told in milliseconds."""


class Span(NamedTuple):
    """A part of a film or a sound in seconds from its beginning."""

    start: Fraction
    end: Fraction


def moves(loading: Loading) -> bool:
    """Whether a film is to move where the result is a picture that can."""
    return loading.duration is not None or loading.end is not None or loading.preview is not None


def start_of(loading: Loading, seconds: float) -> Fraction:
    """Where it begins, of an original that lasts so many seconds; 0 means that nobody knows. Raises NoSuchMoment."""
    if loading.start is None:
        return Fraction(0)
    at, whole = Fraction(loading.start.of(seconds)), Fraction(seconds)
    if seconds and at > whole + _SLACK:
        part, length = joined("so", MomentKind().write(loading.start)), plain(round(seconds, 3))
        raise NoSuchMoment(
            f"{part}: the original lasts {length} seconds", part=part, expected=f"a moment from 0 to {length} seconds"
        )
    return min(at, whole) if seconds else at


def spans(loading: Loading, seconds: float) -> tuple[Span, ...]:
    """The parts of an original that a plan takes: one, or for a preview several that are spread over all of it.

    An end behind that of the original is that of the original, as `du_` may reach beyond it. Raises NoSuchMoment where
    the start lies behind it, and ConflictingOptions where a part would end before it begins.
    """
    whole, start = Fraction(seconds), start_of(loading, seconds)
    if loading.preview:
        return _preview(*loading.preview, start, whole)
    if loading.end:
        end = Fraction(loading.end.of(seconds))
        if end <= start:
            part = joined("eo", MomentKind().write(loading.end))
            raise ConflictingOptions(f"{part}: it does not lie behind the start, {plain(float(start))} s", part=part)
    elif loading.duration:
        end = start + Fraction(loading.duration.of(seconds))
    else:
        end = whole
    return (Span(start, max(start, min(end, whole) if whole else end)),)


def _preview(length: float, parts: int, start: Fraction, whole: Fraction) -> tuple[Span, ...]:
    """Parts of one length, each from the middle of its share of the film."""
    share = (whole - start) / parts
    each = min(Fraction(length) / parts, share)
    begins = (start + share * number + (share - each) / 2 for number in range(parts))
    return tuple(Span(begin, begin + each) for begin in begins)


def steps(loading: Loading, header: Header, rate: float | None) -> list[Fraction]:
    """The moments whose frames an animation of a film shows, each for 1/rate seconds. Raises what `spans` raises."""
    each = 1 / Fraction(frames_a_second(header, rate))
    moments = []
    for span in spans(loading, header.seconds):
        count = max(1, round((span.end - span.start) / each))
        moments += [span.start + each * number for number in range(count)]
    return moments


def count(loading: Loading, header: Header, rate: float | None) -> int:
    """How many frames an animation of a film has, without naming each of them. Raises what `spans` raises."""
    fast = Fraction(frames_a_second(header, rate))
    return sum(max(1, round((span.end - span.start) * fast)) for span in spans(loading, header.seconds))


def frames_a_second(header: Header, rate: float | None) -> float:
    """The rate of an animation made of a film: the one asked for, or the usual one."""
    return rate or min(USUAL_RATE, header.rate or USUAL_RATE)


def delays(number: int, rate: float) -> list[int]:
    """Milliseconds that each of so many frames is shown, whose sum never strays from the rate."""
    ends = [round(1000 * place / rate) for place in range(number + 1)]
    return [later - sooner for sooner, later in pairwise(ends)]


def check_animation(limits: Limits, number: int, size: Size) -> None:
    """Refuse an animation of too many frames, or pixels in all of them. Raises ResultTooLarge."""
    if number > limits.frames:
        raise ResultTooLarge(
            f"the animation would have {number} frames; up to {limits.frames} are made",
            expected="a shorter du_, or a lower fps_",
        )
    megapixels = number * size.width * size.height / 1_000_000
    if number > 1 and megapixels > limits.frame_megapixels:
        raise ResultTooLarge(
            f"the animation would have {megapixels:.1f} megapixels in {number} frames of {size.width}x{size.height}; "
            f"up to {limits.frame_megapixels:g} are made",
            expected="a smaller w_, a shorter du_, or a lower fps_",
        )
