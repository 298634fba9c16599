"""HTTP/1.1 with a pace: a client that takes an answer, or sends a body, too slowly is left, and so is one of too many.

A connection that waits holds memory and a descriptor, and a thousand of them cost whoever opens them next to nothing.
"""

import asyncio
import json
import socket
import struct
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from proxy.clients.crowd import Crowd, Crowded
from proxy.ready import ReadyProtocol

SLOWEST = 1000
"""Bytes a second that a client must take, and send of a body, over the time below: what a phone at the edge does."""
SLOW_SECONDS = 30.0
"""How long a client may be slower than that: as long as a phone is in a tunnel."""
AT_ONCE = struct.pack("ii", 1, 0)
"""For SO_LINGER: what is not sent yet is thrown away when the connection is closed."""


@dataclass(frozen=True)
class Refusal:
    """What a request that is not even read to its end is told."""

    status: int
    code: str
    title: str
    detail: str

    def answer(self) -> bytes:
        """The whole answer, in the form of all others (RFC 9457)."""
        told = {"type": f"urn:darkroom:error:{self.code}", **vars(self)}
        body = json.dumps(told).encode()
        fields = {
            "content-type": "application/problem+json",
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
            "x-error": self.code,
            "content-length": str(len(body)),
            "connection": "close",
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return STATUS_LINE[self.status] + head.encode() + b"\r\n" + body


SLOW_BODY = Refusal(
    408, "body_too_slow", "The body comes too slowly", "Less of the request's body came in a while than must come."
)
CROWDED = Refusal(
    429, "too_many_connections", "Too many connections", "This client has as many connections open as it may have."
)


class PacedProtocol(ReadyProtocol):
    """The protocol that leaves clients who are slow, and turns those away who have many connections."""

    slowest = SLOWEST
    slow_seconds = SLOW_SECONDS
    crowd: Crowd | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._slow_reader: asyncio.TimerHandle | None = None
        self._slow_writer: asyncio.TimerHandle | None = None
        self._name: str | None = None
        """What the connection counts under; None where it is not counted."""
        self._dropped = False

    def received(self) -> int:
        """Bytes of the body so far; negative in a head and between messages."""
        raise NotImplementedError

    def refuse(self, refusal: Refusal) -> None:
        """Close, and say why where that can be said."""
        raise NotImplementedError

    def enter(self) -> bool:
        """Count a connection that was just made; False for one too many, which is told so and closed."""
        if self.crowd is not None:
            try:
                self._name = self.crowd.enter(self._peer())
            except Crowded:
                self._drop("connections")
                self.transport.write(CROWDED.answer())
                self.transport.close()
                return False
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_slow_reader()
        self._forget_slow_writer()
        if self.crowd is not None and self._name is not None:
            self.crowd.leave(self._name)
            self._name = None
        if self.owes() and not self.cycle.disconnected:
            self._drop("left")
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._forget_slow_reader()

    def _watch_writer(self) -> None:
        """Look after a while how much has come of a body that is not complete."""
        if self.received() >= 0 and self._slow_writer is None:
            self._look_at_writer_later(self.received())

    def _watch_reader(self) -> None:
        if self._slow_reader is None:
            self._look_at_reader_later(self.transport.get_write_buffer_size())

    def _look_at_reader_later(self, size: int) -> None:
        self._slow_reader = self.loop.call_later(self.slow_seconds, self._look_at_reader, size)

    def _look_at_reader(self, before: int) -> None:
        """Leave a client that has taken too little since the last look. What waits only shrinks between two looks."""
        size = self.transport.get_write_buffer_size()
        if size == 0 or before - size >= self.slowest * self.slow_seconds:
            self._look_at_reader_later(size)
        else:
            self._drop("slow_read")
            # Reset, or the kernel would go on for minutes with the megabytes that it has taken over.
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            self.transport.abort()

    def _look_at_writer_later(self, size: int) -> None:
        self._slow_writer = self.loop.call_later(self.slow_seconds, self._look_at_writer, size)

    def _look_at_writer(self, before: int) -> None:
        """Leave a client of whose body too little has come since the last look, unless it is us who do not read."""
        self._slow_writer = None
        if self.received() < 0 or self.transport.is_closing() or not self.owes():
            return
        if self.flow.read_paused or self.received() - before >= self.slowest * self.slow_seconds:
            self._look_at_writer_later(self.received())
        else:
            self._drop("slow_body")
            self.refuse(SLOW_BODY)

    def _drop(self, reason: str) -> None:
        """Tell once that this client is given up."""
        if not self._dropped:
            self._dropped = True
            if self.crowd is not None:
                self.crowd.dropped(reason, self._peer())

    def _peer(self) -> str:
        return self.client[0] if self.client else ""

    def _forget_slow_reader(self) -> None:
        if self._slow_reader is not None:
            self._slow_reader.cancel()
            self._slow_reader = None

    def _forget_slow_writer(self) -> None:
        if self._slow_writer is not None:
            self._slow_writer.cancel()
            self._slow_writer = None
