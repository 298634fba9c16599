"""What is left of coordination while Redis is gone, silent, empty or full of other things, and how it comes back."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from proxy.addresses import RedisAddress
from proxy.breaker import Breaker
from proxy.coordination.locks import RedisLocks
from proxy.coordination.redis import RedisBus, RedisTable
from proxy.coordination.seams import RECONNECTED, Unreachable
from proxy.purging.generations import MAP, Generations
from proxy.redis import NotAnswering, RedisClient, Refused
from tests.redis_server import RedisServer, redis_server
from tests.serving import wait_until

pytestmark = pytest.mark.anyio

FAULTS: dict[str, tuple[Callable[[RedisServer], object], Callable[[RedisServer], object]]] = {
    "stopped": (RedisServer.stop, RedisServer.start),
    "frozen": (RedisServer.freeze, RedisServer.thaw),
    "paused": (
        lambda redis: redis.do("CLIENT", "PAUSE", "3600000", "ALL"),
        lambda redis: (redis.stop(), redis.start()),
    ),
}
"""What happens to a Redis, and what undoes it."""


@dataclass(frozen=True)
class Front:
    client: RedisClient
    bus: RedisBus
    table: RedisTable
    locks: RedisLocks


@asynccontextmanager
async def front(redis: RedisServer, prefix: str, budget: float = 0.05) -> AsyncIterator[Front]:
    """One that loses patience soon, and finds it again."""
    client = RedisClient(RedisAddress.read(redis.url), budget, Breaker(seconds=0.2))
    bus = RedisBus(client, prefix)
    bus.start()
    await until(lambda: bus.connected)
    yield Front(client, bus, RedisTable(client, prefix), RedisLocks(client, bus, prefix))
    await bus.close()
    await client.close()


async def until(true: Callable[[], object]) -> None:
    await asyncio.to_thread(wait_until, true)


async def sooner_or_later(act: Callable[[], Awaitable[bool]]) -> None:
    """Do something again and again until it succeeds."""
    for _ in range(1000):
        if await act():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never succeeded")


@pytest.fixture
def frail(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis to be treated badly."""
    with redis_server(tmp_path / "redis") as server:
        yield server


async def test_a_front_that_is_busy_itself_does_not_speak_against_redis(frail: RedisServer) -> None:
    client = RedisClient(RedisAddress.read(frail.url), 0.3)
    await sooner_or_later(lambda: answered(client))
    failed = client.breaker.failed
    for _ in range(2):
        asking = asyncio.create_task(client.ask("PING"))
        for _ in range(3):
            await asyncio.sleep(0)  # in which it is sent
        asyncio.get_running_loop().call_soon(time.sleep, 0.6)
        assert (await asyncio.gather(asking, return_exceptions=True))[0] == b"PONG"
    assert client.breaker.failed == failed
    await client.close()


async def answered(client: RedisClient) -> bool:
    with suppress(NotAnswering):
        return bool(await client.ask("PING") == b"PONG")
    return False


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_redis_that_does_not_answer_is_soon_left_alone_and_found_again(fault: str, frail: RedisServer) -> None:
    harm, mend = FAULTS[fault]
    async with front(frail, "p:") as here:
        await here.client.ask("SET", "a", "1")
        await asyncio.to_thread(harm, frail)
        for _ in range(20):
            with pytest.raises(NotAnswering):
                await here.client.ask("GET", "a")
        # A slow machine may let another attempt through meanwhile, but not many.
        assert here.client.breaker.failed < 15
        assert here.client.breaker.refused >= 5
        with pytest.raises(Unreachable):
            await here.table.read("t")
        async with here.locks.held("key", 30) as ours:
            assert ours
        await here.bus.publish("topic", "nobody else hears this")
        await asyncio.to_thread(mend, frail)

        async def write() -> bool:
            with suppress(Unreachable):
                await here.table.set("t", "a", "1")
                return True
            return False

        await sooner_or_later(write)
        assert here.client.breaker.state == "closed"
        await until(lambda: here.bus.connected)


