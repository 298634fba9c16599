"""What an original is, and what a place that has originals can do."""

import os
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar, runtime_checkable

T = TypeVar("T")

State = tuple[int, int]
"""What a file's bytes are known by while it is open: nanoseconds of its last change, and its size."""


@dataclass(frozen=True)
class Stat:
    """What can be known of an original without its bytes: another version means other bytes; times are Unix seconds."""

    version: str
    size: int
    modified: float | None
    fresh: float = 0.0
    """Seconds for which its place says that it need not be asked again."""


@dataclass(frozen=True, eq=False)
class Original:
    """An original as a file of this machine, held open: the path is a name for people, the descriptor is the file.

    The version is that of the very file that was opened. The descriptor is this value's own and is closed with it.
    """

    path: Path
    version: str
    size: int
    modified: float | None
    descriptor: int = field(repr=False)
    state: State | None = None
    """That of the file when its version was found; by itself, when this value is made."""

    def __post_init__(self) -> None:
        weakref.finalize(self, os.close, self.descriptor).atexit = False
        if self.state is None:
            object.__setattr__(self, "state", state(os.fstat(self.descriptor)))

    def head(self, length: int) -> bytes:
        """The first bytes; may wait for the disk."""
        return os.pread(self.descriptor, length, 0)


def state(status: os.stat_result) -> State:
    """The state of a file."""
    return status.st_mtime_ns, status.st_size


class Source(Protocol):
    """A place that has originals by key."""

    async def stat(self, key: str) -> Stat:
        """Raises NoSuchOriginal, OriginFailed, OriginTimedOut; so does `open`."""

    async def open(self, key: str) -> Original: ...


@runtime_checkable
class Near(Protocol):
    """A source whose originals are on this machine, where to look into one costs no more than to ask of it."""

    async def opened(self, key: str, use: Callable[[Original], T]) -> tuple[Original, T]:
        """An original, and what `use`, which may wait for the disk, makes of it. Raises as both do."""


class Remote(Protocol):
    """A place elsewhere, whose originals are copied to this machine before they are used."""

    async def stat(self, key: str) -> Stat:
        """Raises NoSuchOriginal, OriginFailed, OriginTimedOut; so does `fetch`."""

    async def fetch(self, key: str, file: BinaryIO) -> Stat:
        """Write all of an original into an empty file; returns what is known of the very bytes that were written.

        A file that is not whole, or not what the place promised, is OriginFailed.
        """


@runtime_checkable
class Versioned(Protocol):
    """A source that hands out copies of its own: nobody writes to them, and for one that is here no place is asked."""

    async def open_version(self, key: str, version: str) -> Original:
        """The copy of this version, or one of what the place has by now; raises as `Source.open` does."""


async def open_known(source: Source, key: str, version: str) -> Original:
    """An original that is believed to have this version; which one it has, it says itself. Raises as `open` does."""
    return await (source.open_version(key, version) if isinstance(source, Versioned) else source.open(key))


@runtime_checkable
class Ranged(Protocol):
    """A place that can give a part of an original."""

    async def read(self, key: str, version: str, start: int, length: int) -> bytes:
        """Bytes of this version, fewer only at its end; raises as `stat` does, and OriginalReplaced and NoParts."""

    async def stat_version(self, key: str, version: str) -> Stat:
        """What is known of this version, where the place still has it; raises as `read` does."""


class Parts(Protocol):
    """One version of an original, whose bytes come when they are needed.

    The descriptor is of a file of its size, where only those bytes are true that were needed before.
    """

    @property
    def version(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def descriptor(self) -> int: ...

    async def need(self, start: int, length: int) -> tuple[int, int]:
        """Have these bytes there; returns the first byte and the one behind the last of what is there around them.

        Raises as `Ranged.read` does, and NoRoom.
        """

    def head(self, length: int) -> bytes:
        """The first bytes, which are there from the beginning; may wait for the disk."""


LEAST_PARTED = 1 << 20
"""Bytes from which on an original is worth to be read in parts: a smaller one comes sooner whole."""


@runtime_checkable
class Parted(Protocol):
    """A source that can read an original by and by."""

    async def open_parts(self, key: str, version: str, size: int | None = None, era: str = "") -> Parts | None:
        """This version, if the place still has it; None for a small one, and where the place gives no parts.

        The size is found where it is not known. What was read in another era is not used: one begins with each purge.
        Raises as `Parts.need` does.
        """


async def parts_of(source: Source, key: str, version: str, size: int, era: str) -> Parts | None:
    """An original in parts, from a source that has them and where that is worth it; raises as `open_parts` does."""
    if size < LEAST_PARTED or not isinstance(source, Parted):
        return None
    return await source.open_parts(key, version, size, era)


@dataclass(frozen=True)
class Listing:
    """What stands directly below a folder, in order: names of folders, names of originals, and whether it is all."""

    folders: tuple[str, ...] = ()
    originals: tuple[str, ...] = ()
    whole: bool = True


@runtime_checkable
class Listed(Protocol):
    """A source that can say what it has."""

    async def listing(self, prefix: str, most: int, wanted: Callable[[str], bool]) -> Listing:
        """What stands in the folder that `prefix` names up to its last slash and begins with what is behind it.

        At most `most` names, of originals only those that are `wanted`. Raises as `Source.open` does.
        """


@runtime_checkable
class Named(Protocol):
    """A source that can name all that it has."""

    async def names(self, prefix: str, most: int) -> list[str]:
        """The first `most` keys, sorted, that begin with a prefix; takes as long as it takes.

        Raises OriginFailed and OriginTimedOut.
        """


@runtime_checkable
class Closed(Protocol):
    """A source that has something to give back."""

    async def close(self) -> None: ...
