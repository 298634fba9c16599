"""What is known of an original: its version and its header, kept and looked after."""

import asyncio
import copy
import hashlib
import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Protocol

from cachetools import LRUCache

from proxy.failures import Forbidden, NoSuchOriginal, OriginalReplaced
from proxy.flights import Flights
from proxy.record import Recheck, Record
from proxy.recorded import recorded_in_parts
from proxy.sources.mounts import Mounted
from proxy.sources.source import Near, Original, Parts, Stat, Versioned, open_known
from proxy.stores.result import Result, Store
from proxy.tags import Numbers, source_tag
from transforms.errors import BadOriginal, OriginalTooLarge, Refusal, UnsupportedFormat
from transforms.formats import FORMATS
from transforms.headers import Header, read_header
from transforms.limits import Limits
from transforms.sniff import HEAD, sniff

REMEMBERED = 50_000
PATIENCE = 0.1
"""Seconds that somebody waits for a source to say that an original is still the same, if it said so not long ago."""
HELD_FOR = 86_400.0
"""Seconds for which an original is believed to be the same while its source cannot be asked."""

KEPT_AGAIN_AFTER = 900.0
"""Seconds after which it is written down anew that an original is still the same."""
BRAKE = 1.0
"""Seconds for which a source is not asked again for an original that it could not tell of, at most."""

Name = tuple[str, str, Numbers]
"""A mount, a key, and how often the original was purged."""

LASTING = (BadOriginal, OriginalTooLarge, UnsupportedFormat)
"""Refusals that hold for as long as the original stays the same."""


class Known(Protocol):
    """Where records outlive the process, and where other machines may find them; it knows less, but never fails."""

    async def recall(self, mounted: Mounted, purges: Numbers) -> Record | None:
        """What was written down of an original since it was purged the last time."""

    async def keep(self, mounted: Mounted, purges: Numbers, record: Record) -> None: ...

    async def drop(self, mounted: Mounted, purges: Numbers) -> None: ...


