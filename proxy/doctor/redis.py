"""Whether the Redis that servers work together by is there, and has the time that we have."""

import asyncio
import time
from collections.abc import Callable, Iterator

from proxy.addresses import RedisAddress
from proxy.doctor.check import Check
from proxy.settings import Settings

PATIENCE = 2.0
"""Seconds that Redis may take here; the server gives it less."""
APART = 5.0
"""Seconds by which clocks may differ before URLs expire on one machine and hold on another."""
START_IT = "start it and let it in from here, or take it out of the settings; until then each server works alone"


def check_redis(settings: Settings, clock: Callable[[], float] = time.time) -> Iterator[Check]:
    """Ask every Redis that the settings name."""
    named = {"redis": settings.redis} | {f"results {tier.kind}": tier.address for tier in settings.shared_tiers}
    for name, address in named.items():
        if isinstance(address, RedisAddress):
            yield from asyncio.run(_asked(name, address, clock))


async def _asked(name: str, address: RedisAddress, clock: Callable[[], float]) -> list[Check]:
    from proxy.redis import NotAnswering, RedisClient, Refused

    client = RedisClient(address, PATIENCE)
    started = time.perf_counter()
    try:
        seconds, micros = map(int, await client.ask("TIME"))
        elapsed = time.perf_counter() - started
    except (NotAnswering, Refused) as error:
        why = type(error.__cause__ or error).__name__
        return [Check(name, "bad", f"{address} does not answer: {why}", START_IT)]
    finally:
        await client.close()
    apart = abs(clock() - (seconds + micros / 1e6))
    found = [Check(name, "ok", f"{address} answers in {elapsed * 1000:.0f} ms")]
    if apart > APART:
        said = f"it is {apart:.0f} s apart from that of {address}"
        found.append(Check("clock", "bad", said, "set both by NTP: URLs expire by it"))
    return found
