"""What is remembered of a host: whether it fails, how many ask it at once, how often it was asked again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from proxy.breaker import Breaker

SHARE = 0.1
"""Requests again, as a part of all requests: who is in trouble is not asked three times as often for it."""
SAVED = 5.0
"""Requests again that a host is allowed at once, when it has worked for long or was never asked."""


class Host:
    """One host's breaker, its bound on requests in flight, and its budget of further attempts."""

    def __init__(self, connections: int) -> None:
        self.breaker = Breaker()
        self.knows_head = True
        self._seats = asyncio.Semaphore(connections)
        self._saved = SAVED

    @asynccontextmanager
    async def seat(self, seconds: float) -> AsyncIterator[None]:
        """One request in flight. Raises TimeoutError where none may begin within so many seconds."""
        async with asyncio.timeout(seconds):
            await self._seats.acquire()
        try:
            yield
        finally:
            self._seats.release()

    def earn(self) -> None:
        """Count a request that is none of the further attempts."""
        self._saved = min(self._saved + SHARE, SAVED)

    def spend(self) -> bool:
        """Whether one more attempt is within the budget, which is then less by it."""
        if self._saved < 1:
            return False
        self._saved -= 1
        return True
