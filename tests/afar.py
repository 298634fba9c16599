"""A place elsewhere that gives parts, in a test's hands."""

import asyncio

from proxy.failures import NoParts, OriginalReplaced, OriginFailed
from proxy.sources.source import Stat
from tests.elsewhere import Elsewhere


class Afar(Elsewhere):
    """As `Elsewhere`; and what it was asked of each original."""

    def __init__(self, originals: dict[str, bytes] | None = None) -> None:
        super().__init__(originals)
        self.read_of: list[tuple[int, int]] = []
        self.reading = self.most_reading = 0
        self.parted = True
        self.fails_after = 1 << 60
        """Requests for parts after which it is down."""

    async def read(self, key: str, version: str, start: int, length: int) -> bytes:
        self.read_of.append((start, length))
        number = len(self.read_of)
        self.reading += 1
        self.most_reading = max(self.reading, self.most_reading)
        try:
            self.reached.set()
            await asyncio.sleep(0)
            await self.answering.wait()
            if number > self.fails_after:
                raise OriginFailed("The place of the original does not answer.")
            if not self.parted:
                raise NoParts("It gives no parts.")
            if self._stat(key).version != version:
                raise OriginalReplaced("It has changed.")
            return self.originals[key][start : start + length - self.lost]
        finally:
            self.reading -= 1

    async def stat_version(self, key: str, version: str) -> Stat:
        if (stat := self._stat(key)).version != version:
            raise OriginalReplaced("It has changed.")
        return stat

    @property
    def bytes_read(self) -> int:
        return sum(length for _, length in self.read_of)
