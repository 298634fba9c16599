"""Rates that hold over several servers: each tells the others by Redis what was taken of it, behind its requests.

No request waits for Redis. Every bucket is asked here and at once; twice a second what was taken here is added to a
number that all servers share, and what the others have added meanwhile is taken out of the bucket here. So a client
that asks everywhere gets its rate over all of them together, and at most one burst on each before they know. While
Redis is away each server holds its clients to the rate by itself.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, Protocol

import structlog

from proxy.clients.buckets import Buckets
from proxy.clients.rates import Limiter
from proxy.log import OnceAMinute

log = structlog.get_logger(__name__)

EVERY = 0.5
"""Seconds between two exchanges."""
MOST = 1_000
"""Clients of a rate that are told of at a time: those who took most."""
AT_ONCE = 200
"""Clients in one message to Redis, which does nothing else meanwhile."""
WINDOW = 10
"""Seconds that a shared number counts for; it is kept for three times as long."""


class Asked(Protocol):
    """What answers commands, as a Redis does (`proxy.redis.RedisClient`)."""

    async def ask_all(self, *commands: tuple[str | bytes | int, ...]) -> list[Any]:
        """Several commands as one. Raises OSError."""
        ...


class Sharing:
    """Tells the numbers of one limiter to others, and theirs to it."""

    def __init__(self, limiter: Limiter, redis: Asked, prefix: str, clock: Callable[[], float] = time.time) -> None:
        self._limiter, self._redis, self._prefix, self._clock = limiter, redis, f"{prefix}rate:", clock
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
            except OSError:
                if self._warn("away"):
                    log.warning("rates are not shared while redis does not answer")

    async def exchange(self) -> None:
        """Tell what was taken since the last time, and take out what others have told. Raises OSError."""
        window = int(self._clock()) // WINDOW
        if window != self._window:
            self._seen, self._window = {}, window
        for name, buckets in self._limiter.every():
            taken = islice(buckets.taken(), MOST)
            while some := list(islice(taken, AT_ONCE)):
                await self._tell(f"{self._prefix}{name}/{window}/", buckets, some)

    async def _tell(self, prefix: str, buckets: Buckets, taken: Sequence[tuple[str, int]]) -> None:
        added = [("INCRBY", prefix + who, number) for who, number in taken]
        kept = [("EXPIRE", prefix + who, 3 * WINDOW) for who, _ in taken]
        totals = await self._redis.ask_all(*added, *kept)
        for (who, number), total in zip(taken, totals, strict=False):
            known = self._seen.get(prefix + who, 0) + number
            self._seen[prefix + who] = max(total, known)
            if total > known:
                buckets.charge(who, total - known)
