"""What is known of an original: its version and its header, kept and looked after."""

import asyncio
import copy
import hashlib
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial

from cachetools import LRUCache

from proxy.flights import Flights
from proxy.sources.mounts import Mounted
from proxy.sources.source import Near, Original, Stat
from proxy.stores.result import Result, Store
from transforms.errors import BadOriginal, OriginalTooLarge, Refusal, UnsupportedFormat
from transforms.headers import Header, read_header
from transforms.limits import Limits

REMEMBERED = 50_000
RECHECKED_AFTER = 2.0
"""Seconds for which an original is believed to be the same without asking its source again."""
PATIENCE = 0.1
"""Seconds that somebody waits for a source to say that an original is still the same."""
HELD_FOR = 86_400.0
"""Seconds for which an original is believed to be the same while its source cannot be asked."""

LASTING = (BadOriginal, OriginalTooLarge, UnsupportedFormat)
"""Refusals that hold for as long as the original stays the same."""


@dataclass(frozen=True)
class Record:
    """An original's version, header and file; `refusal` says why it cannot be used, whatever is asked of it."""

    version: str
    size: int
    modified: float | None
    checked: float
    """When its source last said that it is so."""
    asked: float
    """When its source was last asked."""
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
        passing: tuple[type[Refusal], ...],
        clock: Callable[[], float],
    ) -> None:
        """`passing` are the refusals of sources that say nothing about the original: it may be there all the same."""
        self._store, self._flights, self._probe, self._limits = store, flights, probe, limits
        self._passing, self._clock = passing, clock
        self._records: LRUCache[tuple[str, str], Record] = LRUCache(REMEMBERED)

    async def find(self, mounted: Mounted) -> Record:
        """The record of an original, a few seconds old at most unless its source does not answer.

        Raises what the source raises.
        """
        name = (mounted.name, mounted.key)
        known = self._records.get(name)
        now = self._clock()
        if known and now - known.asked < RECHECKED_AFTER:
            return known
        held = known if known and now - known.checked < HELD_FOR else None
        if held:
            # Whoever comes while the source is being asked takes what is known.
            self._records[name] = replace(held, asked=now)
        checking = self._flights.share(f"record {mounted.name}\n{mounted.key}", lambda: self._check(mounted, known))
        try:
            async with asyncio.timeout(PATIENCE if held else None):
                return (await checking)[0]
        except (TimeoutError, Refusal) as error:
            if held and isinstance(error, (TimeoutError, *self._passing)):
                return held
            raise

    def forget(self, mounted: Mounted) -> None:
        """Ask the source the next time, however short ago it was asked."""
        self._records.pop((mounted.name, mounted.key), None)

    async def header(self, mounted: Mounted) -> tuple[Record, Header]:
        """The record and the header of an original that can be used. Raises the refusal of one that cannot."""
        record = await self.find(mounted)
        if record.refusal:
            raise copy.copy(record.refusal)
        assert record.header
        return record, record.header

    async def _check(self, mounted: Mounted, known: Record | None) -> Record:
        """Ask the source, and learn what has changed."""
        try:
            looked = None if known else await self._look(mounted)
            if looked is None:
                stat = await mounted.source.stat(mounted.key)
                now = self._clock()
                if known and known.version == stat.version:
                    looked = replace(known, checked=now, asked=now)
            record = looked or await self._learn(mounted, stat)
        except self._passing:
            raise
        except Refusal:
            self.forget(mounted)
            raise
        self._records[mounted.name, mounted.key] = record
        return record

    async def _look(self, mounted: Mounted) -> Record | None:
        """Learn of an original that is near by looking into it; None where that is not enough."""
        if not isinstance(mounted.source, Near):
            return None
        original, found = await mounted.source.opened(mounted.key, partial(_seen, self._limits(mounted.name)))
        if isinstance(found, Header):
            return replace(self._record(original), header=found)
        return replace(self._record(original), refusal=found) if found else None

    async def _learn(self, mounted: Mounted, stat: Stat) -> Record:
        key, limits = _key(mounted, stat.version), self._limits(mounted.name)
        record = self._record(stat)
        try:
            if kept := await self._store.get(key):
                header = Header.from_dict(dict(kept.meta))
            else:
                # A worker's library may read all of a file to say how large the picture is.
                _check_bytes(limits, stat.size)
                original = await mounted.source.open(mounted.key)
                record = self._record(original)  # it may be another by now
                header = await self._header(mounted, original)
            # Whether its frames are too many depends on what is asked of them.
            limits.check_original(header, moving=False)
        except LASTING as refusal:
            # Without its traceback, which would hold the original open.
            return replace(record, refusal=copy.copy(refusal))
        return replace(record, header=header)

    def _record(self, found: Stat | Original) -> Record:
        now = self._clock()
        return Record(found.version, found.size, found.modified, checked=now, asked=now)

    async def _header(self, mounted: Mounted, original: Original) -> Header:
        header = await asyncio.to_thread(_read, original) or await self._probe(original)
        key = _key(mounted, original.version)
        await self._store.put(key, Result(header.to_dict(), b""), [source_tag(mounted)])
        return header


def _check_bytes(limits: Limits, size: int) -> None:
    limits.check_bytes("jpg" if limits.jpeg_bytes > limits.picture_bytes else "", size)


def _seen(limits: Limits, original: Original) -> Header | Refusal | None:
    """The header of an original, or why it cannot be used; None where its kind takes a library to read."""
    try:
        _check_bytes(limits, original.size)
        if header := _read(original):
            limits.check_original(header, moving=False)
        return header
    except LASTING as refusal:
        return copy.copy(refusal)  # without its traceback, which would hold the original open


def _read(original: Original) -> Header | None:
    with os.fdopen(os.dup(original.descriptor), "rb") as file:
        file.seek(0)
        return read_header(file, original.size)


def _key(mounted: Mounted, version: str) -> str:
    return hashlib.sha256(f"darkroom.header.1\n{mounted.name}\n{mounted.key}\n{version}".encode()).hexdigest()[:40]


def source_tag(mounted: Mounted) -> str:
    """The tag by which everything made of an original is purged."""
    return f"source:{hashlib.sha256(f'{mounted.name}/{mounted.key}'.encode()).hexdigest()[:16]}"
