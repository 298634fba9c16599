"""A web site for tests that does what it is told to: slow, short, long, endless, broken off, redirecting."""

import asyncio
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from socket import SO_LINGER, SOL_SOCKET
from ssl import SSLContext
from struct import pack
from typing import Any

_PART = 16 * 1024


class Sparse(Sequence[int]):
    """Bytes that are zeros but for some pieces, however long they are."""

    def __init__(self, size: int, pieces: Mapping[int, bytes]) -> None:
        """`pieces` are by where they begin."""
        self._size, self._pieces = size, pieces

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: Any) -> Any:
        start, stop, _ = part.indices(self._size)
        found = bytearray(stop - start)
        for begin, piece in self._pieces.items():
            first, last = max(start, begin), min(stop, begin + len(piece))
            if first < last:
                found[first - start : last - start] = piece[first - begin : last - begin]
        return bytes(found)


@dataclass(frozen=True)
class Script:
    """How one path is answered."""

    body: bytes | Sparse = b""
    status: int = 200
    fields: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    """Seconds before the header."""
    rate: float = 0.0
    """Bytes per second of the body; 0 is as fast as it goes."""
    truncate: int | None = None
    """The connection ends after so many bytes of the body."""
    reset: int | None = None
    """The connection breaks off after so many bytes of the body."""
    length: int | None = None
    """What Content-Length says, where it is not the truth; -1 leaves it out."""
    chunked: bool = False
    endless: bool = False
    behind: bytes = b""
    """What is sent behind the body."""
    head: int = 200
    """The status of a HEAD."""
    ranges: bool = True


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    fields: Mapping[str, str]


Answer = Script | Callable[[Asked], Script]


@dataclass
class Origin:
    """A running site: scripts by path, and what it was asked."""

    port: int
    scripts: dict[str, Answer] = field(default_factory=dict)
    connections: int = 0
    open: int = 0
    most_open: int = 0
    asked: list[Asked] = field(default_factory=list)
    sent: int = 0
    """Bytes of bodies."""

    def count(self, path: str = "", method: str = "GET") -> int:
        """How often a path was asked for; all of them without one."""
        return sum(asked.method == method and path in ("", asked.path) for asked in self.asked)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._one(reader, writer):
                    pass
        finally:
            self.open -= 1
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether another may follow."""
        start, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = start.split(" ")
        fields = dict(_split(line) for line in lines if line)
        asked = Asked(method, path, fields)
        self.asked.append(asked)
        script = self.scripts.get(path, Script(b"nothing here", 404))
        if callable(script):
            script = script(asked)
        await asyncio.sleep(script.delay)
        status, head, body = _header(script, asked)
        writer.write(f"HTTP/1.1 {status} X\r\n{head}\r\n".encode("latin-1"))
        if method != "HEAD" and not await self._send(script, body, writer):
            return False
        await writer.drain()
        return fields.get("connection") != "close"

    async def _send(self, script: Script, body: bytes | Sparse, writer: asyncio.StreamWriter) -> bool:
        """Send a body, or as much as the script says; whether the connection can be used on."""
        chunked = script.chunked or script.endless
        most = min(stop for stop in (script.truncate, script.reset, len(body)) if stop is not None)
        part = max(1, int(script.rate / 10)) if script.rate else _PART
        while script.endless:
            writer.write(b"%x\r\n%b\r\n" % (part, b"x" * part))
            await writer.drain()
            await asyncio.sleep(part / script.rate if script.rate else 0)
        for start in range(0, most, part):
            block = body[start : min(start + part, most)]
            if start + part >= len(body) and not chunked:
                block += script.behind  # in one piece with what is before it
            writer.write(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
            await writer.drain()
            self.sent += len(block)
            await asyncio.sleep(len(block) / script.rate if script.rate else 0)
        if script.reset is not None:
            writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))
            writer.transport.abort()
            return False
        if script.truncate is not None or script.length == -1:
            return False
        writer.write(b"0\r\n\r\n" if chunked else b"" if body else script.behind)
        return True


def _split(line: str) -> tuple[str, str]:
    name, _, value = line.partition(": ")
    return name.lower(), value


def _header(script: Script, asked: Asked) -> tuple[int, str, bytes | Sparse]:
    status, body, fields = script.status, script.body, dict(script.fields)
    if asked.method == "HEAD" and script.head != 200:
        status = script.head
    span = asked.fields.get("range", "").removeprefix("bytes=").partition("-")
    if script.ranges and status == 200 and span[0]:
        start, stop = int(span[0]), min(int(span[2] or len(body)), len(body) - 1) + 1
        status = 206 if start < len(body) else 416
        fields["Content-Range"] = f"bytes {start}-{stop - 1}/{len(body)}" if status == 206 else f"bytes */{len(body)}"
        body = body[start:stop] if status == 206 else b""
    if script.chunked or script.endless:
        fields["Transfer-Encoding"] = "chunked"
    elif script.length != -1:
        fields["Content-Length"] = str(len(body) if script.length is None else script.length)
    return status, "".join(f"{name}: {value}\r\n" for name, value in fields.items()), body


@contextmanager
def origin(*hosts: str, port: int = 0, tls: SSLContext | None = None) -> Iterator[Origin]:
    """A site on these addresses of this machine, on one port, in a thread of its own."""
    hosts = hosts or ("127.0.0.1",)
    ready, made = threading.Event(), Origin(port)
    loop = asyncio.new_event_loop()
    stopping: list[asyncio.Event] = []

    async def run() -> None:
        stopping.append(asyncio.Event())
        tasks: set[asyncio.Task[None]] = set()
        writers: weakref.WeakSet[asyncio.StreamWriter] = weakref.WeakSet()

        def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.add(writer)
            task = loop.create_task(made.serve(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        servers = []
        for host in hosts:
            servers.append(await asyncio.start_server(accepted, host, made.port, ssl=tls))
            made.port = servers[0].sockets[0].getsockname()[1]
        ready.set()
        await stopping[0].wait()
        await asyncio.sleep(0.02)  # in which whoever has connected becomes a task: one accepted later would leak
        for server in servers:
            server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in list(writers):
            writer.transport.abort()
        await asyncio.sleep(0.01)  # in which they close

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield made
    finally:
        loop.call_soon_threadsafe(stopping[0].set)
        thread.join(10)
        loop.close()