async def test_a_gap_is_heard_of_when_it_is_over(frail: RedisServer) -> None:
    async with front(frail, "p:") as here, front(frail, "p:", budget=20) as there:
        gaps: list[str] = []
        heard: list[str] = []
        here.bus.listen(RECONNECTED, gaps.append)
        here.bus.listen("topic", heard.append)
        await asyncio.to_thread(frail.stop)
        await until(lambda: not here.bus.connected)
        await here.bus.publish("topic", "own words")
        assert (heard, gaps) == (["own words"], [])
        await asyncio.to_thread(frail.start)
        await until(lambda: gaps and there.bus.connected)

        async def say() -> bool:
            await there.bus.publish("topic", "later")
            return "later" in heard

        # The other one may leave Redis alone for a moment longer.
        await sooner_or_later(say)


async def test_a_silent_connection_is_found_out(frail: RedisServer) -> None:
    async with front(frail, "p:") as here:
        await asyncio.to_thread(frail.freeze)
        await until(lambda: not here.bus.connected)
        await asyncio.to_thread(frail.thaw)
        await until(lambda: here.bus.connected)


async def test_who_waits_goes_on_when_redis_is_gone(frail: RedisServer) -> None:
    async with front(frail, "p:", budget=20) as here, front(frail, "p:") as there, here.locks.held("key", 30):
        waiting = asyncio.create_task(there.locks.held("key", 30).__aenter__())
        await until(lambda: there.locks.waits)
        await asyncio.to_thread(frail.stop)
        # Nothing tells it apart from a lock that it has.
        assert await waiting in (True, False)


async def test_the_lock_of_a_dead_front_passes_on(redis: RedisServer) -> None:
    prefix = f"{secrets.token_hex(4)}:"
    async with front(redis, prefix, budget=20) as here:
        await here.client.ask("SET", f"{prefix}lock:key", "somebody who died", "PX", 300)
        async with here.locks.held("key", 30) as ours:
            assert ours
        assert here.locks.waits == 1


async def test_a_lock_is_renewed_while_its_front_lives(redis: RedisServer) -> None:
    name = f"{secrets.token_hex(4)}:"
    left: list[int] = []

    def renewed() -> bool:
        left.append(int(redis.do("PTTL", f"{name}lock:key")[1:]))
        return left[-1] > left[-2]

    async with front(redis, name, budget=20) as here, here.locks.held("key", 0.9):
        left.append(1 << 30)
        await until(renewed)


async def test_a_lock_that_redis_has_lost_is_taken_again(frail: RedisServer) -> None:
    async with front(frail, "p:") as here:
        async with here.locks.held("key", 0.3):
            await asyncio.to_thread(frail.stop)
            await asyncio.to_thread(frail.start)
            await until(lambda: frail.do("EXISTS", "p:lock:key") == ":1\r\n")
        await until(lambda: frail.do("EXISTS", "p:lock:key") == ":0\r\n")


async def test_only_its_owner_lets_go_of_a_lock(redis: RedisServer) -> None:
    prefix = f"{secrets.token_hex(4)}:"
    async with front(redis, prefix, budget=20) as here:
        async with here.locks.held("key", 30):
            await here.client.ask("SET", f"{prefix}lock:key", "another's", "PX", 30_000)
        assert await here.client.ask("GET", f"{prefix}lock:key") == b"another's"


@pytest.mark.parametrize("kind", [("SET", "a text"), ("RPUSH", "a list")], ids=lambda kind: kind[0])
async def test_what_stands_in_the_place_of_a_lock_holds_up_nobody_for_long(
    kind: tuple[str, str], redis: RedisServer
) -> None:
    prefix = f"{secrets.token_hex(4)}:"
    async with front(redis, prefix, budget=20) as here:
        await here.client.ask(kind[0], f"{prefix}lock:key", kind[1])
        async with here.locks.held("key", 30) as ours:
            assert ours
        assert await here.client.ask("EXISTS", f"{prefix}lock:key")


