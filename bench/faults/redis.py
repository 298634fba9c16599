"""A Redis that is gone, hangs, has forgotten everything, is full, or holds what we did not put there."""

import asyncio
import itertools
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import redis.asyncio
from redis.exceptions import RedisError

from bench.trials.bystanders import Tally, bystanders
from bench.trials.finding import Finding
from bench.trials.ground import Ground, serving
from bench.trials.programs import Program
from bench.trials.services import redis_server

LASTS = 10.0
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
    numbers, seconds = itertools.count(), max(4.0, LASTS * ground.scale)
    program, port = redis_server(ground.folder / "redis")
    await asyncio.to_thread(program.start)
    address = f"redis://127.0.0.1:{port}/0"
    results = ["memory:", "disk:", f"{address}?bodies=64KiB"]
    clock = asyncio.get_running_loop().time
    try:
        with serving(ground, "front", redis=address, results=results) as front:
            async with bystanders(front.port, lambda: _cold(next(numbers)), clients=2) as tally:
                start = clock()
                await asyncio.sleep(4)
                began = clock()
                await KINDS[kind](program, port, seconds)
                ended = clock()
                await asyncio.sleep(RECOVERS)
                healed = clock()
                await asyncio.sleep(3)
            return _found(kind, tally, (start + 1, began, ended, healed, clock()))
    finally:
        program.kill()


def _found(kind: str, tally: Tally, at: tuple[float, float, float, float, float]) -> Finding:
    start, began, ended, healed, over = at
    usual = tally.latency(0.99, start, began)
    first = tally.latency(0.99, began, began + SETTLES) - usual
    later = tally.latency(0.5, began + SETTLES, ended) - tally.latency(0.5, start, began)
    after = tally.latency(0.5, healed, over) - tally.latency(0.5, start, began)
    return Finding(
        f"F4 Redis: {kind}",
        f"no failed answer; +{ADDED_AT_FIRST:.0f} ms (p99) at first, +{ADDED_LATER:.0f} ms (median) then, "
        f"as before within {RECOVERS:.0f} s",
        f"{tally.said()}; p99 {first:+.0f} ms, then median {later:+.1f} ms, afterwards {after:+.1f} ms",
        not tally.failed and first <= ADDED_AT_FIRST + usual and later <= ADDED_LATER and after <= ADDED_LATER,
    )


def _cold(number: int) -> str:
    return f"/w_{40 + number % 600},q_{1 + number // 600 % 100}/cats/1.jpg"
