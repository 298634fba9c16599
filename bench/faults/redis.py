"""A Redis that is gone, hangs, has forgotten everything, is full, or holds what we did not put there."""

import asyncio
import itertools
import signal
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

import redis.asyncio
from redis.exceptions import RedisError

from bench.trials.bystanders import Tally, bystanders
from bench.trials.finding import Finding
from bench.trials.ground import Ground, cold, serving
from bench.trials.programs import Program
from bench.trials.services import redis_server

LASTS, REPEATS = 10.0, 3
ADDED_AT_FIRST, ADDED_LATER = 100.0, 5.0
"""Milliseconds that answers may take longer at the 99th percentile: until the breaker opens, and then."""
SETTLES = 2.0
"""Seconds after which the breaker must be open."""
RECOVERS = 5.0


async def _gone(program: Program, port: int, seconds: float) -> None:
    program.kill()
    await asyncio.sleep(seconds)
    await asyncio.to_thread(program.start)


async def _hangs(program: Program, port: int, seconds: float) -> None:
    program.send(signal.SIGSTOP)
    await asyncio.sleep(seconds)
    program.send(signal.SIGCONT)


async def _paused(program: Program, port: int, seconds: float) -> None:
    async with redis.asyncio.Redis(port=port) as client:
        await client.client_pause(int(seconds * 1000), all=True)
    await asyncio.sleep(seconds)


async def _restarts_empty(program: Program, port: int, seconds: float) -> None:
    program.kill()
    await asyncio.to_thread(program.start)
    await asyncio.sleep(seconds)


async def _full(program: Program, port: int, seconds: float) -> None:
    async with redis.asyncio.Redis(port=port) as client:
        await client.config_set("maxmemory", "1mb")
        await asyncio.sleep(seconds)
        await client.config_set("maxmemory", "0")


async def _foreign(program: Program, port: int, seconds: float) -> None:
    async with redis.asyncio.Redis(port=port) as client:
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end:
            for key in await client.keys("*"):
                with suppress(RedisError):
                    await client.delete(key)
                    await client.lpush(key, "I am a list")
            await asyncio.sleep(0.2)


KINDS: Mapping[str, Callable[[Program, int, float], Awaitable[None]]] = {
    "gone": _gone,
    "hangs (SIGSTOP)": _hangs,
    "CLIENT PAUSE": _paused,
    "restarted empty": _restarts_empty,
    "maxmemory reached": _full,
    "keys of another type": _foreign,
}


def of(kind: str) -> Callable[[Ground], Awaitable[Finding]]:
    """The trial of one kind of trouble."""

    async def trial(ground: Ground) -> Finding:
        return await _tried(ground, kind)

    trial.__name__ = kind
    return trial


TRIALS = tuple(of(kind) for kind in KINDS)


async def _tried(ground: Ground, kind: str) -> Finding:
    """Two fronts under the same load, each with a Redis of its own; one Redis is harmed, as often as there is time."""
    numbers, seconds, windows = itertools.count(), max(4.0, LASTS * ground.scale), []
    clock = time.monotonic
    with ExitStack() as stack:
        (harmed, beside) = (stack.enter_context(_with_redis(ground, name)) for name in ("harmed", "beside"))
        async with (
            bystanders(harmed.port, lambda: cold(next(numbers), "1.jpg"), clients=2) as tally,
            bystanders(beside.port, lambda: cold(next(numbers), "1.jpg"), clients=2) as usual,
        ):
            await asyncio.sleep(3)
            for _ in range(max(1, round(REPEATS * ground.scale))):
                began = clock()
                await KINDS[kind](harmed.redis, harmed.redis_port, seconds)
                ended = clock()
                await asyncio.sleep(RECOVERS)
                healed = clock()
                await asyncio.sleep(3)
                windows.append((began, ended, healed, clock()))
    return _found(kind, tally, usual, windows)


@dataclass(frozen=True)
class _Pair:
    port: int
    redis: Program
    redis_port: int


@contextmanager
def _with_redis(ground: Ground, name: str) -> Iterator[_Pair]:
    """A front that keeps results in a Redis of its own, as far as it takes them, and works with others by it."""
    program, port = redis_server(ground.folder / f"redis-{name}")
    address = f"redis://127.0.0.1:{port}/0"
    results = ["memory:", "disk:", f"{address}?bodies=64KiB"]
    folder = ground.folder / f"{name}-originals"
    folder.mkdir()
    # What a picture costs is not asked here: one that costs little shows best what Redis adds.
    (folder / "1.jpg").write_bytes(ground.small)
    program.start()
    try:
        with serving(ground, name, redis=address, results=results, mounts=str(folder), workers=1) as front:
            yield _Pair(front.port, program, port)
    finally:
        program.kill()


def _found(kind: str, tally: Tally, usual: Tally, windows: Sequence[tuple[float, float, float, float]]) -> Finding:
    def added(share: float, spans: Sequence[tuple[float, float]]) -> float:
        return tally.within(share, spans) - usual.within(share, spans)

    first = added(0.99, [(began, began + SETTLES) for began, _, _, _ in windows])
    later = added(0.5, [(began + SETTLES, ended) for began, ended, _, _ in windows])
    after = added(0.5, [(healed, over) for _, _, healed, over in windows])
    return Finding(
        f"F4 Redis: {kind}",
        f"no failed answer; beside a front with a Redis that is well +{ADDED_AT_FIRST:.0f} ms (p99) in the first "
        f"{SETTLES:.0f} s, +{ADDED_LATER:.0f} ms (median) then and {RECOVERS:.0f} s after its end",
        f"{tally.said()}; p99 {first:+.0f} ms, then median {later:+.1f} ms, afterwards {after:+.1f} ms",
        not tally.failed and first <= ADDED_AT_FIRST and later <= ADDED_LATER and after <= ADDED_LATER,
    )
