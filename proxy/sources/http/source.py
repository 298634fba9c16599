"""Originals from other web sites."""

import asyncio
import hashlib
import sys
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import BinaryIO

from proxy.failures import NoParts, NoSuchOriginal, OriginalReplaced, OriginFailed
from proxy.sources.http.asking import Asking
from proxy.sources.http.pinned import Connections
from proxy.sources.http.place import HttpPlace
from proxy.sources.http.response import Response
from proxy.sources.http.validators import described, described_by_content, is_content, length, whole
from proxy.sources.source import Stat

_BLOCK = 1 << 20
_HEAD = 4096
"""First bytes that tell what an original is."""

_MISSING = (NoSuchOriginal, "There is no such original.")
_CLOSED = (OriginFailed, "The origin does not let this server have the original.")
_STATUSES: dict[int, tuple[type[NoSuchOriginal | OriginFailed], str]] = {
    404: _MISSING,
    410: _MISSING,
    401: _CLOSED,
    403: _CLOSED,
    429: (OriginFailed, "The origin is asked too often."),
}
_NO_HEAD = (405, 501)
"""Statuses of an origin that does not know HEAD."""
_PERHAPS_NO_HEAD = (400, 403, *_NO_HEAD)
"""And of one whose addresses are signed for GET alone."""


