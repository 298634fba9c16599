"""`python -m bench.replay`: never a wrong picture, whatever breaks.

Originals say their number and version in colours. They are overwritten and purged while clients ask for them through
nginx, three fronts, Redis and S3, and while workers die, a disk is full, Redis hangs, S3 is gone, and a front is
replaced by its next version. Every body is decoded and judged.
"""

import argparse
import asyncio
import json
import random
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psutil
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from bench.faults.disk import fill, small_disk
from bench.load import Http
from bench.replay.chaos import Fault, again_and_again, wreak
from bench.replay.clients import Seen, browse
from bench.replay.codes import Said, drawn
from bench.replay.ledger import Ledger, Span
from bench.trials.bystanders import percentile
from bench.trials.fleet import AGES, RECHECK, TOKEN, Fleet, changed_tree, upgraded
from bench.trials.fronts import workers
from bench.trials.services import BUCKET

ORIGINALS, CLIENTS = 120, 24
SLACK = 3.0
"""Seconds beyond all ages: for a machine that is busy with everything else."""
HELD = AGES["shared_max_age"] + AGES["stale_while_revalidate"]
"""Seconds for which nginx may keep what it has."""
PROMISE = RECHECK + AGES["stale_while_revalidate"] + AGES["shared_max_age"] + HELD + SLACK
"""What a front believes of the original, how long it keeps an answer at hand, and how long nginx keeps it then."""
FOLLOWS = 7.0
"""Seconds within which other fronts, nginx, and what was on its way to nginx, have followed a purge."""
OVERWRITES_EVERY, PURGED_AFTER, KILLS_EVERY = 0.7, 0.5, 7.0


class Writer:
    """Whoever puts originals there, replaces them, and has some of them purged."""

    def __init__(self, fleet: Fleet, ledger: Ledger) -> None:
        self._fleet, self._ledger, self._bucket = fleet, ledger, fleet.bucket()
        self.versions = [0] * ORIGINALS
        self.refused: list[str] = []
        self.held = asyncio.Event()
        """Set while originals can be written."""
        self.held.set()
        self.idle = asyncio.Event()
        """Set while nothing is being written or purged."""

    async def write(self, identity: int) -> None:
        """The next version of an original."""
        self.versions[identity] += 1
        said, start = Said(identity, self.versions[identity]), time.monotonic()
        # It may be seen as soon as the first byte is on its way.
        self._ledger.write(said, Span(start, float("inf")))
        put = partial(self._bucket.put_object, Bucket=BUCKET, Key=f"originals/{name(identity)}", Body=drawn(said))
        await asyncio.to_thread(put)
        self._ledger.write(said, Span(start, time.monotonic()))

    async def purge(self, identity: int) -> None:
        """Have everything that was made of an original forgotten; counts only where all of it was."""
        start = time.monotonic()
        try:
            told = await asyncio.to_thread(_purged, self._fleet.ports[0], name(identity))
        except OSError as error:
            self.refused.append(str(error))
            return
        if told.get("state") == "done":
            self._ledger.purge(identity, Span(start, time.monotonic() + FOLLOWS))
        else:
            self.refused.append(json.dumps(told)[:200])
        await self.visit(identity)

    async def visit(self, identity: int) -> None:
        """Look at an original at every front: what they were told to forget and have not seen, an outage hides.

        Of nginx one might get what it had before.
        """
        for port in self._fleet.ports:
            with suppress(OSError, asyncio.IncompleteReadError):  # one that is dead, or just ends
                connection = await Http.open(port)
                await connection.ask(self._fleet.signer.url(name(identity), "f_jpg,w_64"))
                connection.close()

    async def work(self, until: asyncio.Event) -> None:
        """Overwrite one after the other, popular ones more often, and purge half of them."""
        chance, weights = random.Random(3), [1 / (rank + 1) for rank in range(ORIGINALS)]
        while not until.is_set():
            await self.held.wait()
            identity = chance.choices(range(ORIGINALS), weights)[0]
            self.idle.clear()
            try:
                await self.write(identity)
                if chance.random() < PURGED_AFTER:
                    await self.purge(identity)
            except (OSError, BotoCoreError, ClientError, asyncio.IncompleteReadError) as error:
                self.refused.append(repr(error))
            self.idle.set()
            await asyncio.sleep(OVERWRITES_EVERY)


def some(lines: list[str]) -> list[str]:
    """The first few of each kind, by status and the error's code."""
    kinds: dict[str, list[str]] = {}
    for line in lines:
        words = line.partition(" s: ")[2].split(" ")
        kinds.setdefault(words[0] + line.rpartition('"code": ')[2][:20], []).append(line)
    return [line for alike in kinds.values() for line in alike[:6]]


def name(identity: int) -> str:
    """The key of an original."""
    return f"set {identity % 7}/{identity:03}.jpg"


def _purged(port: int, source: str) -> dict[str, Any]:
    """Purge a source, wait until that is over, and return what became of it."""
    fields = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
    body = json.dumps({"source": source}).encode()
    with urlopen(Request(f"http://127.0.0.1:{port}/api/v1/purge", body, fields), timeout=10) as answer:
        told: dict[str, Any] = json.load(answer)
    end = time.monotonic() + 10
    while told.get("state") not in ("done", "incomplete", "failed") and time.monotonic() < end:
        time.sleep(0.05)
        with urlopen(Request(f"http://127.0.0.1:{port}/api/v1/purge/{told['id']}", None, fields), timeout=10) as answer:
            told = json.load(answer)
    return told


