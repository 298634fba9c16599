"""Files of subtitles that lie beside a film: found by their names, read when a stream is planned."""

import asyncio
import base64
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from cachetools import LRUCache

from proxy.sources.mounts import REMOTE, Mounted
from proxy.sources.source import Listed
from transforms.errors import Refusal
from transforms.video.beside import KINDS, Beside, common, suffixes

ASKED_FOR = ("en",)
"""Languages that are asked for one by one where a place cannot list what it has."""
LISTED = 200
"""Names that are looked at where it can."""
LARGEST = 1 << 20
"""Bytes of one such file; two hours of talk have a tenth of that."""
BELIEVED = 10.0
"""Seconds after which somebody looks again."""
TOGETHER = 2 << 20
"""Bytes of all files beside one film; those that would be more are left out."""
REMEMBERED = 16 << 20
"""Bytes of files, and some for each film, that are remembered."""
_EACH = 64 << 10


class Sidecars:
    """What lies beside films, looked for no more often than every few seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._found: LRUCache[tuple[str, str], tuple[float, tuple[Beside, ...]]] = LRUCache(
            REMEMBERED, lambda found: _EACH + weight(found[1])
        )

    async def of(self, mounted: Mounted) -> tuple[Beside, ...]:
        """The files beside a film; those of before where their place does not answer.

        A film on another web site has none: its address says nothing of what else there is.
        """
        if mounted.name == REMOTE:
            return ()
        place = mounted.name, mounted.key
        looked, found = self._found.get(place, (0.0, ()))
        if not looked or self._clock() - looked > BELIEVED:
            with suppress(Refusal):
                found = await _found(mounted)
            self._found[place] = self._clock(), found
        return found


def weight(files: Iterable[Beside]) -> int:
    """Bytes of such files."""
    return sum(len(file.data) for file in files)


def told(files: Iterable[Beside]) -> list[list[str]]:
    """Such files as JSON has them: what follows the film's name, and the bytes in base64; `heard` is the inverse."""
    return [[file.suffix, base64.b64encode(file.data).decode()] for file in files]


def heard(files: Iterable[Sequence[str]]) -> tuple[Beside, ...]:
    """Raises ValueError for what is none."""
    return tuple(Beside(suffix, base64.b64decode(data)) for suffix, data in files)


async def _found(mounted: Mounted) -> tuple[Beside, ...]:
    stem = mounted.key[: mounted.key.rindex(".")] if "." in mounted.key.rpartition("/")[2] else mounted.key
    names = [f"{stem}{suffix}" for suffix in await _suffixes(mounted, stem)]
    read = await asyncio.gather(*(_read(mounted, name) for name in names))
    found = [Beside(name[len(stem) :], data) for name, data in zip(names, read, strict=True) if data is not None]
    return tuple(file for place, file in enumerate(found) if weight(found[: place + 1]) <= TOGETHER)


async def _suffixes(mounted: Mounted, stem: str) -> Iterable[str]:
    source = mounted.source
    if not isinstance(source, Listed):
        there = list(common(ASKED_FOR))
        sizes = await asyncio.gather(*(_size(mounted, f"{stem}{suffix}") for suffix in there))
        names = [f"{stem}{suffix}" for suffix, size in zip(there, sizes, strict=True) if size is not None]
        return suffixes(mounted.key, names)
    folder = stem.rpartition("/")[0]
    listing = await source.listing(f"{stem}.", LISTED, lambda name: name.lower().endswith(KINDS))
    return suffixes(mounted.key, (f"{folder}/{name}" if folder else name for name in listing.originals))


async def _size(mounted: Mounted, name: str) -> int | None:
    try:
        return (await mounted.source.stat(name)).size
    except Refusal:
        return None


async def _read(mounted: Mounted, name: str) -> bytes | None:
    """What is in a file; None of one that has just gone, or that is too large to be what it says."""
    try:
        original = await mounted.source.open(name)
    except Refusal:
        return None
    return await asyncio.to_thread(original.head, LARGEST) if original.size <= LARGEST else None
