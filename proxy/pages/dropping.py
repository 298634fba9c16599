"""Files that somebody drops on the page: received, looked at, and then originals like others."""

import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from proxy.failures import Busy, OriginTimedOut
from proxy.sources.dropped import DroppedSource
from proxy.sources.mounts import Mounted
from transforms.errors import OriginalTooLarge, Refusal
from transforms.headers import Header

MOUNT = "-dropped"
"""Where they are mounted: a name that the settings refuse for a mount, so that it takes nobody else's place."""
LARGEST = 256 << 20
"""Bytes of one file at most, whatever the limits allow: all of them together have twice as many."""
AT_ONCE = 4
STALLED_SECONDS = 15.0
"""How long the next bytes may take to come."""


@dataclass
class Drops:
    """Takes files in, within bounds."""

    source: DroppedSource
    look: Callable[[Mounted], Awaitable[Header]]
    """Reads the header of an original as for any rendition, and refuses one that cannot be used."""
    most_bytes: int
    scratch: Path
    _receiving: int = field(default=0, init=False)

    async def take(self, parts: AsyncIterator[bytes], promised: int = 0) -> tuple[str, Header]:
        """Keep a file under a name that nobody can guess; returns the source of its URLs, and what it is.

        Raises OriginalTooLarge, Busy, OriginTimedOut, and the refusals of an original that cannot be used.
        """
        self._check(promised)
        if self._receiving >= AT_ONCE:
            raise Busy("other files are just coming in")
        self._receiving += 1
        try:
            return await self._taken(parts)
        finally:
            self._receiving -= 1

    async def _taken(self, parts: AsyncIterator[bytes]) -> tuple[str, Header]:
        size, key = 0, secrets.token_hex(16)
        with tempfile.TemporaryFile(dir=self.scratch) as file:
            while part := await self._next(parts):
                size += len(part)
                self._check(size)
                await asyncio.to_thread(file.write, part)
            await asyncio.to_thread(file.flush)
            self.source.keep(key, file)
        try:
            return f"{MOUNT}/{key}", await self.look(Mounted(MOUNT, self.source, key))
        except Refusal:
            self.source.forget(key)
            raise

    async def _next(self, parts: AsyncIterator[bytes]) -> bytes:
        """The bytes that come next; empty at the end."""
        try:
            async with asyncio.timeout(STALLED_SECONDS):
                while True:
                    if part := await anext(parts):
                        return part
        except StopAsyncIteration:
            return b""
        except TimeoutError:
            raise OriginTimedOut("the file stopped coming in") from None

    def _check(self, size: int) -> None:
        if size > self.most_bytes:
            raise OriginalTooLarge(f"files of up to {self.most_bytes / 1e6:g} MB are taken")
