"""Clients that cost little: connections that are kept, each asking for the next thing when it has the last."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

LOCAL = "127.0.0.1"
BUFFER = 1 << 20


@dataclass(frozen=True)
class Answer:
    """What came: the status, fields by names in lower case, the body, and the seconds it took."""

    status: int
    fields: dict[str, str]
    body: bytes
    seconds: float


class Connection(Protocol):
    """One client's way to a server."""

    async def ask(self, what: str) -> Answer:
        """Ask for one thing."""

    def close(self) -> None:
        """Hang up."""


class Http:
    """A connection that speaks HTTP/1.1; `what` is a path."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fields: str) -> None:
        self._reader, self._writer, self._fields = reader, writer, fields
        self.begun = False
        """Whether the header of the last answer has come."""

    @classmethod
    async def open(cls, port: int, accept: str = "*/*") -> "Http":
        """Connect to a port of loopback."""
        reader, writer = await asyncio.open_connection(LOCAL, port, limit=BUFFER)
        return cls(reader, writer, f"host: localhost\r\naccept: {accept}\r\n")

    async def ask(self, what: str) -> Answer:
        """GET a path."""
        started, self.begun = time.perf_counter(), False
        self._writer.write(f"GET {what} HTTP/1.1\r\n{self._fields}\r\n".encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        self.begun = True
        pairs = (line.partition(":") for line in head[1:] if line)
        fields = {name.lower(): value.strip() for name, _, value in pairs}
        if "content-length" in fields:
            body = await self._reader.readexactly(int(fields["content-length"]))
        else:
            body = await self._chunks()
        return Answer(int(head[0].split(" ")[1]), fields, body, time.perf_counter() - started)

    async def _chunks(self) -> bytes:
        parts = []
        while size := int((await self._reader.readline()).partition(b";")[0], 16):
            parts.append(await self._reader.readexactly(size))
            await self._reader.readline()
        await self._reader.readline()
        return b"".join(parts)

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


class Line:
    """A connection to a loop of `bench.peers.loop`; `what` is a line of JSON, the answer a length and bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, path: Path) -> "Line":
        """Connect to a socket in the file system."""
        return cls(*await asyncio.open_unix_connection(path, limit=BUFFER))

    async def ask(self, what: str) -> Answer:
        """Have one job done."""
        started = time.perf_counter()
        self._writer.write(what.encode() + b"\n")
        size = json.loads(await self._reader.readline())
        body = await self._reader.readexactly(size)
        return Answer(200, {}, body, time.perf_counter() - started)

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


@dataclass(frozen=True)
class Counted:
    """What all clients got together."""

    done: int
    seconds: float
    size: int  # bytes, all together

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.done / self.seconds


async def drive(
    connect: Callable[[int], Awaitable[Connection]],
    wishes: Iterator[str],
    clients: int,
    seconds: float,
    keep: list[bytes] | None = None,
) -> Counted:
    """Let clients ask for one thing after the other until the time is over; what is under way then is waited for.

    Bodies are added to `keep` where there is one.
    Raises RuntimeError for an answer that is not 200.
    """
    connections = [await connect(number) for number in range(clients)]
    sizes: list[int] = []
    started = time.perf_counter()

    async def client(connection: Connection) -> None:
        while time.perf_counter() - started < seconds and (what := next(wishes, None)):
            answer = await connection.ask(what)
            if answer.status != 200 or not answer.body:
                raise RuntimeError(f"{what}: {answer.status} {answer.body[:200]!r}")
            sizes.append(len(answer.body))
            if keep is not None:
                keep.append(answer.body)

    try:
        await asyncio.gather(*(client(connection) for connection in connections))
    finally:
        for connection in connections:
            connection.close()
    return Counted(len(sizes), time.perf_counter() - started, sum(sizes))
