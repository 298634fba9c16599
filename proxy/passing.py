"""The body of an answer that comes from elsewhere while it is sent."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from proxy.failures import Busy
from proxy.lending import OriginalChanged, opened_in_parts, replaced_told
from proxy.record import Record
from proxy.sources.mounts import Mounted
from proxy.stores.result import FileBody

_FIRST, _MOST = 1 << 18, 1 << 21
"""Bytes that are asked for at first, and at most, ahead of what is sent."""


async def _nothing(start: int, length: int) -> None:
    """For a file that is whole."""


@dataclass(frozen=True, eq=False)
class PassingBody(FileBody):
    """A body in a file that has holes: before bytes are read, `need` has them there.

    Of what is sent in parts no more is asked for than these parts, in whole blocks, and a little ahead of the client.
    """

    need: Callable[[int, int], Awaitable[object]] = field(default=_nothing, repr=False)

    async def begin(self, start: int) -> None:
        if start < self.length:
            await self.need(start, 1)

    async def blocks(self, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        end, step = self.length if end is None else min(end, self.length), _FIRST
        while start < end:
            stop = min(start + step, end)
            await self.need(start, stop - start)
            async for block in super().blocks(start, stop):
                yield block
            start, step = stop, min(step * 2, _MOST)


async def passing_body(mounted: Mounted, record: Record, forget: Callable[[Mounted], None]) -> PassingBody | None:
    """A film or a sound that is elsewhere, as a body; None for what is to be opened whole.

    `forget` is told where another is there by now. Raises as `opened_in_parts` does; the body raises Busy and the like.
    """
    parts = await opened_in_parts(mounted, record)
    if parts is None:
        return None

    async def need(start: int, length: int) -> None:
        try:
            with replaced_told():
                await parts.need(start, length)
        except OriginalChanged as changed:
            forget(mounted)
            raise Busy("the original is just being changed") from changed

    return PassingBody(Path(mounted.key), 0, parts.size, os.dup(parts.descriptor), need)
