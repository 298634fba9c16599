"""Originals from elsewhere in parts: each block comes once, is kept on disk, and is true or not there."""

import asyncio
import gc
import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.failures import ClosingDown, NoSuchOriginal, OriginalReplaced, OriginFailed
from proxy.sources.blocks.fillings import AT_ONCE, Fillings
from proxy.sources.blocks.folder import BlockFolder
from proxy.sources.blocks.runs import BLOCK, LONGEST, bounds, covering, runs
from proxy.sources.copies import Copies
from proxy.sources.originals import Originals
from proxy.sources.source import Parts
from tests.afar import Afar

pytestmark = pytest.mark.anyio

MIB = 1 << 20
KEY = "films/1.mp4"
FILM = random.Random(1).randbytes(40 * BLOCK + 1234)
BOUND = 16 * MIB


class Cache:
    """One process' view of a folder of blocks, and of the place that they are blocks of."""

    def __init__(self, root: Path | None, remote: Afar, most: int = BOUND) -> None:
        self.remote, self.told, self.troubles = remote, list[tuple[str, int, int]](), list[str]()
        self.folder = BlockFolder(root, most, lambda what, error: self.troubles.append(f"{what}: {error}"))
        self.copies = Copies(None, 0, lambda *_: None)
        fillings = Fillings("s3://films", self.folder, lambda *outcome: self.told.append(outcome))
        self.originals = Originals(remote, "s3://films", self.copies, lambda *_: None, fillings)

    async def parts(self, key: str = KEY, era: str = "", version: str = "") -> Parts:
        stat = await self.originals.stat(key)
        parts = await self.originals.open_parts(key, version or stat.version, stat.size, era)
        assert parts
        return parts

    async def close(self) -> None:
        await self.originals.close()
        await self.copies.close()
        await self.folder.close()


async def read(parts: Parts, start: int, length: int) -> bytes:
    first, behind = await parts.need(start, length)
    assert first <= start < behind >= min(start + length, parts.size)
    return os.pread(parts.descriptor, length, start)


def files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def on_disk(root: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in files(root))


@pytest.fixture
def remote() -> Afar:
    return Afar({KEY: FILM})


@pytest.fixture
async def cache(tmp_path: Path, remote: Afar) -> AsyncIterator[Cache]:
    made = Cache(tmp_path / "blocks", remote)
    yield made
    await made.close()


# Arithmetic


def test_blocks_beside_each_other_are_one_request() -> None:
    assert list(runs([])) == []
    assert list(runs([3])) == [range(3, 4)]
    assert list(runs([0, 1, 2, 5, 6, 9])) == [range(3), range(5, 7), range(9, 10)]
    assert [len(run) for run in runs(range(2 * LONGEST + 1))] == [LONGEST, LONGEST, 1]


def test_blocks_cover_what_is_asked_for() -> None:
    size = 3 * BLOCK + 5
    for start in (0, 1, BLOCK - 1, BLOCK, 3 * BLOCK, size - 1):
        for length in (1, BLOCK, BLOCK + 1, 10 * BLOCK):
            first, behind = bounds(covering(start, length, size), size)
            assert first <= start < min(start + length, size) <= behind <= size
    assert not covering(size, 1, size)
    assert not covering(0, 0, size)
    assert not covering(-1, 5, size)


# What comes


async def test_any_part_is_what_the_original_has_there(cache: Cache, remote: Afar) -> None:
    parts, dice = await cache.parts(), random.Random(2)
    assert (parts.size, parts.head(10)) == (len(FILM), FILM[:10])
    for _ in range(100):
        start, length = dice.randrange(len(FILM)), dice.choice((1, 100, BLOCK, 5 * BLOCK))
        assert await read(parts, start, length) == FILM[start : start + length]
    assert remote.bytes_read <= len(FILM)
    assert remote.fetched == 0


