"""An original elsewhere as a file that fills as it is read: each block comes once, whoever needs it."""

import asyncio
import copy
import os
import weakref
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from proxy.failures import ClosingDown, NoRoom, OriginFailed
from proxy.sources.blocks.file import BlockFile
from proxy.sources.blocks.folder import BlockFolder
from proxy.sources.blocks.runs import bounds, covering, runs

Outcome = Literal["fetched", "failed"]


@dataclass(eq=False)
class Filling:
    """The file of one version of an original, for all in this process who read it.

    `read` gives bytes of that very version by their start and length, or raises. `slots` bound how many requests are
    on their way to one place. `told` counts each request: what became of it, blocks, bytes.
    """

    file: BlockFile
    folder: BlockFolder
    read: Callable[[int, int], Awaitable[bytes]]
    slots: asyncio.Semaphore
    told: Callable[[Outcome, int, int], None]
    spoilt: bool = False
    """Whether its disk takes no more."""
    coming: dict[int, asyncio.Task[None]] = field(default_factory=dict)

    async def need(self, start: int, length: int) -> tuple[int, int]:
        """Have bytes in the file; returns where those that are there begin and end, with what came along.

        Raises what the place raises, and NoRoom. What others are fetching is waited for; who leaves takes nothing from
        others.
        """
        blocks = covering(start, length, self.file.size)
        self.folder.hits += len(blocks)
        unsure = [block for block in blocks if not self.file.known(block)]
        if unsure and (missing := await self.folder.missing(self.file, range(unsure[0], unsure[-1] + 1))):
            await self._come(missing)
        return bounds(blocks, self.file.size)

    async def _come(self, missing: list[int]) -> None:
        tasks = {self.coming[block] for block in missing if block in self.coming}
        for run in runs(block for block in missing if block not in self.coming and not self.file.known(block)):
            task = asyncio.create_task(self._fetch(run))
            task.add_done_callback(_looked_at)
            self.coming.update(dict.fromkeys(run, task))
            self.folder.misses, self.folder.hits = self.folder.misses + len(run), self.folder.hits - len(run)
            tasks.add(task)
        if tasks:
            await asyncio.wait(tasks)
        for task in tasks:
            if task.cancelled():
                raise ClosingDown("The server is stopping.")
            if error := task.exception():
                raise copy.copy(error) from error

    async def _fetch(self, run: range) -> None:
        start, stop = bounds(run, self.file.size)
        try:
            try:
                async with self.slots:
                    data = await self.read(start, stop - start)
                if len(data) != stop - start:
                    raise OriginFailed("The place of the original did not send all that was asked for.")
            except Exception:
                self.told("failed", 0, 0)
                raise
            self.told("fetched", len(run), len(data))
            try:
                await self.folder.write(self.file, run.start, data)
            except NoRoom:
                self.spoilt = True
                raise
        finally:
            for block in run:
                self.coming.pop(block, None)


@dataclass(frozen=True, eq=False)
class Parts:
    """One version of an original for somebody who reads it: a descriptor of his own of a file that has holes.

    Only bytes that `need` has been asked for are what the original has there.
    """

    filling: Filling
    version: str
    descriptor: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "descriptor", self.filling.file.reader())
        weakref.finalize(self, os.close, self.descriptor).atexit = False

    @property
    def size(self) -> int:
        return self.filling.file.size

    async def need(self, start: int, length: int) -> tuple[int, int]:
        """As that of the file."""
        return await self.filling.need(start, length)

    def head(self, length: int) -> bytes:
        """The first bytes, once they were needed; may wait for the disk."""
        return os.pread(self.descriptor, length, 0)


def _looked_at(task: asyncio.Task[None]) -> None:
    """Ask for what a task has failed with, even when nobody waits for it any more."""
    if not task.cancelled():
        task.exception()
