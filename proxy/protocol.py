"""HTTP/1.1 with bounds: how much a client may say before it is answered, and how long it may take over it.

uvicorn reads heads of any size and waits for ever; a proxy in front may be stricter, but none has to be there.
"""

import asyncio
import resource
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from proxy.clients.crowd import Crowd
from proxy.paced import CROWDED, SLOW_BODY, PacedProtocol, Refusal
from proxy.ready import ReadyAnswers

LONGEST_HEAD = 64 * 1024
"""Bytes of a request's head: what browsers with many cookies send is a quarter of it. One read may go beyond."""
LONGEST_TARGET = 16 * 1024
"""Bytes of a request's target: some times the longest URL that a browser or a CDN passes on."""
MOST_FIELDS = 100
"""Header fields of a request, trailers included: a browser behind several proxies sends about forty."""
LARGEST_BODY = 64 * 1024
"""Bytes of a body. Pictures are asked for without; small ones are let pass, as some clients send them with a GET."""
MOST_PIPELINED = 100
"""Requests of a connection that wait for their turn: a single read could hold ten thousand of them."""
HEAD_SECONDS = 15.0
"""How long a head may take from the connection, or from its first byte, on: a packet may well be lost twice."""

MOST_CONNECTIONS = 16_384
"""Connections at most, even where more files may be open: idle ones take about 6 KiB each."""
FILES_OF_PIXELS = 256
"""Shrunk originals that are held open at most; at 12 MP they take about 2 MB each."""
OTHER_FILES = 256 + FILES_OF_PIXELS
"""Descriptors that are left for the rest: pipes of workers, originals, results, and the connections below."""
TURNED_AWAY = 64
"""Connections beyond the bound that are still told so, by a 503; those after them are closed without a word."""


BAD_REQUEST = Refusal(
    400, "bad_request", "The request cannot be read", "This is no HTTP/1.1, or not one field `Host` is in it."
)
LONG_TARGET = Refusal(
    414, "target_too_long", "The target is too long", "The path and query have more bytes than are read."
)
LARGE_HEAD = Refusal(
    431, "head_too_large", "The head is too large", "The header fields of the request are too many or too large."
)
LARGE_BODY = Refusal(
    413, "body_too_large", "The body is too large", "The body of the request has more bytes than are read here."
)
REFUSALS = (BAD_REQUEST, LONG_TARGET, LARGE_HEAD, LARGE_BODY, SLOW_BODY, CROWDED)
"""All that can be said to a request before it has been read to its end."""


class Refused(Exception):
    """Stops the parser; what is wrong is in the protocol."""


