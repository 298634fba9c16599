"""Fronts that are told to end and are started anew, one after the other, while nginx goes on asking them."""

import asyncio
import itertools
import time

from bench.trials.bystanders import bystanders
from bench.trials.finding import Finding
from bench.trials.fleet import Fleet
from bench.trials.ground import Ground
from bench.trials.visitors import usual_paths

TIMES, LONGEST = 10, 25.0
CLIENTS, PAUSE = 4, 0.04


async def rolling(ground: Ground) -> Finding:
    """SIGTERM to one front, which is started again when it has ended; then to the next."""
    times, took = ground.times(TIMES), []
    async with Fleet.of(ground.folder, drain_seconds=2) as fleet:
        paths = await usual_paths(fleet, ground)
        async with bystanders(fleet.port, paths, CLIENTS, PAUSE, again=True) as tally:
            await asyncio.sleep(2)
            for front in itertools.islice(itertools.cycle(fleet.fronts), times):
                began = time.monotonic()
                await asyncio.to_thread(front.stop, 2 * LONGEST)
                took.append(time.monotonic() - began)
                await asyncio.to_thread(front.start)
                await asyncio.sleep(1)
    return Finding(
        f"F13 SIGTERM to one of three fronts after the other, {times} times",
        f"no failed answer through nginx, each ends within {LONGEST:.0f} s",
        f"{tally.said()}, p99 {tally.latency(0.99):.0f} ms; the slowest to end took {max(took):.1f} s",
        not tally.failed and max(took) <= LONGEST and tally.statuses[200] > 10 * times,
    )
