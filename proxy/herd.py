"""Equal work in flight on several machines is done once."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import Protocol

from proxy.coordination.seams import Locks
from proxy.stores.result import Result, Store
from proxy.stores.tiered import TieredStore

LEASE = 3.0
"""Seconds for which others wait for a front that has died: more than its event loop ever stands still."""
PATIENCE = 15.0
"""Seconds after which who waits for others does the work himself: the longest usual wait and work on one picture."""
GIVING = 1.0
"""Seconds that others wait until what is made is where they find it, before they make it themselves."""
SOON = 0.1
"""Seconds within which a lock is got without waiting for anybody."""

Make = Callable[[], Awaitable[Result]]


class Exchange(Protocol):
    """The way that results take from one machine to the others."""

    async def take(self, key: str) -> Result | None:
        """What another machine has made, if it is there."""

    async def glance(self, key: str) -> Result | None:
        """The same for one who did not have to wait, and has just looked: None where it costs as much as looking."""

    async def give(self, key: str, result: Result) -> None:
        """Return when a result is where others look for it, or will not get there."""


async def alone(key: str, make: Make, patience: float | None = None) -> tuple[Result, bool]:
    """The work of a front that shares with nobody."""
    return await make(), True


class Herd:
    """One front makes what several are asked for at the same time; the others wait for it, and take what it made.

    When it dies another one goes on. Nothing of this is needed to answer: whoever cannot ask the others, or
    has waited for too long, does the work himself.
    """

    def __init__(
        self,
        locks: Locks,
        exchange: Exchange,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._locks, self._exchange, self._patience, self._clock = locks, exchange, patience, clock
        self._working: set[asyncio.Task[None]] = set()
        self.received = 0

    async def share(self, key: str, make: Make, patience: float | None = None) -> tuple[Result, bool]:
        """What `make` returns or raises, or what another front has made, and whether it was made here.

        `patience` is seconds after which who waits for others does it himself, where that is not what is usual. What
        takes longer to make may take longer to arrive as well.
        """
        answer: asyncio.Future[tuple[Result, bool]] = asyncio.get_running_loop().create_future()
        # The answer does not wait until others have it too.
        task = asyncio.create_task(self._work(key, make, answer, patience))
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return await answer

    async def close(self) -> None:
        """Give up what is in work, and let go of its locks."""
        tasks = tuple(self._working)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _work(
        self, key: str, make: Make, answer: "asyncio.Future[tuple[Result, bool]]", patience: float | None
    ) -> None:
        asked = self._clock()
        giving = GIVING if patience is None else max(GIVING, patience / 10)
        try:
            async with AsyncExitStack() as stack:
                ours = await self._ours(stack, key, self._patience if patience is None else patience)
                # After a wait there may be something even where nobody was heard to finish.
                waited = not ours or self._clock() - asked > SOON
                look = self._exchange.take if waited else self._exchange.glance
                if taken := await look(key):
                    self.received += 1
                    _tell(answer, taken, False)
                    return
                # Who has let go without a result for us has failed, or it was too large to travel: to wait for the
                # next who tries would make it no better.
                made = await make()
                _tell(answer, made, True)
                if ours:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(giving):
                            await self._exchange.give(key, made)
        except asyncio.CancelledError:
            answer.cancel()
            raise
        except BaseException as error:
            if not answer.done():
                answer.set_exception(error)

    async def _ours(self, stack: AsyncExitStack, key: str, patience: float) -> bool:
        """Whether the lock is ours; false also for one who has waited for long enough."""
        try:
            async with asyncio.timeout(patience):
                return await stack.enter_async_context(self._locks.held(key, LEASE))
        except TimeoutError:
            return False


def _tell(answer: "asyncio.Future[tuple[Result, bool]]", result: Result, here: bool) -> None:
    if not answer.done():
        answer.set_result((result, here))


class SharedTiers:
    """Results travel by the stores that machines share."""

    def __init__(self, store: TieredStore) -> None:
        self._store = store

    async def take(self, key: str) -> Result | None:
        return await self._store.get_anew(key)

    async def glance(self, key: str) -> Result | None:
        return None

    async def give(self, key: str, result: Result) -> None:
        await self._store.settled(key)


class FromHandToHand(SharedTiers):
    """Small results travel like that and the others by the stores that machines share, which are written behind."""

    def __init__(self, between: Store, store: TieredStore, most: int) -> None:
        """`most` is the bytes of the largest body that `between` takes."""
        super().__init__(store)
        self._between, self._most = between, most

    async def take(self, key: str) -> Result | None:
        return await self.glance(key) or await super().take(key)

    async def glance(self, key: str) -> Result | None:
        result = await self._between.get(key)
        return await self._store.keep_near(key, result) if result else None

    async def give(self, key: str, result: Result) -> None:
        if result.length <= self._most:
            await self._between.put(key, result)
        else:
            await super().give(key, result)


class Handover:
    """Results travel by a store that keeps them for a moment, and are then kept by each machine for itself."""

    def __init__(self, between: Store, own: Store) -> None:
        self._between, self._own = between, own

    async def take(self, key: str) -> Result | None:
        result = await self._between.get(key)
        return await self._own.put(key, result) if result else None

    glance = take

    async def give(self, key: str, result: Result) -> None:
        await self._between.put(key, result)
