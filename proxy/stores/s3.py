"""Results in a bucket: for any number of machines, and for as long as the bucket keeps them."""

import asyncio
import os
import tempfile
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from proxy.s3.bucket import Bucket
from proxy.s3.errors import Damaged as NotWhole
from proxy.s3.errors import Missing, S3Error
from proxy.s3.found import Found
from proxy.stats import Stats
from proxy.stores.disk_entry import MAX_META, TRAILER, Damaged, Tail, digest, read_tail, write_tail
from proxy.stores.notices import Notices
from proxy.stores.result import LARGE, FileBody, Result, Scratch, checked, held

LARGEST = 64 << 20
"""Bytes of the largest body that is kept."""

USUAL = MappingProxyType({"connect_seconds": 0.5, "first_byte_seconds": 1.0, "total_seconds": 3.0, "retries": 0})
"""Of a place for results, where its URL says nothing else: what it does not know in time is made anew."""

_OPENED = Path("/proc/self/fd")
_BLOCK = 1 << 20
_REST = MAX_META + TRAILER


class S3Store:
    """Results as objects whose bytes are those of an entry on disk: the body, then the tail with digest and seal.

    Every read is checked to the last byte. A large body is read into a file without a name. Tags come back with the
    result, but nothing is found by them: to list or to mark every object for that costs more than the result is worth.
    Whoever purges changes what the keys are made of, and a rule of the bucket's lifecycle takes away what is old.
    """

    name = "s3"

    def __init__(self, bucket: Bucket, largest: int = LARGEST, scratch: Path | None = None) -> None:
        """`largest` is the largest body in bytes; `scratch` is where files are that are read, else the system's own."""
        self._bucket, self._largest, self._scratch = bucket, largest, scratch
        self._trouble, self._damage = Notices(__name__), Notices(__name__)
        self._hits = self._misses = 0

    async def get(self, key: str) -> Result | None:
        incoming = _Incoming(self._largest + _REST, self._scratch)
        try:
            await self._bucket.get(_name(checked(key)), incoming.begin)
            found = await asyncio.to_thread(incoming.result, key)
        except Missing:
            pass
        except (Damaged, NotWhole) as error:
            self._damage.trouble("A result in S3 is damaged and dropped", error)
            await self._drop(key)
        except OSError as error:
            self._trouble.trouble("A result in S3 cannot be read", error)
        else:
            self._hits += 1
            return replace(found, tier=self.name)
        finally:
            incoming.close()
        self._misses += 1
        return None

    async def put(self, key: str, result: Result | Scratch, tags: Collection[str] = ()) -> Result:
        checked(key)
        given = await held(result, tags)
        if given.length > self._largest:
            await self._drop(key)
            return given
        try:
            entry = await asyncio.to_thread(_entry, key, given, self._scratch)
            try:
                await self._bucket.put(_name(key), entry, content_type="application/octet-stream")
            finally:
                if not isinstance(entry, bytes):
                    entry.close()
        except OSError as error:
            # What was there before may be there still: whoever asks gets the one or the other, both true.
            self._trouble.trouble("A result is not kept in S3", error)
            return given
        return replace(given, tier=self.name)

    async def delete(self, key: str) -> None:
        """Forget a result; raises OSError when the bucket does not say that it is gone."""
        await self._bucket.delete(_name(checked(key)))

    async def ping(self) -> None:
        """Raises OSError when the bucket does not answer, or does not let us see what it has."""
        await self._bucket.page("", most=1)

    async def close(self) -> None:
        await self._bucket.close()

    def stats(self) -> Stats:
        """What the bucket holds is shared with others, and not counted here."""
        return Stats(self._hits, self._misses, corrupt=self._damage.errors, errors=self._trouble.errors)

    async def _drop(self, key: str) -> None:
        try:
            await self.delete(key)
        except S3Error as error:
            self._trouble.trouble("A result in S3 cannot be removed", error)


class _Incoming:
    """An entry that comes: in memory, or in a file where it is large. Its methods run in threads."""

    def __init__(self, largest: int, scratch: Path | None) -> None:
        self._largest, self._scratch = largest, scratch
        self._blocks: list[bytes] = []
        self._file: BinaryIO | None = None

    def begin(self, found: Found) -> Callable[[bytes], object]:
        """Take the bytes of a try from its beginning; raises Damaged for more than can be an entry."""
        self.close()
        self._blocks = []
        if found.size > self._largest:
            raise Damaged("too long for an entry")
        if found.size <= LARGE:
            return self._blocks.append
        self._file = tempfile.TemporaryFile(dir=self._scratch)  # noqa: SIM115 -- closed with this
        return self._file.write

    def result(self, key: str) -> Result:
        """The result that came; raises Damaged."""
        if self._file is None:
            entry = b"".join(self._blocks)
            tail = read_tail(key, len(entry), entry[-_REST:])
            body: bytes | FileBody = entry[: tail.length]
        else:
            self._file.flush()
            descriptor = self._file.fileno()
            size = os.fstat(descriptor).st_size
            tail = read_tail(key, size, os.pread(descriptor, _REST, max(0, size - _REST)))
            own = os.dup(descriptor)
            body = FileBody(_OPENED / str(own), 0, tail.length, own)
        if digest(body) != tail.digest:
            raise Damaged("the body has changed")
        return Result(tail.meta, body, tail.tags).loaded()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _name(key: str) -> str:
    """What an object is called; a folder for each 256th of them, for those who look at the bucket."""
    return f"{key[:2]}/{key}"


def _entry(key: str, result: Result, scratch: Path | None) -> bytes | BinaryIO:
    """The bytes of an entry, in a file without a name where its body is in one; raises OSError."""
    body = result.body
    length = result.length
    tail = write_tail(key, Tail(result.meta, result.tags, length, digest(body)))
    if isinstance(body, bytes):
        return body + tail
    file: BinaryIO = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115 -- closed by the caller
    try:
        for start in range(0, length, _BLOCK):
            file.write(body.read(start, _BLOCK))
        file.write(tail)
    except BaseException:
        file.close()
        raise
    return file
