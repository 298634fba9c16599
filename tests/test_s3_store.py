"""What the S3 store endures: damage, a bucket that is down, slow or short; it only knows less."""

import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from proxy.breaker import Breaker
from proxy.s3.place import S3Place
from proxy.stores.disk_entry import Tail, digest, write_tail
from proxy.stores.result import LARGE, FileBody, Result, Scratch
from proxy.stores.s3 import USUAL, S3Store
from tests.origin_stub import Script, origin
from tests.places import s3_bucket
from tests.seaweed import Seaweed
from tests.serving import PATIENCE
from tests.test_s3_faults import answer, bucket_at, error
from tests.test_stores import key, whole

pytestmark = pytest.mark.anyio

SMALL, BIG = b"small picture" * 1000, bytes(range(256)) * (LARGE // 256 + 1)
NAME = f"{key(1)[:2]}/{key(1)}"


@pytest.fixture(params=[False, True], ids=["boto3", "obstore"])
async def store(request: pytest.FixtureRequest, seaweed_server: Seaweed, tmp_path: Path) -> AsyncIterator[S3Store]:
    bucket = s3_bucket(seaweed_server, fast=request.param, total_seconds=PATIENCE)
    (tmp_path / "scratch").mkdir()
    made = S3Store(bucket, 1 << 23, tmp_path / "scratch")
    yield made
    await made.close()


async def kept(store: S3Store, name: str = NAME) -> bytes:
    """The bytes of an object."""
    file = io.BytesIO()
    await store._bucket.get(name, lambda _: file.write)
    return file.getvalue()


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "a flipped byte in the body": lambda entry: entry[:9] + bytes([entry[9] ^ 64]) + entry[10:],
    "a flipped byte in the meta": lambda entry: entry[:-70] + bytes([entry[-70] ^ 64]) + entry[-69:],
    "cut": lambda entry: entry[:-1],
    "longer": lambda entry: entry + b"x",
    "empty": lambda entry: b"",
    "of somebody else": lambda entry: b"<html>" * 1000,
    "of another key": lambda entry: b"other" + write_tail(key(2), Tail({}, (), 5, digest(b"other"))),
    "endless": lambda entry: bytes(1 << 24),
}


@pytest.mark.parametrize("body", [SMALL, BIG], ids=["small", "big"])
async def test_a_damaged_entry_is_a_miss_and_makes_room_for_a_new_one(store: S3Store, body: bytes) -> None:
    for number, damage in enumerate(DAMAGES.values(), 1):
        await store.put(key(1), Result({}, body))
        await store._bucket.put(NAME, damage(await kept(store)))
        assert await store.get(key(1)) is None
        assert store.stats().corrupt == number
        with pytest.raises(OSError, match=r"404|FileNotFound"):
            await kept(store)
    await store.put(key(1), Result({}, body))
    assert whole(await store.get(key(1))) == body
    assert store.stats().errors == 0


async def test_another_machine_finds_and_deletes_what_one_has_written(store: S3Store, seaweed_server: Seaweed) -> None:
    prefix = store._bucket.place.prefix
    other = S3Store(s3_bucket(seaweed_server, fast=False, url=seaweed_server.url(prefix), total_seconds=PATIENCE))
    await store.put(key(1), Result({"grade": "final"}, SMALL), ["source:1"])
    found = await other.get(key(1))
    assert found
    assert (found.meta, found.body, found.tags, found.tier) == ({"grade": "final"}, SMALL, ("source:1",), "s3")
    await other.delete(key(1))
    assert await store.get(key(1)) is None
    await other.close()


async def test_large_bodies_leave_no_files_behind(store: S3Store, tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.write_bytes(BIG)
    await store.put(key(1), Scratch({}, made))
    found = await store.get(key(1))
    assert found
    assert isinstance(found.body, FileBody)
    assert found.body.read(1000, 10) == BIG[1000:1010]
    assert found.body.path.read_bytes()[: len(BIG)] == BIG
    assert not [*(tmp_path / "scratch").iterdir()]
    assert not made.exists()


async def test_a_well_bucket_answers_a_ping(store: S3Store, seaweed_server: Seaweed) -> None:
    await store.ping()
    sick = S3Store(s3_bucket(seaweed_server, fast=False, secret_key="wrong"))
    with pytest.raises(OSError, match="403"):
        await sick.ping()
    await sick.close()


def test_an_address_wins_over_what_is_usual_for_results() -> None:
    place = S3Place.read("s3://b?total_seconds=20", USUAL)
    assert (place.total_seconds, place.retries) == (20, 0)


FAULTS = {
    "500": error(500, "InternalError"),
    "503 SlowDown": error(503, "SlowDown"),
    "403": error(403, "AccessDenied"),
    "hangs": Script(delay=60),
    "short by a byte": Script(SMALL, fields=answer(SMALL).fields, truncate=len(SMALL) - 1),
    "reset": Script(SMALL, fields=answer(SMALL).fields, reset=100),
    "other bytes": answer(SMALL, etag="0" * 32),
    "HTML with 200": Script(b"<html>", fields={"Content-Type": "text/html"}),
}


@pytest.mark.parametrize("fast", [False, True], ids=["boto3", "obstore"])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_a_bucket_that_fails_means_a_miss_and_no_second_try(fault: Script, fast: bool) -> None:
    with origin() as site:
        site.scripts[f"/b/pre/{NAME}"] = fault
        store = S3Store(bucket_at(site.port, fast, **{**USUAL, "first_byte_seconds": 0.5, "total_seconds": 1}))
        assert await store.get(key(1)) is None
        # What obstore has read, but cannot prove, boto3 reads again.
        assert site.count() <= 1 + fast
        given = await store.put(key(1), Result({}, SMALL), ["t"])
        assert (given.body, given.tags) == (SMALL, ("t",))
        assert store.stats().errors + store.stats().corrupt >= 1
        await store.close()


async def test_a_bucket_that_is_down_is_soon_left_alone() -> None:
    now = 0.0
    with origin() as site:
        store = S3Store(bucket_at(site.port, False, **USUAL))
        store._bucket.breaker = Breaker(clock=lambda: now)
        for n in range(20):
            site.scripts[f"/b/pre/{key(n)[:2]}/{key(n)}"] = error(503, "SlowDown")
            assert await store.get(key(n)) is None
        assert site.count() == 5
        with pytest.raises(OSError, match="failed too often"):
            await store.delete(key(1))
        now = 2.0
        assert await store.get(key("none")) is None
        assert await store.get(key("none")) is None
        assert site.count() == 7
        await store.close()
