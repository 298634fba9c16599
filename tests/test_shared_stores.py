"""Stores that machines share: late, full of others' things, or gone, they fail nobody and delay nobody for long."""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Collection
from pathlib import Path

import pytest

from proxy.addresses import RedisAddress
from proxy.redis import RedisClient
from proxy.stores.behind import Behind
from proxy.stores.memory import MemoryStore
from proxy.stores.redis import RedisStore
from proxy.stores.result import Result, Scratch
from proxy.stores.tiered import TieredStore
from tests.redis_server import RedisServer, redis_server
from tests.serving import PATIENCE, wait_until

pytestmark = pytest.mark.anyio


def key(name: object) -> str:
    return hashlib.sha256(str(name).encode()).hexdigest()


class Slow(MemoryStore):
    """A store that answers when it is told to."""

    name = "slow"

    def __init__(self) -> None:
        super().__init__(1 << 26)
        self.go = asyncio.Event()
        self.asked = 0

    async def get(self, key: str) -> Result | None:
        self.asked += 1
        await self.go.wait()
        return await super().get(key)

    async def put(self, key: str, result: Result | Scratch, tags: Collection[str] = ()) -> Result:
        await self.go.wait()
        return await super().put(key, result, tags)


async def test_nobody_waits_for_a_store_behind_longer_than_is_allowed() -> None:
    inner = Slow()
    store = Behind(inner, 0.01)
    for n in range(8):
        assert await store.get(key(n)) is None
    # The last three were not even asked for.
    assert (inner.asked, store.breaker.state, store.stats().errors) == (5, "open", 5)


async def test_nobody_waits_for_what_is_written_behind(tmp_path: Path) -> None:
    inner, near = Slow(), MemoryStore(1 << 20)
    store = TieredStore([near], [Behind(inner, PATIENCE)])
    made = tmp_path / "made"
    made.write_bytes(b"one")
    await store.put(key(1), Scratch({}, made), ["t"])
    assert (await near.get(key(1))).body == b"one"  # type: ignore[union-attr]
    settled = asyncio.create_task(store.settled(key(1)))
    await asyncio.sleep(0)
    assert not settled.done()
    inner.go.set()
    await settled
    found = await inner.get(key(1))
    assert found
    assert (found.body, found.tags) == (b"one", ("t",))


async def test_the_last_of_what_waits_under_one_key_is_what_stays() -> None:
    inner = Slow()
    store = Behind(inner, PATIENCE)
    for n in range(5):
        await store.put(key(1), Result({}, b"%d" % n))
        await asyncio.sleep(0)
    assert (await store.get(key(1))).body == b"4"  # type: ignore[union-attr]
    inner.go.set()
    await store.settled(key(1))
    assert (await inner.get(key(1))).body == b"4"  # type: ignore[union-attr]


async def test_what_is_too_much_to_wait_is_dropped_and_counted() -> None:
    inner = Slow()
    store = Behind(inner, PATIENCE, most=3)
    for n in range(5):
        await store.put(key(n), Result({}, b"one"))
    assert store.dropped == 2
    inner.go.set()
    await store.close()
    assert inner.stats().entries == 3


async def test_a_purge_takes_what_waits_and_what_is_being_written() -> None:
    inner = Slow()
    store = Behind(inner, PATIENCE)
    for n in range(10):
        await store.put(key(n), Result({}, b"one"), ["t"])
    await store.put(key("other"), Result({}, b"one"), ["u"])
    await asyncio.sleep(0)
    purging = [asyncio.create_task(store.delete_tagged("t")), asyncio.create_task(store.delete(key("other")))]
    await asyncio.sleep(0)
    inner.go.set()
    await asyncio.gather(*purging)
    await store.close()
    assert inner.stats().entries == 0


async def test_of_those_who_look_for_one_key_at_the_same_time_one_asks() -> None:
    inner = Slow()
    store = Behind(inner, PATIENCE)
    looking = [asyncio.create_task(store.get(key(1))) for _ in range(100)]
    await asyncio.to_thread(wait_until, lambda: inner.asked)
    looking.pop().cancel()
    inner.go.set()
    assert await asyncio.gather(*looking) == [None] * 99
    assert inner.asked == 1


async def test_who_knows_that_another_machine_has_written_takes_no_earlier_answer() -> None:
    inner, near = Slow(), MemoryStore(1 << 20)
    store = TieredStore([near], [Behind(inner, PATIENCE)])
    before = asyncio.create_task(store.get(key(1)))
    await asyncio.to_thread(wait_until, lambda: inner.asked == 1)
    after = asyncio.create_task(store.get_anew(key(1)))
    await asyncio.to_thread(wait_until, lambda: inner.asked == 2)
    inner.go.set()
    await MemoryStore.put(inner, key(1), Result({}, b"one"))
    await asyncio.gather(before, after)
    assert (await near.get(key(1))).body == b"one"  # type: ignore[union-attr]


