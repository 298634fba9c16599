"""Which part of a sound is meant."""

from dataclasses import dataclass

from transforms.errors import ConflictingOptions, NoSuchMoment
from transforms.operation import Loading


@dataclass(frozen=True)
class Excerpt:
    """From one moment up to, not including, another, in seconds; without an end, to the end of the sound."""

    start: float = 0.0
    end: float | None = None


def excerpt(loading: Loading, seconds: float) -> Excerpt:
    """The part that `so_`, `eo_` and `du_` name of an original that lasts so many seconds.

    An end behind that of the original is no mistake; a start is one. Raises NoSuchMoment, and ConflictingOptions where
    it would end before it begins.
    """
    if loading.interesting:
        raise ConflictingOptions("so_auto: it is the first frame that shows something, and this is a sound", "so_auto")
    moments = (loading.start, loading.end, loading.duration)
    if not seconds and any(moment and moment.share is not None for moment in moments):
        raise NoSuchMoment("the original does not say how long it lasts, so that a share of it is no moment")
    start = loading.start.of(seconds) if loading.start else 0.0
    if seconds and start >= seconds:
        raise NoSuchMoment(f"the original lasts {seconds:.3f} seconds, and so_ begins at {start:g}", part="so_")
    end = loading.end.of(seconds) if loading.end else None
    if loading.duration:
        end = start + loading.duration.of(seconds)
    if end is not None and end <= start:
        raise ConflictingOptions(f"an excerpt from {start:g} to {end:g} seconds holds nothing", part="eo_")
    return Excerpt(start, end)
