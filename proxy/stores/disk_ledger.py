"""The books of the disk store: written behind in batches, kept under a bound, mended by looking at the folder."""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from proxy.stores.disk_entry import Damaged, peek, place, remove, sweep_scratch
from proxy.stores.disk_index import DiskIndex, Row, discard, is_damage
from proxy.stores.notices import Notices
from proxy.stores.result import is_key

FLUSH_EVERY = 1.0
_STEP_PAUSE = 0.002
_UNSEEN_FOR = 60.0
_SCRATCH_LIVES = 3600.0
_MOST_TOUCHES = 100_000
_CLUSTER = 4096

T = TypeVar("T")


def on_disk(length: int) -> int:
    """What a file of this length takes."""
    return -(-length // _CLUSTER) * _CLUSTER


class Ledger:
    """Who is kept, since when, and how much that is together. Every method may be called from any thread.

    An entry is entered before its file is written, and no process lets more than 1/64 of the bound wait unwritten.
    Eviction begins at 15/16 of the bound and ends at 9/10, so four processes on one folder stay under it together.
    """

    def __init__(self, root: Path, scratch: Path, max_bytes: int, notices: Notices) -> None:
        self._root = root
        self._scratch = scratch
        self._high = max_bytes - max_bytes // 16
        self._low = max_bytes - max_bytes // 10
        self._most_waiting = max_bytes // 64
        self._notices = notices
        self.bytes = self.entries = self.evictions = 0

        self._guard = threading.Lock()  # of what waits; held for moments only, by the event loop too
        self._waiting: dict[str, Row | None] = {}
        self._waiting_bytes = 0
        self._touched: dict[str, float] = {}

        self._lock = threading.RLock()  # of the index
        self._index: DiskIndex | None = None
        self._sweep: Iterator[None] | None = None
        self._purged: dict[str, float] = {}

        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="disk-ledger", daemon=True)
        self._thread.start()

    def enter(self, key: str, size: int, tags: tuple[str, ...]) -> bool:
        """Enter a file that is about to be written; whether there is room for it."""
        with self._guard:
            self._waiting[key] = Row(size, time.time(), tags)
            self._waiting_bytes += size
            if self._waiting_bytes <= self._most_waiting:
                return True
        return self.flush()

    def confirm(self, key: str, size: int, tags: tuple[str, ...]) -> None:
        """The file is there now: its row, should another process have evicted it meanwhile, is entered again."""
        with self._guard:
            self._waiting.setdefault(key, Row(size, time.time(), tags))

    def leave(self, key: str) -> None:
        with self._guard:
            self._waiting[key] = None
            self._touched.pop(key, None)

    def touch(self, key: str) -> None:
        with self._guard:
            if len(self._touched) < _MOST_TOUCHES:
                self._touched[key] = time.time()

    def tagged(self, tag: str) -> list[str]:
        """The keys that bear a tag; raises sqlite3.Error and OSError."""
        with self._lock:
            if self._sweep:
                self._purged[tag] = time.time()
            self._write()
            return self._on_index(lambda index: index.tagged(tag))

    def flush(self) -> bool:
        """Write what waits and evict; whether the index took it."""
        try:
            with self._lock:
                self._write()
                return True
        except (sqlite3.Error, OSError) as error:
            self._notices.trouble("The index of the disk store cannot be written", error)
            return False

    def close(self) -> None:
        self._closing.set()
        self._thread.join()
        self.flush()
        with self._lock:
            if self._index:
                self._index.close()
                self._index = None

    def _write(self) -> None:
        with self._guard:
            rows, self._waiting = self._waiting, {}
            touched, self._touched = self._touched, {}
            size, self._waiting_bytes = self._waiting_bytes, 0
        try:
            self._on_index(lambda index: index.write(rows, touched) if rows or touched else None)
        except BaseException:
            with self._guard:
                self._waiting = {**rows, **self._waiting}
                self._waiting_bytes += size
            raise
        self._make_room()

    def _make_room(self) -> None:
        def evict(index: DiskIndex) -> int:
            return index.make_room(self._high, self._low, lambda key: remove(place(self._root, key)))

        self.evictions += self._on_index(evict)
        self.bytes, self.entries = self._on_index(DiskIndex.total)

    def _on_index(self, what: Callable[[DiskIndex], T]) -> T:
        """Ask the index, made anew once if it is damaged."""
        try:
            return what(self._opened())
        except sqlite3.Error as error:
            if not is_damage(error):
                raise
            self._notices.trouble("The index of the disk store is damaged and made anew", error)
        if self._index:
            self._index.close()
            # Unless another process has been faster.
            if self._index.in_place():
                discard(self._index.path)
            self._index = None
        else:
            discard(self._root / "index.sqlite")
        return what(self._opened())

    def _opened(self) -> DiskIndex:
        if self._index and self._index.in_place():
            return self._index
        if self._index:
            self._index.close()
            self._index = None
        self._root.mkdir(parents=True, exist_ok=True)
        self._index = DiskIndex(self._root / "index.sqlite")
        self._sweep = self._sweeping(self._index.new)
        return self._index

    def _run(self) -> None:
        pause = 0.0
        tidy_at = 0.0
        while not self._closing.wait(pause):
            self.flush()
            if time.monotonic() >= tidy_at:
                sweep_scratch(self._scratch, time.time() - _SCRATCH_LIVES)
                tidy_at = time.monotonic() + _SCRATCH_LIVES
            pause = self._step()

    def _step(self) -> float:
        """One step of looking at the folder, if one is due; how long to wait for the next."""
        with self._lock:
            if not (sweep := self._sweep):
                return FLUSH_EVERY
            begun = time.monotonic()
            try:
                next(sweep)
                # Most of the time is for others.
                return max(_STEP_PAUSE, 3 * (time.monotonic() - begun))
            except StopIteration:
                if self._sweep is sweep:
                    self._sweep = None
                    self._purged.clear()
            except (sqlite3.Error, OSError) as error:
                self._notices.trouble("The folder of the disk store cannot be looked through", error)
                self._sweep = self._sweeping(new=False)
            return FLUSH_EVERY

    def _sweeping(self, new: bool) -> Iterator[None]:
        """Hold the index against the folder, one of its 256 parts at a step."""
        count = 0
        for first in range(256):
            count += self._compare(f"{first:02x}")
            yield
        self._on_index(DiskIndex.recount)
        if new and count:
            self._notices.say("The index of the disk store was missing; %d results are in it again", count)

    def _compare(self, prefix: str) -> int:
        """Enter files that are in no row and take out rows without a file; how many files were found."""
        self._write()
        _drop_older(self._root / prefix)
        rows = self._on_index(lambda index: index.under(prefix))
        there = {name for name in _names(self._root / prefix) if is_key(name)}
        with self._guard:
            unknown = there - rows.keys() - self._waiting.keys()
        found = {key: row for key in unknown if (row := self._found(key))}
        before = time.time() - _UNSEEN_FOR
        # A young row without a file may be one whose file is being written.
        gone = [key for key in rows.keys() - there if rows[key] < before and not place(self._root, key).exists()]
        if found or gone:
            self._on_index(lambda index: index.reconcile(found, gone))
            self._make_room()
        return len(found)

    def _found(self, key: str) -> Row | None:
        """The row of a file that is in no row; none when it is no entry, or was purged before it was found."""
        path = place(self._root, key)
        try:
            tail, status = peek(path, key)
        except FileNotFoundError:
            return None
        except Damaged:
            self._remove(path)
            return None
        if any(self._purged.get(tag, 0.0) > status.st_mtime for tag in tail.tags):
            self._remove(path)
            return None
        return Row(on_disk(status.st_size), max(status.st_atime, status.st_mtime), tail.tags)

    def _remove(self, path: Path) -> None:
        try:
            remove(path)
        except OSError as error:
            self._notices.trouble("A result on disk cannot be removed", error)


def _drop_older(folder: Path) -> None:
    """Remove entries that lie a folder deeper, as they once did, where nobody finds them."""
    deeper: list[os.DirEntry[str]] = []
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as parts:
        deeper = [part for part in parts if len(part.name) == 2 and part.is_dir(follow_symlinks=False)]
    for part in deeper:
        with suppress(OSError):
            for path in Path(part.path).iterdir():
                if is_key(path.name) and path.name.startswith(folder.name + part.name):
                    path.unlink()
            Path(part.path).rmdir()


def _names(folder: Path) -> Iterator[str]:
    """Names in a folder that begin as it does; a folder that is not there has none."""
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        yield from (entry.name for entry in entries if entry.name.startswith(folder.name))
