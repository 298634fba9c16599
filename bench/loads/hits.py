"""Answers that are ready, for many clients and for long."""

import asyncio
import os
import sys
from pathlib import Path
from statistics import median
from urllib.request import urlopen

import psutil

from bench.serving import answers, free_port, pinned
from bench.trials.finding import Finding
from bench.trials.fronts import ROOT
from bench.trials.ground import Ground, serving
from bench.trials.programs import Program
from bench.wrk import Said, wrk

CLIENTS, SECONDS, TURNS = 64, 60.0, 6
WARM = 25
"""Crowds who come and leave before, for two seconds each: what memory connections need is there after some twenty."""
PATH = "/f_jpg,w_600/cats/1.jpg"
SHARE, P99, SLOPE = 0.7, 25.0, 1.0


async def in_memory(ground: Ground) -> Finding:
    """A picture from memory on one core, in turns with an application that only has that one body."""
    ours: list[Said] = []
    theirs: list[Said] = []
    seconds = max(1.0, SECONDS * ground.scale / TURNS)
    with serving(ground, "hits", words=pinned(0)) as front:
        address = f"http://127.0.0.1:{front.port}{PATH}"
        body = await asyncio.to_thread(lambda: urlopen(address).read())
        bare, port = _bare(ground.folder, body)
        try:
            await asyncio.to_thread(bare.start)
            for _ in range(WARM):
                await wrk(address, [], max(0.2, 2 * ground.scale), CLIENTS)
            before = psutil.Process(front.pid).memory_info().rss
            for _ in range(TURNS):
                ours.append(await wrk(address, [], seconds, CLIENTS))
                theirs.append(await wrk(f"http://127.0.0.1:{port}/", [], seconds, CLIENTS))
            slope = (psutil.Process(front.pid).memory_info().rss - before) / 2**20 / (TURNS * seconds / 60)
        finally:
            bare.stop()
    share = median(one.rate / other.rate for one, other in zip(ours, theirs, strict=True))
    worst = max(said.p99 for said in ours)
    return Finding(
        f"L1 hits from memory, {CLIENTS} clients",
        f"at least {SHARE} of a bare uvicorn application with that body, no error, p99 {P99:.0f} ms, "
        f"+{SLOPE:.0f} MB/min",
        f"{len(body) / 1000:.0f} KB: {median(said.rate for said in ours):.0f}/s, {share:.2f} of bare; "
        f"p99 {worst:.1f} ms at worst; {slope:+.2f} MB/min",
        share >= SHARE and worst <= P99 and slope <= SLOPE,
    )


def _bare(folder: Path, body: bytes) -> tuple[Program, int]:
    """uvicorn with `bench.loads.bare`, not started yet, and its port."""
    (folder / "body").write_bytes(body)
    port = free_port()
    words = ["bench.loads.bare:app", "--port", str(port), "--no-access-log", "--log-level", "warning"]
    command = [*pinned(0), sys.executable, "-m", "uvicorn", *words]
    environment = {**os.environ, "BODY": str(folder / "body"), "PYTHONPATH": str(ROOT)}
    return Program("bare", command, lambda: answers(port), folder / "bare.log", environment, ROOT), port
