"""So many worker processes at any time: whoever ends is followed by another."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

from proxy.workers.process import Worker, WorkerEnded, WorkerLied

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds between starts that fail
NO_FAULT = {"recycled", "closing"}  # reasons to end a worker that has done nothing wrong
ON_PURPOSE = {"preempted", "unwanted"}  # reasons that are counted, but trouble nobody


class Crew:
    """Keeps `size` workers: `hire` starts a process, `employ` uses it and returns when it has left.

    A worker that ends is followed by the next one at once; only while starts fail do the pauses between them grow.
    """

    def __init__(
        self,
        hire: Callable[[], Worker],
        employ: Callable[[Worker], Awaitable[None]],
        *,
        size: int,
        start_seconds: float,
    ) -> None:
        self._hire, self._employ, self._size, self._start_seconds = hire, employ, size, start_seconds
        self.present: set[Worker] = set()
        self._replaced: set[Worker] = set()
        self._lives: set[asyncio.Task[None]] = set()
        self._closed = asyncio.Event()
        self.starting = self.starts = self.recycled = 0
        self.start_took = 0.0  # seconds, the last time
        self.kills: Counter[str] = Counter()

    async def start(self) -> None:
        """Start all and wait until each is ready or has failed once; those go on trying."""
        for worker in await asyncio.gather(*(self._try_to_start() for _ in range(self._size))):
            self._begin(worker)
        await asyncio.sleep(0)  # each takes its place

    def replace(self, worker: Worker) -> None:
        """Start another in a worker's place, who works on until that one is ready, so that there is never one less."""
        if worker not in self._replaced and not worker.leaving.done():
            self._replaced.add(worker)
            self.recycled += 1
            self._begin(predecessor=worker)

    async def close(self) -> None:
        """End all of them, whatever they do, and wait until they are gone."""
        self._closed.set()
        for worker in self.present:
            worker.kill("closing")
        if self._lives:
            await asyncio.wait(self._lives)
        await asyncio.gather(*(worker.bury() for worker in self.present))

    def _begin(self, worker: Worker | None = None, predecessor: Worker | None = None) -> None:
        life = asyncio.create_task(self._life(worker, predecessor))
        self._lives.add(life)
        life.add_done_callback(self._lives.discard)

    async def _life(self, worker: Worker | None, predecessor: Worker | None) -> None:
        pause = FIRST_PAUSE
        while worker is None and not self._closed.is_set():
            worker = await self._try_to_start()
            if worker is None:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._closed.wait(), pause)
                pause = min(pause * 2, LONGEST_PAUSE)
        if predecessor is not None:
            predecessor.dismiss()
        if worker is None:
            return
        try:
            await self._employ(worker)
        finally:
            worker.kill("recycled")
            if worker not in self._replaced and not self._closed.is_set():
                self._begin()
            why = await worker.cause()
            if why not in NO_FAULT:
                self.kills[why] += 1
                level = logging.DEBUG if why in ON_PURPOSE else logging.WARNING
                log.log(level, "worker %d ended: %s; it was doing %s", worker.pid, why, worker.doing or "nothing")
            await self._bury(worker)

    async def _try_to_start(self) -> Worker | None:
        worker = None
        self.starting += 1
        self.starts += 1
        begun = time.monotonic()
        try:
            worker = self._hire()
            self.present.add(worker)
            async with asyncio.timeout(self._start_seconds):
                await worker.ready()
            self.start_took = time.monotonic() - begun
            return worker
        except (OSError, WorkerEnded, WorkerLied) as error:  # a TimeoutError is an OSError
            if not self._closed.is_set():
                self.kills["start"] += 1
                log.error("a worker does not start: %r", error)
            if worker is not None:
                worker.kill("start")
                await self._bury(worker)
            return None
        finally:
            self.starting -= 1

    async def _bury(self, worker: Worker) -> None:
        await worker.bury()
        self.present.discard(worker)
        self._replaced.discard(worker)
