"""One bucket, asked from an event loop: bounded in time, in tries and in threads, whatever the bucket does."""

import asyncio
import base64
import hashlib
import logging
import random
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import BinaryIO, Self, TypeAlias, TypeVar

from proxy.breaker import Breaker, BreakerOpen
from proxy.s3 import swift, thorough
from proxy.s3.errors import DOWN, PASSING, Slow, TimedOut, Unavailable
from proxy.s3.found import Found
from proxy.s3.place import S3Place
from proxy.s3.swift import Swift, Unproven
from proxy.s3.thorough import BLOCK, Begin, Page, Thorough

log = logging.getLogger(__name__)

SHARE = 0.1
"""Second tries per first one, so that trouble does not become a storm; a few are always there."""
_SPARE = 10.0
_PAUSE = 0.1
"""Seconds before the second try, on average three quarters of it; twice that before the third."""
_WRITTEN = 1 << 20
"""Bytes that are written in a second, at least."""

MOST_RESCUED = 5
"""Answers in a row that boto3 had and obstore had not, as where the region is another: obstore is not asked again."""

T = TypeVar("T")
Way: TypeAlias = Callable[[], Awaitable[T]]


class Bucket:
    """What is below one prefix of a bucket. Its threads are its own: if it hangs, it holds up nobody else.

    Belongs to one event loop. Everything raises S3Error.
    """

    def __init__(self, place: S3Place, thorough: Thorough, breaker: Breaker | None = None) -> None:
        self.place = place
        self.breaker = breaker or Breaker()
        self._thorough = thorough
        self._swift: Swift | None = None
        # Whether ETags prove what obstore reads, which sees no other checksum.
        self._proving = place.etags == "md5"
        self._rescued = 0
        self._threads = ThreadPoolExecutor(place.connections, f"s3-{place.bucket}")
        self._room = asyncio.Semaphore(place.connections)
        self._spare = _SPARE

    @classmethod
    def open(cls, place: S3Place, *, fast: bool | None = None) -> Self:
        """Prepare to ask; nothing is asked yet. `fast` says whether obstore reads, which is so where it is installed.

        Raises ValueError for a place that cannot be.
        """
        client, access = thorough.opened(place)
        bucket = cls(place, client)
        # The one place where the way of reading is chosen.
        if access.credentials and (swift.is_installed() if fast is None else fast):
            bucket._swift = Swift(place, access.endpoint, access.region, access.credentials, bucket._in_thread)
        return bucket

    async def head(self, key: str, version: str = "") -> Found:
        """What is known of an object, or of a version of it."""
        thoroughly = partial(self._in_thread, partial(self._thorough.head, key, version))
        if not self._swift or not swift.takes(self.place.prefix + key):
            return await self._tried([thoroughly])
        return await self._quicker(partial(self._swift.head, key, version), thoroughly)

    async def describe(self, key: str) -> Found:
        """As `head`, with the metadata that obstore does not tell."""
        return await self._asked(self._thorough.head, key)

    async def get(self, key: str, begin: Begin, version: str = "", part: tuple[int, int] | None = None) -> Found:
        """Read an object, or of it the bytes from `part[0]` up to, not including, `part[1]`.

        `begin` is called in a thread at the beginning of every try, and so is what it gives back, with each block. What
        was given to the last of these is all of it, proven by its length and by a checksum where there is one.
        """

        async def thoroughly() -> Found:
            stopped = threading.Event()
            try:
                return await self._in_thread(partial(self._thorough.get, key, begin, version, part, stopped))
            finally:
                stopped.set()

        unproven = False

        async def swiftly() -> Found:
            nonlocal unproven
            assert self._swift
            try:
                return await self._swift.get(key, begin, version, part)
            except Unproven as error:
                unproven = error.looked
                raise

        if not self._swift or not swift.takes(self.place.prefix + key) or not (self._proving or part):
            return await self._tried([thoroughly])
        found = await self._quicker(swiftly, thoroughly)
        if unproven:
            # The bytes are true, so it is the ETags here that are no MD5: each would be read twice.
            self._proving = False
            log.warning("ETags of the bucket %s prove nothing; it is read by boto3 alone", self.place.bucket)
        return found

    async def put(
        self,
        key: str,
        body: bytes | BinaryIO,
        *,
        content_type: str = "",
        metadata: Mapping[str, str] | None = None,
        new: bool = False,
        seconds: float | None = None,
    ) -> Found:
        """Write an object of up to 5 GB, whole or not at all; with `new` only where there is none, else raises Exists.

        A file is written from its beginning, and stays open.
        """

        def write() -> Found:
            return self._thorough.put(key, body, _sha256(body), content_type, metadata or {}, new)

        size = len(body) if isinstance(body, bytes) else await self._in_thread(partial(_size, body))
        longest = (seconds or self.place.total_seconds) + size / _WRITTEN
        # A second try could meet what the first has written after all.
        found = await self._tried([partial(self._in_thread, write)], longest, 0 if new else None)
        return replace(found, size=size)

    async def copy(self, key: str, to: str, version: str = "") -> None:
        """Write up to 5 GB without the bytes coming here."""
        await self._asked(self._thorough.copy, key, to, version)

    async def delete(self, key: str) -> None:
        await self._asked(self._thorough.delete, key)

    async def page(self, prefix: str, after: str = "", most: int = 1000, delimiter: str = "") -> Page:
        return await self._asked(self._thorough.page, prefix, after, most, delimiter)

    async def presigned_get(self, key: str, seconds: int) -> str:
        return await self._asked(self._thorough.presigned, "get_object", key, seconds, "")

    async def presigned_put(self, key: str, seconds: int, content_type: str = "") -> str:
        return await self._asked(self._thorough.presigned, "put_object", key, seconds, content_type)

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._thorough.close()

    async def _asked(self, ask: Callable[..., T], *values: object) -> T:
        return await self._tried([partial(self._in_thread, partial(ask, *values))])

    async def _quicker(self, swiftly: Way[Found], thoroughly: Way[Found]) -> Found:
        """Ask obstore, then boto3; boto3 alone from now on where again and again that alone has helped."""
        failed = False

        async def first() -> Found:
            nonlocal failed
            try:
                return await swiftly()
            except DOWN:
                failed = True
                raise

        found = await self._tried([first, thoroughly])
        self._rescued = self._rescued + 1 if failed else 0
        if self._rescued >= MOST_RESCUED:
            self._swift = None
            log.warning("obstore gets nothing from the bucket %s; it is read by boto3 alone", self.place.bucket)
        return found

    async def _tried(self, ways: Sequence[Way[T]], seconds: float | None = None, retries: int | None = None) -> T:
        """What the first of these ways gives, or the next of them, the last one as often as the place allows."""
        end = asyncio.get_running_loop().time() + (seconds or self.place.total_seconds)
        self._spare = min(_SPARE, self._spare + SHARE)
        retries = self.place.retries if retries is None else retries
        number = 0
        while True:
            try:
                return await self._try(ways[min(number, len(ways) - 1)], end)
            except Unproven:
                number += 1  # nothing failed: the next way can tell
                continue
            except PASSING:
                pause = _PAUSE * 2**number * random.uniform(0.5, 1)
                number += 1
                late = asyncio.get_running_loop().time() + pause > end
                if late or number > retries or self._spare < 1:
                    raise
                self._spare -= 1
            await asyncio.sleep(pause)

    async def _try(self, way: Way[T], end: float) -> T:
        try:
            async with asyncio.timeout_at(end):
                await self._room.acquire()
        except TimeoutError:
            raise TimedOut("others were served until the time was over") from None
        try:
            with self.breaker.attempt(*DOWN):
                return await self._in_time(way, end)
        except BreakerOpen:
            raise Unavailable("it has failed too often just now") from None
        finally:
            self._room.release()

    async def _in_time(self, way: Way[T], end: float) -> T:
        """Raises Slow where the bucket had its time, TimedOut where little of it was left."""
        clock, place = asyncio.get_running_loop().time, self.place
        begun = clock()
        try:
            async with asyncio.timeout_at(end):
                return await way()
        except TimeoutError:
            had_time = clock() - begun >= min(place.first_byte_seconds, place.total_seconds)
            raise (Slow if had_time else TimedOut)("the time for all tries is over") from None

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)


def _size(body: BinaryIO) -> int:
    return body.seek(0, 2)


def _sha256(body: bytes | BinaryIO) -> str:
    """The digest of a body as S3 writes it; a file is at its beginning afterwards."""
    if isinstance(body, bytes):
        return base64.b64encode(hashlib.sha256(body).digest()).decode()
    body.seek(0)
    state = hashlib.sha256()
    while block := body.read(BLOCK):
        state.update(block)
    body.seek(0)
    return base64.b64encode(state.digest()).decode()