class BoundedProtocol(PacedProtocol):
    """uvicorn's protocol that refuses large requests and leaves those who let it wait.

    The usual request arrives in one read and meets no more than a few comparisons; all else is looked at after
    every read, in `_look_at_unfinished`.
    """

    longest_head = LONGEST_HEAD
    longest_target = LONGEST_TARGET
    most_fields = MOST_FIELDS
    largest_body = LARGEST_BODY
    larger_bodies: Mapping[tuple[bytes, bytes], int] = MappingProxyType({})
    """Bytes of the bodies of some requests, by method and target; whoever reads them sees to those who let it wait."""
    most_pipelined = MOST_PIPELINED
    head_seconds = HEAD_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.url, self.headers = b"", []
        self._unfinished = 0
        """Bytes received since the last head or message that was complete; 0 when nothing is open."""
        self._body = -1
        """Bytes of the body so far; negative in a head and between messages."""
        self._refusal = BAD_REQUEST
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.limit_concurrency is not None and len(self.connections) > self.limit_concurrency + TURNED_AWAY:
            self._drop("crowd")
            transport.abort()
        elif self.enter():
            self._deadline = self.loop.call_later(self.head_seconds, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._unfinished:
            if self.answer_again(data):
                self._forget_deadline()
                return
            self.read = data
        self._unfinished += len(data)
        super().data_received(data)
        self.read = b""
        if self._unfinished:
            self._look_at_unfinished()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        # Behind the end of another message, how much of the read is of this one is not known.
        self._unfinished = self._unfinished or 1

    def on_headers_complete(self) -> None:
        if len(self.url) > self.longest_target:
            self._stop(LONG_TARGET)
        # A head is not longer than what has come since the last; seldom must it be measured.
        if len(self.headers) > self.most_fields or (self._unfinished > self.longest_head and self._is_large()):
            self._stop(LARGE_HEAD)
        if len(self.pipeline) >= self.most_pipelined or not self._has_host():
            self._stop(BAD_REQUEST)
        if self._deadline is not None:
            self._forget_deadline()
        super().on_headers_complete()
        # The rest of this read is body, or another message; a body that is open has a byte at least to come.
        self._body, self._unfinished = 0, 1

    def on_body(self, body: bytes) -> None:
        self._body += len(body)
        if self._body > self.largest_body and self._body > self._most_body():
            self._stop(LARGE_BODY)
        super().on_body(body)

    def on_message_complete(self) -> None:
        if len(self.headers) > self.most_fields:
            self._stop(LARGE_HEAD)
        self._forget_slow_writer()
        # A body that ends behind its answer has stopped uvicorn's timer: the next head is waited for by ours.
        self._body, self._unfinished = -1, int(self.ready is None and self.cycle.response_complete)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._close()

    def leave_idle(self) -> None:
        self._close()

    def send_400_response(self, msg: str) -> None:
        """Called when the parser stops, by itself or by `_stop`."""
        self.refuse(self._refusal)

    def _look_at_unfinished(self) -> None:
        """Bound a message that is not complete after a read."""
        if self.transport.is_closing():
            return
        if self._body < 0 and len(self.url) > self.longest_target:
            self.refuse(LONG_TARGET)
        elif len(self.headers) > self.most_fields or (self._body < 0 and self._unfinished > self.longest_head):
            self.refuse(LARGE_HEAD)
        elif self._unfinished > self._most_body() + self.longest_head:
            self.refuse(LARGE_BODY)
        elif self.owes():
            self._watch_writer()
        elif self._deadline is None and self.timeout_keep_alive_task is None:
            self._deadline = self.loop.call_later(self.head_seconds, self._head_is_late)

    def _most_body(self) -> int:
        """Bytes that the body of the request may have which is just being read."""
        if self._body < 0 or not self.larger_bodies:
            return self.largest_body
        return self.larger_bodies.get((self.parser.get_method(), self.url), self.largest_body)

    def _is_large(self) -> bool:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > self.longest_head

    def _has_host(self) -> bool:
        """Whether the request says once which host it means, as HTTP/1.1 must and 1.0 may (RFC 9112, 3.2)."""
        hosts = [name for name, _ in self.headers].count(b"host")
        return hosts == 1 or (not hosts and self.parser.get_http_version() == "1.0")

    def _stop(self, refusal: Refusal) -> None:
        self._refusal = refusal
        raise Refused

    def received(self) -> int:
        return self._body

    def refuse(self, refusal: Refusal) -> None:
        """Close, and say why unless that would be taken for, or get into, the answer to another request."""
        if not self.owes():
            answerable = self._body < 0
        else:
            answerable = self._body >= 0 and not self.pipeline and not self.cycle.response_started
            if answerable:
                # The application goes on; what it sends is no longer wanted.
                self.cycle.disconnected = True
                self.cycle.message_event.set()
        if answerable:
            self.transport.write(refusal.answer())
        self._close()

    def _close(self) -> None:
        """Close when all is sent; a client that takes nothing is not waited for."""
        self.transport.close()
        if self.transport.get_write_buffer_size():
            self._watch_reader()

    def _head_is_late(self) -> None:
        # A connection that never said a word is no slow client: browsers open some that they do not need.
        if self._unfinished:
            self._drop("slow_head" if self._body < 0 else "slow_body")
        self._close()

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def protocol_for(
    larger_bodies: Mapping[tuple[bytes, bytes], int], answers: ReadyAnswers | None, crowd: Crowd | None = None
) -> type[BoundedProtocol]:
    """The protocol for an application that reads larger bodies of some requests; `answers` has some that are ready.

    `crowd` counts the connections of each client, and is told of those that are given up.
    """
    own: dict[str, Any] = {"larger_bodies": MappingProxyType(dict(larger_bodies))}
    return type("BoundedProtocol", (BoundedProtocol,), {**own, "crowd": crowd, "answers": answers})


def room_for_connections() -> int:
    """Allow this process as many open files as it needs and may have; returns how many connections then fit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        reachable = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (reachable, hard))
            soft = reachable
        return min(MOST_CONNECTIONS, max(soft - OTHER_FILES, soft // 2))
    return MOST_CONNECTIONS


def room_for_pixels() -> int:
    """How many shrunk originals may be held open: a quarter of the files that this process may open, at most."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return FILES_OF_PIXELS if hard == resource.RLIM_INFINITY else min(FILES_OF_PIXELS, hard // 4)
