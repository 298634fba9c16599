"""Originals from elsewhere: each comes once, is kept on disk, and is used from there whatever becomes of its place."""

import asyncio
import os
import resource
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.failures import NoRoom, OriginFailed
from proxy.sources.copies import Copies
from proxy.sources.originals import Originals, originals_of
from proxy.sources.source import Listed, Versioned, open_known
from tests.elsewhere import Elsewhere

pytestmark = pytest.mark.anyio

BOUND = 1 << 20
KEY = "cats/1.jpg"
BODY = b"cat" * 1000


class Cache:
    """One process' view of a folder of copies, and of the place that they are copies of."""

    def __init__(self, root: Path | None, remote: Elsewhere, most: int = BOUND) -> None:
        self.remote, self.told, self.troubles = remote, list[tuple[str, int]](), list[str]()
        self.copies = Copies(root, most, lambda what, error: self.troubles.append(f"{what}: {error}"))
        self.originals = Originals(
            remote, "s3://bucket/prefix", self.copies, lambda *outcome: self.told.append(outcome)
        )

    async def read(self, key: str = KEY) -> bytes:
        original = await self.originals.open(key)
        return os.pread(original.descriptor, original.size + 1, 0)

    async def close(self) -> None:
        await self.originals.close()
        await self.copies.close()


@pytest.fixture
def remote() -> Elsewhere:
    return Elsewhere({KEY: BODY})


@pytest.fixture
async def cache(tmp_path: Path, remote: Elsewhere) -> AsyncIterator[Cache]:
    made = Cache(tmp_path / "originals", remote)
    yield made
    await made.close()


def files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


async def test_an_original_comes_once(cache: Cache, remote: Elsewhere) -> None:
    stat = await cache.originals.stat(KEY)
    for _ in range(3):
        original = await cache.originals.open(KEY)
        assert (original.version, original.size, original.modified) == (stat.version, stat.size, stat.modified)
        assert original.head(10_000) == BODY
    assert remote.fetched == 1
    assert cache.told == [("fetched", len(BODY))]
    counted = cache.copies.stats()
    assert (counted.hits, counted.misses, counted.entries, counted.bytes) == (2, 1, 1, len(BODY))


async def test_many_who_ask_at_once_share_one_download(cache: Cache, remote: Elsewhere) -> None:
    remote.answering.clear()
    asking = [asyncio.create_task(cache.read()) for _ in range(50)]
    await remote.reached.wait()
    await asyncio.sleep(0.05)  # the others look on the disk first
    asking[0].cancel()  # who leaves takes nothing from the others
    await asyncio.sleep(0)
    remote.answering.set()
    found = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert set(found[1:]) == {BODY}
    assert remote.fetched == 1
    outcomes = [outcome for outcome, _ in cache.told]
    assert outcomes.count("fetched") == 1
    assert outcomes.count("joined") >= 40


async def test_each_reader_has_a_place_of_its_own_in_the_file(cache: Cache) -> None:
    one, other = await cache.originals.open(KEY), await cache.originals.open(KEY)
    assert os.read(one.descriptor, 5) == os.read(other.descriptor, 5) == BODY[:5]


async def test_copies_outlive_the_process_and_their_place(cache: Cache, remote: Elsewhere, tmp_path: Path) -> None:
    version = (await cache.originals.open(KEY)).version
    remote.down = True
    later = Cache(tmp_path / "originals", remote)
    original = await open_known(later.originals, KEY, version)
    assert original.head(10_000) == BODY
    assert original.modified == 1_700_000_000.25
    assert (original.version, remote.fetched) == (version, 1)
    with pytest.raises(OriginFailed):
        await later.originals.open_version(KEY, "another")
    assert later.told == [("failed", 0)]
    await later.close()


async def test_another_version_is_another_copy(cache: Cache, remote: Elsewhere) -> None:
    old = await cache.originals.open(KEY)
    remote.originals[KEY] = b"dog"
    assert await cache.read() == b"dog"
    assert (await cache.originals.open_version(KEY, old.version)).head(10_000) == BODY


async def test_an_original_that_changes_before_it_comes_says_which_it_is(cache: Cache, remote: Elsewhere) -> None:
    version = (await cache.originals.stat(KEY)).version
    remote.originals[KEY] = b"dog"
    original = await cache.originals.open_version(KEY, version)
    assert original.head(10) == b"dog"
    assert original.version == (await cache.originals.stat(KEY)).version != version
    assert await cache.read() == b"dog"
    assert remote.fetched == 1


async def test_the_same_key_of_another_place_is_another_original(cache: Cache, remote: Elsewhere) -> None:
    await cache.read()
    other = Originals(remote, "s3://other/prefix", cache.copies, lambda *_: None)
    await other.open(KEY)
    assert remote.fetched == 2
    await other.close()


async def test_an_original_that_did_not_come_whole_is_not_used(cache: Cache, remote: Elsewhere, tmp_path: Path) -> None:
    remote.lost = 1
    with pytest.raises(OriginFailed):
        await cache.read()
    assert not files(tmp_path / "originals")
    remote.lost = 0
    assert await cache.read() == BODY