async def test_each_block_comes_once_for_twenty_who_ask_at_a_time(cache: Cache, remote: Afar) -> None:
    async def reader(seed: int) -> None:
        dice, parts = random.Random(seed), await cache.parts()
        for _ in range(20):
            start = dice.randrange(len(FILM))
            assert await read(parts, start, 2 * BLOCK) == FILM[start : start + 2 * BLOCK]

    await asyncio.gather(*map(reader, range(20)))
    blocks = [block for start, length in remote.read_of for block in covering(start, length, len(FILM))]
    assert len(blocks) == len(set(blocks))
    assert remote.most_reading <= AT_ONCE
    counted = cache.folder.stats()
    assert counted.misses == len(blocks)
    assert counted.hits > 10 * counted.misses
    assert sum(size for _, _, size in cache.told) == remote.bytes_read


async def test_one_who_reads_all_asks_seldom(cache: Cache, remote: Afar) -> None:
    parts = await cache.parts()
    await parts.need(0, len(FILM))
    assert len(remote.read_of) == 1 + 3  # of 40 blocks, 16 at a time
    await parts.need(0, len(FILM))
    assert len(remote.read_of) == 4


async def test_only_what_is_missing_between_comes(cache: Cache, remote: Afar) -> None:
    parts = await cache.parts()
    await parts.need(2 * BLOCK, 1)
    remote.read_of.clear()
    await parts.need(0, 5 * BLOCK)
    assert remote.read_of == [(BLOCK, BLOCK), (3 * BLOCK, 2 * BLOCK)]


async def test_who_leaves_takes_nothing_from_the_others(cache: Cache, remote: Afar) -> None:
    parts = await cache.parts()
    remote.answering.clear()
    remote.reached.clear()
    asking = [asyncio.create_task(read(parts, 5 * BLOCK, 10)) for _ in range(5)]
    await remote.reached.wait()
    asking[0].cancel()
    await asyncio.sleep(0)
    remote.answering.set()
    found = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert set(found[1:]) == {FILM[5 * BLOCK : 5 * BLOCK + 10]}
    assert len(remote.read_of) == 2


# What is kept


async def test_blocks_outlive_the_process_and_their_place(cache: Cache, remote: Afar, tmp_path: Path) -> None:
    parts = await cache.parts()
    await parts.need(3 * BLOCK, 2 * BLOCK)
    before, remote.down = len(remote.read_of), True
    later = Cache(tmp_path / "blocks", remote)
    again = await later.originals.open_parts(KEY, parts.version)
    assert again
    assert await read(again, 3 * BLOCK + 5, BLOCK) == FILM[3 * BLOCK + 5 : 4 * BLOCK + 5]
    assert len(remote.read_of) == before
    with pytest.raises(OriginFailed):
        await again.need(7 * BLOCK, 1)
    await later.close()


async def test_processes_see_what_others_have_read(cache: Cache, remote: Afar, tmp_path: Path) -> None:
    other = Cache(tmp_path / "blocks", remote)
    one, two = await cache.parts(), await other.parts()
    for block in range(10):
        for parts in (one, two):
            assert await read(parts, block * BLOCK, 9) == FILM[block * BLOCK : block * BLOCK + 9]
    assert remote.bytes_read == 10 * BLOCK
    await other.close()


async def test_what_is_not_as_it_came_comes_anew(cache: Cache, remote: Afar, tmp_path: Path) -> None:
    """A power cut may leave a map that is ahead of its data, data without a map, halves of both, or rubbish."""
    parts = await cache.parts()
    await parts.need(0, 10 * BLOCK)
    (data,) = [path for path in files(tmp_path) if path.suffix != ".map"]
    with data.open("r+b") as file:
        file.seek(2 * BLOCK)
        file.write(bytes(BLOCK))
        file.seek(5 * BLOCK + 100)
        file.write(b"x")
    with data.with_name(f"{data.name}.map").open("r+b") as file:
        file.truncate(16 * 8 + 3)
    remote.read_of.clear()
    later = Cache(tmp_path / "blocks", remote)
    again = await later.parts()
    assert await read(again, 0, 10 * BLOCK) == FILM[: 10 * BLOCK]
    assert remote.read_of == [(2 * BLOCK, BLOCK), (5 * BLOCK, BLOCK), (8 * BLOCK, 2 * BLOCK)]
    assert later.folder.stats().corrupt == 2
    await later.close()


async def test_a_file_of_another_size_is_begun_anew(cache: Cache, remote: Afar, tmp_path: Path) -> None:
    await cache.parts()
    await cache.close()
    (data,) = [path for path in files(tmp_path) if path.suffix != ".map"]
    os.truncate(data, 0)
    later = Cache(tmp_path / "blocks", remote)
    assert await read(await later.parts(), 0, 100) == FILM[:100]
    await later.close()


async def test_the_folder_stays_within_its_bound_and_keeps_what_is_used(tmp_path: Path) -> None:
    films = {f"{number}.mp4": random.Random(number).randbytes(8 * BLOCK) for number in range(20)}
    remote = Afar(films)
    cache, root = Cache(tmp_path / "blocks", remote), tmp_path / "blocks"
    for number in range(20):
        parts = await cache.parts(f"{number}.mp4")
        await parts.need(0, parts.size)
        del parts
        cache.folder._used.clear()  # so that the next use counts, however short ago the last one was
        await cache.parts("0.mp4")
        for path in files(root):  # the others were used a second earlier than what comes
            status = path.stat()
            os.utime(path, ns=(status.st_atime_ns - 10**9, status.st_mtime_ns - 10**9))
        assert on_disk(root) <= BOUND
    assert cache.folder.stats().evictions >= 12
    before = len(remote.read_of)
    await (await cache.parts("0.mp4")).need(0, 8 * BLOCK)
    await (await cache.parts("19.mp4")).need(0, 8 * BLOCK)
    assert len(remote.read_of) == before
    await (await cache.parts("1.mp4")).need(0, 8 * BLOCK)
    assert len(remote.read_of) > before
    await cache.close()


async def test_a_film_that_makes_room_while_it_is_read_is_read_to_its_end(tmp_path: Path) -> None:
    film = random.Random(5).randbytes(30 * BLOCK)
    remote = Afar({KEY: film, "other.mp4": film})
    cache = Cache(tmp_path / "blocks", remote, most=4 * MIB)
    parts = await cache.parts()
    other = await cache.parts("other.mp4")
    await other.need(0, len(film))
    for start in range(0, len(film), BLOCK):
        assert await read(parts, start, BLOCK) == film[start : start + BLOCK]
    del parts, other
    assert await read(await cache.parts(), 5 * BLOCK, 10) == film[5 * BLOCK : 5 * BLOCK + 10]
    assert on_disk(tmp_path / "blocks") <= 4 * MIB
    await cache.close()


async def test_without_a_folder_blocks_are_held_for_a_while(remote: Afar) -> None:
    cache = Cache(None, remote)
    for _ in range(3):  # its header is read, then its pictures
        assert await read(await cache.parts(), 3 * BLOCK, 10) == FILM[3 * BLOCK : 3 * BLOCK + 10]
    assert remote.bytes_read == 2 * BLOCK
    assert cache.troubles == []
    await cache.close()


async def test_a_folder_that_cannot_be_written_means_not_kept(tmp_path: Path, remote: Afar) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = Cache(tmp_path / "file/below", remote)
    assert await read(await cache.parts(), 5, 10) == FILM[5:15]
    assert cache.troubles
    await cache.close()


SMALL_DISK = 'mount -t tmpfs -o size=3m tmpfs "$1" && exec "$2" -m tests.full_blocks "$1"'


