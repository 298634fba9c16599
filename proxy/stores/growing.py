"""A result while it is made: a file that others add to, read by everybody who asks for it meanwhile."""

import asyncio
import os
import weakref
from collections.abc import AsyncIterator

_BLOCK = 1 << 16


class Unfinished(Exception):
    """The work ended before the result was whole: what was sent of it is not all, and nothing more will come."""


class Growing:
    """A body of unknown length, whose descriptor is this value's own and is closed with it.

    Whoever made it says when there is more (`grown`), and how it ended (`finished`, `failed`).
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._news = asyncio.Event()
        self._whole = self._broken = False
        weakref.finalize(self, os.close, descriptor).atexit = False

    def grown(self) -> None:
        """Wake those who have read all that there was."""
        self._news.set()
        self._news = asyncio.Event()

    def finished(self) -> None:
        self._whole = True
        self.grown()

    def failed(self) -> None:
        self._broken = not self._whole
        self.grown()

    async def blocks(self) -> AsyncIterator[bytes]:
        """The bytes from the first to the last, as they come; raises Unfinished where there will be no last one."""
        at = 0
        while True:
            news, whole = self._news, self._whole
            block = await asyncio.to_thread(os.pread, self._descriptor, _BLOCK, at)
            if block:
                at += len(block)
                yield block
            elif self._broken:
                raise Unfinished
            elif whole:
                return
            else:
                await news.wait()
