"""One purge through everything that keeps results: this server, the others, and what stands in front of them."""

import asyncio
import json
import logging
import secrets
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cachetools import LRUCache

from proxy.coordination.seams import RECONNECTED, Bus
from proxy.purging.caches import Caches
from proxy.purging.delivered import Delivered, Place
from proxy.purging.generations import Generations
from proxy.purging.hooks import Hooks
from proxy.purging.progress import Emptied, Progress
from proxy.stores.result import Tagged
from proxy.stores.tiered import TieredStore
from proxy.tags import slot

log = logging.getLogger(__name__)

TOPIC: Final = "purge"
REMEMBERED: Final = 8 << 20
"""Bytes of the purges whose progress is known: of more than a thousand small ones."""
PATIENCE: Final = 2.0
"""Seconds that whoever purges waits for it to be finished."""
LOOK_EVERY: Final = 1.0
"""Seconds between looks for what another process on the same cache folder has purged, and for what is owed."""
ON_THE_WAY: Final = 5.0
"""Seconds after which caches in front are asked once more: an answer may just have been on its way to them."""
OF_ONE_SERVER: Final = ("memory", "disk")
"""Stores that each server empties itself; others are emptied by the one that was asked."""


@dataclass
class Purges:
    """Purges that this server was asked for, and those it hears of."""

    generations: Generations
    bus: Bus
    store: TieredStore
    forget: Callable[[Collection[str]], None]
    """Have recent answers that bear one of these tags forgotten."""
    forget_all: Callable[[], None]
    delivered: Delivered
    delivered_file: Path | None
    """Where the delivered paths wait for the next process."""
    caches: Caches
    hooks: Hooks
    told: Callable[[str], None]
    """Counts purges by who said so: a client, another server, a gap in what was heard."""
    on_the_way: float = ON_THE_WAY
    _name: str = field(default_factory=lambda: secrets.token_hex(8))
    _known: LRUCache[str, Progress] = field(default_factory=lambda: LRUCache(REMEMBERED, lambda one: one.size))
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> None:
        """Know what was purged before, and listen from now on."""
        self.bus.listen(TOPIC, self._hear)
        self.bus.listen(RECONNECTED, self._reconnected)
        await self.generations.start()
        if self.delivered_file and self.telling:
            try:
                await asyncio.to_thread(self.delivered.load, self.delivered_file)
            except OSError as error:
                log.warning("What was delivered before is not known: %r", error)
        self._begin(self._look())

    async def close(self) -> None:
        """Stop; what caches in front were not told yet is not told."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.delivered_file and self.telling:
            try:
                await asyncio.to_thread(self.delivered.save, self.delivered_file)
            except OSError as error:
                log.warning("What was delivered will not be known to the next process: %r", error)
        await self.caches.client.close()

    @property
    def telling(self) -> bool:
        """Whether there is anybody in front to tell of paths."""
        return bool(self.caches.addresses or self.hooks.hooks)

    async def purge(self, targets: Sequence[str], tags: Sequence[str]) -> Progress:
        """Let everything that bears one of these tags be made anew; what is left to do goes on behind the answer."""
        tags = tuple(dict.fromkeys(tags))
        self.told("client")
        raised = await self.generations.rise(tags)
        self.forget(tags)
        places = self.delivered.take(tags)
        progress = Progress(secrets.token_hex(8), targets, tags, raised.shared, raised.kept, paths=len(places))
        self._known[progress.id] = progress
        await self._tell(tags)
        task = self._begin(self._finish(progress, places))
        await asyncio.wait({task}, timeout=PATIENCE)
        return progress

    def progress(self, name: str) -> Progress | None:
        """How far a purge has come that this server was asked for."""
        return self._known.get(name)

    async def _tell(self, tags: Sequence[str]) -> None:
        words = {"from": self._name, "tags": tags, "numbers": self.generations.numbers(tags)}
        await self.bus.publish(TOPIC, json.dumps(words))

    def _hear(self, text: str) -> None:
        words = json.loads(text)
        if words["from"] == self._name:
            return
        risen = self.generations.heard({str(name): int(number) for name, number in words["numbers"].items()})
        self._begin(self.generations.write_down(risen))
        self.told("server")
        if tags := [str(tag) for tag in words["tags"]]:
            self.forget(tags)
            self._begin(self._follow(tags, self.delivered.take(tags)))
        else:
            self._rose(risen)

    def _reconnected(self, _: str) -> None:
        self._begin(self._catch_up())

    async def _catch_up(self) -> None:
        """What this server purged alone is told, and what it has missed is done."""
        risen = await self.generations.catch_up()
        self._rose(risen)
        if numbers := self.generations.numbers(risen):
            await self.bus.publish(TOPIC, json.dumps({"from": self._name, "tags": [], "numbers": numbers}))

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            self._rose(await self.generations.news())
            if self.generations.owing:  # what joins the servers may be there again without a word
                await self._catch_up()

    def _rose(self, slots: Collection[str]) -> None:
        """Something was purged, and which tags it was is not known."""
        if slots:
            self.told("gap")
            self.forget_all()
            tags = [tag for tag in self.delivered.tags if slot(tag) in slots]
            self._begin(self._follow([], self.delivered.take(tags)))

    async def _finish(self, progress: Progress, places: Sequence[Place]) -> None:
        """What a purge comes to that this server was asked for."""

        def left(number: int) -> None:
            progress.requests_left = number

        async def caches() -> None:
            progress.requests_failed = await self.caches.drop(places, left)

        async def hooks() -> None:
            progress.messages_failed = await self.hooks.tell(progress.tags, places)

        stores = [tier for tier in reversed(self.store.tiers) if isinstance(tier, Tagged)]
        progress.stores = {tier.name: Emptied() for tier in stores}
        emptied = (self._empty(tier, progress.tags, progress.stores[tier.name]) for tier in stores)
        self._begin(self._once_more(places))
        await asyncio.gather(caches(), hooks(), *emptied)
        progress.running = False

    async def _follow(self, tags: Sequence[str], places: Sequence[Place]) -> None:
        """What a purge comes to that another server was asked for."""
        own = [tier for tier in self.store.tiers if isinstance(tier, Tagged) and tier.name in OF_ONE_SERVER]
        hooks = [self.hooks.tell(tags, places)] if places else []
        emptied = (self._empty(tier, tags, Emptied()) for tier in own)
        self._begin(self._once_more(places))
        await asyncio.gather(self.caches.drop(places, lambda _: None), *hooks, *emptied)

    async def _once_more(self, places: Sequence[Place]) -> None:
        if places and self.caches.addresses:
            await asyncio.sleep(self.on_the_way)
            await self.caches.drop(places, lambda _: None)

    async def _empty(self, tier: Tagged, tags: Sequence[str], emptied: Emptied) -> None:
        for tag in tags:
            try:
                emptied.removed += await self.store.delete_tagged_in(tier, tag)
            except Exception as error:
                emptied.failed += 1
                log.warning("What bears %s is still in a store, where nobody finds it: %r", tag, error)
            emptied.done += 1

    def _begin(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("A purge was not finished", exc_info=error)
