"""Who is refused is told the truth about when to come back: overload with work of known length, by real workers."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from proxy.failures import Busy
from proxy.workers.pool import Job, Pool
from tests.test_workers import MIB, job, pool
from transforms.limits import Cost

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Work:
    """So many jobs of so many seconds, estimated rightly unless `cost` says other milliseconds."""

    seconds: float
    number: int = 1
    memory: int = MIB
    cost: float = 0.0

    @property
    def job(self) -> Job:
        return job("sleep", seconds=self.seconds, cost=self.cost or self.seconds * 1000, memory=self.memory)


OVERLOADS: dict[str, tuple[dict[str, Any], list[Work], Work]] = {
    "much that is short": ({}, [Work(0.05, 160)], Work(0.05)),
    "some that is long": ({}, [Work(0.8, 10)], Work(0.8)),
    "one that is very long beside others": ({}, [Work(9), Work(0.5, 8)], Work(0.5)),
    "long work with a worker that takes none of it": ({"reserve": 1, "cheap": 100}, [Work(0.6, 7)], Work(0.6)),
    "work that fills the memory": ({"size": 3, "memory": 100 * MIB}, [Work(0.5, 8, 60 * MIB)], Work(0.5, 1, 60 * MIB)),
    "a mixture": ({"reserve": 1, "cheap": 100}, [Work(0.05, 60), Work(0.5, 8), Work(0.05, 30)], Work(0.5)),
}


@asynccontextmanager
async def flooded(opened: Pool, works: list[Work]) -> AsyncIterator[None]:
    jobs = [work.job for work in works for _ in range(work.number)]
    # Past the admission, which would refuse the last of them.
    opened._queue_seconds, patience = 1000, opened._queue_seconds
    tasks = [asyncio.create_task(opened.run(wanted)) for wanted in jobs]
    await asyncio.sleep(0)
    opened._queue_seconds = patience
    yield
    await asyncio.gather(*tasks)


async def taken_after(opened: Pool, work: Work) -> float:
    """Seconds until this is taken and also begun, be it after some that were taken and then waited in vain."""
    begun = time.monotonic()
    while True:
        came = time.monotonic()
        with suppress(Busy):
            await opened.run(work.job)
            return came - begun
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("overload", OVERLOADS)
async def test_who_comes_back_when_told_to_is_taken(overload: str, tmp_path: Path) -> None:
    changes, works, mine = OVERLOADS[overload]
    async with pool(tmp_path, queue_seconds=1, **changes) as opened, flooded(opened, works):
        with pytest.raises(Busy) as refused:
            await opened.run(mine.job)
        told, taken = refused.value.promised(), await taken_after(opened, mine)
        assert told / 2 <= taken <= told * 2, f"told {told:.2f}, taken after {taken:.2f}"


async def test_the_pace_of_the_machine_is_learnt(tmp_path: Path) -> None:
    """Three times as slow as the estimates, which fifty pieces of short work have shown."""
    async with pool(tmp_path, queue_seconds=1) as opened:
        for _ in range(25):
            await asyncio.gather(*(opened.run(Work(0.045, cost=15).job) for _ in range(2)))
        async with flooded(opened, [Work(0.6, 10, cost=200)]):
            with pytest.raises(Busy) as refused:
                await opened.run(Work(0.6, cost=200).job)
            told, taken = refused.value.promised(), await taken_after(opened, Work(0.6, cost=200))
        assert told / 2 <= taken <= told * 2, f"told {told:.2f}, taken after {taken:.2f}"


async def test_who_waits_for_something_else_counts_and_then_goes_before_who_came_later(tmp_path: Path) -> None:
    async with pool(tmp_path, size=1, queue_seconds=2) as opened:
        begun = asyncio.create_task(opened.run(Work(0.7).job))
        await asyncio.sleep(0.1)
        ended: list[str] = []

        async def run(name: str, since: float | None = None) -> None:
            await opened.run(replace(Work(0.4).job, since=since))
            ended.append(name)

        cost = Cost(milliseconds=400, memory=MIB)
        with opened.standing("one", cost) as since, opened.standing("two", cost):
            later = asyncio.create_task(run("later"))
            await asyncio.sleep(0)
            assert opened.stats().queued == 3
            with pytest.raises(Busy), opened.standing("three", cost):
                raise AssertionError("there are 1.8 seconds of work before it")
            with pytest.raises(Busy):
                await opened.run(Work(0.4).job)
        first = asyncio.create_task(run("first", since))
        await asyncio.gather(begun, later, first)
        assert ended == ["first", "later"]
        assert opened.stats().queued == 0


@pytest.mark.parametrize("changes", [{}, {"reserve": 1, "cheap": 100}, {"size": 3, "memory": 2 * MIB}])
async def test_who_comes_back_when_told_finds_room_that_others_did_not_get(
    changes: dict[str, int], tmp_path: Path
) -> None:
    """Many who have never been there ask all the time; the refused among them come back for the same work."""
    served: list[bool] = []

    async def visits(opened: Pool) -> None:
        wanted = Work(0.25).job
        try:
            await opened.run(wanted)
        except Busy as refused:
            await asyncio.sleep(refused.promised())
            number = len(served)
            served.append(True)
            try:
                await opened.run(wanted)
            except Busy:
                served[number] = False

    async with pool(tmp_path, queue_seconds=1, **changes) as opened, asyncio.TaskGroup() as visitors:
        begun = time.monotonic()
        while time.monotonic() - begun < 4:  # four times what two workers can do, and eight times what one can
            visitors.create_task(visits(opened))
            await asyncio.sleep(0.03)
        meanwhile = list(served)
    assert len(meanwhile) > 5
    assert sum(meanwhile) > 0.8 * len(meanwhile)
