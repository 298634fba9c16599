"""Copies of originals in files of this machine's disk, bounded in bytes."""

import asyncio
import os
import re
import stat
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

from proxy.sources.copy import OPENED, Copy, digest
from proxy.sources.landing import Landing
from proxy.sources.source import Stat
from proxy.stats import Stats

SHARE = 8
"""One original may take one part in this many of the bound."""

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NAME = re.compile(r"[0-9a-f]{40}-[0-9a-f]{32}")
_LANDING_LIVES = 3600.0
_USED_EVERY = 60.0
_MOST_SEEN = 1 << 16

T = TypeVar("T")


class _Seen(NamedTuple):
    """A file whose bytes were checked, and by what it is known again."""

    path: Path
    inode: int
    size: int
    written: int
    used: float


class Copies:
    """A folder of copies up to a bound in bytes, shared by any number of processes of one machine.

    A file's name holds a hash of what it is a copy of, and a digest of its bytes. The digest is checked when a process
    first reads a file; what does not match is dropped. The time of modification is the original's own, the time of
    access that of the last use, by which the least recently used make room. Nothing is synchronised, since the digest
    tells what a power cut left. There is no index: the folder is looked through once for some hundred new files.
    """

    def __init__(self, root: Path | None, most: int, trouble: Callable[[str, BaseException], None]) -> None:
        """Without a folder nothing is kept; `trouble` is told of what fails nobody."""
        self._root = root.absolute() if root and most else None
        self.most, self.largest = most, most // SHARE
        self._trouble = trouble
        self._seen: dict[str, _Seen] = {}
        self._hits = self._misses = self._evictions = self._corrupt = self._errors = 0
        self._bytes = self._entries = 0
        self._unseen = 0
        """Bytes that were kept since the folder was last looked through."""
        self._looked = False
        self._lock = threading.Lock()  # of the books and of making room
        self._threads = ThreadPoolExecutor(4, "originals")

    async def open(self, name: str, version: str) -> Copy | None:
        """The copy that is kept under a name, whole and true, or none."""
        if self._root is None:
            return None
        found = await self._in_thread(self._open, name, version)
        self._hits, self._misses = self._hits + (found is not None), self._misses + (found is None)
        return found

    async def landing(self, keep: bool) -> Landing:
        """A file for an original to be written into, where it can be kept from if it is to be; raises OSError."""
        return await self._in_thread(self._landing, keep)

    async def keep(self, name: str, landing: Landing, stat: Stat) -> Copy:
        """The copy that has come down, kept under a name if that can be done; the file of the landing is closed.

        Raises ValueError where the file has not the length that its place says.
        """
        return await self._in_thread(self._keep, name, landing, stat)

    def stats(self) -> Stats:
        """What is kept, by all processes, is what it was when the folder was last looked through."""
        return Stats(self._hits, self._misses, self._bytes, self._entries, self._evictions, self._corrupt, self._errors)

    async def close(self) -> None:
        await asyncio.to_thread(self._threads.shutdown)

    async def _in_thread(self, call: Callable[..., T], *values: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *values)

    # What follows runs in the threads.

    def _open(self, name: str, version: str) -> Copy | None:
        try:
            for path in self._places(name):
                if copy := self._checked(name, path, version):
                    return copy
        except OSError as error:
            self._failed("A copy of an original cannot be read", error)
        return None

    def _places(self, name: str) -> Iterator[Path]:
        """Where a copy may be: where it was the last time, then what the folder has, which may be more than one."""
        assert self._root
        if seen := self._seen.get(name):
            yield seen.path
        folder = self._root / name[:2]
        with suppress(FileNotFoundError), os.scandir(folder) as entries:
            found = sorted(entry.name for entry in entries if entry.name.startswith(f"{name}-"))
            yield from (folder / entry for entry in found)

    def _checked(self, name: str, path: Path, version: str) -> Copy | None:
        try:
            descriptor = os.open(path, _READ)
        except FileNotFoundError:
            self._seen.pop(name, None)
            return None
        status = os.fstat(descriptor)
        copy = Copy(path, Stat(version, status.st_size, status.st_mtime or None), descriptor)
        seen, now = self._seen.get(name), time.time()
        if seen is None or (path, *_state(status)) != seen[:4]:
            if not stat.S_ISREG(status.st_mode) or digest(descriptor) != path.name.rpartition("-")[2]:
                self._corrupt += 1
                self._seen.pop(name, None)
                path.unlink(missing_ok=True)
                return None
            self._remember(name, _Seen(path, *_state(status), 0.0))
        if now - self._seen[name].used > _USED_EVERY:
            self._remember(name, _Seen(path, *_state(status), now))
            with suppress(OSError):  # a read-only disk
                os.utime(path, ns=(int(now * 1e9), status.st_mtime_ns), follow_symlinks=False)
        return copy

    def _remember(self, name: str, seen: _Seen) -> None:
        self._seen[name] = seen
        if len(self._seen) > _MOST_SEEN:
            self._seen.pop(next(iter(self._seen)), None)

    def _landing(self, keep: bool) -> Landing:
        if keep and self._root:
            folder = self._root / "tmp"
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                return Landing(folder)
            except OSError as error:
                self._failed("The folder of originals cannot be written", error)
        return Landing(None)

    def _keep(self, name: str, landing: Landing, stat: Stat) -> Copy:
        path = None
        try:
            if (came := os.fstat(landing.fileno()).st_size) != stat.size:
                raise ValueError(f"{came} bytes came of {stat.size}")
            if self._root and landing.path and stat.size <= self.largest:
                try:
                    path = self._moved(name, landing, stat)
                except OSError as error:
                    self._failed("An original is not kept", error)
            descriptor = os.open(OPENED / str(landing.fileno()), os.O_RDONLY | os.O_CLOEXEC)
            return Copy(path or Path(name), stat, descriptor, kept=path is not None)
        finally:
            landing.close()

    def _moved(self, name: str, landing: Landing, stat: Stat) -> Path:
        assert self._root
        assert landing.path
        target = self._root / name[:2] / f"{name}-{digest(landing.fileno())}"
        self._make_room(stat.size)
        target.parent.mkdir(mode=0o700, exist_ok=True)
        now = time.time()
        os.utime(landing.fileno(), ns=(int(now * 1e9), round((stat.modified or 0) * 1e6) * 1000))
        status = os.fstat(landing.fileno())
        landing.path.replace(target)
        landing.path = None
        self._remember(name, _Seen(target, *_state(status), now))
        return target

    def _make_room(self, coming: int) -> None:
        """Have room for so many bytes: from 15/16 of the bound on, what was not used for long goes, down to 9/10.

        What other processes keep is seen when the folder is looked through, for each 1/64 of the bound that comes.
        """
        with self._lock:
            self._unseen += coming
            self._bytes, self._entries = self._bytes + coming, self._entries + 1
            full = self._bytes > self.most - self.most // 16
            if self._looked and not full and self._unseen <= self.most // 64:
                return
            kept = sorted(self._kept())
            total = coming + sum(size for _, size, _ in kept)
            self._entries = len(kept) + 1
            if total > self.most - self.most // 16:
                for _, size, path in kept:
                    if total <= self.most - self.most // 10:
                        break
                    path.unlink(missing_ok=True)
                    self._evictions, self._entries, total = self._evictions + 1, self._entries - 1, total - size
            self._bytes, self._unseen, self._looked = total, 0, True

    def _kept(self) -> Iterator[tuple[float, int, Path]]:
        """All files with their last use and their size; what dead processes have left half written is removed."""
        assert self._root
        before = time.time() - _LANDING_LIVES
        with os.scandir(self._root) as folders:
            names = [folder.path for folder in folders if folder.is_dir(follow_symlinks=False)]
        for folder in names:
            with suppress(FileNotFoundError), os.scandir(folder) as entries:
                for entry in entries:
                    with suppress(FileNotFoundError):
                        status = entry.stat(follow_symlinks=False)
                        if _NAME.fullmatch(entry.name):
                            yield status.st_atime, status.st_size, Path(entry.path)
                        elif max(status.st_mtime, status.st_atime) < before and stat.S_ISREG(status.st_mode):
                            Path(entry.path).unlink()

    def _failed(self, what: str, error: OSError) -> None:
        self._errors += 1
        self._trouble(what, error)


def _state(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns
