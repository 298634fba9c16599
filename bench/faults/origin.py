"""A place of originals that fails in every way, beside one that is well."""

import asyncio
import hashlib
import itertools
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from pathlib import Path

from bench.load import LOCAL, Answer, Http
from bench.trials.bystanders import Tally, bystanders
from bench.trials.finding import Finding
from bench.trials.ground import Front, Ground, serving
from tests.origin_stub import Origin, Script, origin

LONGEST, TRIES = 10.5, 3
ADDED, MORE = 20.0, 1.2
"""What those who ask for something else may notice at the 99th percentile: milliseconds, or a share."""
TOGETHER, HEALTHY = 4, 5000
"""Originals of the failing place that are asked for, one alone, then the others; originals of the other."""
WARM = 2.0
"""Seconds for what the first answers of a process cost."""
SETTLES = 3.0
"""Seconds after which a place that is well again is asked again: longer than its breaker is open."""
HELD, NEVER = "held.jpg", 3600.0
KEYS = (HELD, *(f"{number}.jpg" for number in range(TOGETHER)))
"""All that is asked for of one mount."""
COPY_NAME = 40 + 1 + 32
"""Letters in the name of a copy: of what, and with which bytes."""


@dataclass(frozen=True)
class Kind:
    """A way to fail: what the place does, and the statuses that are true of it."""

    does: Callable[[Script], Script] | None
    """With what it would answer; None is a place at whose port nobody listens."""
    statuses: frozenset[int] = frozenset({502})


