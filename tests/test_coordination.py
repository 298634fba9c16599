"""What fronts do together, whatever joins them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from proxy.coordination.local import LocalBus, LocalLocks, LocalTable
from proxy.coordination.seams import Bus, Locks, Table
from tests.serving import wait_until

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Fronts:
    """Two fronts' view of one thing; where nothing joins them there is but one."""

    buses: tuple[Bus, Bus]
    tables: tuple[Table, Table]
    locks: tuple[Locks, Locks]


@pytest.fixture(params=["local"])
async def fronts() -> Fronts:
    bus, table, locks = LocalBus(), LocalTable(), LocalLocks()
    return Fronts((bus, bus), (table, table), (locks, locks))


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
    async with there.held("key", 30) as ours:
        assert ours


async def test_who_fails_lets_go(fronts: Fronts) -> None:
    here, there = fronts.locks
    with pytest.raises(ZeroDivisionError):
        async with here.held("key", 30):
            raise ZeroDivisionError
    async with there.held("another", 30), there.held("key", 30) as ours:
        assert ours


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
