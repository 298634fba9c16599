"""A store that machines share, made fit to stand behind a request."""

import asyncio
from collections.abc import Collection
from dataclasses import replace

from proxy.breaker import Breaker, BreakerOpen
from proxy.stats import Stats
from proxy.stores.notices import Notices
from proxy.stores.result import Closed, Result, Scratch, Store, Tagged, checked, held

WRITERS = 4
MOST_WAITING = 256
MOST_BYTES = 64 << 20
"""Bytes in memory of what waits to be written; bodies in files do not count."""
WRITE_SECONDS = 30.0
GOODBYE = 5.0
"""Seconds that closing waits for what is still to be written."""


class Behind:
    """A slow store: asked for as long as a request may wait for it, and written when the answer is on its way.

    What would be too much to wait for is dropped and counted; so is an answer that comes too late. When that happens
    again and again the store is left alone for two seconds at a time. Belongs to one event loop.
    """

    def __init__(self, inner: Store, patience: float, most: int = MOST_WAITING) -> None:
        """`patience` is the seconds that a request waits, `most` how many results may wait to be written."""
        self.name = inner.name
        self.dropped = 0
        self.breaker = Breaker()
        self._inner, self._patience, self._most = inner, patience, most
        self._trouble = Notices(__name__)
        self._waiting: dict[str, Result] = {}
        self._bytes = 0
        self._asking: dict[str, asyncio.Task[Result | None]] = {}
        self._writing: dict[str, asyncio.Task[None]] = {}
        self._room = asyncio.Semaphore(WRITERS)

    async def get(self, key: str) -> Result | None:
        """As of every store; of those who ask for one key at the same time one asks for all."""
        if waiting := self._waiting.get(checked(key)):
            return waiting
        if not (asking := self._asking.get(key)):
            self._asking[key] = asking = asyncio.create_task(self._ask(key))
            asking.add_done_callback(lambda asked: self._asking.get(key) is asked and self._asking.pop(key))
        return await asyncio.shield(asking)

    async def get_anew(self, key: str) -> Result | None:
        """The same, but asked from now on: another machine has just written."""
        self._asking.pop(checked(key), None)
        return await self.get(key)

    async def put(self, key: str, result: Result | Scratch, tags: Collection[str] = ()) -> Result:
        checked(key)
        given = await held(result, tags)
        self._forget(key)
        if len(self._waiting) >= self._most or self._bytes + _held(given) > MOST_BYTES:
            self.dropped += 1
            return given
        self._waiting[key] = given
        self._bytes += _held(given)
        if key not in self._writing:
            self._writing[key] = asyncio.create_task(self._write(key))
        return given

    async def delete(self, key: str) -> None:
        """Forget a result, also one that waits to be written; raises what the store raises."""
        self._forget(checked(key))
        await self.settled(key)
        await self._inner.delete(key)

    async def delete_tagged(self, tag: str) -> int:
        """How many results were forgotten in the store; raises what it raises."""
        for key in [key for key, result in self._waiting.items() if tag in result.tags]:
            self._forget(key)
        await asyncio.gather(*(self.settled(key) for key in tuple(self._writing)))
        return await self._inner.delete_tagged(tag) if isinstance(self._inner, Tagged) else 0

    async def settled(self, key: str) -> None:
        """Return when nothing under this key waits to be written any more."""
        if task := self._writing.get(key):
            await asyncio.wait((task,))

    async def close(self) -> None:
        """Write what can be written in five seconds, and give up the rest."""
        for asking in self._asking.values():
            asking.cancel()
        if tasks := tuple(self._writing.values()):
            _, late = await asyncio.wait(tasks, timeout=GOODBYE)
            for task in late:
                task.cancel()
            await asyncio.wait(tasks)
        if isinstance(self._inner, Closed):
            await self._inner.close()

    def stats(self) -> Stats:
        inner = self._inner.stats()
        return replace(inner, errors=inner.errors + self._trouble.errors)

    async def _ask(self, key: str) -> Result | None:
        try:
            with self.breaker.attempt(TimeoutError):
                async with asyncio.timeout(self._patience):
                    return await self._inner.get(key)
        except BreakerOpen:
            pass
        except TimeoutError as error:
            self._trouble.trouble(f"The {self.name} store is too slow to wait for", error)
        except Exception as error:
            self._trouble.trouble(f"The {self.name} store does not answer", error)
        return None

    async def _write(self, key: str) -> None:
        try:
            async with self._room:
                while result := self._waiting.get(key):
                    await self._keep(key, result)
                    # Another may have come meanwhile, or a purge.
                    if self._waiting.get(key) is result:
                        self._forget(key)
        finally:
            # In the same step in which nothing was found waiting, so that what comes next has a task of its own.
            del self._writing[key]

    async def _keep(self, key: str, result: Result) -> None:
        if self.breaker.state == "open":
            self.dropped += 1
            return
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await self._inner.put(key, result)
        except Exception as error:
            self._trouble.trouble(f"The {self.name} store keeps nothing", error)

    def _forget(self, key: str) -> None:
        """Want nothing written under this key."""
        if result := self._waiting.pop(key, None):
            self._bytes -= _held(result)


def _held(result: Result) -> int:
    return len(result.body) if isinstance(result.body, bytes) else 0
