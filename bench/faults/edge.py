"""What stands before fronts, and one of them, exchanged or emptied while visitors ask."""

import asyncio
import shutil
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

from bench.trials.bystanders import bystanders
from bench.trials.finding import Finding
from bench.trials.fleet import Fleet
from bench.trials.ground import Ground
from bench.trials.visitors import usual_paths

TIMES, BETWEEN = 10, 1.5
CLIENTS, PAUSE = 4, 0.04

Harm = Callable[[Fleet, int], Awaitable[None]]


async def wiped(ground: Ground) -> Finding:
    """Every file that nginx keeps is deleted under it."""

    async def wipe(fleet: Fleet, _: int) -> None:
        await asyncio.to_thread(_emptied, fleet.folder / "nginx" / "cache")

    return await _tried(ground, "F16 nginx's cache wiped", wipe)


async def reloaded(ground: Ground) -> Finding:
    """HUP: new workers take over, old ones end."""

    async def reload(fleet: Fleet, _: int) -> None:
        fleet.nginx.send(signal.SIGHUP)

    return await _tried(ground, "F16 nginx reloaded (HUP)", reload)


async def swapped(ground: Ground) -> Finding:
    """A front is gone without a word, and another process has its port a while later."""

    async def swap(fleet: Fleet, number: int) -> None:
        front = fleet.fronts[number % len(fleet.fronts)]
        front.kill()
        await asyncio.sleep(BETWEEN)
        await asyncio.to_thread(front.start)

    return await _tried(ground, "F16 a front killed and exchanged", swap)


async def _tried(ground: Ground, what: str, harm: Harm) -> Finding:
    times = ground.times(TIMES)
    async with Fleet.of(ground.folder) as fleet:
        paths = await usual_paths(fleet, ground)
        async with bystanders(fleet.port, paths, CLIENTS, PAUSE, again=True) as tally:
            await asyncio.sleep(2)
            for number in range(times):
                await harm(fleet, number)
                await asyncio.sleep(BETWEEN)
    return Finding(
        f"{what}, {times} times",
        "no failed answer through nginx",
        f"{tally.said()}, p99 {tally.latency(0.99):.0f} ms; {tally.again} asked again on a new connection",
        not tally.failed and tally.statuses[200] > 10 * times,
    )


def _emptied(folder: Path) -> None:
    """Delete all that is in the folders of a cache, but not these."""
    for place in folder.iterdir():
        for entry in place.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)
