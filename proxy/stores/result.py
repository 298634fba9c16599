"""What is kept of a rendition, and what a place that keeps renditions can do."""

import asyncio
import os
import re
import weakref
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

from proxy.stats import Stats

JSON: TypeAlias = "Mapping[str, JSON] | Sequence[JSON] | str | int | float | bool | None"

LARGE = 1 << 20
"""A body of more bytes than this stays in its file."""

_KEY = re.compile(r"[0-9a-f]{32,64}")
_BLOCK = 1 << 18


@dataclass(frozen=True, eq=False)
class FileBody:
    """A body that stays in its file, held open so that neither eviction nor a newer entry changes what is read.

    The descriptor is this value's own and is closed with it.
    """

    path: Path
    offset: int
    length: int
    descriptor: int = field(repr=False)

    def __post_init__(self) -> None:
        weakref.finalize(self, os.close, self.descriptor).atexit = False

    @classmethod
    def whole(cls, path: Path, descriptor: int) -> "FileBody":
        return cls(path, 0, os.fstat(descriptor).st_size, descriptor)

    def moved(self, path: Path) -> "FileBody":
        """The same under another name."""
        return replace(self, path=path, descriptor=os.dup(self.descriptor))

    def read(self, start: int = 0, length: int | None = None) -> bytes:
        """Bytes of the body from `start` on; may wait for the disk, and raises OSError if the file has been cut."""
        wanted = self.length - start if length is None else min(length, self.length - start)
        parts = []
        while wanted > 0:
            part = os.pread(self.descriptor, wanted, self.offset + start)
            if not part:
                raise OSError("the file of a result ended early")
            parts.append(part)
            start += len(part)
            wanted -= len(part)
        return b"".join(parts)

    async def begin(self, start: int) -> None:
        """Have the first bytes from `start` on there, or raise what is in the way while that can still be answered."""

    async def blocks(self, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The body from `start` up to, not including, `end`, in blocks read off the event loop."""
        end = self.length if end is None else min(end, self.length)
        for begin in range(start, end, _BLOCK):
            yield await asyncio.to_thread(self.read, begin, min(_BLOCK, end - begin))


@dataclass(frozen=True)
class Result:
    """A finished rendition: what is said about it, its bytes, the tags to purge it by, the store it is from."""

    meta: Mapping[str, JSON]
    body: bytes | FileBody
    tags: tuple[str, ...] = ()
    tier: str = ""

    @property
    def length(self) -> int:
        """Bytes of the body."""
        return len(self.body) if isinstance(self.body, bytes) else self.body.length

    @property
    def etag(self) -> str:
        """The strong entity tag of its bytes, whose digest was taken when they were made; empty where it was not."""
        return f'"{self.meta["digest"]}"' if "digest" in self.meta else ""

    def tagged(self, tags: Collection[str]) -> "Result":
        return replace(self, tags=union(self.tags, tags)) if tags else self

    def loaded(self) -> "Result":
        """The same with its body in memory, unless that is large."""
        body = self.body
        return replace(self, body=body.read()) if isinstance(body, FileBody) and body.length <= LARGE else self


@dataclass(frozen=True)
class Scratch:
    """A finished rendition in a file of its own, which the store that it is put into takes over."""

    meta: Mapping[str, JSON]
    path: Path
    tags: tuple[str, ...] = ()

    def opened(self, tags: Collection[str] = ()) -> Result:
        """The same as a result, the file still in its place; raises OSError."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        return Result(self.meta, FileBody.whole(self.path, descriptor), union(self.tags, tags))

    def held(self, tags: Collection[str] = ()) -> Result:
        """The same as a result that no store keeps: the file loses its name and lives as long as the result does."""
        result = self.opened(tags)
        self.path.unlink(missing_ok=True)
        return result.loaded()


def received(meta: Mapping[str, JSON], body: bytes | Path) -> tuple[Result | Scratch, int]:
    """What a worker has made, in memory or in a file of its own, and its size in bytes."""
    if isinstance(body, Path):
        return Scratch(meta, body), body.stat().st_size
    return Result(meta, body), len(body)


class Store(Protocol):
    """A place where results are kept by key; it never fails a request, it only knows less."""

    name: str

    async def get(self, key: str) -> Result | None:
        """The result kept under this key, whole and true, or none."""

    async def put(self, key: str, result: Result | Scratch, tags: Collection[str] = ()) -> Result:
        """Keep a result if that can be done, and give back one that can be sent; the file of a scratch is gone then."""

    async def delete(self, key: str) -> None:
        """Forget a result; raises when it may still be there."""

    def stats(self) -> Stats: ...


@runtime_checkable
class Tagged(Protocol):
    """A store that can forget every result that bears a tag."""

    async def delete_tagged(self, tag: str) -> int:
        """How many results were forgotten; raises when some may still be there."""


@runtime_checkable
class Touched(Protocol):
    """A store that is told of hits in front of it, so that what is hot above is not the first to go below."""

    def touch(self, key: str) -> None: ...


@runtime_checkable
class Pinged(Protocol):
    """A store that can say whether it is well; raises when it is not."""

    async def ping(self) -> None: ...


@runtime_checkable
class Closed(Protocol):
    """A store that has something to finish or to give back."""

    async def close(self) -> None: ...


async def held(given: Result | Scratch, tags: Collection[str]) -> Result:
    """What a store is given, with these tags, as a result that no store keeps; raises OSError."""
    return await asyncio.to_thread(given.held, tags) if isinstance(given, Scratch) else given.tagged(tags)


def is_key(text: str) -> bool:
    return _KEY.fullmatch(text) is not None


def checked(key: str) -> str:
    """The key itself, if it is one: 32 to 64 lower-case hexadecimal digits."""
    if not is_key(key):
        raise ValueError("a key is 32 to 64 lower-case hexadecimal digits")
    return key


def union(some: Collection[str], others: Collection[str]) -> tuple[str, ...]:
    return tuple(sorted({*some, *others}))
