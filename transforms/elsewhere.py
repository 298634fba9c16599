"""An original whose bytes come from elsewhere while it is read, as a path like any other."""

import io
import os
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from pathlib import Path, PosixPath
from typing import Any, BinaryIO, Final, Self

from transforms.headers.boxes import index_place

Ask = Callable[[int, int], tuple[int, int]]
"""Has so many bytes from a place on there, and says where what is there begins and ends. Raises Unreached."""

LEAST: Final = 1 << 15
"""Bytes that are asked for where nothing tells that more will be read."""
MOST: Final = 1 << 22
"""Bytes that are asked for at once."""
STEP: Final = 1 << 18
LONGEST_INDEX: Final = 1 << 24
"""Bytes of an index that is asked for at once: that of a film of some ten hours."""
TAIL: Final = 1 << 21
"""Bytes before the end that are asked for together: the index of a film that was not prepared for the web is there."""
_HEAD: Final = 8  # bytes of a box's size and name


class Unreached(Exception):
    """The place of the original did not give what was needed; the front knows why."""


class Reach:
    """Which bytes of an original are there, and the way to ask for more; for any number of readers and threads."""

    def __init__(self, size: int, ask: Ask) -> None:
        self.size, self._ask = size, ask
        self._starts: list[int] = []
        self._stops: list[int] = []
        self._lock = threading.Lock()

    def behind(self, position: int) -> int:
        """The first byte from here on that is not known to be there."""
        with self._lock:
            return self._behind(position)

    def need(self, position: int, length: int) -> int:
        """Have bytes there; returns the first one behind them that is not. Raises Unreached."""
        with self._lock:
            if (stop := self._behind(position)) > position:
                return stop
            start, stop = self._ask(position, min(length, self.size - position))
            if not start <= position < stop:
                raise Unreached(position)
            first, last = bisect_left(self._stops, start), bisect_right(self._starts, stop)
            if first < last:
                start, stop = min(start, self._starts[first]), max(stop, self._stops[last - 1])
            self._starts[first:last], self._stops[first:last] = [start], [stop]
            return stop

    def _behind(self, position: int) -> int:
        found = bisect_right(self._starts, position) - 1
        return max(self._stops[found], position) if found >= 0 else position


class PartedFile(io.RawIOBase):
    """A file for reading that asks for what it reads.

    Who reads on asks for more and more, half as much as was read already, up to `MOST`; who jumps asks for little. A
    read gives what is there, and so perhaps less than was wanted, but never nothing before the end.
    """

    def __init__(self, descriptor: int, reach: Reach) -> None:
        """The descriptor stays open when this is closed."""
        self._descriptor, self._reach = descriptor, reach
        self._position = self._jumped_to = self._expected = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view, position = memoryview(buffer).cast("B"), self._position
        wanted = min(len(view), self._reach.size - position)
        if wanted <= 0:
            return 0
        there = self._reach.behind(position)
        if there <= position:
            there = self._reach.need(position, self._window(position, wanted))
            self._expected = there
            if position == 0:
                self._foresee(there)
        done = os.preadv(self._descriptor, [view[: min(wanted, there - position)]], position)
        self._position += done
        return done

    def seek(self, offset: int, whence: int = 0) -> int:
        begin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._reach.size}[whence]
        if begin + offset < 0:
            raise ValueError("a place before the beginning")
        self._position = begin + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def _foresee(self, there: int) -> None:
        """Ask for the index of a film as soon as its first bytes tell where that is: all of it will be read."""
        place = index_place(os.pread(self._descriptor, there, 0), self._reach.size)
        if place is None:
            return
        start, length = place
        if start + _HEAD > there and length > TAIL:
            # It is only where one is likely to be, and may be small with something else behind it.
            self._reach.need(start, STEP)
            head = os.pread(self._descriptor, _HEAD, start)
            length = min(int.from_bytes(head[:4]), length) if head[4:] == b"moov" else 0
            there = start + STEP
        if there < start + length and length <= LONGEST_INDEX:
            self._reach.need(max(start, there), start + length - max(start, there))

    def _window(self, position: int, wanted: int) -> int:
        """How many bytes to ask for."""
        if position == self._expected and position:
            return min(max((position - self._jumped_to) // 2, STEP), MOST)
        self._jumped_to = position
        left = self._reach.size - position
        return left if left <= TAIL else min(wanted, LEAST)


class PartedPath(PosixPath):
    """The path of an original that comes by and by: opened, it is a `PartedFile`.

    There is nothing at the path itself, so that whoever opens it by other means finds no holes, but no file.
    """

    _descriptor: int
    _reach: Reach

    @classmethod
    def of(cls, descriptor: int, size: int, ask: Ask) -> Self:
        """The descriptor is of a file that holds those bytes that were asked for; it has to stay open."""
        made = cls(f"/proc/self/fd/{descriptor}/parts")
        made._descriptor, made._reach = descriptor, Reach(size, ask)
        return made

    def open(self, mode: str = "r", buffering: int = -1, *_: Any, **__: Any) -> Any:
        """A file of bytes, for reading; raises ValueError for any other mode."""
        if mode != "rb":
            raise ValueError("an original is bytes, for reading")
        file = PartedFile(self._descriptor, self._reach)
        return file if buffering == 0 else io.BufferedReader(file)

    def read_bytes(self) -> bytes:
        file: BinaryIO
        with self.open("rb") as file:
            return file.read()

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        return os.fstat(self._descriptor)


def path_of(job: Mapping[str, Any]) -> Path:
    """Where the original of a job is read; one that comes from elsewhere in parts is a path of a kind of its own."""
    path = job["path"]
    return path if isinstance(path, Path) else Path(path)
