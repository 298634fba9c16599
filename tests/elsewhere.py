"""A place elsewhere, in a test's hands: what it has, whether it answers, how long it takes."""

import asyncio
import hashlib
from typing import BinaryIO

from proxy.failures import NoSuchOriginal, OriginFailed
from proxy.sources.source import Stat


class Elsewhere:
    """Originals by key, with versions made of their bytes."""

    def __init__(self, originals: dict[str, bytes] | None = None) -> None:
        self.originals = originals or {}
        self.asked = self.fetched = 0
        self.down = False
        self.fresh = 0.0
        self.reached, self.answering = asyncio.Event(), asyncio.Event()
        self.answering.set()
        self.lost = 0
        """Bytes that are missing at the end of what comes."""

    async def stat(self, key: str) -> Stat:
        self.asked += 1
        return self._stat(key)

    async def fetch(self, key: str, file: BinaryIO) -> Stat:
        self.fetched += 1
        self.reached.set()
        await self.answering.wait()
        stat = self._stat(key)
        file.write(self.originals[key][: stat.size - self.lost])
        return stat

    def _stat(self, key: str) -> Stat:
        if self.down:
            raise OriginFailed("The place of the original does not answer.")
        if key not in self.originals:
            raise NoSuchOriginal("There is no such original.")
        body = self.originals[key]
        return Stat(hashlib.sha256(body).hexdigest()[:16], len(body), 1_700_000_000.25, self.fresh)
