"""Clients that leave in the middle."""

import asyncio
import itertools
import os
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import psutil

from bench.load import LOCAL
from bench.trials.finding import Finding
from bench.trials.ground import Front, Ground, serving

LEAVERS = 1000
AT_ONCE = 50
ALLOWED_GROWTH = 5 << 20


async def left(ground: Ground) -> Finding:
    """A thousand clients each that leave while their picture is made, and while it is sent."""
    # Nothing is kept, and the same is asked for again: what grows then is a leak, and no cache.
    many, numbers = ground.times(LEAVERS), itertools.count()
    scratch = Path(tempfile.gettempdir()) / f"darkroom-{os.getuid()}"
    with serving(ground, "left", recycle_jobs=1_000_000, cache="off", memory_bytes="1MiB") as front:
        # What every process takes once: pools, tables, the memory of a first crowd.
        await _leave(front, many, lambda: f"/w_{next(numbers) % 200 + 300},q_98/cats/1.jpg", reads=False)
        await _leave(front, many, lambda: "/f_png,w_1600/cats/1.jpg", reads=True)
        await _quiet(front)
        before = _held(front)
        await _leave(front, many, lambda: f"/w_{next(numbers) % 200 + 300},q_98/cats/1.jpg", reads=False)
        await _leave(front, many, lambda: "/f_png,w_1600/cats/1.jpg", reads=True)
        await _quiet(front)
        after, logged = _held(front), front.program.log.read_bytes().count(b"\n")
        temporary = len(list(scratch.rglob("result-*")))
    growth = (after[1] - before[1]) / 2**20
    return Finding(
        "F11 clients that leave",
        "nothing left behind: files, memory (5 MB), scratch; a line of log each at most",
        f"{2 * many} left: {after[0] - before[0]:+d} open files, {growth:+.1f} MB, {temporary} scratch files, "
        f"{logged} lines of log",
        after[0] <= before[0] and growth <= ALLOWED_GROWTH / 2**20 and not temporary and logged <= 2 * many + 100,
    )


async def _leave(front: Front, many: int, path: Callable[[], str], *, reads: bool) -> None:
    chance, turns = random.Random(5), asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with turns:
            try:
                reader, writer = await asyncio.open_connection(LOCAL, front.port)
                writer.write(f"GET {path()} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
                if reads:
                    await asyncio.wait_for(reader.read(2000), 10)
                else:
                    await asyncio.sleep(chance.random() * 0.05)
                writer.transport.abort()
            except (OSError, TimeoutError):
                return

    await asyncio.gather(*(one() for _ in range(many)))


async def _quiet(front: Front) -> None:
    """Wait until nothing is worked on."""
    for _ in range(600):
        if not front.count("darkroom_workers", state="busy"):
            break
        await asyncio.sleep(0.1)
    await asyncio.sleep(1)


def _held(front: Front) -> tuple[int, int]:
    """Open files and bytes of memory of the front."""
    process = psutil.Process(front.pid)
    return process.num_fds(), process.memory_info().rss
