"""What every store does, and what is particular to those in memory and in tiers."""

import hashlib
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from proxy.addresses import RedisAddress
from proxy.redis import RedisClient
from proxy.stats import Stats
from proxy.stores.disk import DiskStore
from proxy.stores.memory import OVERHEAD, MemoryStore
from proxy.stores.redis import RedisStore
from proxy.stores.result import LARGE, Closed, FileBody, Result, Scratch, Store, Tagged
from proxy.stores.s3 import S3Store
from proxy.stores.tiered import TieredStore
from tests.places import s3_bucket
from tests.serving import PATIENCE

pytestmark = pytest.mark.anyio

META = {"type": "image/webp", "grade": "final", "size": [640, 480], "note": "größer", "alpha": None, "ssim": 0.98}


@asynccontextmanager
async def redis_store(request: pytest.FixtureRequest, root: Path) -> AsyncIterator[Store]:
    client = RedisClient(RedisAddress.read(request.getfixturevalue("redis").url), PATIENCE)
    yield RedisStore(client, f"{root}:", bodies=1 << 23)
    await client.close()


def s3_store(fast: bool) -> "Factory":
    @asynccontextmanager
    async def made(request: pytest.FixtureRequest, root: Path) -> AsyncIterator[Store]:
        bucket = s3_bucket(request.getfixturevalue("seaweed_server"), fast=fast, total_seconds=PATIENCE)
        yield S3Store(bucket, largest=1 << 23)
        await bucket.close()

    return made


def local(make: Callable[[Path], Store]) -> "Factory":
    @asynccontextmanager
    async def made(request: pytest.FixtureRequest, root: Path) -> AsyncIterator[Store]:
        store = make(root)
        yield store
        if isinstance(store, Closed):
            await store.close()

    return made


Factory = Callable[[pytest.FixtureRequest, Path], AbstractAsyncContextManager[Store]]

STORES: dict[str, Factory] = {
    "memory": local(lambda root: MemoryStore(1 << 26)),
    "disk": local(lambda root: DiskStore(root, 1 << 26)),
    "tiered": local(lambda root: TieredStore([MemoryStore(1 << 26), DiskStore(root, 1 << 26)])),
    "redis": redis_store,
    "s3 by boto3": s3_store(fast=False),
    "s3 by obstore": s3_store(fast=True),
}
"""One line for each kind; a server that it needs is a fixture that all tests share, asked for by name."""

TAGGED = [name for name in STORES if not name.startswith("s3")]
"""Those that find what bears a tag."""


def key(name: object) -> str:
    return hashlib.sha256(str(name).encode()).hexdigest()


def whole(result: Result | None) -> bytes | None:
    if result is None:
        return None
    return result.body if isinstance(result.body, bytes) else result.body.read()


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    async with STORES[request.param](request, tmp_path / "results") as made:
        yield made


async def test_what_was_put_comes_back(store: Store) -> None:
    kept = await store.put(key(1), Result(META, b"picture"))
    found = await store.get(key(1))
    assert found
    assert (found.meta, found.body) == (META, b"picture")
    assert (kept.meta, kept.body) == (META, b"picture")


async def test_what_was_not_put_is_not_there(store: Store) -> None:
    assert await store.get(key(1)) is None


async def test_an_empty_body_is_a_body(store: Store) -> None:
    await store.put(key(1), Result({}, b""))
    assert whole(await store.get(key(1))) == b""


async def test_the_last_put_counts(store: Store) -> None:
    await store.put(key(1), Result({"grade": "first"}, b"quick and long"))
    await store.put(key(1), Result({"grade": "final"}, b"slow"))
    found = await store.get(key(1))
    assert found
    assert (found.meta, found.body) == ({"grade": "final"}, b"slow")


async def test_a_result_that_is_too_large_takes_the_old_one_away(store: Store) -> None:
    await store.put(key(1), Result({"grade": "first"}, b"small"))
    given = await store.put(key(1), Result({"grade": "final"}, bytes((1 << 23) + 1)))
    assert whole(given) == bytes((1 << 23) + 1)
    assert await store.get(key(1)) is None


