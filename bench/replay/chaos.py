"""What is done to a fleet while it answers: a timetable of faults, each begun and ended."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

Act = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Fault:
    """Something that breaks at a share of the whole time, and is mended a while later."""

    name: str
    at: float
    """From 0 to 1."""
    seconds: float
    """How long it lasts; 0 for what ends by itself."""
    begin: Act
    end: Act | None = None


async def wreak(faults: list[Fault], total: float, say: Callable[[str], None]) -> None:
    """Let every fault happen in its time; returns after the last was mended."""
    async with asyncio.TaskGroup() as all_of_them:
        for fault in faults:
            all_of_them.create_task(_happen(fault, total, say))


async def _happen(fault: Fault, total: float, say: Callable[[str], None]) -> None:
    await asyncio.sleep(fault.at * total)
    say(f"{fault.name}: begins")
    await fault.begin()
    if fault.end:
        try:
            await asyncio.sleep(fault.seconds)
        finally:
            await fault.end()
            say(f"{fault.name}: over")


async def again_and_again(act: Callable[[random.Random], None], every: float, until: asyncio.Event) -> int:
    """Do something every few seconds, each time another way; returns how often."""
    chance, times = random.Random(7), 0
    while not until.is_set():
        try:
            async with asyncio.timeout(every):
                await until.wait()
        except TimeoutError:
            act(chance)
            times += 1
    return times