def _error(status: int, code: str) -> Kind:
    said = Script(f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>".encode(), status)
    return Kind(lambda _: said)


def _hotel(_: Script) -> Script:
    return Script(b"<html>Welcome to the hotel's network</html>", fields={"Content-Type": "text/html"})


SLOW, LEFT_ALONE = frozenset({504}), frozenset({502})
KINDS: Mapping[str, Mapping[str, Kind]] = {
    "refuses": {
        "500": _error(500, "InternalError"),
        "503": _error(503, "SlowDown"),
        "403": _error(403, "AccessDenied"),
        "no listener": Kind(None),
    },
    "is slow": {
        "hangs": Kind(lambda good: replace(good, delay=NEVER), SLOW),
        "first byte after 30 s": Kind(lambda good: replace(good, delay=30), SLOW),
        "1 kB/s": Kind(lambda good: replace(good, rate=1000), SLOW),
    },
    "sends something else": {
        "reset at half": Kind(lambda good: replace(good, reset=len(good.body) // 2)),
        "a byte short": Kind(lambda good: replace(good, truncate=len(good.body) - 1)),
        "longer than it says": Kind(lambda good: replace(good, length=len(good.body) - 1)),
        "wrong ETag": Kind(lambda good: replace(good, fields={**good.fields, "ETag": f'"{"0" * 32}"'})),
        "HTML": Kind(_hotel),
    },
}


@dataclass
class Tried:
    """What came of one kind."""

    name: str
    statuses: set[int] = field(default_factory=set)
    later: set[int] = field(default_factory=set)
    """When it may have been left alone, since it had failed too often."""
    slowest: float = 0.0
    tries: int = 0
    stale: bool = False
    healed: bool = False

    def said(self) -> str:
        """In a few words."""
        rest = "" if self.stale and self.healed else f" (stale {self.stale}, well again {self.healed})"
        statuses = "/".join(map(str, sorted(self.statuses | self.later)))
        return f"{self.name}: {statuses} in {self.slowest:.1f} s, {self.tries}x{rest}"

    def well(self, kind: Kind) -> bool:
        """Whether it is as it should be."""
        in_bounds = self.slowest <= LONGEST and self.tries <= TRIES
        true = self.statuses <= kind.statuses and self.later <= kind.statuses | LEFT_ALONE
        return true and in_bounds and self.stale and self.healed


def of(group: str) -> Callable[[Ground], Awaitable[Finding]]:
    """The trial of some kinds, each on a mount of its own."""

    async def trial(ground: Ground) -> Finding:
        return await _tried(ground, group, KINDS[group])

    trial.__name__ = group
    return trial


async def _tried(ground: Ground, group: str, kinds: Mapping[str, Kind]) -> Finding:
    """Two fronts with a mount that is well, and others that fail in one of them; both are asked the same."""
    good, numbers, seconds = _answer(ground.small), itertools.count(), max(5.0, 20 * ground.scale)
    buckets = {name: f"b{number}" for number, name in enumerate(kinds)}
    with origin() as site, origin() as other, _closed_port() as nobody, ExitStack() as stack:
        other.scripts |= {f"/well/{number}.jpg": good for number in range(HEALTHY)}
        other.scripts |= {f"/{bucket}/{key}": good for bucket in buckets.values() for key in KEYS}
        well = {"well": _mount(other.port, "well")}
        sound = {bucket: _mount(other.port, bucket) for bucket in buckets.values()}
        failing = {buckets[name]: _mount(site.port if kinds[name].does else nobody, buckets[name]) for name in kinds}
        front = stack.enter_context(serving(ground, "front", mounts=well | failing, workers=1))
        beside = stack.enter_context(serving(ground, "beside", mounts=well | sound, workers=1))
        for bucket in buckets.values():
            site.scripts[f"/{bucket}/{HELD}"] = good
        truth = {
            name: (await _asked(front, f"/w_50/{buckets[name]}/{HELD}")).body for name, way in kinds.items() if way.does
        }
        for bucket in buckets.values():
            await _asked(beside, f"/w_50/{bucket}/{HELD}")
        for one in (front, beside):
            await _asked(one, "/w_50/well/0.jpg")

        def another() -> str:
            return f"/w_60/well/{next(numbers) % HEALTHY}.jpg"

        async with (
            bystanders(front.port, another, clients=2, pause=0.1) as tally,
            bystanders(beside.port, another, clients=2, pause=0.1) as usual,
        ):
            await asyncio.sleep(WARM)
            began = time.monotonic()
            for name, way in kinds.items():
                for key in KEYS:
                    site.scripts[f"/{buckets[name]}/{key}"] = way.does(good) if way.does else good
            tried, made = await asyncio.gather(
                asyncio.gather(*(_one(front, site, Tried(name), buckets[name], truth.get(name)) for name in kinds)),
                asyncio.gather(*(_answers(beside, bucket) for bucket in buckets.values())),
            )
            paths = [f"/w_50/{bucket}/{number}.jpg" for bucket in failing for number in range(TOGETHER)]
            async with (
                bystanders(front.port, paths, clients=4, pause=0.1),
                bystanders(beside.port, paths, clients=4, pause=0.1),
            ):
                await asyncio.sleep(seconds)
        halves = _others(ground.folder / "front" / "cache" / "originals", good.body[:])
        for script in site.scripts:
            site.scripts[script] = good
        await asyncio.sleep(SETTLES)
        for known in tried:
            again = [await _asked(front, f"/w_50/{buckets[known.name]}/{number}.jpg") for number in range(TOGETHER)]
            known.healed = known.name not in truth or all(answer.body == truth[known.name] for answer in again)
    all_made = all(answer.status == 200 for stale, alone, rest in made for answer in (stale, *alone, *rest))
    return _found(group, tried, (tally, usual, began), halves, all_made and not usual.failed)


def _found(group: str, tried: Sequence[Tried], others: tuple[Tally, Tally, float], halves: int, sound: bool) -> Finding:
    """What is said of it; a front beside that is not `sound` is no measure."""
    tally, usual, began = others
    meanwhile, elsewhere = tally.latency(0.99, began), usual.latency(0.99, began)
    return Finding(
        f"F5 S3 {group}",
        f"a true status within {LONGEST} s, at most {TRIES} tries each, stale where held, none but whole originals "
        f"kept; p99 of another mount as in a front whose mounts are well, asked the same (+{ADDED:.0f} ms or x{MORE})",
        f"{'; '.join(one.said() for one in tried)}; {halves} not whole; another mount {meanwhile:.0f} ms "
        f"({elsewhere:.0f}), {tally.said()}{'' if sound else '; the front beside failed too'}",
        all(one.well(KINDS[group][one.name]) for one in tried)
        and not halves
        and sound
        and not tally.failed
        and meanwhile <= max(elsewhere + ADDED, elsewhere * MORE),
    )


async def _one(front: Front, site: Origin, tried: Tried, bucket: str, held: bytes | None) -> Tried:
    """What comes of a mount that fails."""
    stale, alone, together = await _answers(front, bucket)
    tried.stale = held is None or (stale.status == 200 and stale.body == held)
    tried.statuses = {answer.status for answer in alone}
    tried.later = {answer.status for answer in together}
    tried.slowest = max(answer.seconds for answer in (*alone, *together))
    keys = [f"/{bucket}/{number}.jpg" for number in range(TOGETHER)]
    tried.tries = max(site.count(key, method) for key in keys for method in ("HEAD", "GET"))
    return tried


async def _answers(front: Front, bucket: str) -> tuple[Answer, list[Answer], list[Answer]]:
    """Ask a mount for what is held, then for new originals in two sizes at once: for one, then for the others."""
    await asyncio.sleep(1.5)  # what was held is not asked for again before
    stale = await _asked(front, f"/w_50/{bucket}/{HELD}")
    numbers = [[0], range(1, TOGETHER)]
    paths = [[f"/w_{width}/{bucket}/{number}.jpg" for number in some for width in (50, 70)] for some in numbers]
    alone, together = [await asyncio.gather(*(_asked(front, path) for path in some)) for some in paths]
    return stale, alone, together


async def missing_for_a_while(ground: Ground) -> Finding:
    """404, as of an original that is not there yet, then 200."""
    believed = 10.0
    good = _answer(ground.small)
    with origin() as site, serving(ground, "front", mounts={"b": _mount(site.port, "b")}) as front:
        first = await _asked(front, "/w_50/b/new.jpg")
        many = await asyncio.gather(*(_asked(front, "/w_50/b/new.jpg") for _ in range(ground.times(500))))
        asked = site.count("/b/new.jpg") + site.count("/b/new.jpg", "HEAD")
        site.scripts["/b/new.jpg"] = good
        began = time.monotonic()
        for _ in range(int(2 * believed / 0.2)):
            if (await _asked(front, "/w_50/b/new.jpg")).status == 200:
                break
            await asyncio.sleep(0.2)
        took = time.monotonic() - began
    statuses = {first.status, *(answer.status for answer in many)}
    return Finding(
        "F5 S3 has no such original, then it has",
        f"404, asked at most {TRIES} times by everybody together; 200 within {believed + 0.5:.1f} s",
        f"{sorted(statuses)} for {len(many) + 1}, who asked {asked} times; 200 after {took:.1f} s",
        statuses == {404} and asked <= TRIES and took <= believed + 0.5,
    )


TRIALS = (*map(of, KINDS), missing_for_a_while)


def _answer(body: bytes) -> Script:
    """What S3 says of an object, as it should be."""
    date = formatdate(1_700_000_000, usegmt=True)
    return Script(body, fields={"ETag": f'"{hashlib.md5(body).hexdigest()}"', "Last-Modified": date})


def _mount(port: int, bucket: str) -> dict[str, object]:
    """A mount of S3 as people write it; only that what is held is asked for again soon."""
    keys = {"access_key": "an access key", "secret_key": "its secret"}
    return {"url": f"s3://{bucket}", "endpoint": f"http://{LOCAL}:{port}", "recheck": 1, **keys}


@contextmanager
def _closed_port() -> Iterator[int]:
    """A port that is taken, and at which nobody listens."""
    with socket.socket() as sock:
        sock.bind((LOCAL, 0))
        yield int(sock.getsockname()[1])


def _others(folder: Path, whole: bytes) -> int:
    """How many files among the copies are anything but this original; those that still come are not yet copies."""
    copies = [path for path in folder.rglob("*") if path.is_file() and len(path.name) == COPY_NAME]
    return sum(path.read_bytes() != whole for path in copies)


async def _asked(front: Front, path: str) -> Answer:
    connection = await Http.open(front.port)
    try:
        return await connection.ask(path)
    finally:
        connection.close()
