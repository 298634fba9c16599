"""Locks in Redis: hints on who does what, with which nobody waits for the dead."""

import asyncio
import random
import secrets
import time
from collections import OrderedDict, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

from proxy.coordination.redis import RedisBus
from proxy.coordination.seams import RECONNECTED
from proxy.redis import NotAnswering, RedisClient, Refused

POLL = 0.5
"""Seconds, more or less, after which who waits looks by himself whether a lock is still held."""
JUST_NOW = 5.0
"""Seconds for which it is known that another front has let go of a lock."""
MOST_KNOWN = 10_000

FOREIGN = -1
"""What is left of a name that does not expire: it was never a lock."""

RELEASED = "released"

# A lock that is gone, as after a restart of Redis, is taken again.
_EXTEND = """
local owner = redis.call('GET', KEYS[1])
if not owner then return redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
if owner == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
"""
_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
  redis.call('PUBLISH', ARGV[2], ARGV[3])
end
"""


class RedisLocks:
    """Locks of all fronts; where Redis does not answer everybody has every lock.

    Whoever lets go says so on the bus, which wakes those who wait. Should that get lost they look for themselves.
    """

    def __init__(
        self, client: RedisClient, bus: RedisBus, prefix: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client, self._bus, self._prefix, self._clock = client, bus, f"{prefix}lock:", clock
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._released: OrderedDict[str, float] = OrderedDict()
        self.waits = 0
        bus.listen(RELEASED, self._heard)
        bus.listen(RECONNECTED, self._wake_all)

    def held(self, key: str, seconds: float) -> AbstractAsyncContextManager[bool]:
        return self._hold(key, seconds)

    @asynccontextmanager
    async def _hold(self, key: str, seconds: float) -> AsyncIterator[bool]:
        # Who asks has looked before, when the result may not have been there yet.
        if self._clock() - self._released.pop(key, float("-inf")) < JUST_NOW:
            yield False
            return
        name, token, lease = self._prefix + key, secrets.token_hex(8), int(seconds * 1000)
        if not await self._taken(key, name, token, lease):
            yield False
            return
        keeping = asyncio.create_task(self._keep(name, token, lease))
        try:
            yield True
        finally:
            keeping.cancel()
            try:
                channel, text = self._bus.channel(RELEASED), self._bus.enveloped(key)
                with suppress(NotAnswering, Refused):
                    await self._client.run(_RELEASE, (name,), token, channel, text)
            finally:
                self._wake(key)  # who waits in this process; the bus tells it to the others

    async def _taken(self, key: str, name: str, token: str, lease: int) -> bool:
        """Whether a lock is ours; false after waiting for whoever has it."""
        free = asyncio.Event()
        # Noted first, so that no release falls between asking and waiting.
        self._waiting[key].add(free)
        try:
            # It may have been set although no answer came; so it is released in the end in any case.
            while not await self._client.ask("SET", name, token, "NX", "PX", lease):
                self.waits += 1
                if await self._let_go(name, free):
                    self._released.pop(key, None)
                    return False
            return True
        except (NotAnswering, Refused):
            return True
        finally:
            self._waiting[key].discard(free)
            if not self._waiting[key]:
                del self._waiting[key]

    async def _let_go(self, name: str, free: asyncio.Event) -> bool:
        """Whether somebody was heard to let go of a lock; false when it is gone without a word. Raises Refused."""
        while not await _within(POLL * random.uniform(0.5, 1.5), free):
            left = await self._client.ask("PTTL", name)
            if left == FOREIGN:
                raise Refused("what stands in the place of a lock was never one")
            if left < 0:
                return False
        return True

    async def _keep(self, name: str, token: str, lease: int) -> None:
        while True:
            await asyncio.sleep(lease / 3000)
            with suppress(NotAnswering, Refused):
                await self._client.run(_EXTEND, (name,), token, lease)

    def _heard(self, key: str) -> None:
        self._released[key] = self._clock()
        self._released.move_to_end(key)
        if len(self._released) > MOST_KNOWN:
            self._released.popitem(last=False)
        self._wake(key)

    def _wake(self, key: str) -> None:
        for free in self._waiting.get(key, ()):
            free.set()

    def _wake_all(self, _: str) -> None:
        for key in tuple(self._waiting):
            self._wake(key)


async def _within(seconds: float, event: asyncio.Event) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
