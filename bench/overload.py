"""More than can be done: sixty-four clients ask for heavy pictures while others go on with hits."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from statistics import median

from bench.caches import empty_cache
from bench.hot import ACCEPT, FEW, forty_kilobytes
from bench.inputs import fresh
from bench.load import Answer, Http
from bench.processes import watched
from bench.results import Comparison, Point, Row, Target
from bench.rounds import Setting
from bench.serving import darkroom_process
from bench.wrk import Said, wrk
from signing import Signer, new_secret

CLIENTS = 64
HEAVY = "f_avif,w_1920"
BEFORE, AFTER = 3, 3  # slices of a second
RECOVERED = 2.0  # times the usual time of a cold picture
PATIENCE = 60.0


@dataclass
class Tally:
    """What the sixty-four got; seconds of each."""

    made: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    told: list[float] = field(default_factory=list)
    second: list[bool] = field(default_factory=list)  # whether who came back when told was served
    others: list[int] = field(default_factory=list)


async def compare(setting: Setting) -> Comparison:
    """Hits before, during and after; what is refused, how fast, what it says, and when all is well again."""
    secret, tally = new_secret(), Tally()
    signer = Signer(secret)
    during = max(8, round(setting.seconds * 4))
    with ExitStack() as stack:
        cache = empty_cache(setting.out)
        names = stack.enter_context(fresh(setting.out))
        server = darkroom_process(names.folder, "--cache", cache, settings={"DARKROOM_KEYS": secret})
        pid, port = stack.enter_context(server)
        small, large = setting.inputs["12mp"], setting.inputs["24mp"]
        hit = await asyncio.to_thread(forty_kilobytes, port, signer, names.name(small))
        ask = partial(wrk, f"http://127.0.0.1:{port}{hit.path}", [f"Accept: {ACCEPT}"], 1.0, FEW)
        usual = median([await _cold(port, signer, names.name(small)) for _ in range(3)])
        slices: list[Said] = [await ask() for _ in range(BEFORE)]
        heavy = _paths(signer, lambda: names.name(large))
        async with watched(pid) as spent:
            clients = [asyncio.create_task(_client(port, heavy, tally)) for _ in range(CLIENTS)]
            slices += [await ask() for _ in range(during)]
            for client in clients:
                client.cancel()
            failed = [
                end for end in await asyncio.gather(*clients, return_exceptions=True) if isinstance(end, Exception)
            ]
        recovery = await _recovered(port, signer, lambda: names.name(small), usual)
        slices += [await ask() for _ in range(AFTER)]
    if failed:
        raise RuntimeError(f"{len(failed)} clients were cut off, the first by {failed[0]!r}")
    curves: dict[str, tuple[Point, ...]] = {
        "99th percentile": tuple((float(at), said.p99) for at, said in enumerate(slices)),
        "median": tuple((float(at), said.p50) for at, said in enumerate(slices)),
        "load": ((float(BEFORE), 0.0), (float(BEFORE + during), 0.0)),
    }
    setting.say(f"  {len(tally.made)} made, {len(tally.refused)} refused, {len(tally.others)} otherwise")
    idle, busy = slices[:BEFORE], slices[BEFORE : BEFORE + during]
    return Comparison("overload", tuple(_rows(tally, idle, busy, recovery, during)), (spent.foreign,), curves)


def _rows(tally: Tally, idle: list[Said], busy: list[Said], recovery: float, during: int) -> Iterator[Row]:
    what = f"{CLIENTS} clients"
    rate, before = median(said.rate for said in busy), median(said.rate for said in idle)
    yield Row(f"hits beside {what}, 99th percentile", "ms", tuple(said.p99 for said in busy), target=Target(8.0, True))
    yield Row(f"hits beside {what}, rate", "answers/s", (rate,), "the same, idle", (before,))
    yield Row("heavy pictures made", "a second", (len(tally.made) / during,))
    answered = len(tally.made) + len(tally.refused) + len(tally.others)
    yield Row("share that was refused with 503", "of 1", (len(tally.refused) / max(answered, 1),))
    yield Row("answers other than 200 and 503", "answers", (float(len(tally.others)),), target=Target(0.0, True))
    if tally.refused:
        yield Row("time until a refusal, median", "ms", (median(tally.refused) * 1000,))
        yield Row("`Retry-After` of a refusal, median", "s", (median(tally.told),))
    if tally.second:
        yield Row("share served who came back when told", "of 1", (sum(tally.second) / len(tally.second),))
    yield Row("time until cold pictures take as long as before", "s", (recovery,))


async def _client(port: int, paths: Iterator[str], tally: Tally) -> None:
    """Ask for one heavy picture after the other; when refused, come back for the same one when told."""
    connection = await Http.open(port)
    try:
        for path in paths:
            answer = await connection.ask(path)
            _count(tally, answer)
            if answer.status == 503 and "retry-after" in answer.fields:
                wait = float(answer.fields["retry-after"])
                tally.told.append(wait)
                await asyncio.sleep(wait)
                again = await connection.ask(path)
                _count(tally, again)
                tally.second.append(again.status == 200)
    finally:
        connection.close()


def _count(tally: Tally, answer: Answer) -> None:
    if answer.status == 200:
        tally.made.append(answer.seconds)
    elif answer.status == 503:
        tally.refused.append(answer.seconds)
    else:
        tally.others.append(answer.status)


def _paths(signer: Signer, name: Callable[[], str]) -> Iterator[str]:
    while True:
        yield signer.url(name(), HEAVY)


async def _cold(port: int, signer: Signer, name: str) -> float:
    connection = await Http.open(port)
    answer = await connection.ask(signer.url(name, f="jpg", w=600))
    connection.close()
    return answer.seconds if answer.status == 200 else float("inf")


async def _recovered(port: int, signer: Signer, name: Callable[[], str], usual: float) -> float:
    """Seconds until a cold picture takes about as long as it did before the load."""
    started = time.monotonic()
    while await _cold(port, signer, name()) > RECOVERED * usual and time.monotonic() - started < PATIENCE:
        pass
    return time.monotonic() - started
