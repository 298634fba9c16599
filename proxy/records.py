"""What is known of an original: its version and its header, kept and looked after."""

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from cachetools import LRUCache

from proxy.flights import Flights
from proxy.sources.mounts import Mounted
from proxy.sources.source import Original, Stat
from proxy.stores.result import Result, Store
from transforms.errors import BadOriginal, OriginalTooLarge, Refusal, UnsupportedFormat
from transforms.headers import Header, read_header
from transforms.limits import Limits

REMEMBERED = 50_000
RECHECKED_AFTER = 2.0
"""Seconds for which an original is believed to be the same without asking its source again."""

LASTING = (BadOriginal, OriginalTooLarge, UnsupportedFormat)
"""Refusals that hold for as long as the original stays the same."""


@dataclass(frozen=True)
class Record:
    """An original's version, header and file; `refusal` says why it cannot be used, whatever is asked of it."""

    version: str
    size: int
    modified: float | None
    checked: float
    header: Header | None = None
    refusal: Refusal | None = None


class Records:
    """Records by original: in memory, and their headers in the store, where they outlive the process."""

    def __init__(
        self,
        store: Store,
        flights: Flights,
        probe: Callable[[Original], Awaitable[Header]],
        limits: Callable[[str], Limits],
        clock: Callable[[], float],
    ) -> None:
        self._store, self._flights, self._probe, self._limits, self._clock = store, flights, probe, limits, clock
        self._records: LRUCache[tuple[str, str], Record] = LRUCache(REMEMBERED)

    async def find(self, mounted: Mounted) -> Record:
        """The record of an original, checked in the last seconds. Raises what the source raises."""
        name = (mounted.name, mounted.key)
        known = self._records.get(name)
        now = self._clock()
        if known and now - known.checked < RECHECKED_AFTER:
            return known
        stat = await mounted.source.stat(mounted.key)
        if known and known.version == stat.version:
            record = replace(known, checked=now)
        else:
            record, _ = await self._flights.share(
                f"record {mounted.name}\n{mounted.key}\n{stat.version}", lambda: self._learn(mounted, stat)
            )
        self._records[name] = record
        return record

    async def header(self, mounted: Mounted) -> tuple[Record, Header]:
        """The record and the header of an original that can be used. Raises the refusal of one that cannot."""
        record = await self.find(mounted)
        if record.refusal:
            raise record.refusal
        assert record.header
        return record, record.header

    async def _learn(self, mounted: Mounted, stat: Stat) -> Record:
        record = Record(stat.version, stat.size, stat.modified, self._clock())
        try:
            header = await self._header(mounted, stat)
            self._limits(mounted.name).check_original(header, moving=False)
        except LASTING as refusal:
            return replace(record, refusal=refusal)
        return replace(record, header=header)

    async def _header(self, mounted: Mounted, stat: Stat) -> Header:
        key = _key(mounted, stat.version)
        if kept := await self._store.get(key):
            return Header.from_dict(dict(kept.meta))
        original = await mounted.source.open(mounted.key)
        header = await asyncio.to_thread(_read, original) or await self._probe(original)
        await self._store.put(key, Result(header.to_dict(), b""), [source_tag(mounted)])
        return header


def _read(original: Original) -> Header | None:
    with os.fdopen(os.dup(original.descriptor), "rb") as file:
        file.seek(0)
        return read_header(file, original.size)


def _key(mounted: Mounted, version: str) -> str:
    return hashlib.sha256(f"darkroom.header.1\n{mounted.name}\n{mounted.key}\n{version}".encode()).hexdigest()[:40]


def source_tag(mounted: Mounted) -> str:
    """The tag by which everything made of an original is purged."""
    return f"source:{hashlib.sha256(f'{mounted.name}/{mounted.key}'.encode()).hexdigest()[:16]}"
