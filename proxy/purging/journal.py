"""Generations in a file: a line is added for each that rises, and several processes may use one file."""

import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

SLOT = r"\S{1,4096}"
NUMBER = "[0-9]{1,15}"
"""Of a generation: more than there will ever be."""
LINE = re.compile(rf"({SLOT}) ({NUMBER}) ([0-9]{{1,15}}) ([0-9a-f]{{8}}|-)")
SLACK = 1000
"""Lines beyond twice as many as there are slots, at which the file is written anew."""


class Mark(NamedTuple):
    """The generation of a slot: all fronts have the same where `alone` is empty, else it is this front's own."""

    number: int
    since: int
    """When it rose, in Unix seconds."""
    alone: str = ""


class Journal:
    """The file; reading and writing wait for the disk. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode = self._offset = 0

    def news(self) -> dict[str, Mark]:
        """What was written since the last call, by whatever process."""
        try:
            with self._path.open("rb") as file:
                found = os.fstat(file.fileno())
                if found.st_ino != self._inode or found.st_size < self._offset:
                    self._inode, self._offset = found.st_ino, 0
                file.seek(self._offset)
                lines, end, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return {}
        self._offset += len(lines) + len(end)
        return _read(lines)

    def add(self, marks: Mapping[str, Mark]) -> None:
        """Write down what has risen; it is on the disk when this returns."""
        with self._locked() as file:
            _write(file, b"\n", marks)  # behind a line that a full disk has cut off, if there is one

    def tidy(self) -> None:
        """Write the file anew where most of its lines have been overtaken."""
        if not self._path.exists():
            return
        with self._locked():
            text = self._path.read_bytes()
            marks = _read(text)
            if text.count(b"\n") <= 2 * len(marks) + SLACK:
                return
            copy = self._path.with_name(f"{self._path.name}.{os.getpid()}")
            with copy.open("wb") as file:
                _write(file, b"", marks)
            copy.replace(self._path)

    @contextmanager
    def _locked(self) -> Iterator[BinaryIO]:
        """The file at its end, while no other process writes it or puts another in its place."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            with self._path.open("ab") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if os.fstat(file.fileno()).st_nlink:
                    yield file
                    return


def read_number(slot: str, text: str) -> int | None:
    """The generation of a slot; None for what could not be written down, and so is none of ours."""
    return int(text) or None if re.fullmatch(NUMBER, text) and re.fullmatch(SLOT, slot) else None


def later(known: Mark | None, other: Mark) -> Mark:
    """The one of two that holds: the higher, and of equal ones the later."""
    return known if known and known.number > other.number else other


def _read(text: bytes) -> dict[str, Mark]:
    """The marks that lines tell of; what is none is passed over."""
    marks: dict[str, Mark] = {}
    for line in text.decode("utf-8", "replace").splitlines():
        if found := LINE.fullmatch(line):
            slot, number, since, alone = found.groups()
            marks[slot] = later(marks.get(slot), Mark(int(number), int(since), alone.strip("-")))
    return marks


def _write(file: BinaryIO, before: bytes, marks: Mapping[str, Mark]) -> None:
    lines = [f"{slot} {mark.number} {mark.since} {mark.alone or '-'}\n" for slot, mark in marks.items()]
    file.write(before + "".join(lines).encode())
    file.flush()
    os.fsync(file.fileno())
