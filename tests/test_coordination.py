"""What fronts do together, whatever joins them."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest

from proxy.addresses import RedisAddress
from proxy.coordination.local import LocalBus, LocalLocks, LocalTable
from proxy.coordination.locks import RedisLocks
from proxy.coordination.redis import RedisBus, RedisTable
from proxy.coordination.seams import Bus, Locks, Table
from proxy.redis import RedisClient
from tests.redis_server import RedisServer
from tests.serving import wait_until

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Fronts:
    """Two fronts' view of one thing; where nothing joins them there is but one."""

    buses: tuple[Bus, Bus]
    tables: tuple[Table, Table]
    locks: tuple[Locks, Locks]


@asynccontextmanager
async def joined(redis: RedisServer) -> AsyncIterator[Fronts]:
    """Two fronts that hear each other, under a prefix of their own."""
    prefix = f"{secrets.token_hex(4)}:"
    async with AsyncExitStack() as closing:
        clients = [RedisClient(RedisAddress.read(redis.url), 20.0) for _ in range(2)]
        for client in clients:
            closing.push_async_callback(client.close)
        here, there = [RedisBus(client, prefix) for client in clients]
        for bus in (here, there):
            bus.start()
            closing.push_async_callback(bus.close)
        tables = [RedisTable(client, prefix) for client in clients]
        locks = [RedisLocks(client, bus, prefix) for client, bus in zip(clients, (here, there), strict=True)]
        await until(lambda: here.connected and there.connected)
        yield Fronts((here, there), (tables[0], tables[1]), (locks[0], locks[1]))


@pytest.fixture(params=["local", "redis"])
async def fronts(request: pytest.FixtureRequest, redis: RedisServer) -> AsyncIterator[Fronts]:
    if request.param == "redis":
        async with joined(redis) as fronts:
            yield fronts
    else:
        bus, table, locks = LocalBus(), LocalTable(), LocalLocks()
        yield Fronts((bus, bus), (table, table), (locks, locks))


async def owned(locks: Locks, key: str) -> None:
    """Get a lock, however often it is told that somebody else has just had it."""
    ours = False
    while not ours:
        async with locks.held(key, 30) as ours:
            pass


async def until(true: Callable[[], object]) -> None:
    """Wait until something is so that other tasks bring about."""
    await asyncio.to_thread(wait_until, true)


async def test_every_listener_hears_what_is_published_its_own_front_included(fronts: Fronts) -> None:
    heard: list[str] = []
    for number, bus in enumerate(fronts.buses):
        bus.listen("purge", lambda text, number=number: heard.append(f"{number} {text}"))  # type: ignore[misc]
    await fronts.buses[0].publish("purge", "größer\nhere")
    await fronts.buses[0].publish("other", "there")
    await until(lambda: len(heard) >= 2)
    assert sorted(heard) == ["0 größer\nhere", "1 größer\nhere"]


async def test_a_listener_that_fails_keeps_nobody_from_hearing(fronts: Fronts) -> None:
    heard: list[str] = []

    def fail(text: str) -> None:
        raise ValueError(text)

    fronts.buses[1].listen("purge", fail)
    fronts.buses[1].listen("purge", heard.append)
    await fronts.buses[0].publish("purge", "this")
    await until(lambda: heard == ["this"])


async def test_what_one_front_writes_another_reads(fronts: Fronts) -> None:
    here, there = fronts.tables
    assert await here.read("t") == {}
    assert await here.get("t", "a") is None
    await here.set("t", "a", "größer")
    assert await there.get("t", "a") == "größer"
    assert [await table.add("t", "n", by) for table, by in ((here, 1), (there, 5), (here, -2))] == [1, 6, 4]
    assert await there.read("t") == {"a": "größer", "n": "4"}
    assert await there.read("u") == {}


async def test_one_holds_a_lock_and_the_others_wake_when_it_lets_go(fronts: Fronts) -> None:
    here, there = fronts.locks
    finished = False

    async def wait(locks: Locks) -> bool:
        async with locks.held("key", 30) as ours:
            assert finished
            return ours

    async with here.held("key", 30) as ours, here.held("another", 30) as other:
        assert (ours, other) == (True, True)
        waiting = [asyncio.create_task(wait(locks)) for locks in (here, there, there)]
        await asyncio.sleep(0.05)
        assert not any(task.done() for task in waiting)
        finished = True
    assert await asyncio.gather(*waiting) == [False] * 3
    await owned(there, "key")
    await owned(here, "key")


async def test_who_fails_lets_go(fronts: Fronts) -> None:
    here, there = fronts.locks
    with pytest.raises(ZeroDivisionError):
        async with here.held("key", 30):
            raise ZeroDivisionError
    await owned(there, "key")


async def test_who_stops_waiting_changes_nothing(fronts: Fronts) -> None:
    here, there = fronts.locks

    async def wait() -> None:
        async with there.held("key", 30):
            pass

    async with here.held("key", 30):
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0.02)
        waiting.cancel()
        assert isinstance((await asyncio.gather(waiting, return_exceptions=True))[0], asyncio.CancelledError)
        late = asyncio.create_task(wait())
        await asyncio.sleep(0.02)
        assert not late.done()
    await late


async def test_ten_tasks_of_two_fronts_are_never_in_one_lock_together(fronts: Fronts) -> None:
    inside, most, times = 0, 0, 0

    async def work(locks: Locks) -> None:
        nonlocal inside, most, times
        ours = False
        while not ours:
            async with locks.held("key", 30) as ours:
                if ours:
                    inside += 1
                    most, times = max(most, inside), times + 1
                    await asyncio.sleep(0.001)
                    inside -= 1

    await asyncio.gather(*(work(fronts.locks[number % 2]) for number in range(10)))
    assert (most, times) == (1, 10)
