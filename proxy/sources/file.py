"""Originals in a folder of this machine."""

import asyncio
import errno
import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

from proxy.failures import NoSuchOriginal, OriginFailed, OriginTimedOut
from proxy.sources.source import Listing, Original, Stat, state

_THREADS = 4
_LONGEST_PATH = 4095
_FOLDER = os.O_DIRECTORY | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)
_READ = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_LINKED = {errno.ELOOP, errno.ENOTDIR}
_MISSING = {errno.ENOENT, errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ, *_LINKED}

_MOST_LOOKED_AT = 20_000
"""Entries of a folder that are looked at for a list of it."""

T = TypeVar("T")


class FileSource:
    """Originals in a folder of this machine, by their path below it.

    Only plain files are served, and nothing whose name, or a folder's name on the way, begins with a dot. Links are
    followed as long as they stay inside. The path is walked folder by folder without following links, so that nobody
    can swap one in on the way. Everything runs in a few threads of this source's own: a disk or a network file system
    that hangs holds up neither the event loop nor other sources, and ends in OriginTimedOut.
    """

    def __init__(self, root: Path, deadline: float = 5.0) -> None:
        """Raises OSError for what is not there, and for what is no folder."""
        if not stat.S_ISDIR(root.stat().st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(root))
        # Not resolved: a root may be a link that is turned to the next release.
        self._root = root.absolute()
        self._deadline = deadline
        self._threads = ThreadPoolExecutor(_THREADS, "file-source")

    async def stat(self, key: str) -> Stat:
        return await self._in_time(self._stat, key)

    async def open(self, key: str) -> Original:
        return await self._in_time(self._open, key)

    async def opened(self, key: str, use: Callable[[Original], T]) -> tuple[Original, T]:
        """An original and what `use` makes of it, in one go."""

        def both(key: str) -> tuple[Original, T]:
            return (original := self._open(key)), use(original)

        return await self._in_time(both, key)

    async def listing(self, prefix: str, most: int, wanted: Callable[[str], bool]) -> Listing:
        return await self._in_time(partial(self._list, most=most, wanted=wanted), prefix)

    async def names(self, prefix: str, most: int) -> list[str]:
        """The first `most` keys, sorted, that begin with a prefix; none where its folder is missing.

        A link to an original is listed, one to a folder is not, since it may lead round in a circle. It
        takes as long as it takes. Raises OriginFailed.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._names, prefix, most)

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _in_time(self, call: Callable[[str], T], key: str) -> T:
        try:
            async with asyncio.timeout(self._deadline):
                return await asyncio.get_running_loop().run_in_executor(self._threads, call, key)
        except TimeoutError:
            raise OriginTimedOut("The original could not be reached in time.") from None

    def _stat(self, key: str) -> Stat:
        return self._find(key, lambda folder, path: _plain(os.stat(path.name, dir_fd=folder, follow_symlinks=False)))

    def _open(self, key: str) -> Original:
        def take(folder: int, path: Path) -> Original:
            # Asked before opening, since to open a device can be an act.
            _plain(os.stat(path.name, dir_fd=folder, follow_symlinks=False))
            descriptor = os.open(path.name, _FILE, dir_fd=folder)
            try:
                found = _plain(status := os.fstat(descriptor))
            except BaseException:
                os.close(descriptor)
                raise
            return Original(path, found.version, found.size, found.modified, descriptor, state(status))

        return self._find(key, take)

    def _list(self, prefix: str, most: int, wanted: Callable[[str], bool]) -> Listing:
        opened = self._opened(prefix)
        try:
            entries, whole = _entries(opened, prefix, _MOST_LOOKED_AT)
            # Folders and links are told from files only for as many as are asked for: it may take a look at each.
            kinds = self._kinds(prefix, sorted(entries, key=lambda entry: entry.name))
            shown = (kind for kind in kinds if kind[1] or wanted(kind[0].name))
            names = [(entry.name, is_folder) for entry, is_folder in islice(shown, most + 1)]
        finally:
            os.close(opened)
        return Listing(
            tuple(name for name, is_folder in names[:most] if is_folder),
            tuple(name for name, is_folder in names[:most] if not is_folder),
            whole=whole and len(names) <= most,
        )

    def _names(self, prefix: str, most: int) -> list[str]:
        found, prefixes = [], [prefix]
        while prefixes:
            prefix = prefixes.pop()
            try:
                opened = self._opened(prefix)
            except NoSuchOriginal:
                continue
            try:
                for entry, is_folder in self._kinds(prefix, _entries(opened, prefix)[0]):
                    key = prefix[: prefix.rfind("/") + 1] + entry.name
                    if not is_folder:
                        found.append(key)
                    elif not entry.is_symlink():
                        prefixes.append(f"{key}/")
            finally:
                os.close(opened)
        return sorted(found)[:most]

    def _kinds(self, prefix: str, entries: "list[os.DirEntry[str]]") -> "Iterator[tuple[os.DirEntry[str], bool]]":
        """Folders and originals among entries, each with whether it is a folder; links as `open` follows them.

        The folder has to be open until the last one was taken.
        """
        above = prefix[: prefix.rfind("/") + 1]
        for entry in entries:
            try:
                if entry.is_symlink():
                    target = self._root.joinpath(*self._resolved(_segments(above + entry.name)))
                    kind = target.lstat().st_mode
                    is_folder, is_file = stat.S_ISDIR(kind), stat.S_ISREG(kind)
                else:
                    is_folder, is_file = entry.is_dir(follow_symlinks=False), entry.is_file(follow_symlinks=False)
            except (OSError, NoSuchOriginal):
                continue
            if is_folder or is_file:
                yield entry, is_folder

    def _opened(self, prefix: str) -> int:
        """A descriptor to read the folder that a prefix names; raises NoSuchOriginal and OriginFailed."""
        folder, slash, _ = prefix.rpartition("/")
        try:
            if slash:
                return self._find(folder, lambda above, path: os.open(path.name, _READ, dir_fd=above))
            return os.open(self._root, _READ & ~os.O_NOFOLLOW)
        except OriginFailed as error:
            raise OriginFailed(f"The folder {folder} cannot be read.") from error
        except OSError as error:
            raise OriginFailed("The place of the originals cannot be read.") from error

    def _find(self, key: str, use: Callable[[int, Path], T]) -> T:
        """Use the folder and the path that a key names; raises NoSuchOriginal and OriginFailed."""
        segments = _segments(key)
        try:
            try:
                return self._walk(segments, use)
            except OSError as error:
                if error.errno not in _LINKED:
                    raise
                return self._walk(self._resolved(segments), use)
        except OSError as error:
            if error.errno in _MISSING:
                raise _no_such_original() from error
            raise OriginFailed("The original cannot be read.") from error

    def _walk(self, segments: list[str], use: Callable[[int, Path], T]) -> T:
        """Go down from the root; raises ELOOP or ENOTDIR where a link stands in the way."""
        path = self._root.joinpath(*segments)
        if len(os.fsencode(path)) > _LONGEST_PATH:
            raise _no_such_original()
        try:
            folder = os.open(self._root, _FOLDER)
        except OSError as error:
            # A folder that is not mounted at the moment does not make its originals unknown.
            raise OriginFailed("The place of the original cannot be read.") from error
        try:
            for segment in segments[:-1]:
                inner = os.open(segment, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
                os.close(folder)
                folder = inner
            return use(folder, path)
        finally:
            os.close(folder)

    def _resolved(self, segments: list[str]) -> list[str]:
        """The segments that remain when every link is followed; raises NoSuchOriginal when they lead outside."""
        real = Path(os.path.realpath(self._root.joinpath(*segments), strict=True))
        root = os.path.realpath(self._root)
        if not real.is_relative_to(root):
            raise _no_such_original()
        return _segments(real.relative_to(root).as_posix())


def _entries(folder: int, prefix: str, most: int | None = None) -> "tuple[list[os.DirEntry[str]], bool]":
    """What an open folder has that begins as a prefix ends, and whether fewer than `most` had to be looked at."""
    with os.scandir(folder) as entries:
        looked_at = list(islice(entries, most))
    start = prefix.rpartition("/")[2]
    shown = [
        entry
        for entry in looked_at
        if entry.name.startswith(start) and not entry.name.startswith(".") and _is_text(entry.name)
    ]
    return shown, most is None or len(looked_at) < most


def _segments(key: str) -> list[str]:
    """The names along a key; raises NoSuchOriginal for a key that can name nothing here."""
    segments = key.split("/")
    if "\0" in key or not _is_text(key) or any(segment == "" or segment.startswith(".") for segment in segments):
        raise _no_such_original()
    return segments


def _is_text(key: str) -> bool:
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return True


def _plain(status: os.stat_result) -> Stat:
    """What is known of a plain file; raises ELOOP for a link and ENOENT for all else that is no file."""
    if stat.S_ISREG(status.st_mode):
        # Without the inode, so that copies of one folder on several machines have the same versions.
        return Stat(f"{status.st_mtime_ns:x}-{status.st_size:x}", status.st_size, status.st_mtime)
    code = errno.ELOOP if stat.S_ISLNK(status.st_mode) else errno.ENOENT
    raise OSError(code, os.strerror(code))


def _no_such_original() -> NoSuchOriginal:
    return NoSuchOriginal("There is no such original.")
