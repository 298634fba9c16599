"""Pictures that nobody has asked for: many originals in several sizes, and more than can be made."""

import asyncio
import itertools
import os
import random
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import median

from bench.inputs import photographs
from bench.load import Answer, Http, drive
from bench.peers import OURS, PEERS, Running, Wish
from bench.ssim import quality
from bench.trials.bystanders import bystanders, percentile
from bench.trials.finding import Finding
from bench.trials.ground import Front, Ground, serving

ORIGINALS, CLIENTS, LESS_ALIKE = 500, 8, 0.02
WISHES = (Wish(600, "jpg"), Wish(1200, "jpg"), Wish(320, "jpg"), Wish(600, "webp"))
SHARE, P95 = 0.85, 1.5
LOOKED_AT = 12
"""Originals whose renditions are compared with those of plain libvips."""

HEAVY, MANY = "f_avif,q_70,w_900", 20_000
OVERLOAD, LASTS = 3.0, 120.0
GOODPUT, REFUSED, HOT, RECOVERS = 0.9, 100.0, 50.0, 5.0


async def mix(ground: Ground) -> Finding:
    """Five hundred photographs in four variants each, beside libvips in two processes that make the same."""
    folder, count = ground.folder / "photographs", max(8, round(ORIGINALS * ground.scale))
    names = _links(folder, photographs(ground.say), count)
    wishes = [(wish, name) for name in names for wish in WISHES]
    random.Random(11).shuffle(wishes)
    taken: dict[str, float] = {}
    with OURS.start(ground.folder, folder) as ours, PEERS["libvips"].start(ground.folder, folder) as raw:
        took = await _asked(ours, wishes, CLIENTS)
        worst = max([await _likeness(ours, raw, folder, names[at]) for at in range(min(LOOKED_AT, count))])
        for name, running, clients in (("ours", ours, CLIENTS), ("raw", raw, raw.most_clients)):
            # New versions of the paths for us, the same work again for a loop that keeps nothing.
            counted = await drive(
                running.connect, (running.ask_for(*one) for one in wishes), min(clients, running.most_clients), 1e6
            )
            taken[name] = counted.rate
    share = taken["ours"] / taken["raw"]
    p95 = percentile(took, 0.95)
    return Finding(
        f"L3 cold mix, {count} photographs x {len(WISHES)}, {CLIENTS} clients",
        f"at least {SHARE} of raw libvips, p95 {P95} s, SSIM at most {LESS_ALIKE} below its",
        f"{taken['ours']:.1f} pictures/s, {share:.2f} of raw; p95 {p95:.2f} s; SSIM {worst:.4f} below at most",
        share >= SHARE and p95 <= P95 and worst <= LESS_ALIKE,
    )


async def _asked(running: Running, wishes: list[tuple[Wish, str]], clients: int) -> list[float]:
    """Ask for everything once; the seconds that each took."""
    left, took = iter(wishes), []

    async def client(number: int) -> None:
        connection = await running.connect(number)
        for wish, name in left:
            answer = await connection.ask(running.ask_for(wish, name))
            if answer.status != 200:
                raise RuntimeError(f"{name}: {answer.status} {answer.body[:200]!r}")
            took.append(answer.seconds)
        connection.close()

    await asyncio.gather(*(client(number) for number in range(clients)))
    return took


async def _likeness(ours: Running, raw: Running, folder: Path, name: str) -> float:
    """By how much less our renditions are like a full decode of the original than those of plain libvips."""
    less = []
    for wish in WISHES:
        mine, theirs = await ours.once(wish, name), await raw.once(wish, name)
        less.append(quality(folder / name, theirs.body) - quality(folder / name, mine.body))
    return max(less)


def _links(folder: Path, photos: list[Path], count: int) -> list[str]:
    """Many names for a few photographs."""
    folder.mkdir()
    names = []
    for number, photo in zip(range(count), itertools.cycle(photos), strict=False):
        names.append(f"{number}{photo.suffix}")
        copy = folder / names[-1]
        try:
            os.link(photo, copy)
        except OSError:
            copy.write_bytes(photo.read_bytes())
    return names


