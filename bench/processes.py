"""What processes take by the kernel's books: time and memory of a tree, and what others took meanwhile."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import psutil

SAMPLE = 0.1  # seconds between two looks at memory


def family(pid: int) -> Iterator[psutil.Process]:
    """A process and all that descend from it."""
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        yield parent
        yield from parent.children(recursive=True)


def cpu_seconds(pid: int) -> float:
    """Processor time of a tree so far, those of its members that have ended included."""
    total = 0.0
    for process in family(pid):
        with suppress(psutil.NoSuchProcess):
            spent = process.cpu_times()
            total += spent.user + spent.system + spent.children_user + spent.children_system
    return total


def resident(pid: int) -> int:
    """Bytes of memory of a tree; what its members share is counted for each of them."""
    total = 0
    for process in family(pid):
        with suppress(psutil.NoSuchProcess):
            total += process.memory_info().rss
    return total


def busy_seconds() -> float:
    """Processor time that the whole machine has spent, and what its host has withheld from it."""
    spent = psutil.cpu_times()
    return float(spent.user + spent.nice + spent.system + spent.irq + spent.softirq + spent.steal)


@dataclass
class Spent:
    """What happened within a `watched` block; `foreign` is in cores, on the mean."""

    seconds: float = 0.0
    cpu: float = 0.0
    peak: int = 0
    foreign: float = 0.0


@asynccontextmanager
async def watched(pid: int, settle: float = 0.0) -> AsyncIterator[Spent]:
    """Take the time, processor time and highest memory of a tree, and what foreign processes took meanwhile.

    `settle` seconds after the block still count as the tree's: work that an answer did not wait for.
    """
    spent = Spent(peak=resident(pid))

    async def look() -> None:
        while True:
            await asyncio.sleep(SAMPLE)
            spent.peak = max(spent.peak, resident(pid))

    looking = asyncio.create_task(look())
    started, cpu, busy, own = time.perf_counter(), cpu_seconds(pid), busy_seconds(), cpu_seconds(os.getpid())
    try:
        yield spent
        spent.seconds = time.perf_counter() - started
        await asyncio.sleep(settle)
    finally:
        looking.cancel()
    elapsed = time.perf_counter() - started
    spent.cpu = cpu_seconds(pid) - cpu
    spent.foreign = max(0.0, busy_seconds() - busy - (cpu_seconds(os.getpid()) - own)) / elapsed
    spent.peak = max(spent.peak, resident(pid))
