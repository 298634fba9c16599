"""Worker processes that are killed, held, or out of memory."""

import asyncio
import itertools
import random
import resource
import signal
import time
from collections.abc import Callable
from contextlib import suppress

import psutil

from bench.trials.bystanders import bystanders
from bench.trials.finding import Finding
from bench.trials.fronts import workers
from bench.trials.ground import Front, Ground, cold, serving

BETWEEN_KILLS = 2.0
KILLS = 60
WHOLE_WITHIN = 1.0
DEADLINE = 3.0
LATE = 0.5
"""Seconds after its deadline by which work must have ended."""


async def killed(ground: Ground) -> Finding:
    """`kill -9` of a worker every two seconds, while cold pictures are made."""
    numbers, chance, slowest, kills = itertools.count(), random.Random(1), 0.0, ground.times(KILLS)
    with serving(ground, "killed") as front:
        made = len(workers(front.pid))
        async with bystanders(front.port, lambda: cold(next(numbers)), clients=3) as tally:
            for _ in range(kills):
                await asyncio.sleep(BETWEEN_KILLS)
                with suppress(psutil.NoSuchProcess):
                    chance.choice(workers(front.pid)).kill()
                slowest = max(slowest, await _whole(front, made))
    return Finding(
        "F1 a worker killed, every 2 s",
        f"at most one request lost per kill, all workers there within {WHOLE_WITHIN:.0f} s",
        f"{kills} kills, {tally.said()}, workers there again after {slowest:.2f} s at most",
        tally.failed <= kills and slowest <= WHOLE_WITHIN and tally.statuses[200] > kills,
    )


async def held(ground: Ground) -> Finding:
    """SIGSTOP of a busy worker: it does nothing, and does not end by itself."""
    return await _hopeless(ground, "F2 a worker held (SIGSTOP)", lambda worker: worker.send_signal(signal.SIGSTOP))


async def starved(ground: Ground) -> Finding:
    """A worker that gets no more memory, whatever it asks for."""

    def starve(worker: psutil.Process) -> None:
        worker.rlimit(resource.RLIMIT_DATA, (1, 1))

    return await _hopeless(ground, "F2 a worker without memory", starve)


async def _hopeless(ground: Ground, fault: str, harm: Callable[[psutil.Process], None]) -> Finding:
    times, numbers = ground.times(5), itertools.count()
    with serving(ground, fault.split()[-1].strip("()"), deadline=DEADLINE) as front:
        pid = front.pid
        async with bystanders(front.port, lambda: cold(next(numbers)), clients=3) as tally:
            for _ in range(times):
                await asyncio.sleep(1)
                with suppress(psutil.NoSuchProcess):
                    # The busiest: one that stands by would not be missed.
                    harm(max(workers(front.pid), key=lambda worker: sum(worker.cpu_times()[:2])))
                await asyncio.sleep(DEADLINE + LATE)
        same = front.pid == pid
        slowest = tally.latency(1.0) / 1000
    # Work that a worker has begun may wait for its deadline and then be tried once more.
    most = 2 * DEADLINE + LATE
    return Finding(
        fault,
        f"ended at its deadline of {DEADLINE:.0f} s; at most one request each; the rest go on",
        f"{times} times, {tally.said()}, slowest answer {slowest:.1f} s",
        same and tally.failed <= times and slowest <= most and tally.statuses[200] > times,
    )


async def _whole(front: Front, made: int) -> float:
    """Seconds until as many workers as before are there."""
    start = time.monotonic()
    while front.count("darkroom_workers", state="idle") + front.count("darkroom_workers", state="busy") < made:
        await asyncio.sleep(0.02)
        if time.monotonic() - start > 10:
            break
    return time.monotonic() - start
