"""Rates that hold over several servers: each tells the others by Redis what was taken of it, behind its requests.

No request waits for Redis. Every bucket is asked here and at once; twice a second what was taken here is added to a
number that all servers share, and what the others have added meanwhile is taken out of the bucket here. So a client
that asks everywhere gets its rate over all of them together, and at most one burst on each before they know. While
Redis is away each server holds its clients to the rate by itself.
"""

import asyncio
import time
from collections.abc import Callable
from itertools import islice
from typing import Protocol

import structlog

from proxy.clients.buckets import Buckets
from proxy.clients.rates import Limiter
from proxy.log import OnceAMinute

log = structlog.get_logger(__name__)

EVERY = 0.5
"""Seconds between two exchanges."""
MOST = 1_000
"""Clients of a rate that are told of at a time: those who took most."""
WINDOW = 10
"""Seconds that a shared number counts for; it is kept for three times as long."""
PATIENCE = 1.0
"""Seconds that one exchange may take for each rate."""


class Counts(Protocol):
    """Numbers that several servers share."""

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Add to a number that is forgotten `expiry` seconds after it began; returns the sum."""
        ...


def counts(url: str) -> Counts:
    """The numbers in the Redis at this URL. Nothing is connected yet."""
    from limits.aio.storage import RedisStorage

    return RedisStorage(
        f"async+{url}",
        implementation="redispy",
        key_prefix="darkroom:rates",
        socket_timeout=PATIENCE,
        socket_connect_timeout=PATIENCE,
    )


class Sharing:
    """Tells the numbers of one limiter to others, and theirs to it."""

    def __init__(self, limiter: Limiter, counts: Counts, clock: Callable[[], float] = time.time) -> None:
        self._limiter, self._counts, self._clock = limiter, counts, clock
        self._seen: dict[str, int] = {}
        """By shared number: what of it is known here, our own part and what was taken out for others."""
        self._window = 0
        self._warn = OnceAMinute()

    async def run(self) -> None:
        """Exchange until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self.exchange()
            except Exception as error:
                if self._warn("unreachable"):
                    log.warning("rates are not shared: redis does not answer", why=type(error).__name__)

    async def exchange(self) -> None:
        """Tell what was taken since the last time, and take out what others have told. Raises what Redis does."""
        window = int(self._clock()) // WINDOW
        if window != self._window:
            self._seen, self._window = {}, window
        for name, buckets in self._limiter.every():
            async with asyncio.timeout(PATIENCE):
                for who, number in islice(buckets.taken(), MOST):
                    await self._tell(f"{name}/{who}/{window}", buckets, who, number)

    async def _tell(self, key: str, buckets: Buckets, who: str, number: int) -> None:
        total = await self._counts.incr(key, 3 * WINDOW, number)
        known = self._seen.get(key, 0) + number
        self._seen[key] = max(total, known)
        if total > known:
            buckets.charge(who, total - known)
