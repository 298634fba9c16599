"""Memory of each worker over a long and mixed run: formats, sizes and kinds as they come on a real site."""

import asyncio
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from statistics import median

import psutil

from bench.inputs import Fresh, fresh
from bench.load import drive
from bench.peers import OURS, Wish
from bench.processes import family, watched
from bench.results import Comparison, Point, Row, Target, thinned
from bench.rounds import Setting

CLIENTS = 4
WIDTHS = (200, 1280)
FORMATS = ("jpg", "webp", "avif")
LOOK = 0.5  # seconds between two looks
MOST_MB, MOST_GROWTH = 150.0, 1.05
POINTS = 120  # of a curve that is kept


async def compare(setting: Setting) -> Comparison:
    """RSS of each worker while `setting.pictures` different pictures are made."""
    curves: dict[str, list[Point]] = {}
    with fresh(setting.out) as names, OURS.start(setting.out, names.folder) as server:
        looking = asyncio.create_task(look(server.pid, curves))
        async with watched(server.pid) as spent:
            wishes = (server.ask_for(wish, name) for wish, name in mixed(setting, names))
            counted = await drive(server.connect, wishes, CLIENTS, float("inf"))
        looking.cancel()
    setting.say(f"  {counted.done:,} pictures in {counted.seconds:.0f} s")
    kept = {name: thinned(tuple(points), POINTS) for name, points in curves.items()}
    return Comparison("memory", tuple(rows(curves, counted.done)), (spent.foreign,), kept)


def mixed(setting: Setting, names: Fresh) -> Iterator[tuple[Wish, str]]:
    """Wishes of every kind, the same ones in each run."""
    chance = random.Random(1)
    originals = [*setting.inputs.values()]
    for _ in range(setting.pictures):
        wish = Wish(chance.randint(*WIDTHS), chance.choice(FORMATS), 80)
        yield wish, names.name(chance.choice(originals))


def rows(curves: Mapping[str, list[Point]], pictures: int) -> Iterator[Row]:
    """What the workers held in the last half, how that grew, and the highest look at any."""
    workers = {name: points for name, points in curves.items() if name.startswith("worker")}
    most, growth = Target(MOST_MB, most=True), Target(MOST_GROWTH, most=True)
    for name, points in workers.items():
        late = [rss for _, rss in points[len(points) // 2 :]]
        third, fourth = late[: len(late) // 2], late[len(late) // 2 :]
        if third:
            yield Row(f"{name}, RSS in the last half of {pictures:,} pictures", "MB", (median(late),), target=most)
            ends = (median(fourth),), (median(third),)
            yield Row(f"{name}, RSS in the last quarter", "MB", ends[0], "the quarter before", ends[1], growth)
    highest = max((rss for points in workers.values() for _, rss in points), default=0.0)
    yield Row("the highest look at any worker", "MB", (highest,))
    yield Row("front, at the end", "MB", (curves["front"][-1][1],))


async def look(pid: int, curves: dict[str, list[Point]]) -> None:
    """Add the memory of a front and of each worker to its curve, in seconds and MB, until cancelled."""
    started, workers = time.monotonic(), dict[int, str]()
    while True:
        for process in family(pid):
            with suppress(psutil.NoSuchProcess):
                if process.pid == pid:
                    name = "front"
                elif "transforms.worker" in process.cmdline():
                    name = workers.setdefault(process.pid, f"worker {len(workers) + 1}")
                else:
                    continue
                curves.setdefault(name, []).append((time.monotonic() - started, process.memory_info().rss / 1e6))
        await asyncio.sleep(LOOK)