async def overload(ground: Ground) -> Finding:
    """Three times as many heavy pictures as can be made, for two minutes, beside hits."""
    seconds = max(10.0, LASTS * ground.scale)
    # Each of another original: of one alone, something near that is there would be sent instead.
    folder = ground.folder / "photographs"
    names = iter(_links(folder, [ground.originals / "cats" / "1.jpg"], MANY))

    def heavy() -> str:
        return f"/{HEAVY}/{next(names)}"

    with serving(ground, "overload", first="final", cache="off", memory_bytes="1MiB", mounts=str(folder)) as front:
        capacity, usual = await _capacity(front, heavy, max(5.0, 20 * ground.scale))
        async with bystanders(front.port, [f"/w_300/{next(names)}"], clients=2) as hot:
            begun = time.monotonic()
            answers = await _open_loop(front.port, heavy, capacity * OVERLOAD, seconds)
            ended = time.monotonic()
            recovery = await _recovered(front.port, heavy, usual)
    good = [answer for answer in answers if answer.status == 200]
    refused = [answer.seconds for answer in answers if answer.status == 503]
    told = all("retry-after" in answer.fields for answer in answers if answer.status == 503)
    others = len(answers) - len(good) - len(refused)
    goodput, p99 = len(good) / seconds / capacity, hot.latency(0.99, begun, ended)
    usually, slowest = (percentile(refused, share) * 1000 if refused else 0.0 for share in (0.5, 0.99))
    return Finding(
        f"L5 {OVERLOAD:.0f} times the capacity for {seconds:.0f} s",
        f"made {GOODPUT} of capacity, refused in {REFUSED:.0f} ms with Retry-After, hits p99 {HOT:.0f} ms, "
        f"as before within {RECOVERS:.0f} s",
        f"capacity {capacity:.1f}/s: {goodput:.2f} of it made; {len(refused)} refused "
        f"(median {usually:.0f} ms, p99 {slowest:.0f} ms, {'all' if told else 'not all'} with Retry-After), "
        f"{others} others; hits p99 {p99:.1f} ms, {hot.failed} failed; as before after {recovery:.1f} s",
        goodput >= GOODPUT
        and slowest <= REFUSED
        and told
        and not others
        and p99 <= HOT
        and not hot.failed
        and recovery <= RECOVERS,
    )


async def _capacity(front: Front, path: Callable[[], str], seconds: float) -> tuple[float, float]:
    """Pictures a second that four clients can have, and the usual seconds of one alone."""
    connection = await Http.open(front.port)
    alone = [(await connection.ask(path())).seconds for _ in range(3)]
    connection.close()
    counted = await drive(lambda _: Http.open(front.port), iter(path, ""), 4, seconds)
    return counted.rate, median(alone)


async def _open_loop(port: int, path: Callable[[], str], rate: float, seconds: float) -> list[Answer]:
    """Ask at a steady rate, however long the answers take."""
    answers: list[Answer] = []

    async def one() -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            connection = await Http.open(port)
            answers.append(await connection.ask(path()))
            connection.close()

    start = time.monotonic()
    asked: list[asyncio.Task[None]] = []
    while (now := time.monotonic() - start) < seconds:
        if len(asked) < now * rate:
            asked.append(asyncio.create_task(one()))
        else:
            await asyncio.sleep(0.005)
    await asyncio.gather(*asked)
    return answers


async def _recovered(port: int, path: Callable[[], str], usual: float) -> float:
    """Seconds until a picture takes about as long as it did before."""
    start = time.monotonic()
    while time.monotonic() - start < 60:
        connection = await Http.open(port)
        answer = await connection.ask(path())
        connection.close()
        if answer.status == 200 and answer.seconds <= 2 * usual:
            break
    return time.monotonic() - start