async def test_what_stands_in_the_place_of_a_map_is_no_map(redis: RedisServer) -> None:
    prefix = f"{secrets.token_hex(4)}:"
    async with front(redis, prefix, budget=20) as here:
        await here.client.ask("SET", f"{prefix}table:t", "a text")
        for asked in (here.table.read("t"), here.table.set("t", "a", "1"), here.table.add("t", "a")):
            with pytest.raises(Unreachable):
                await asked
        with pytest.raises(Refused):
            await here.client.ask("HGET", f"{prefix}table:t", "a")
        assert here.client.breaker.state == "closed"


@pytest.mark.parametrize("text", ["abc", b"\xff", "9" * 5000, str(2**63 - 1), "-1", ""])
async def test_a_number_of_purges_that_is_none_is_passed_over_and_counted_anew(
    redis: RedisServer, text: str | bytes
) -> None:
    prefix = f"{secrets.token_hex(4)}:"
    async with front(redis, prefix, budget=20) as here:
        for name in ("mount:photos", b"\xff\xfe", "two words", "a line\nmount:others"):
            redis.do("HSET", f"{prefix}table:{MAP}", name, text)
        redis.do("HSET", f"{prefix}table:{MAP}", "mount:good", "7")
        generations = Generations(here.table, None)
        await generations.start()
        assert generations.numbers(["mount:good", "mount:photos", "mount:others"]) == {"mount:good": 7}
        await generations.rise(["mount:photos"])
        await generations.catch_up()
        assert not generations.owing
        other = Generations(here.table, None)
        await other.start()
        assert other.of(["mount:photos"]).numbers == generations.of(["mount:photos"]).numbers != ()


async def test_a_number_of_purges_that_could_not_be_written_down_is_not_heard(redis: RedisServer) -> None:
    async with front(redis, f"{secrets.token_hex(4)}:", budget=20) as here:
        generations = Generations(here.table, None)
        assert generations.heard({"mount:photos": 10**15, "two words": 1, "mount:others": 2}) == {"mount:others"}


async def test_a_full_redis_makes_everybody_a_leader(frail: RedisServer) -> None:
    frail.do("CONFIG", "SET", "maxmemory", "1")
    async with (
        front(frail, "p:", budget=20) as here,
        front(frail, "p:", budget=20) as there,
        here.locks.held("key", 30) as ours,
        there.locks.held("key", 30) as too,
    ):
        assert (ours, too) == (True, True)


async def test_what_is_said_on_the_bus_in_no_form_of_ours_disturbs_nobody(redis: RedisServer) -> None:
    prefix = f"{secrets.token_hex(4)}:"
    async with front(redis, prefix, budget=20) as here:
        heard: list[str] = []
        here.bus.listen("topic", heard.append)
        for text in (b"\xff\xfe", b"", b"no sender", b"sender\nthis"):
            redis.do("PUBLISH", f"{prefix}bus:topic", text)
        await until(lambda: heard[-1:] == ["this"])


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis://localhost", "redis://localhost:6379/0"),
        ("rediss://user:p%40ss@redis.example:7000/3", "rediss://redis.example:7000/3"),
        ("redis://:secret@[::1]:6380", "redis://[::1]:6380/0"),
    ],
)
def test_an_address_is_read_and_shows_no_password(url: str, told: str) -> None:
    address = RedisAddress.read(url)
    assert str(address) == told
    assert "ss@" not in repr(address)
    assert "secret" not in repr(address)


@pytest.mark.parametrize(
    "url",
    ["", "redis:", "redis://", "http://host", "redis://host:port", "redis://host:99999", "redis://host/name",
     "redis://host/0?db=1", "redis://host/-1", "redis://[::1", "redis://host/٣"],
)  # fmt: skip
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="an address such as redis://"):
        RedisAddress.read(url)
