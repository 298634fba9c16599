"""A place elsewhere as a source: each version comes once, and is used from this machine's disk."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Literal

from proxy.failures import NoRoom, OriginFailed
from proxy.flights import Flights
from proxy.sources.blocks.fillings import Fillings
from proxy.sources.copies import Copies
from proxy.sources.copy import Copy, copy_name
from proxy.sources.source import LEAST_PARTED, Closed, Listed, Listing, Named, Original, Parts, Ranged, Remote, Stat

Outcome = Literal["fetched", "joined", "failed"]

_HELD_FOR = 10.0
"""Seconds for which a copy that cannot be kept is held open all the same: its header is read first, then its pixels."""
_MOST_HELD = 8


class Originals:
    """The originals of a place elsewhere, by way of copies on this machine.

    Who asks for a version that is just coming waits for it. A version that is here is handed out without asking its
    place, be that down or not. What cannot be kept, since it is too large or the disk takes no more, is used from a
    file without a name.
    """

    def __init__(
        self,
        remote: Remote,
        place: str,
        copies: Copies,
        told: Callable[[Outcome, int], None],
        fillings: Fillings | None = None,
    ) -> None:
        """`place` tells this place from all others, whatever it is mounted as; `told` counts downloads and bytes.

        Without `fillings` every original comes whole.
        """
        self._remote, self._place, self._copies, self._told = remote, place, copies, told
        self._fillings = fillings
        self._flights = Flights()
        self._held: OrderedDict[str, Copy] = OrderedDict()

    async def stat(self, key: str) -> Stat:
        return await self._remote.stat(key)

    async def open(self, key: str) -> Original:
        return await self.open_version(key, (await self.stat(key)).version)

    async def open_version(self, key: str, version: str) -> Original:
        """The copy of this version, or one of what the place has by now. Raises as `open` does, and NoRoom."""
        name = copy_name(self._place, key, version)
        if known := self._held.get(name) or await self._copies.open(name, version):
            return known.opened()
        copy, led = await self._flights.share(name, lambda: self._fetch(key))
        if not led:
            self._told("joined", 0)
        return copy.opened()

    async def open_parts(self, key: str, version: str, size: int | None = None, era: str = "") -> Parts | None:
        """This version in parts. Raises as `open` does, and OriginalReplaced and NoRoom."""
        remote = self._remote
        if self._fillings is None or not isinstance(remote, Ranged) or (size is not None and size < LEAST_PARTED):
            return None

        async def found() -> int:
            return size if size is not None else (await remote.stat_version(key, version)).size

        # By way of this value, which stays open for as long as somebody reads.
        return await self._fillings.open(key, version, era, partial(self._read, key, version), found)

    async def _read(self, key: str, version: str, start: int, length: int) -> bytes:
        assert isinstance(self._remote, Ranged)
        return await self._remote.read(key, version, start, length)

    async def close(self) -> None:
        await self._flights.close()
        self._held.clear()
        if self._fillings:
            await self._fillings.close()
        if isinstance(self._remote, Closed):
            await self._remote.close()

    async def _fetch(self, key: str) -> Copy:
        try:
            copy = await self._landed(key, keep=True) or await self._landed(key, keep=False)
            if copy is None:
                raise NoRoom("There is no room for a copy of the original.")
        except Exception:
            self._told("failed", 0)
            raise
        self._told("fetched", copy.stat.size)
        return copy

    async def _landed(self, key: str, keep: bool) -> Copy | None:
        """What came, or none where the disk does not take it."""
        try:
            landing = await self._copies.landing(keep)
        except OSError:
            return None
        try:
            stat = await self._remote.fetch(key, landing)
            name = copy_name(self._place, key, stat.version)
            copy = await self._copies.keep(name, landing, stat)
        except ValueError as error:
            raise OriginFailed("The original did not come whole.") from error
        except Exception:
            if landing.trouble:  # it was not the place that failed
                return None
            raise
        finally:
            landing.close()
        if not copy.kept:
            self._hold(name, copy)
        return copy

    def _hold(self, name: str, copy: Copy) -> None:
        self._held[name] = copy
        while len(self._held) > _MOST_HELD:
            self._held.popitem(last=False)
        asyncio.get_running_loop().call_later(_HELD_FOR, self._held.pop, name, None)


class ListedOriginals(Originals):
    """The originals of a place elsewhere that can say what it has."""

    _listed: Listed
    _named: Named

    async def listing(self, prefix: str, most: int, wanted: Callable[[str], bool]) -> Listing:
        return await self._listed.listing(prefix, most, wanted)

    async def names(self, prefix: str, most: int) -> list[str]:
        return await self._named.names(prefix, most)


def originals_of(
    remote: Remote,
    place: str,
    copies: Copies,
    told: Callable[[Outcome, int], None],
    fillings: Fillings | None = None,
) -> Originals:
    """The source of a place elsewhere, listed where the place is."""
    if not (isinstance(remote, Listed) and isinstance(remote, Named)):
        return Originals(remote, place, copies, told, fillings)
    originals = ListedOriginals(remote, place, copies, told, fillings)
    originals._listed = originals._named = remote
    return originals
