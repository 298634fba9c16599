"""Which part of a sound is meant."""

from dataclasses import dataclass

from transforms.errors import ConflictingOptions, NoSuchMoment
from transforms.video.excerpt import spans
from transforms.wishes import Loading


@dataclass(frozen=True)
class Excerpt:
    """From one moment up to, not including, another, in seconds; without an end, to the end of the sound."""

    start: float = 0.0
    end: float | None = None


def excerpt(loading: Loading, seconds: float) -> Excerpt:
    """The part that `so_`, `eo_` and `du_` name of an original that lasts so many seconds.

    A length that is told may be a guess, so that the end of a sound is where its samples end. Raises NoSuchMoment, and
    ConflictingOptions where it would end before it begins.
    """
    if loading.interesting:
        raise ConflictingOptions("so_auto: it is the first frame that shows something, and this is a sound", "so_auto")
    moments = (loading.start, loading.end, loading.duration)
    if not seconds and any(moment and moment.share is not None for moment in moments):
        raise NoSuchMoment("the original does not say how long it lasts, so that a share of it is no moment")
    spans(loading, seconds)  # what it refuses of films
    start = loading.start.of(seconds) if loading.start else 0.0
    if loading.duration:
        return Excerpt(start, start + loading.duration.of(seconds))
    return Excerpt(start, loading.end.of(seconds) if loading.end else None)