async def test_a_deleted_result_is_gone(store: Store) -> None:
    await store.put(key(1), Result({}, b"one"))
    await store.put(key(2), Result({}, b"two"))
    await store.delete(key(1))
    await store.delete(key(3))
    assert await store.get(key(1)) is None
    assert whole(await store.get(key(2))) == b"two"


@pytest.mark.parametrize("store", TAGGED, indirect=True)
async def test_a_tag_takes_all_that_bear_it(store: Store) -> None:
    assert isinstance(store, Tagged)
    await store.put(key(1), Result({}, b"one"), ["source:cats/1.jpg", "mount:cats"])
    await store.put(key(2), Result({}, b"two", tags=("mount:cats",)), ["preset:thumb"])
    await store.put(key(3), Result({}, b"three"), ["mount:dogs"])
    assert await store.delete_tagged("mount:cats") == 2
    assert [whole(await store.get(key(n))) for n in (1, 2, 3)] == [None, None, b"three"]
    assert await store.delete_tagged("mount:cats") == 0


@pytest.mark.parametrize("store", TAGGED, indirect=True)
async def test_a_tag_that_was_put_away_no_longer_counts(store: Store) -> None:
    assert isinstance(store, Tagged)
    await store.put(key(1), Result({}, b"one"), ["old"])
    await store.put(key(1), Result({}, b"two"), ["new"])
    assert await store.delete_tagged("old") == 0
    assert await store.delete_tagged("new") == 1


async def test_tags_come_back_with_the_result(store: Store) -> None:
    await store.put(key(1), Result({}, b"one", tags=("b",)), ["a"])
    found = await store.get(key(1))
    assert found
    assert found.tags == ("a", "b")


@pytest.mark.parametrize(
    "bad", ["", "a" * 31, "a" * 65, "A" * 32, "g" * 32, "../" + "a" * 32, "a" * 32 + "\n", "٣" * 32, "a" * 31 + "\0"]
)
async def test_only_hexadecimal_keys_are_keys(store: Store, bad: str) -> None:
    with pytest.raises(ValueError, match="a key is"):
        await store.get(bad)
    with pytest.raises(ValueError, match="a key is"):
        await store.put(bad, Result({}, b""))
    with pytest.raises(ValueError, match="a key is"):
        await store.delete(bad)