async def test_nothing_is_written_while_nobody_waits_for_a_store() -> None:
    inner = Slow()
    store = Behind(inner, 0.01)
    for n in range(5):
        await store.get(key(n))
    await store.put(key(1), Result({}, b"one"))
    await store.settled(key(1))
    assert (store.breaker.state, store.dropped, inner.stats().entries) == ("open", 1, 0)


@pytest.fixture
async def client(redis: RedisServer) -> AsyncIterator[RedisClient]:
    client = RedisClient(RedisAddress.read(redis.url), PATIENCE)
    yield client
    await client.close()


@pytest.fixture
def store(client: RedisClient) -> RedisStore:
    return RedisStore(client, f"{secrets.token_hex(4)}:", bodies=1000)


async def test_a_body_above_the_bound_is_not_kept(store: RedisStore) -> None:
    await store.put(key(1), Result({}, bytes(1000)))
    await store.put(key(2), Result({}, bytes(1001)))
    assert await store.get(key(1))
    assert await store.get(key(2)) is None


@pytest.mark.parametrize(
    "harm",
    [
        ("SET", "{name}", "a text"),
        ("RPUSH", "{name}", "a list"),
        ("HSET", "{name}", "body", "another body"),
        ("HSET", "{name}", "tail", ""),
        ("HSET", "{name}", "tail", "x" * 200),
        ("HSET", "{name}", "body", ""),
    ],
    ids=lambda harm: f"{harm[0]} {harm[2]}"[:20],
)
async def test_what_others_put_there_is_no_result_and_is_repaired(
    store: RedisStore, client: RedisClient, harm: tuple[str, ...]
) -> None:
    await store.put(key(1), Result({}, b"one"))
    name = store._results + key(1)
    if harm[0] != "HSET":
        await client.ask("DEL", name)
    await client.ask(*(word.format(name=name) for word in harm))
    assert await store.get(key(1)) is None
    assert store.stats().corrupt == 1
    assert await client.ask("EXISTS", name) == 0
    await store.put(key(1), Result({}, b"two"))
    assert (await store.get(key(1))).body == b"two"  # type: ignore[union-attr]


async def test_an_entry_under_another_key_is_no_result(store: RedisStore, client: RedisClient) -> None:
    await store.put(key(1), Result({}, b"one"))
    await client.ask("RENAME", store._results + key(1), store._results + key(2))
    assert await store.get(key(2)) is None


async def test_a_foreign_value_under_a_tag_keeps_results_out_that_could_not_be_purged(
    store: RedisStore, client: RedisClient
) -> None:
    await client.ask("SET", store._tagged + "t", "a text")
    await store.put(key(1), Result({}, b"one"), ["t"])
    assert await store.get(key(1)) is None
    assert await store.put(key(2), Result({}, b"two"), ["u"])
    assert await store.get(key(2))


async def test_a_tag_of_many_results_is_purged_whole(store: RedisStore) -> None:
    for n in range(450):
        await store.put(key(n), Result({}, b"one"), ["all", f'"odd"\n{n}'])
    assert await store.delete_tagged('"odd"\n7') == 1
    assert await store.delete_tagged("odd") == 0
    assert await store.delete_tagged("all") == 449
    assert await store.get(key(3)) is None


async def test_results_go_after_a_while_and_their_tags_with_them(client: RedisClient, redis: RedisServer) -> None:
    prefix = f"{secrets.token_hex(4)}:"
    store = RedisStore(client, prefix, ttl=0.05)
    await store.put(key(1), Result({}, b"one"), ["t"])
    await asyncio.to_thread(wait_until, lambda: redis.do("KEYS", f"{prefix}*") == "*0\r\n")
    assert await store.get(key(1)) is None


async def test_a_full_redis_keeps_nothing_and_fails_nobody(tmp_path: Path) -> None:
    with redis_server(tmp_path) as full:
        client = RedisClient(RedisAddress.read(full.url), PATIENCE)
        store = RedisStore(client, "p:")
        await store.put(key(1), Result({"grade": "first"}, b"old"))
        full.do("CONFIG", "SET", "maxmemory", "1")
        assert (await store.put(key(1), Result({"grade": "final"}, b"new"))).body == b"new"
        assert await store.get(key(1)) is None
        assert (store.stats().errors, client.breaker.state) == (1, "closed")
        full.do("CONFIG", "SET", "maxmemory", "0")
        await store.put(key(1), Result({}, b"new"))
        assert await store.get(key(1))
        await client.close()