class Records:
    """Records by original: in memory, and their headers in the store, where they outlive the process.

    Those of originals elsewhere outlive it whole, so that what was made of them is served while their place is down.
    """

    def __init__(
        self,
        store: Store,
        flights: Flights,
        probe: Callable[[Original | Parts], Awaitable[Header]],
        limits: Callable[[str], Limits],
        passing: tuple[type[Refusal], ...],
        clock: Callable[[], float],
        recheck: Callable[[str], Recheck] = lambda _: Recheck(),
        outliving: Known | None = None,
        tell: Callable[[str, str, str], None] = lambda mount, key, version: None,
        purged: Callable[[str, str], Numbers] = lambda mount, key: (),
    ) -> None:
        """`passing` are the refusals of sources that say nothing about the original: it may be there all the same.

        `recheck` is by mount. `tell` is called with the mount, key and version of an original that has changed.
        `purged` says how often one was purged, by mount and key; what was known of it before is not believed.
        """
        self._store, self._flights, self._probe, self._limits = store, flights, probe, limits
        self._passing, self._clock = passing, clock
        self._recheck, self._outliving, self._tell, self._purged = recheck, outliving, tell, purged
        self._records: LRUCache[Name, Record] = LRUCache(REMEMBERED)
        self._refused: LRUCache[Name, tuple[float, Refusal]] = LRUCache(REMEMBERED)
        self._doubted: LRUCache[Name, bool] = LRUCache(REMEMBERED)
        """Originals of which what is written down is not to be believed, until their source was asked."""

    async def find(self, mounted: Mounted) -> Record:
        """The record of an original, a few seconds old at most unless its source does not answer.

        Raises what the source raises.
        """
        name = self._name(mounted)
        now, rule = self._clock(), self._recheck(mounted.name)
        if rule.missing and (refused := self._refused.get(name)) and now < refused[0]:
            raise copy.copy(refused[1])
        known = self._records.get(name) or (None if name in self._doubted else await self._recalled(mounted, name))
        if known and rule.holds(known, now):
            return known
        held = known if known and now - known.checked < HELD_FOR else None
        patient = held is None or now - held.checked > rule.every + rule.meanwhile
        if held and not patient:
            # Whoever comes while the source is being asked takes what is known.
            self._records[name] = replace(held, asked=now)
        checking = self._flights.share("record " + "\n".join(map(str, name)), lambda: self._check(mounted, name, known))
        try:
            async with asyncio.timeout(None if patient else PATIENCE):
                return (await checking)[0]
        except (TimeoutError, Refusal) as error:
            if held and isinstance(error, (TimeoutError, *self._passing)):
                if self._records.get(name) is known:
                    self._records[name] = replace(held, asked=now)
                return held
            self._brake(name, error, now, rule)
            raise

    def _brake(self, name: Name, error: Exception, now: float, rule: Recheck) -> None:
        """Have it refused from memory for a while."""
        if isinstance(error, self._passing):
            self._refused[name] = now + min(rule.missing, BRAKE), copy.copy(error)
        elif isinstance(error, NoSuchOriginal | Forbidden):
            self._refused[name] = now + rule.missing, copy.copy(error)

    def forget(self, mounted: Mounted) -> None:
        """Ask the source the next time, however short ago it was asked."""
        self._forget(mounted, self._name(mounted))

    def _name(self, mounted: Mounted) -> Name:
        return mounted.name, mounted.key, self._purged(mounted.name, mounted.key)

    def _forget(self, mounted: Mounted, name: Name) -> None:
        self._records.pop(name, None)
        self._refused.pop(name, None)
        if self._outlives(mounted):
            self._doubted[name] = True

    def hear(self, mount: str, key: str, version: str) -> None:
        """Ask the source the next time, unless this version is known: another server has seen it.

        If the source cannot be asked then, what is known still holds.
        """
        name = (mount, key, self._purged(mount, key))
        known = self._records.get(name)
        if known and known.version != version:
            self._records[name] = replace(known, asked=0.0, fresh=0.0)

    async def header(self, mounted: Mounted) -> tuple[Record, Header]:
        """The record and the header of an original that can be used. Raises the refusal of one that cannot."""
        record = await self.find(mounted)
        if record.refusal:
            raise copy.copy(record.refusal)
        assert record.header
        return record, record.header

    async def _check(self, mounted: Mounted, name: Name, known: Record | None) -> Record:
        """Ask the source, and learn what has changed."""
        try:
            looked = None if known else await self._look(mounted)
            if looked is None:
                stat = await mounted.source.stat(mounted.key)
                now = self._clock()
                if known and known.version == stat.version:
                    looked = replace(known, checked=now, asked=now, fresh=stat.fresh)
            try:
                record = looked or await self._learn(mounted, stat)
            except OriginalReplaced:  # while it was looked into
                record = await self._learn(mounted, await mounted.source.stat(mounted.key))
        except self._passing:
            raise
        except Refusal:
            self._forget(mounted, name)
            if known and self._outliving and self._outlives(mounted):
                await self._outliving.drop(mounted, name[2])
            raise
        record = replace(record, era=era_of(name[2]))
        self._records[name] = record = await self._kept(mounted, name, record)
        self._doubted.pop(name, None)
        if known and known.version != record.version:
            self._tell(mounted.name, mounted.key, record.version)
        return record

    def _outlives(self, mounted: Mounted) -> bool:
        """Whether its record is written down: where to ask its source takes more than a look at a disk."""
        return self._outliving is not None and isinstance(mounted.source, Versioned)

    async def _recalled(self, mounted: Mounted, name: Name) -> Record | None:
        """What was known of an original elsewhere before this process began, or is by another."""
        if self._outliving is None or not self._outlives(mounted):
            return None
        record = await self._outliving.recall(mounted, name[2])
        if record is None or (header := record.header) is None:
            return None
        now = self._clock()
        record = replace(record, checked=min(record.checked, now), asked=min(record.asked, now), era=era_of(name[2]))
        try:
            self._limits(mounted.name).check_original(header, moving=False)
        except LASTING as refusal:
            record = replace(record, header=None, refusal=copy.copy(refusal))
        # Unless somebody has asked the source meanwhile.
        return self._records.setdefault(name, record)

    async def _kept(self, mounted: Mounted, name: Name, record: Record) -> Record:
        """The record, written down if that was not done lately."""
        if self._outliving is None or not self._outlives(mounted) or record.checked - record.kept < KEPT_AGAIN_AFTER:
            return record
        record = replace(record, kept=record.checked)
        if record.refusal:  # it is not to be said that the one before is still there
            await self._outliving.drop(mounted, name[2])
        else:
            await self._outliving.keep(mounted, name[2], record)
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
            # Where the record outlives the process, its header does so with it.
            if kept := None if self._outlives(mounted) else await self._store.get(key):
                header = Header.from_dict(dict(kept.meta))
            else:
                # A worker's library may read all of a file to say how large the picture is.
                _check_bytes(limits, stat.size)
                era = era_of(self._purged(mounted.name, mounted.key))
                if parts := await recorded_in_parts(mounted, stat, limits, era):
                    header = await self._probe(parts)
                else:
                    original = await open_known(mounted.source, mounted.key, stat.version)
                    if original.version != stat.version:  # it is another by now
                        record = self._record(original)
                    header = await self._header(mounted, original)
            # Whether its frames are too many depends on what is asked of them.
            limits.check_original(header, moving=False)
        except LASTING as refusal:
            # Without its traceback, which would hold the original open.
            return replace(record, refusal=copy.copy(refusal))
        return replace(record, header=header)

    def _record(self, found: Stat | Original) -> Record:
        now = self._clock()
        fresh = found.fresh if isinstance(found, Stat) else 0.0
        return Record(found.version, found.size, found.modified, checked=now, asked=now, fresh=fresh)

    async def _header(self, mounted: Mounted, original: Original) -> Header:
        limits = self._limits(mounted.name)
        header = await asyncio.to_thread(_read, limits, original) or await self._probe(original)
        if not self._outlives(mounted):
            key = _key(mounted, original.version)
            await self._store.put(key, Result(header.to_dict(), b""), [source_tag(mounted)])
        return header


def era_of(purges: Numbers) -> str:
    """What tells the time since the last purge of an original from the time before; empty before the first."""
    return json.dumps(purges) if purges else ""


def _check_bytes(limits: Limits, size: int) -> None:
    limits.check_bytes("", size)


def _seen(limits: Limits, original: Original) -> Header | Refusal | None:
    """The header of an original, or why it cannot be used; None where its kind takes a library to read."""
    try:
        _check_bytes(limits, original.size)
        if header := _read(limits, original):
            limits.check_original(header, moving=False)
        return header
    except LASTING as refusal:
        return copy.copy(refusal)  # without its traceback, which would hold the original open


def _read(limits: Limits, original: Original) -> Header | None:
    """The header, where no library is needed; before a library reads it, what it is decides how large it may be."""
    with os.fdopen(os.dup(original.descriptor), "rb") as file:
        file.seek(0)
        header = read_header(file, original.size)
    if header is None:
        kind = sniff(original.head(HEAD))
        limits.check_bytes(kind if kind and kind in FORMATS else "svg", original.size)
    return header


def _key(mounted: Mounted, version: str) -> str:
    return hashlib.sha256(f"darkroom.header.1\n{mounted.name}\n{mounted.key}\n{version}".encode()).hexdigest()[:40]
