"""Answers that were given before, signed and negotiated: beside nginx with a file, and while every core encodes."""

import asyncio
import itertools
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from statistics import fmean

from bench.caches import empty_cache
from bench.cold import CLIENTS, WIDTH
from bench.inputs import Fresh, fresh
from bench.load import Http, drive
from bench.processes import watched
from bench.results import Comparison, Row, Target
from bench.rounds import Setting, Turn, interleaved
from bench.serving import darkroom_process, nginx
from bench.wrk import wrk
from signing import Signer, new_secret

CONNECTIONS, FEW = 32, 4
ACCEPT = "image/avif,image/webp,image/apng,image/*,*/*;q=0.8"
SIZES = range(38_000, 43_000)
"""Bytes of a body that counts as 40 KB."""
RUNS = 3  # under load


@dataclass(frozen=True)
class Hit:
    """An answer that is kept: where, its bytes, its tag."""

    path: str
    body: bytes
    etag: str


async def compare(setting: Setting) -> Comparison:
    """Whole answers and 304s on one core, the load on another; then hits beside cold pictures on all cores."""
    rows = [*await _beside_nginx(setting), *await _beside_work(setting)]
    return Comparison("hot", tuple(row for row, _ in rows), tuple(itertools.chain(*(foreign for _, foreign in rows))))


async def _beside_nginx(setting: Setting) -> list[tuple[Row, list[float]]]:
    secret, rows = new_secret(), []
    with ExitStack() as stack:
        cache = empty_cache(setting.out)
        names = stack.enter_context(fresh(setting.out))
        settings = {"DARKROOM_KEYS": secret}
        pid, port = stack.enter_context(darkroom_process(names.folder, "--cache", cache, core=0, settings=settings))
        hit = await asyncio.to_thread(forty_kilobytes, port, Signer(secret), names.name(setting.inputs["12mp"]))
        beside = stack.enter_context(static(hit.body))
        tag = request(beside, "/body.jpg")[1]
        ours, theirs = f"http://127.0.0.1:{port}{hit.path}", f"http://127.0.0.1:{beside}/body.jpg"
        for what, own, other in (
            (f"hit of {len(hit.body) / 1000:.0f} KB", [], []),
            ("304", [f"If-None-Match: {hit.etag}"], [f"If-None-Match: {tag}"]),
        ):
            plays = {
                "Darkroom": partial(_hits, pid, ours, [f"Accept: {ACCEPT}", *own], setting.seconds),
                "nginx": partial(_hits, pid, theirs, other, setting.seconds),
            }
            turns = await interleaved(plays, setting, what)
            rates = {name: tuple(turn.rate for turn in taken) for name, taken in turns.items()}
            row = Row(
                f"{what}, on one core", "answers/s", rates["Darkroom"], "nginx static", rates["nginx"], Target(0.5)
            )
            rows.append((row, [turn.foreign for taken in turns.values() for turn in taken]))
    return rows


async def _hits(pid: int, url: str, fields: Sequence[str], seconds: float) -> Turn:
    async with watched(pid) as spent:
        said = await wrk(url, fields, seconds, CONNECTIONS)
    return Turn(said.rate, spent.cpu, spent.peak, 0.0, spent.foreign)


async def _beside_work(setting: Setting) -> list[tuple[Row, list[float]]]:
    """The same server, asked for cold pictures by eight clients meanwhile."""
    secret = new_secret()
    signer = Signer(secret)
    idle, busy, foreign, made = [], [], [], []
    with ExitStack() as stack:
        cache = empty_cache(setting.out)
        names = stack.enter_context(fresh(setting.out))
        pid, port = stack.enter_context(
            darkroom_process(names.folder, "--cache", cache, settings={"DARKROOM_KEYS": secret})
        )
        original = setting.inputs["12mp"]
        hit = await asyncio.to_thread(forty_kilobytes, port, signer, names.name(original))
        ask = partial(wrk, f"http://127.0.0.1:{port}{hit.path}", [f"Accept: {ACCEPT}"], setting.seconds, FEW)
        for number in range(RUNS):
            idle.append(await ask())
            async with watched(pid) as spent:
                work = drive(lambda _: Http.open(port), _cold(signer, names, original), CLIENTS, setting.seconds)
                said, counted = await asyncio.gather(ask(), work)
            busy.append(said)
            foreign.append(spent.foreign)
            made.append(counted.rate)
            setting.say(f"  hits beside work, run {number + 1} of {RUNS}: {said.rate:.0f}/s, p99 {said.p99:.1f} ms")
    what, pace = f"{FEW} connections while every core encodes", f"{fmean(made):.0f} cold pictures/s meanwhile"
    slow, rates = tuple(said.p99 for said in busy), [tuple(said.rate for said in runs) for runs in (busy, idle)]
    late = Row(f"hits on {what}, 99th percentile", "ms", slow, target=Target(8.0, most=True), settings=pace)
    rate = Row(f"hits on {what}", "answers/s", rates[0], "the same, idle", rates[1], settings=pace)
    return [(late, foreign), (rate, [])]


@contextmanager
def static(body: bytes) -> Iterator[int]:
    """nginx with one file on one core; yields its port."""
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as folder:
        Path(folder, "body.jpg").write_bytes(body)
        Path(folder).chmod(0o755)
        with nginx(Path(folder), core=0) as port:
            yield port


def _cold(signer: Signer, names: Fresh, original: Path) -> Iterator[str]:
    while True:
        yield signer.url(names.name(original), f="jpg", w=WIDTH)


def request(port: int, path: str, accept: str = "*/*") -> tuple[bytes, str]:
    """Body and tag of one answer; raises RuntimeError unless it is a 200."""
    connection = HTTPConnection("127.0.0.1", port)
    connection.request("GET", path, headers={"Accept": accept})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{answer.status}: {body[:300]!r}")
    return body, answer.getheader("etag", "")


def forty_kilobytes(port: int, signer: Signer, name: str) -> Hit:
    """A negotiated rendition of about 40 KB, found by its width; it is kept, in its last grade, when this returns."""
    least, most = 100, 3000
    while True:
        width = (least + most) // 2
        path = signer.url(name, f="auto", w=width)
        body, etag = request(port, path, ACCEPT)
        if len(body) in SIZES or most - least < 8:
            return Hit(path, *_settled(port, path, etag))
        least, most = (width, most) if len(body) < SIZES[0] else (least, width)


def _settled(port: int, path: str, etag: str) -> tuple[bytes, str]:
    """The answer once it is not refined any more: the second request starts that."""
    for _ in range(40):
        time.sleep(0.25)
        body, now = request(port, path, ACCEPT)
        if now != etag:
            break
    return body, now
