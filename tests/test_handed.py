"""How results get from one machine to others that share a slow store: small ones from hand to hand."""

import hashlib

import pytest

from proxy.herd import FromHandToHand
from proxy.stores.behind import Behind
from proxy.stores.memory import MemoryStore
from proxy.stores.result import Result
from proxy.stores.tiered import TieredStore

pytestmark = pytest.mark.anyio

KEY = hashlib.sha256(b"1").hexdigest()
SMALL, LARGE = Result({}, b"small"), Result({}, b"x" * 100)


class Machine:
    def __init__(self, shared: MemoryStore, between: MemoryStore) -> None:
        self.near = MemoryStore(1 << 20)
        self.behind = Behind(shared, 5.0)
        self.store = TieredStore([self.near], [self.behind])
        self.exchange = FromHandToHand(between, self.store, most=10)


async def test_a_small_result_does_not_wait_for_the_slow_store_and_is_not_written_to_it_again() -> None:
    shared, between = MemoryStore(1 << 20), MemoryStore(1 << 20)
    one, other = Machine(shared, between), Machine(shared, between)
    await one.exchange.give(KEY, SMALL)  # before the slow store has it, or without it
    taken = await other.exchange.take(KEY)
    assert taken is not None
    assert taken.body == SMALL.body
    assert await other.near.get(KEY)
    await other.behind.settled(KEY)
    assert await shared.get(KEY) is None


async def test_a_large_result_is_found_in_the_store_that_both_share() -> None:
    shared, between = MemoryStore(1 << 20), MemoryStore(1 << 20)
    one, other = Machine(shared, between), Machine(shared, between)
    await one.store.put(KEY, LARGE)
    await one.exchange.give(KEY, LARGE)
    assert await between.get(KEY) is None
    taken = await other.exchange.take(KEY)
    assert taken is not None
    assert taken.body == LARGE.body
    assert await other.near.get(KEY)


async def test_what_nobody_has_is_not_there() -> None:
    assert await Machine(MemoryStore(1 << 20), MemoryStore(1 << 20)).exchange.take(KEY) is None
