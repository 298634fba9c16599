"""Results in files of this machine's disk."""

import asyncio
import os
import secrets
import threading
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from errno import EXDEV
from pathlib import Path
from typing import TypeVar

from proxy.stats import Stats
from proxy.stores.disk_entry import Damaged, Stamp, Tail, digest, grow, place, read, remove, write, write_tail
from proxy.stores.disk_ledger import Ledger, on_disk
from proxy.stores.notices import Notices
from proxy.stores.result import FileBody, Result, Scratch, checked

SHARE = 8
"""An entry may take one part in this many of the store."""

_MOST_STAMPS = 1 << 16
_PART = 200

T = TypeVar("T")


class DiskStore:
    """Results kept in a folder up to a bound in bytes, shared by any number of processes of one machine.

    A hit opens the path made from its key. The first read of a file is done in a thread and checks every byte; later
    ones look only whether it is still the same file, and stay on the event loop while the page cache has it, as does
    the look that finds nothing. The
    folder must be on a local file system, for SQLite's sake. Scratch files made in `scratch` are taken over by a
    rename; those that nobody takes are removed after an hour.
    """

    name = "disk"

    def __init__(self, root: Path, max_bytes: int) -> None:
        self._root = root.absolute()
        self.scratch = self._root / "tmp"
        self._most = max_bytes // SHARE
        self._trouble = Notices(__name__)
        self._damage = Notices(__name__)
        self._hits = self._misses = 0
        self._stamps: dict[str, Stamp] = {}
        self._locks = [threading.Lock() for _ in range(16)]
        self._readers = ThreadPoolExecutor(4, "disk-read")
        self._writers = ThreadPoolExecutor(2, "disk-write")
        try:
            self.scratch.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self._trouble.trouble("The folder of the disk store cannot be made", error)
        self._ledger = Ledger(self._root, self.scratch, max_bytes, self._trouble)

    async def get(self, key: str) -> Result | None:
        path = place(self._root, checked(key))
        known = self._stamps.get(key)
        try:
            try:
                result, stamp = read(path, key, known, self.name, wait=False)
            except BlockingIOError:
                result, stamp = await _in(self._readers, read, path, key, known, self.name)
        except (Damaged, OSError) as error:
            self._misses += 1
            self._stamps.pop(key, None)
            if isinstance(error, Damaged):
                self._damage.trouble("A result on disk is damaged and dropped", error)
                await _in(self._writers, self._drop, key)
            elif not isinstance(error, FileNotFoundError):
                self._trouble.trouble("A result on disk cannot be read", error)
            return None
        self._hits += 1
        self._remember(key, stamp)
        self._ledger.touch(key)
        return result

    async def put(self, key: str, result: Result | Scratch, tags: Collection[str] = ()) -> Result:
        checked(key)
        kept, stamp = await _in(self._writers, self._put, key, result, tags)
        if stamp:
            self._remember(key, stamp)
        return kept

    async def delete(self, key: str) -> None:
        """Forget a result; raises OSError when its file cannot be removed."""
        await _in(self._writers, self._forget, checked(key))

    async def delete_tagged(self, tag: str) -> int:
        """How many results were forgotten; raises OSError or sqlite3.Error when some may still be there."""
        keys, forgotten = await _in(self._writers, self._ledger.tagged, tag), 0
        for start in range(0, len(keys), _PART):  # in parts, so that new results are written meanwhile
            forgotten += await _in(self._writers, self._forget_all, keys[start : start + _PART])
        return forgotten

    def touch(self, key: str) -> None:
        self._ledger.touch(key)

    async def ping(self) -> None:
        """Raises OSError when the index cannot be written."""
        if not await _in(self._writers, self._ledger.flush):
            raise OSError("the index of the disk store cannot be written")

    async def close(self) -> None:
        def shut() -> None:
            self._writers.shutdown()
            self._readers.shutdown()
            self._ledger.close()

        await asyncio.to_thread(shut)

    def stats(self) -> Stats:
        """Bytes and entries are those of all processes together, a second ago."""
        books = self._ledger
        return Stats(
            hits=self._hits,
            misses=self._misses,
            bytes=books.bytes,
            entries=books.entries,
            evictions=books.evictions,
            corrupt=self._damage.errors,
            errors=self._trouble.errors,
        )

    def _remember(self, key: str, stamp: Stamp) -> None:
        self._stamps[key] = stamp
        if len(self._stamps) > _MOST_STAMPS:
            del self._stamps[next(iter(self._stamps))]

    # What follows runs in the threads of the writers.

    def _put(self, key: str, given: Result | Scratch, tags: Collection[str]) -> tuple[Result, Stamp | None]:
        """Keep a result; without a stamp it is not kept, nor is what was there before."""
        source = given.path if isinstance(given, Scratch) else None
        result = given.opened(tags) if isinstance(given, Scratch) else given.tagged(tags)
        stamp = None
        try:
            with self._lock(key):
                stamp = self._keep(key, result, source)
        except OSError as error:
            self._trouble.trouble("A result is not kept on disk", error)
        finally:
            if source is not None:
                with suppress(OSError):
                    source.unlink(missing_ok=True)
        if stamp is None:
            self._drop(key)
            return result.loaded(), None
        if source is not None and isinstance(result.body, FileBody):
            result = replace(result, body=result.body.moved(place(self._root, key)))
        return replace(result.loaded(), tier=self.name), stamp

    def _keep(self, key: str, result: Result, source: Path | None) -> Stamp | None:
        """Write an entry, out of the file `source` itself where there is one; none when it is not to be kept."""
        body, length = result.body, result.length
        tail = write_tail(key, Tail(result.meta, result.tags, length, digest(body)))
        size = on_disk(length + len(tail))
        if size > self._most or not self._ledger.enter(key, size, result.tags):
            return None
        stamp = self._write(place(self._root, key), body, tail, source)
        self._ledger.confirm(key, size, result.tags)
        return stamp

    def _write(self, target: Path, body: bytes | FileBody, tail: bytes, source: Path | None) -> Stamp:
        if source is not None and isinstance(body, FileBody):
            grow(source, body.length, tail)
            try:
                return _move(source, target)
            except OSError as error:
                if error.errno != EXDEV:
                    raise
        copy = self.scratch / f"{os.getpid()}-{secrets.token_hex(8)}"
        _in_folder(copy, lambda: write(copy, body, tail))
        try:
            return _move(copy, target)
        except OSError:
            copy.unlink(missing_ok=True)
            raise

    def _forget(self, key: str) -> bool:
        with self._lock(key):
            there = remove(place(self._root, key))
            self._ledger.leave(key)
        return there

    def _forget_all(self, keys: Collection[str]) -> int:
        return sum(map(self._forget, keys))

    def _drop(self, key: str) -> None:
        try:
            self._forget(key)
        except OSError as error:
            self._trouble.trouble("A result on disk cannot be removed", error)

    def _lock(self, key: str) -> threading.Lock:
        """One lock for each sixteenth of the keys, so that the books of a key and its file change together."""
        return self._locks[int(key[0], 16)]


def _in_folder(path: Path, act: Callable[[], object]) -> None:
    """Make a file; its folder only when it turns out to be missing."""
    try:
        act()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        act()


def _move(source: Path, target: Path) -> Stamp:
    """Make a finished file the entry, whatever stood there; readers see the one or the other."""
    inode = source.stat().st_ino
    try:
        _in_folder(target, lambda: source.replace(target))
    except IsADirectoryError:
        remove(target)
        source.replace(target)
    return Stamp(inode, target.lstat().st_ctime_ns)


async def _in(pool: ThreadPoolExecutor, call: Callable[..., T], *values: object) -> T:
    return await asyncio.get_running_loop().run_in_executor(pool, call, *values)
