"""Files of blocks in a folder of this machine's disk, bounded in bytes."""

import asyncio
import hashlib
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from proxy.failures import NoRoom
from proxy.sources.blocks.file import BlockFile, map_of
from proxy.stats import Stats

_NAME: Final = re.compile(r"[0-9a-f]{24}-[0-9a-f]{24}-[0-9a-f]{8}")
_USED_EVERY: Final = 60.0
_MOST_USED: Final = 1 << 16

T = TypeVar("T")


def block_name(place: str, key: str, version: str, era: str) -> str:
    """What blocks are kept under: of a place, a key, a version, and of the time since a purge."""
    parts = (_hash(f"{place}\n{key}")[:24], _hash(version)[:24], _hash(era)[:8])
    return "-".join(parts)


class BlockFolder:
    """A folder of files of blocks up to a bound in bytes, shared by any number of processes of one machine.

    Only what is really on the disk counts. The least recently used make room, whole files at a time; one that is in
    use goes on without its name until it is closed. There is no index: the folder is looked through once for some
    hundred new blocks.
    """

    def __init__(self, root: Path | None, most: int, trouble: Callable[[str, BaseException], None]) -> None:
        """Without a folder nothing is kept; `trouble` is told of what fails nobody."""
        self._root = root.absolute() if root and most else None
        self._most, self._trouble = most, trouble
        self.hits = self.misses = 0
        """Blocks that were needed and there, or coming already; and those that had to be asked for."""
        self._evictions = self._corrupt = self._errors = self._bytes = self._entries = 0
        self._unseen, self._looked = 0, False
        self._used: dict[Path, float] = {}
        self._lock = threading.Lock()  # of the books and of making room
        self._threads = ThreadPoolExecutor(4, "blocks")

    async def find(self, name: str) -> BlockFile | None:
        """The file that is kept under a name."""
        return await self._in_thread(self._find, name)

    async def make(self, name: str, size: int, keep: bool) -> BlockFile:
        """An empty file of a size, under a name where it can be kept and is to be. Raises NoRoom."""
        return await self._in_thread(self._make, name, size, keep)

    async def missing(self, file: BlockFile, blocks: range) -> list[int]:
        """Those of some blocks that are not there."""
        corrupt = file.corrupt
        missing = await self._in_thread(file.missing, blocks)
        self._corrupt += file.corrupt - corrupt
        return missing

    async def write(self, file: BlockFile, first: int, data: bytes) -> None:
        """Put whole blocks in their place, if need be in that of others. Raises NoRoom."""
        await self._in_thread(self._write, file, first, data)

    def stats(self) -> Stats:
        """What is kept, by all processes, is what it was when the folder was last looked through."""
        return Stats(self.hits, self.misses, self._bytes, self._entries, self._evictions, self._corrupt, self._errors)

    async def close(self) -> None:
        await asyncio.to_thread(self._threads.shutdown)

    async def _in_thread(self, call: Callable[..., T], *values: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *values)

    # What follows runs in the threads.

    def _find(self, name: str) -> BlockFile | None:
        if self._root is None:
            return None
        path = self._root / name[:2] / name
        try:
            if file := BlockFile.named(path, None):
                self._touch(path)
            return file
        except OSError as error:
            self._failed("A file of blocks cannot be read", error)
            return None

    def _make(self, name: str, size: int, keep: bool) -> BlockFile:
        if self._root and keep:
            path = self._root / name[:2] / name
            try:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._outdated(path)
                if file := BlockFile.named(path, size):
                    self._touch(path)
                    return file
            except OSError as error:
                self._failed("The folder of blocks cannot be written", error)
        try:
            return BlockFile.nameless(size)
        except OSError as error:
            raise NoRoom("There is no room for parts of the original.") from error

    def _outdated(self, path: Path) -> None:
        """Remove blocks of the same version from before a purge."""
        same = path.name.rpartition("-")[0]
        for other in path.parent.glob(f"{same}-????????"):
            if other != path:
                self._remove(other)

    def _touch(self, path: Path) -> None:
        now = time.time()
        if now - self._used.get(path, 0.0) > _USED_EVERY:
            self._used[path] = now
            if len(self._used) > _MOST_USED:
                self._used.pop(next(iter(self._used)), None)
            with suppress(OSError):  # a read-only disk
                os.utime(path, (now, now))

    def _write(self, file: BlockFile, first: int, data: bytes) -> None:
        try:
            file.write(first, data)
        except OSError as error:
            self._failed("A block of an original is not kept", error)
            self._make_room(len(data), keep=file.path)
            try:
                file.write(first, data)
            except OSError as again:
                raise NoRoom("There is no room for parts of the original.") from again
        if file.path:
            self._make_room(len(data))

    def _make_room(self, coming: int, keep: Path | None = None) -> None:
        """Stay within the bound: from 15/16 of it on, what was not used for long goes, down to 9/10.

        With `keep` the disk itself is full, and as much goes as is wanted, but not that. What other processes keep is
        seen when the folder is looked through, for each 1/64 of the bound that comes.
        """
        if self._root is None:
            return
        with self._lock, suppress(FileNotFoundError):
            self._unseen += coming
            self._bytes += coming
            full = self._bytes > self._most - self._most // 16
            if self._looked and not full and not keep and self._unseen <= self._most // 64:
                return
            kept = sorted(self._kept())
            total = sum(size for _, size, _ in kept)
            most = self._most - self._most // 16
            if keep or total > most:
                down_to = min(total - coming if keep else most, self._most - self._most // 10)
                for _, size, path in kept:
                    if total <= down_to:
                        break
                    if path != keep:
                        self._remove(path)
                        self._evictions, total = self._evictions + 1, total - size
                        self._used.pop(path, None)
            self._bytes, self._unseen, self._looked = total, 0, True
            self._entries = len(kept)

    def _kept(self) -> Iterator[tuple[float, int, Path]]:
        """All files with their last use, and the bytes that they take with their map."""
        assert self._root
        with os.scandir(self._root) as folders:
            names = [folder.path for folder in folders if folder.is_dir(follow_symlinks=False)]
        for folder in names:
            with suppress(FileNotFoundError), os.scandir(folder) as entries:
                for entry in entries:
                    path = Path(entry.path)
                    with suppress(FileNotFoundError):
                        status = entry.stat(follow_symlinks=False)
                        if _NAME.fullmatch(entry.name):
                            last = max(status.st_atime, self._used.get(path, 0.0))
                            yield last, status.st_blocks * 512 + _allocated(map_of(path)), path
                        elif entry.name.endswith(".map") and not path.with_suffix("").exists():
                            path.unlink()

    def _remove(self, path: Path) -> None:
        for one in (path, map_of(path)):
            with suppress(OSError):
                one.unlink(missing_ok=True)

    def _failed(self, what: str, error: OSError) -> None:
        self._errors += 1
        self._trouble(what, error)


def _allocated(path: Path) -> int:
    try:
        return path.lstat().st_blocks * 512
    except OSError:
        return 0


def _hash(text: str) -> str:
    return hashlib.sha256(f"darkroom.blocks.1\n{text}".encode()).hexdigest()