def test_a_full_disk_means_not_kept(tmp_path: Path) -> None:
    """In a process that has a file system of three MiB for its blocks, and another one for what has no name."""
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", SMALL_DISK, "sh", str(tmp_path), sys.executable]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert told.stdout.split() == ["full", "read"], told.stderr


async def test_after_a_purge_all_of_it_comes_anew(cache: Cache, remote: Afar, tmp_path: Path) -> None:
    await (await cache.parts()).need(0, 5 * BLOCK)
    before = files(tmp_path)
    remote.read_of.clear()
    await (await cache.parts(era="1")).need(0, 5 * BLOCK)
    assert sum(length for _, length in remote.read_of) == 5 * BLOCK
    assert len(files(tmp_path)) == len(before)
    assert not set(files(tmp_path)) & set(before)


# What goes wrong


async def test_a_place_that_fails_midway_spoils_nothing(cache: Cache, remote: Afar) -> None:
    parts = await cache.parts()
    remote.fails_after = len(remote.read_of) + 1
    found = await asyncio.gather(
        *(parts.need(start, LONGEST * BLOCK) for start in (BLOCK, 20 * BLOCK)), return_exceptions=True
    )
    assert sum(isinstance(one, OriginFailed) for one in found) == 1
    assert cache.told[-1][0] == "failed"
    remote.fails_after = 1 << 60
    assert await read(parts, 0, len(FILM)) == FILM
    assert remote.bytes_read <= len(FILM) + LONGEST * BLOCK


async def test_bytes_that_are_missing_are_no_block(cache: Cache, remote: Afar) -> None:
    parts = await cache.parts()
    remote.lost = 1
    for _ in range(2):
        with pytest.raises(OriginFailed, match="did not send all"):
            await parts.need(3 * BLOCK, 1)
    remote.lost = 0
    assert await read(parts, 3 * BLOCK, 10) == FILM[3 * BLOCK : 3 * BLOCK + 10]


async def test_another_version_is_never_mixed_in(cache: Cache, remote: Afar) -> None:
    old = await cache.parts()
    await old.need(0, 2 * BLOCK)
    remote.originals[KEY] = bytes(reversed(FILM))
    with pytest.raises(OriginalReplaced):
        await old.need(BLOCK, 2 * BLOCK)
    assert await read(old, BLOCK, 10) == FILM[BLOCK : BLOCK + 10]
    new = await cache.parts()
    assert await read(new, BLOCK, BLOCK) == bytes(reversed(FILM))[BLOCK : 2 * BLOCK]
    with pytest.raises(OriginalReplaced):
        await cache.originals.open_parts(KEY, "unheard of")
    del remote.originals[KEY]
    with pytest.raises(NoSuchOriginal):
        await new.need(9 * BLOCK, 1)


async def test_a_place_without_parts_is_asked_for_them_once(cache: Cache, remote: Afar) -> None:
    remote.parted = False
    stat = await cache.originals.stat(KEY)
    for _ in range(3):
        assert await cache.originals.open_parts(KEY, stat.version, stat.size) is None
    assert len(remote.read_of) == 1


async def test_stopping_waits_for_nobody(cache: Cache, remote: Afar) -> None:
    parts = await cache.parts()
    remote.answering.clear()
    remote.reached.clear()
    waiting = asyncio.create_task(parts.need(5 * BLOCK, 1))
    await remote.reached.wait()
    await cache.originals.close()
    with pytest.raises(ClosingDown):
        await waiting


async def test_files_are_closed_when_nobody_reads_them(cache: Cache) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    gc.collect()
    before = count()
    several = [await cache.parts() for _ in range(10)]
    assert count() == before + 2 + len(several)
    several.clear()
    assert count() == before


async def test_what_a_map_was_left_of_goes_when_there_is_to_be_room(cache: Cache, tmp_path: Path) -> None:
    left = tmp_path / "blocks/ab" / f"{'a' * 24}-{'b' * 24}-{'c' * 8}.map"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"x" * 100)
    await cache.parts()
    assert not left.exists()