@pytest.mark.parametrize("damage", [b"dog" * 1000, b"cat" * 999, b""], ids=["changed", "cut", "empty"])
@pytest.mark.parametrize("same_process", [True, False])
async def test_a_damaged_copy_comes_anew(
    cache: Cache, remote: Elsewhere, tmp_path: Path, damage: bytes, same_process: bool
) -> None:
    await cache.read()
    (kept,) = files(tmp_path / "originals")
    kept.write_bytes(damage)
    reader = cache if same_process else Cache(tmp_path / "originals", remote)
    assert await reader.read() == BODY
    assert reader.copies.stats().corrupt == 1
    assert remote.fetched == 2
    assert await reader.read() == BODY
    assert remote.fetched == 2
    if not same_process:
        await reader.close()


async def test_a_copy_that_somebody_removed_comes_anew(cache: Cache, remote: Elsewhere, tmp_path: Path) -> None:
    await cache.read()
    for path in files(tmp_path / "originals"):
        path.unlink()
    assert await cache.read() == BODY
    assert (remote.fetched, cache.copies.stats().corrupt) == (2, 0)


async def test_what_was_not_used_for_long_makes_room(cache: Cache, remote: Elsewhere, tmp_path: Path) -> None:
    remote.originals = {f"{number}.jpg": bytes([number]) * (BOUND // 16) for number in range(40)}
    await cache.read("0.jpg")
    for number in range(1, 40):
        await cache.read(f"{number}.jpg")
        for path in files(tmp_path / "originals"):  # all were used a while ago, but for what is asked for all the time
            status = path.stat()
            os.utime(path, ns=(status.st_atime_ns - 10**9, status.st_mtime_ns))
        cache.copies._seen.clear()  # so that the next use counts, however short ago the last one was
        await cache.read("0.jpg")
        assert sum(path.stat().st_size for path in files(tmp_path / "originals")) <= BOUND
    counted = cache.copies.stats()
    assert counted.evictions >= 24
    assert counted.bytes == sum(path.stat().st_size for path in files(tmp_path / "originals"))
    before = remote.fetched
    await cache.read("0.jpg")
    await cache.read("39.jpg")
    assert remote.fetched == before
    await cache.read("1.jpg")
    assert remote.fetched == before + 1


async def test_a_large_original_is_used_and_not_kept(cache: Cache, remote: Elsewhere, tmp_path: Path) -> None:
    remote.originals[KEY] = b"x" * (BOUND // 8 + 1)
    for _ in range(3):  # its header is read, then its pixels: one download
        assert await cache.read() == remote.originals[KEY]
    assert remote.fetched == 1
    assert not files(tmp_path / "originals")
    reader = Cache(tmp_path / "originals", remote)
    assert len(await reader.read()) == BOUND // 8 + 1
    assert remote.fetched == 2
    await reader.close()


async def test_without_a_folder_nothing_is_kept(remote: Elsewhere) -> None:
    cache = Cache(None, remote)
    assert await cache.read() == await cache.read() == BODY
    assert remote.fetched == 1
    assert cache.troubles == []
    await cache.close()


async def test_a_folder_that_cannot_be_written_means_not_kept(tmp_path: Path, remote: Elsewhere) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = Cache(tmp_path / "file/below", remote)
    assert await cache.read() == await cache.read() == BODY
    assert (remote.fetched, len(cache.troubles)) == (1, cache.copies.stats().errors)
    assert cache.troubles
    await cache.close()


SMALL_DISK = 'mount -t tmpfs -o size=64k tmpfs "$1" && exec "$2" -m tests.full_disk "$1"'


def test_a_full_disk_means_not_kept(tmp_path: Path) -> None:
    """In a process that has a file system of 64 KiB for its cache, and another one for what has no name."""
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", SMALL_DISK, "sh", str(tmp_path), sys.executable]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert told.stdout.split() == ["kept", "used", "kept"], told.stderr


async def test_without_any_room_it_is_refused(cache: Cache, remote: Elsewhere, tmp_path: Path) -> None:
    await cache.read()
    remote.originals["large"] = b"x" * 100_000
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(NoRoom):
            await cache.read("large")
        assert await cache.read() == BODY
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(files(tmp_path / "originals")) == 1
    assert len(await cache.read("large")) == 100_000


def test_several_processes_share_a_folder_under_its_bound(tmp_path: Path) -> None:
    """Three processes read forty originals in their own order, of which ten have room; each body is looked at."""
    command = [sys.executable, "-m", "tests.shared_originals", str(tmp_path)]
    running = [subprocess.Popen([*command, str(seed)], stdout=subprocess.PIPE, text=True) for seed in range(3)]
    told = [process.communicate(timeout=60)[0].split() for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert all(corrupt == "0" for _, corrupt in told)
    assert sum(int(fetched) for fetched, _ in told) < 3 * 200
    assert sum(path.stat().st_size for path in files(tmp_path)) <= BOUND


async def test_what_was_left_half_written_is_removed(cache: Cache, tmp_path: Path) -> None:
    left, young = tmp_path / "originals/tmp/1-a", tmp_path / "originals/tmp/1-b"
    left.parent.mkdir(parents=True)
    for path in (left, young):
        path.write_bytes(b"half")
    os.utime(left, (time.time() - 7200,) * 2)
    await cache.read()
    assert not left.exists()
    assert young.exists()


def test_a_place_that_cannot_list_is_no_listed_source(remote: Elsewhere) -> None:
    source = originals_of(remote, "here", Copies(None, 0, lambda *_: None), lambda *_: None)
    assert isinstance(source, Versioned)
    assert not isinstance(source, Listed)
