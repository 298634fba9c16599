"""An original opened for work: whole, or in parts that come while the work goes on."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from proxy.failures import NoSuchOriginal, OriginalReplaced
from proxy.record import Record
from proxy.sources.mounts import Mounted
from proxy.sources.source import Original, Parts, open_known, parts_of
from proxy.workers.pool import Job


class OriginalChanged(Exception):
    """Another original is there than the one that the rendition is of."""


async def opened(mounted: Mounted, version: str) -> Original:
    """The original of this version. Raises OriginalChanged where it is another by now, and what the source raises."""
    original = await open_known(mounted.source, mounted.key, version)
    if original.version != version:
        raise OriginalChanged
    return original


async def opened_in_parts(mounted: Mounted, record: Record) -> Parts | None:
    """A film or a sound that is elsewhere, of the version of its record; None for what is to be opened whole.

    Raises as `opened` does, and NoRoom.
    """
    with replaced_told():
        return await parts_of(mounted.source, mounted.key, record.version, record.size, record.era)


async def opened_version(mounted: Mounted, version: str, size: int, era: str) -> Original | Parts:
    """An original of this very version, which may be an older one, in parts where that is how it is read.

    Raises as `opened` does, and NoRoom.
    """
    with replaced_told():
        parts = await parts_of(mounted.source, mounted.key, version, size, era)
    return parts if parts else await opened(mounted, version)


@contextmanager
def replaced_told() -> Iterator[None]:
    """Raise OriginalChanged where the place of an original turns out to have another by now, or none."""
    try:
        yield
    except (OriginalReplaced, NoSuchOriginal) as error:
        raise OriginalChanged from error


def lent(job: Job, original: Original | Parts) -> Job:
    """The same job with its original, which has to stay open until `run` is called, and in parts until it is done."""
    parts = None if isinstance(original, Original) else original
    return replace(job, descriptor=original.descriptor, parts=parts)
