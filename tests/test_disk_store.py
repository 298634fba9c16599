"""What the disk store endures: damage, full disks, kills, other processes."""

import asyncio
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from proxy.stores.disk import DiskStore
from proxy.stores.disk_entry import place
from proxy.stores.result import LARGE, FileBody, Result, Scratch
from tests.test_stores import key, whole

pytestmark = pytest.mark.anyio

REPOSITORY = Path(__file__).parent.parent
SMALL = b"small picture" * 1000
BIG = bytes(range(256)) * (LARGE // 256 + 1)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[DiskStore]:
    made = DiskStore(tmp_path, 1 << 26)
    yield made
    await made.close()


def flip(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset, os.SEEK_END if offset < 0 else os.SEEK_SET)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 0x40]))


def replaced(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


def folder_with_a_file(path: Path) -> None:
    path.mkdir()
    (path / "inside").write_bytes(b"x")


DAMAGES: dict[str, Callable[[Path, Path], object]] = {
    "a flipped byte in the body": lambda path, other: flip(path, 100),
    "a flipped byte in the meta": lambda path, other: flip(path, -70),
    "a flipped byte in the lengths": lambda path, other: flip(path, -45),
    "a flipped byte in the digest": lambda path, other: flip(path, -30),
    "a flipped byte in the seal": lambda path, other: flip(path, -1),
    "another version": lambda path, other: flip(path, -53),
    "the end cut off": lambda path, other: os.truncate(path, path.stat().st_size - 1),
    "half cut off": lambda path, other: os.truncate(path, path.stat().st_size // 2),
    "only the trailer left": lambda path, other: path.write_bytes(path.read_bytes()[-64:]),
    "the beginning cut off": lambda path, other: path.write_bytes(path.read_bytes()[1:]),
    "something appended": lambda path, other: path.write_bytes(path.read_bytes() + b"x"),
    "nothing in it": lambda path, other: path.write_bytes(b""),
    "a foreign file": lambda path, other: path.write_bytes(b"GIF89a" * 100),
    "zeros": lambda path, other: path.write_bytes(bytes(path.stat().st_size)),
    "the entry of another key": lambda path, other: path.write_bytes(other.read_bytes()),
    "a link to a true entry": lambda path, other: path.symlink_to(path.rename(f"{path}.real")),
    "a link to nothing": lambda path, other: replaced(path, lambda p: p.symlink_to("nowhere")),
    "a folder": lambda path, other: replaced(path, folder_with_a_file),
    "a pipe": lambda path, other: replaced(path, os.mkfifo),
}


@pytest.mark.parametrize("body", [SMALL, BIG], ids=["small", "big"])
@pytest.mark.parametrize("seen", [True, False], ids=["seen before", "not seen before"])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_a_damaged_entry_is_a_miss_and_makes_room_for_a_new_one(
    store: DiskStore, tmp_path: Path, damage: Callable[[Path, Path], object], seen: bool, body: bytes
) -> None:
    await store.put(key(1), Result({"type": "image/webp"}, body))
    await store.put(key(2), Result({"type": "image/avif"}, body[::-1]))
    if seen:
        assert await store.get(key(1))
    else:
        store._stamps.clear()
    path = place(tmp_path, key(1))
    damage(path, place(tmp_path, key(2)))
    assert await store.get(key(1)) is None
    assert not os.path.lexists(path)
    assert store.stats().corrupt == 1
    assert await store.get(key(1)) is None
    await store.put(key(1), Result({}, body))
    assert whole(await store.get(key(1))) == body
    assert whole(await store.get(key(2))) == body[::-1]


@pytest.mark.parametrize("damage", ["a folder", "a pipe", "a link to nothing", "nothing in it"])
async def test_a_result_can_be_put_where_something_else_stands(store: DiskStore, tmp_path: Path, damage: str) -> None:
    await store.put(key(1), Result({}, SMALL))
    DAMAGES[damage](place(tmp_path, key(1)), tmp_path)
    await store.put(key(1), Result({}, SMALL))
    assert whole(await store.get(key(1))) == SMALL


async def test_two_entries_that_changed_places_are_both_misses(store: DiskStore, tmp_path: Path) -> None:
    await store.put(key(1), Result({}, SMALL))
    await store.put(key(2), Result({}, SMALL))
    one, two = place(tmp_path, key(1)), place(tmp_path, key(2))
    one.rename(tmp_path / "aside")
    two.rename(one)
    (tmp_path / "aside").rename(two)
    assert [await store.get(key(n)) for n in (1, 2)] == [None, None]


async def test_every_byte_of_an_entry_matters(store: DiskStore, tmp_path: Path) -> None:
    await store.put(key(1), Result({"a": 1}, b"0123456789"))
    path = place(tmp_path, key(1))
    entry = path.read_bytes()
    for offset in range(len(entry)):
        path.write_bytes(entry[:offset] + bytes([entry[offset] ^ 1]) + entry[offset + 1 :])
        assert await store.get(key(1)) is None
        path.write_bytes(entry)
        assert whole(await store.get(key(1))) == b"0123456789"


async def test_a_hit_needs_no_index(store: DiskStore, tmp_path: Path) -> None:
    await store.put(key(1), Result({}, SMALL))
    await store.ping()
    with closing(sqlite3.connect(tmp_path / "index.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert whole(await store.get(key(1))) == SMALL


async def test_a_large_body_outlives_its_entry(store: DiskStore) -> None:
    await store.put(key(1), Result({}, BIG))
    found = await store.get(key(1))
    assert found
    assert isinstance(found.body, FileBody)
    await store.put(key(1), Result({}, b"newer"))
    await store.delete(key(1))
    assert found.body.read() == BIG


async def test_a_scratch_file_becomes_the_entry_without_being_copied(store: DiskStore, tmp_path: Path) -> None:
    made = store.scratch / "made"
    made.write_bytes(BIG)
    inode = made.stat().st_ino
    kept = await store.put(key(1), Scratch({}, made))
    assert isinstance(kept.body, FileBody)
    assert kept.body.path == place(tmp_path, key(1))
    assert kept.body.offset == 0
    assert kept.body.path.stat().st_ino == inode


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="needs a second file system")
async def test_a_scratch_file_of_another_file_system_is_copied(store: DiskStore) -> None:
    made = Path(f"/dev/shm/darkroom-{os.getpid()}")
    made.write_bytes(BIG)
    kept = await store.put(key(1), Scratch({}, made))
    assert not made.exists()
    assert whole(kept) == whole(await store.get(key(1))) == BIG


async def test_no_descriptor_is_left_open(store: DiskStore, tmp_path: Path) -> None:
    def opened() -> list[str]:
        links = [os.readlink(entry) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
        return [link for link in links if link.startswith(str(tmp_path)) and "index.sqlite" not in link]

    for n in range(20):
        made = store.scratch / "made"
        made.write_bytes(BIG)
        await store.put(key(n), Scratch({}, made))
        assert await store.get(key(n))
        await store.get(key(f"none {n}"))
    for _ in range(100):
        # A thread may not have left its last call yet.
        if not opened():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(opened())


def held(root: Path) -> int:
    """What the entries of a store take, as the disk counts."""
    sizes = []
    for path in root.glob("??/*"):
        # What is evicted between the listing and the look is gone.
        with suppress(FileNotFoundError):
            sizes.append(path.stat().st_size)
    return sum(-(-size // 4096) * 4096 for size in sizes)


async def test_the_bound_holds_and_the_least_recently_used_go_first(tmp_path: Path) -> None:
    bound = 1 << 20
    store = DiskStore(tmp_path, bound)
    hot = [key(f"hot {n}") for n in range(5)]
    for name in hot:
        await store.put(name, Result({}, bytes(7000)))
    for n in range(500):
        await store.put(key(n), Result({}, bytes(7000)))
        assert await store.get(hot[n % 5])
        if n % 10 == 0:
            assert held(tmp_path) <= bound
    assert await store.get(key(0)) is None
    assert await store.get(key(499))
    await store.ping()
    stats = store.stats()
    assert stats.bytes == held(tmp_path)
    assert stats.entries == len([*tmp_path.glob("??/*")])
    assert stats.evictions == 505 - stats.entries
    assert stats.bytes > bound * 0.8
    await store.close()


async def test_an_entry_above_the_share_is_not_kept(tmp_path: Path) -> None:
    store = DiskStore(tmp_path, 8 * LARGE)
    assert whole(await store.put(key(1), Result({}, BIG))) == BIG
    assert await store.get(key(1)) is None
    assert held(tmp_path) == 0
    await store.close()


WRITER = """
import asyncio, hashlib, sys
from pathlib import Path
from proxy.stores.disk import DiskStore
from proxy.stores.result import Result

async def main(root, bound, name, count, size):
    store = DiskStore(Path(root), int(bound))
    print("ready", flush=True)
    for n in range(int(count)):
        key = hashlib.sha256(f"{name} {n}".encode()).hexdigest()
        await store.put(key, Result({"n": n}, key.encode() * (int(size) // 64)), ["all", f"by {name}"])
        if n == 0:
            print("begun", flush=True)
    await store.close()
    print("done", flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


def writer(root: Path, bound: int, name: str, count: int, size: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WRITER, str(root), str(bound), name, str(count), str(size)]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


def finish(process: "subprocess.Popen[str]") -> None:
    process.communicate(timeout=60)
    assert process.returncode == 0


def stop(process: "subprocess.Popen[str]") -> None:
    """Hold a process, and wait until it stands still or has ended."""
    process.send_signal(signal.SIGSTOP)
    with suppress(ChildProcessError):
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)


async def test_three_processes_hold_the_bound_together(tmp_path: Path) -> None:
    bound = 4 << 20
    writers = [writer(tmp_path, bound, name, 400, 40_000) for name in ("a", "b", "c")]
    most = 0
    while working := [process for process in writers if process.poll() is None]:
        # All held for a moment, since listing a folder that changes adds up what never was there together.
        for process in working:
            stop(process)
        most = max(most, held(tmp_path))
        for process in working:
            process.send_signal(signal.SIGCONT)
        await asyncio.sleep(0.02)
    for process in writers:
        finish(process)
    assert most <= bound
    assert held(tmp_path) > bound * 0.8
    store = DiskStore(tmp_path, bound)
    await store.ping()
    assert store.stats().bytes == held(tmp_path)
    for path in tmp_path.glob("??/*"):
        assert whole(await store.get(path.name)) == path.name.encode() * 625
    await store.close()


async def test_a_killed_writer_leaves_no_partial_entry(tmp_path: Path) -> None:
    for attempt in range(3):
        process = writer(tmp_path, 1 << 30, f"w{attempt}", 10**6, 900_000)
        assert process.stdout
        assert process.stdout.readline() == "begun\n"
        # Each time in another moment of its work.
        await asyncio.sleep(0.05 * attempt)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    age(tmp_path)
    store = DiskStore(tmp_path, 1 << 30)
    paths = [*tmp_path.glob("??/*")]
    for path in paths:
        assert whole(await store.get(path.name)) == path.name.encode() * (900_000 // 64)
    assert store.stats().corrupt == 0
    sweep(store)
    await store.ping()
    assert (store.stats().entries, store.stats().bytes) == (len(paths), held(tmp_path))
    await store.close()


def age(root: Path) -> None:
    """Make every row an hour older, for a young one may be that of a file in the making."""
    with closing(sqlite3.connect(root / "index.sqlite", isolation_level=None)) as other:
        other.execute("UPDATE entries SET used = used - 3600")


def sweep(store: DiskStore) -> None:
    """Do what is left of holding the index against the folder, now."""
    assert store._ledger.flush()
    for _ in range(300):
        store._ledger._step()
    assert not store._ledger._sweep


async def test_concurrent_writers_of_one_key_leave_one_whole_entry(store: DiskStore, tmp_path: Path) -> None:
    bodies = [bytes([n]) * (50_000 + n) for n in range(40)]
    other = DiskStore(tmp_path, 1 << 26)

    async def put(n: int) -> None:
        await (store, other)[n % 2].put(key(1), Result({"n": n}, bodies[n]))
        for reader in (store, other):
            found = await reader.get(key(1))
            assert found
            assert found.body == bodies[found.meta["n"]]  # type: ignore[index]

    await asyncio.gather(*map(put, range(40)))
    assert store.stats().corrupt == other.stats().corrupt == 0
    assert len([*tmp_path.glob("??/*")]) == 1
    await other.close()


async def test_another_process_finds_and_purges_what_one_has_written(store: DiskStore, tmp_path: Path) -> None:
    finish(writer(tmp_path, 1 << 26, "a", 20, 1000))
    assert await store.get(key("a 3"))
    assert await store.delete_tagged("by a") == 20
    assert held(tmp_path) == 0
    assert await store.get(key("a 3")) is None


@pytest.mark.parametrize("loss", ["missing", "noise", "cut", "another database", "every page spoilt"])
async def test_a_lost_index_is_made_again_from_the_folder(tmp_path: Path, loss: str) -> None:
    store = DiskStore(tmp_path, 1 << 26)
    for n in range(30):
        await store.put(key(n), Result({}, bytes(5000)), ["all", f"number {n}"])
    await store.close()
    index = tmp_path / "index.sqlite"
    size = index.stat().st_size
    match loss:
        case "missing":
            index.unlink()
        case "noise":
            index.write_bytes(os.urandom(size))
        case "cut":
            os.truncate(index, size // 2)
        case "another database":
            index.unlink()
            with closing(sqlite3.connect(index)) as other:
                other.execute("CREATE TABLE entries (a)")
                other.execute("PRAGMA user_version = 1")
        case "every page spoilt":
            index.write_bytes(index.read_bytes()[:100] + b"\xff" * (size - 100))
    store = DiskStore(tmp_path, 1 << 26)
    assert await store.get(key(3))
    await store.put(key(30), Result({}, bytes(5000)), ["all"])
    sweep(store)
    await store.ping()
    assert (store.stats().entries, store.stats().bytes) == (31, held(tmp_path))
    assert await store.delete_tagged("number 7") == 1
    assert await store.get(key(7)) is None
    assert await store.delete_tagged("all") == 30
    await store.close()


async def test_an_index_that_another_process_made_anew_is_taken_up(store: DiskStore, tmp_path: Path) -> None:
    await store.put(key(1), Result({}, SMALL), ["t"])
    sweep(store)
    for suffix in ("", "-wal", "-shm"):
        (tmp_path / f"index.sqlite{suffix}").unlink()
    other = DiskStore(tmp_path, 1 << 26)
    await other.put(key(2), Result({}, SMALL), ["t"])
    sweep(other)
    sweep(store)
    assert store.stats().entries == 2
    assert await store.delete_tagged("t") == 2
    await other.close()


async def test_a_folder_that_is_wiped_while_open_is_made_again(store: DiskStore, tmp_path: Path) -> None:
    await store.put(key(1), Result({}, SMALL))
    while tmp_path.exists():  # the index may be writing
        shutil.rmtree(tmp_path, ignore_errors=True)
    assert await store.get(key(1)) is None
    await store.put(key(1), Result({}, SMALL))
    assert whole(await store.get(key(1))) == SMALL
    sweep(store)
    assert store.stats().entries == 1


async def test_rows_without_files_go(tmp_path: Path) -> None:
    store = DiskStore(tmp_path, 1 << 26)
    for n in range(10):
        await store.put(key(n), Result({}, SMALL))
    await store.close()
    place(tmp_path, key(4)).unlink()
    age(tmp_path)
    store = DiskStore(tmp_path, 1 << 26)
    sweep(store)
    await store.ping()
    assert (store.stats().entries, store.stats().bytes) == (9, held(tmp_path))
    await store.close()


async def test_foreign_files_are_left_alone_and_stale_scratch_is_not(tmp_path: Path) -> None:
    kept = [tmp_path / "README", tmp_path / "ab/notes.txt", tmp_path / "ab" / ("f" * 40)]
    stale, young = tmp_path / "tmp/stale", tmp_path / "tmp/young"
    kept.append(tmp_path / "tmp/idle/inside")
    damaged = place(tmp_path, key(1))
    for path in (*kept, stale, young, damaged):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    for path in (stale, tmp_path / "tmp/idle"):
        os.utime(path, (time.time() - 7200,) * 2)
    store = DiskStore(tmp_path, 1 << 26)
    sweep(store)
    await store.close()
    assert all(path.exists() for path in (*kept, young))
    assert not stale.exists()
    assert not damaged.exists()


async def test_entries_of_an_older_layout_are_removed(tmp_path: Path) -> None:
    older = tmp_path / key(1)[:2] / key(1)[2:4]
    older.mkdir(parents=True)
    (older / key(1)).write_bytes(b"x")
    store = DiskStore(tmp_path, 1 << 26)
    sweep(store)
    await store.close()
    assert not older.exists()


async def test_a_full_disk_means_uncached(store: DiskStore, tmp_path: Path) -> None:
    await store.put(key(1), Result({}, SMALL))
    made = store.scratch / "made"
    made.write_bytes(BIG)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        assert whole(await store.put(key(2), Result({}, SMALL), ["t"])) == SMALL
        kept = await store.put(key(3), Scratch({}, made))
        assert whole(kept) == BIG
        assert whole(await store.get(key(1))) == SMALL
        assert await store.get(key(2)) is None
        assert await store.get(key(3)) is None
        assert store.stats().errors >= 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.glob("??/*")] == [key(1)]
    assert not [*store.scratch.iterdir()]
    await store.put(key(2), Result({}, SMALL), ["t"])
    assert await store.get(key(2))


async def test_trouble_is_logged_once_a_minute(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "tmp").write_bytes(b"a file where the scratch folder should be")
    store = DiskStore(tmp_path, 1 << 26)
    for n in range(20):
        assert whole(await store.put(key(n), Result({}, SMALL))) == SMALL
    assert store.stats().errors >= 20
    assert len([record for record in caplog.records if record.name == "proxy.stores.disk"]) == 1
    await store.close()


READER = """
import asyncio, os, sys
from pathlib import Path
from proxy.stores.disk import DiskStore
from proxy.stores.result import Result

async def main(root, known, unknown):
    if os.getuid() == 0:
        os.setuid(65534)
    store = DiskStore(Path(root), 1 << 26)
    found = await store.get(known)
    kept = await store.put(unknown, Result({}, b"new"))
    missing = await store.get(unknown)
    print(len(found.body), kept.body, missing, store.stats().errors > 0)
    await store.close()

asyncio.run(main(*sys.argv[1:]))
"""


def run(*command: str) -> str:
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_a_read_only_folder_serves_and_keeps_nothing() -> None:
    # Not under tmp_path, which nobody but its owner may enter: permissions mean nothing to root.
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        store = DiskStore(root, 1 << 26)
        await store.put(key(1), Result({}, SMALL))
        await store.close()
        for path in (root, *root.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        try:
            assert run(sys.executable, "-c", READER, folder, key(1), key(2)) == f"{len(SMALL)} b'new' None True\n"
        finally:
            for path in (root, *root.rglob("*")):
                path.chmod(0o755)