def timetable(fleet: Fleet, ledger: Ledger, writer: Writer, disk: Path) -> list[Fault]:
    """Everything that will break; the first front's cache is on the small disk."""
    tree = changed_tree(fleet.folder / "next", "transforms/formats.py", *ENCODER_ROW)

    async def s3_gone() -> None:
        writer.held.clear()
        await writer.idle.wait()
        down.append(time.monotonic())
        fleet.s3.kill()

    async def s3_back() -> None:
        await asyncio.to_thread(fleet.s3.start)
        # Until fronts try it again: a purge before that would leave them with nothing to show.
        await asyncio.sleep(5)
        ledger.outages.append(Span(down.pop(), time.monotonic()))
        writer.held.set()

    async def upgrade() -> None:
        await asyncio.to_thread(fleet.fronts[1].stop)
        upgraded(fleet, 1, tree)
        await asyncio.to_thread(fleet.fronts[1].start)

    async def crash() -> None:
        # Which paths it has answered is lost with it: nginx keeps those for as long as they hold.
        ledger.untold.append(Span(time.monotonic() - PROMISE, time.monotonic() + PROMISE))
        fleet.fronts[2].kill()

    async def come_back() -> None:
        await asyncio.to_thread(fleet.fronts[2].start)

    async def hang() -> None:
        fleet.redis.send(signal.SIGSTOP)

    async def go_on() -> None:
        fleet.redis.send(signal.SIGCONT)

    async def fill_up() -> None:
        await asyncio.to_thread(fill, disk / "filler")

    async def empty() -> None:
        (disk / "filler").unlink(missing_ok=True)

    down: list[float] = []
    return [
        Fault("the disk of front 1 is full", 0.10, 45, fill_up, empty),
        Fault("Redis hangs", 0.25, 30, hang, go_on),
        Fault("S3 is gone", 0.42, 30, s3_gone, s3_back),
        Fault("front 2 is replaced by its next version, with another encoder row", 0.60, 0, upgrade),
        Fault("front 3 crashes", 0.75, 6, crash, come_back),
    ]


ENCODER_ROW = (
    """optimize_coding=False, interlace=False),
        final=_settings(subsample_mode="auto", optimize_coding=True, interlace=True),
        version=2,""",
    """optimize_coding=True, interlace=False),
        final=_settings(subsample_mode="auto", optimize_coding=True, interlace=True),
        version=3,""",
)
"""Of JPEG: what it is in the source, and in the next version."""


async def replay(folder: Path, minutes: float, say: Callable[[str], None]) -> tuple[Seen, str]:
    """The whole of it; returns what was seen, and what else there is to say."""
    ledger, seen, over = Ledger(PROMISE), Seen(), asyncio.Event()
    seconds = minutes * 60
    with small_disk(folder / "front-1", "64m") as disk:
        async with Fleet.of(folder) as fleet:
            writer = Writer(fleet, ledger)
            for identity in range(ORIGINALS):
                await writer.write(identity)
                await writer.visit(identity)

            def path(identity: int, steps: str) -> str:
                return fleet.signer.url(name(identity), steps, expires=random.randrange(60, 100_000))

            def kill(chance: random.Random) -> None:
                running = [one for one in fleet.fronts if one.runs]
                with suppress(psutil.NoSuchProcess, IndexError):
                    chance.choice(workers(chance.choice(running).pid)).kill()

            tasks = [
                asyncio.create_task(browse(fleet.port, path, ORIGINALS, seen, ledger, over, seed))
                for seed in range(CLIENTS)
            ]
            tasks.append(asyncio.create_task(writer.work(over)))
            kills = asyncio.create_task(again_and_again(kill, KILLS_EVERY, over))
            showing = asyncio.create_task(_show(seen, seconds, say))
            start = time.monotonic()
            await wreak(timetable(fleet, ledger, writer, disk), seconds, say)
            await asyncio.sleep(max(0.0, seconds - (time.monotonic() - start)))
            over.set()
            showing.cancel()
            await asyncio.gather(*tasks)
            purges = sum(len(spans) for spans in ledger.purged.values())
            return seen, (
                f"{sum(writer.versions)} versions written, {purges} purges done ({len(writer.refused)} not wholly), "
                f"{await kills} workers killed"
            )


async def _show(seen: Seen, seconds: float, say: Callable[[str], None]) -> None:
    start = time.monotonic()
    while True:
        await asyncio.sleep(15)
        passed = time.monotonic() - start
        say(
            f"  {passed:.0f} of {seconds:.0f} s: {sum(seen.statuses.values())} pictures, {len(seen.wrong)} wrong, "
            f"{len(seen.failed)} failed"
        )


def main() -> int:
    """Replay, and say what was seen; 1 when a picture was wrong or none came."""
    asked = argparse.ArgumentParser(prog="python -m bench.replay", description=__doc__)
    asked.add_argument("--minutes", type=float, default=10.0, help="how long (10)")
    given = asked.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="darkroom-replay-") as folder:
        seen, rest = asyncio.run(replay(Path(folder), given.minutes, console.print))
    console.print(f"{sum(seen.statuses.values())} pictures through nginx, statuses {dict(seen.statuses)}")
    console.print(f"{rest}; p99 {percentile(seen.seconds, 0.99) * 1000:.0f} ms; {dict(seen.outcomes)}")
    for title, lines in (("wrong", seen.wrong), ("failed", seen.failed)):
        console.print(f"{len(lines)} {title}", *some(lines), sep="\n  ", markup=False, soft_wrap=True)
    return 1 if seen.wrong or seen.failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