@pytest.mark.parametrize("length", [0, 300_000, LARGE, LARGE + 1, 3 * LARGE + 7])
async def test_a_scratch_file_is_taken_over(store: Store, tmp_path: Path, length: int) -> None:
    body = bytes(range(256)) * (length // 256) + b"x" * (length % 256)
    made = tmp_path / "made"
    made.write_bytes(body)
    kept = await store.put(key(1), Scratch(META, made), ["t"])
    assert not made.exists()
    assert kept.meta == META
    assert kept.tags == ("t",)
    assert whole(kept) == body
    assert isinstance(kept.body, FileBody) == (length > LARGE)
    found = await store.get(key(1))
    if found is not None or store.name != "memory":
        assert whole(found) == body


async def test_a_large_body_is_read_in_parts_and_blocks(store: Store) -> None:
    body = bytes(range(256)) * (8 * 1024 + 1)
    await store.put(key(1), Result({}, body))
    found = await store.get(key(1))
    assert found
    if isinstance(found.body, FileBody):
        assert found.body.read(1000, 10) == body[1000:1010]
        assert found.body.read(len(body) - 3, 100) == body[-3:]
        assert b"".join([block async for block in found.body.blocks()]) == body
        assert b"".join([block async for block in found.body.blocks(5, 700_000)]) == body[5:700_000]
    assert whole(found) == body


async def test_hits_and_misses_are_counted(store: Store) -> None:
    await store.put(key(1), Result({}, b"one"))
    await store.get(key(1))
    await store.get(key(1))
    await store.get(key(2))
    assert (store.stats().hits, store.stats().misses) == (2, 1)


async def test_memory_stays_under_its_bound_and_drops_the_least_recently_used() -> None:
    store = MemoryStore(10 * (1000 + OVERHEAD))
    for n in range(10):
        await store.put(key(n), Result({}, bytes(1000)))
    assert await store.get(key(0))
    await store.put(key(10), Result({}, bytes(1000)))
    assert await store.get(key(0))
    assert await store.get(key(1)) is None
    assert store.stats() == Stats(hits=2, misses=1, bytes=10 * (1000 + OVERHEAD), entries=10, evictions=1)


async def test_memory_forgets_the_tags_of_what_it_drops() -> None:
    store = MemoryStore(10 * (1000 + OVERHEAD))
    for n in range(50):
        await store.put(key(n), Result({}, bytes(1000)), ["all", f"only {n}"])
    assert await store.delete_tagged("all") == 10
    assert store.stats().bytes == 0
    assert not store._tags


async def test_memory_keeps_no_body_above_its_share() -> None:
    store = MemoryStore(800_000)
    await store.put(key(1), Result({}, bytes(100_001)))
    await store.put(key(2), Result({}, bytes(100_000)))
    assert await store.get(key(1)) is None
    assert await store.get(key(2))


class Broken:
    """A store whose every call fails."""

    name = "broken"

    async def get(self, key: str) -> Result | None:
        raise ConnectionError("gone")

    async def put(self, key: str, result: Result | Scratch, tags: Collection[str] = ()) -> Result:
        raise ConnectionError("gone")

    async def delete(self, key: str) -> None:
        raise ConnectionError("gone")

    async def delete_tagged(self, tag: str) -> int:
        raise ConnectionError("gone")

    def stats(self) -> Stats:
        return Stats()


async def test_tiers_lift_what_they_find_below_with_its_tags() -> None:
    near, far = MemoryStore(1 << 20), MemoryStore(1 << 20)
    store = TieredStore([near, far])
    await far.put(key(1), Result(META, b"one"), ["t"])
    assert whole(await store.get(key(1))) == b"one"
    assert whole(await near.get(key(1))) == b"one"
    assert await store.delete_tagged("t") == 1
    assert await store.get(key(1)) is None


async def test_a_broken_tier_fails_no_request(tmp_path: Path) -> None:
    good = MemoryStore(1 << 20)
    store = TieredStore([Broken(), good, Broken()])
    made = tmp_path / "made"
    made.write_bytes(b"one")
    assert whole(await store.put(key(1), Scratch({}, made), ["t"])) == b"one"
    assert whole(await store.get(key(1))) == b"one"
    assert await store.get(key(2)) is None
    assert store.stats().errors == 6


async def test_a_result_that_no_tier_keeps_can_still_be_sent(tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.write_bytes(b"one")
    kept = await TieredStore([Broken()]).put(key(1), Scratch({}, made), ["t"])
    assert (whole(kept), kept.tags) == (b"one", ("t",))
    assert not made.exists()


async def test_a_purge_that_a_tier_refuses_is_not_called_done() -> None:
    good = MemoryStore(1 << 20)
    store = TieredStore([good, Broken()])
    await good.put(key(1), Result({}, b"one"), ["t"])
    with pytest.raises(ConnectionError):
        await store.delete(key(1))
    assert await good.get(key(1)) is None
    await good.put(key(1), Result({}, b"one"), ["t"])
    with pytest.raises(ConnectionError):
        await store.delete_tagged("t")
    assert await good.get(key(1)) is None


async def test_a_purge_during_a_lookup_is_not_undone_by_lifting() -> None:
    near = MemoryStore(1 << 20)

    class Slow(MemoryStore):
        """Answers after somebody has purged."""

        async def get(self, key: str) -> Result | None:
            found = await super().get(key)
            await tiers.delete(key)
            return found

    far = Slow(1 << 20)
    tiers = TieredStore([near, far])
    await far.put(key(1), Result({}, b"one"))
    assert whole(await tiers.get(key(1))) == b"one"
    assert await near.get(key(1)) is None


async def test_hits_above_keep_an_entry_young_below(tmp_path: Path) -> None:
    disk = DiskStore(tmp_path, 1 << 20)
    store = TieredStore([MemoryStore(1 << 22), disk])
    hot = key("hot")
    await store.put(hot, Result({}, bytes(30_000)))
    for n in range(100):
        await store.put(key(n), Result({}, bytes(30_000)))
        await store.get(hot)
    assert disk.stats().evictions > 0
    assert await disk.get(hot)
    assert await disk.get(key(0)) is None
    await store.close()
