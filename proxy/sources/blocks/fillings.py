"""The originals of one place elsewhere, opened in parts."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from weakref import WeakValueDictionary

from proxy.failures import NoParts, NoRoom
from proxy.sources.blocks.folder import BlockFolder, block_name
from proxy.sources.blocks.parts import Filling, Outcome, Parts

AT_ONCE = 6
"""Requests for parts that are on their way to one place, at most; the others wait."""

_HELD_FOR = 60.0
"""Seconds for which a file without a name is held open: who plays a film comes back for the next part of it."""
_MOST_HELD = 8
_MOST_WHOLE = 10_000

Read = Callable[[int, int], Awaitable[bytes]]


class Fillings:
    """One file for each version of an original that is being read."""

    def __init__(self, place: str, folder: BlockFolder, told: Callable[[Outcome, int, int], None]) -> None:
        """`place` tells this place from all others; `told` counts requests, blocks and bytes."""
        self._place, self._folder, self._told = place, folder, told
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._open: WeakValueDictionary[str, Filling] = WeakValueDictionary()
        self._held: OrderedDict[str, Filling] = OrderedDict()
        self._whole: OrderedDict[str, None] = OrderedDict()
        """What its place gives whole alone."""

    async def open(
        self, key: str, version: str, era: str, read: Read, size: Callable[[], Awaitable[int]]
    ) -> Parts | None:
        """This version in parts, of which the first block is there; None where its place gives no parts.

        `size` is asked for where nothing is here yet. Raises what both raise, and NoRoom.
        """
        name = block_name(self._place, key, version, era)
        if name in self._whole:
            return None
        filling = self._open.get(name)
        try:
            if filling is None or not filling.file.is_there:
                filling = await self._opened(name, read, size, keep=True)
            elif filling.spoilt:
                filling = await self._opened(name, read, size, keep=False)
            try:
                return await _begun(filling, version)
            except NoRoom:  # in the folder; there may be some elsewhere
                return await _begun(await self._opened(name, read, size, keep=False), version)
        except NoParts:
            self._whole[name] = None
            if len(self._whole) > _MOST_WHOLE:
                self._whole.popitem(last=False)
            return None

    async def close(self) -> None:
        """Stop what is on its way; who waits for it gets ClosingDown."""
        self._held.clear()
        tasks = {task for filling in self._open.values() for task in filling.coming.values()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _opened(self, name: str, read: Read, size: Callable[[], Awaitable[int]], keep: bool) -> Filling:
        file = await self._folder.find(name) if keep else None
        if file is None:
            file = await self._folder.make(name, await size(), keep)
        known = self._open.get(name)
        if known and known.file.is_there and not known.spoilt and (keep or known.file.path is None):
            return known  # somebody was faster
        filling = Filling(file, self._folder, read, self._slots, self._told)
        self._open[name] = filling
        if file.path is None:
            self._hold(name, filling)
        return filling

    def _hold(self, name: str, filling: Filling) -> None:
        self._held[name] = filling
        while len(self._held) > _MOST_HELD:
            self._held.popitem(last=False)
        asyncio.get_running_loop().call_later(_HELD_FOR, self._held.pop, name, None)


async def _begun(filling: Filling, version: str) -> Parts:
    parts = Parts(filling, version)
    if parts.size:
        await parts.need(0, 1)
    return parts