class HttpSource:
    """Originals from other web sites: by their path below one address, or by their whole address on listed hosts.

    Only public addresses are connected to, whatever a name or a redirect leads to. What comes is counted, and is an
    original only if it is all that was announced.
    """

    def __init__(
        self,
        place: HttpPlace,
        connections: Connections | None = None,
        clock: Callable[[], float] = time.time,
        most: Callable[[bytes], int] = lambda head: sys.maxsize,
    ) -> None:
        """`most` says of the first bytes of an original how many there may be; the place says how many at all."""
        self._place, self._clock, self._most = place, clock, most
        self._asking = Asking(place, connections or Connections(place.patience, place.private_networks))

    async def stat(self, key: str) -> Stat:
        """Costs a HEAD, or, of an original without validators, all of its bytes."""
        target = self._place.target(key)
        host = self._asking.host(target)
        found: Stat | int | None = 405
        if host.knows_head:
            found = await self._asking.ask("HEAD", target, {}, self._glance)
            host.knows_head = found not in _NO_HEAD
        if isinstance(found, int):
            found = await self._asking.ask("GET", target, {"range": "bytes=0-0"}, self._look)
        if found is None:
            found = await self._asking.ask("GET", target, {}, partial(self._take, file=None))
        return found

    async def fetch(self, key: str, file: BinaryIO) -> Stat:
        return await self._asking.ask("GET", self._place.target(key), {}, partial(self._take, file=file))

    async def read(self, key: str, version: str, start: int, length: int) -> bytes:
        if length <= 0:
            return b""
        if is_content(version):
            raise NoParts("The origin gives originals no validator that their parts could be known by.")
        part = {"range": f"bytes={start}-{start + length - 1}"}
        take = partial(self._take_part, version=version, start=start, length=length)
        data = await self._asking.ask("GET", self._place.target(key), part, take)
        if data is None:  # it ends before
            if (await self.stat(key)).version != version:
                raise _changed()
            return b""
        return data

    async def stat_version(self, key: str, version: str) -> Stat:
        stat = await self.stat(key)
        if stat.version != version:
            raise _changed()
        return stat

    async def close(self) -> None:
        await self._asking.close()

    # What is made of an answer

    async def _glance(self, response: Response) -> Stat | int | None:
        """What HEAD says; the status where it may be HEAD that is refused, None where only the bytes can tell."""
        if response.status in _PERHAPS_NO_HEAD:
            return response.status
        _check_status(response, 200)
        _check_encoding(response)
        async for _ in response.blocks:  # none, but the connection is kept
            pass
        return described(response.fields, length(response.fields), self._clock())

    async def _look(self, response: Response) -> Stat | None:
        """What the answer to a request for the first byte says; the body of an origin that sends all is left."""
        part = whole(response.fields) if response.status in (206, 416) else None
        if part is None:
            _check_status(response, 200)
        _check_encoding(response)
        return described(response.fields, part[2] if part else length(response.fields), self._clock())

    async def _take(self, response: Response, file: BinaryIO | None) -> Stat:
        """Write all of an answer's body, from the file's beginning."""
        _check_status(response, 200)
        hashed = hashlib.sha256() if described(response.fields, 0, 0) is None else None
        size, blocks = 0, bytearray()

        def write(data: bytes) -> None:
            if file:
                file.write(data)
            if hashed:
                hashed.update(data)

        if file:
            file.seek(0)
            file.truncate()
        async for block in self._body(response):
            size += len(block)
            blocks += block
            if len(blocks) >= _BLOCK:
                await asyncio.to_thread(write, bytes(blocks))
                blocks.clear()
        await asyncio.to_thread(write, bytes(blocks))
        if file:
            file.flush()
        now, fields = self._clock(), response.fields
        stat = described(fields, size, now) if hashed is None else None
        return stat or described_by_content(fields, size, hashed.digest() if hashed else b"", now)

    async def _take_part(self, response: Response, version: str, start: int, length: int) -> bytes | None:
        if response.status == 416:
            return None
        if response.status == 200:
            raise NoParts("The origin gives no parts of originals.")
        _check_status(response, 206)
        part = whole(response.fields)
        if part is None or part[:2] != (start, min(start + length, part[2]) - 1):
            raise OriginFailed("The origin gives other parts of originals than it was asked for.")
        found = described(response.fields, part[2], self._clock())
        if found is None or found.version != version:
            raise _changed()
        expected = part[1] - part[0] + 1
        data = b"".join([block async for block in self._body(response, expected)])
        if len(data) != expected:
            raise OriginFailed("The origin did not send all of the original.")
        return data

    async def _body(self, response: Response, part: int | None = None) -> AsyncIterator[bytes]:
        """The bytes as they are stored there, all of them, and not too slowly. Raises OriginFailed, TimeoutError.

        Of a `part` so many come at most, which are held in memory: an origin may send on for ever.
        """
        whole = part is None
        fields, largest = response.fields, self._place.largest
        _check_encoding(response)
        if "content-length" not in fields and "transfer-encoding" not in fields:
            # Such a body ends with the connection, and nobody can tell whether that was its end.
            raise OriginFailed("The origin does not say where the original ends.")
        if (length(fields) or 0) > largest:
            raise OriginFailed(f"The original has more than {largest} bytes.")
        patience, size = self._place.patience, 0
        since, counted, head = time.monotonic(), 0, b""
        async for block in response.blocks:
            size += len(block)
            if len(head) < _HEAD and whole:
                head += block[:_HEAD]
                largest = min(largest, self._most(head)) if len(head) >= _HEAD else largest
            if size > largest or (whole and (length(fields) or 0) > largest):
                raise OriginFailed(f"The original has more than {largest} bytes.")
            if part is not None and size > part:
                raise OriginFailed("The origin sends more of the original than it was asked for.")
            yield block
            elapsed = time.monotonic() - since
            if elapsed >= patience.first_byte:
                if size - counted < patience.slowest * elapsed:
                    raise TimeoutError
                since, counted = time.monotonic(), size


def _check_status(response: Response, expected: int) -> None:
    if response.status != expected:
        refusal, text = _STATUSES.get(
            response.status, (OriginFailed, f"The origin answers with the status {response.status}.")
        )
        raise refusal(text)


def _check_encoding(response: Response) -> None:
    if response.fields.get("content-encoding", "identity").lower() not in ("", "identity"):
        raise OriginFailed("The origin sends the original encoded, which it was not asked for.")


def _changed() -> OriginalReplaced:
    return OriginalReplaced("The original has changed.")
