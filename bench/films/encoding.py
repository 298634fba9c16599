"""Segments that are encoded, beside the same frames through PyAV alone; without a server, in this process."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.films import raw
from bench.films.film import film
from bench.trials.finding import Finding
from bench.trials.fronts import ROOT
from bench.trials.ground import Ground
from transforms.limits import Limits
from transforms.video.encoded import options
from transforms.video.ladders import LADDERS, Ladder
from transforms.video.parts import Source
from transforms.video.planning import part, planned
from transforms.video.recipes import CURRENT, RECIPES
from transforms.video.stream_plan import Rung

KEPT = ROOT / "bench" / "out" / "films"
SECONDS, TURNS = 60, 5
NUMBER = 5
"""The segment that is made: six seconds in the middle of the film."""
SHARE, TWICE = 0.9, 2.0
PRESETS = ("veryfast", "superfast", "ultrafast")


class Took(NamedTuple):
    """Seconds by the clock, and of all cores."""

    wall: float
    cpu: float


def timed(work: Callable[[], object]) -> Took:
    """How long a piece of work takes in this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Took(time.perf_counter() - wall, time.process_time() - cpu)


async def rungs(ground: Ground) -> Finding:
    """Each rung of the whole ladder, in turns with PyAV alone, of the same frames with the same encoder."""
    path = await asyncio.to_thread(film, ground, SECONDS, KEPT)
    said, passed = [], True
    source = Source(path, "mp4", Limits(), threads=2)
    plan, _ = planned(source, Ladder(LADDERS["full"].steps, most=9, remux=False), "1")
    for rung in plan.of_kind("picture"):
        begin, end = plan.segments(rung)[NUMBER]
        seconds = float(end - begin)
        ours, theirs = [], []
        for _ in range(ground.times(TURNS)):
            ours.append(timed(lambda rung=rung: part(source, plan, rung.name, NUMBER)))  # type: ignore[misc]
            theirs.append(timed(_raw(path, float(begin), seconds, rung)))
        ratio = median(other.cpu / one.cpu for one, other in zip(ours, theirs, strict=True))
        by_clock = seconds / median(one.wall for one in ours)
        per_core = seconds / median(one.cpu for one in ours)
        passed = passed and ratio >= SHARE and (rung.name != "720" or by_clock >= TWICE)
        said.append(f"{rung.name}: {per_core:.2f}x a core, {by_clock:.2f}x on all, {ratio:.2f} of raw")
    return Finding(
        f"V1 1080p30 to each rung, {RECIPES[CURRENT].preset}, {ground.times(TURNS)} turns",
        f"at least {SHARE} of PyAV alone; 720 at least {TWICE:.0f}x real time on both cores",
        "; ".join(said),
        passed,
    )


async def presets(ground: Ground) -> Finding:
    """What other presets of x264 would take; there is nothing that they should."""
    path = await asyncio.to_thread(film, ground, SECONDS, KEPT)
    source = Source(path, "mp4", Limits(), threads=2)
    plan, _ = planned(source, Ladder(LADDERS["full"].steps, most=9, remux=False), "1")
    said = []
    for name in ("1080", "720", "480"):
        rung = plan.rung(name)
        assert rung
        times = []
        for preset in PRESETS:
            took = [timed(_raw(path, 20.0, 6.0, rung, preset)) for _ in range(max(1, ground.times(TURNS) // 2))]
            times.append(f"{preset} {6 / median(one.cpu for one in took):.2f}x")
        said.append(f"{name}: {', '.join(times)}")
    return Finding("V1 presets, PyAV alone", "for comparison: real time a core", "; ".join(said), True)


def _raw(path: Path, begin: float, seconds: float, rung: Rung, preset: str = "") -> Callable[[], object]:
    told = options(RECIPES[CURRENT], rung) | ({"preset": preset} if preset else {})
    return lambda: raw.encoded(path, begin, seconds, (rung.width, rung.height), told)
