"""Clients that are slow on purpose, many at a time over real sockets: each is left, told of once, and gone."""

import asyncio
import gc
import os
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import psutil
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from proxy.clients.crowd import Crowd
from proxy.protocol import BoundedProtocol, protocol_for
from tests.test_protocol import LINE, WHOLE, port, served, status, until

pytestmark = pytest.mark.anyio

SLOW = 80
"""Slow clients of each kind."""
MIB = 1 << 20
LARGE = 8 * MIB
PART = bytes(1 << 16)
SOON = 20.0


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The event loop of the server: its transports differ from those of asyncio."""
    return "asyncio", {"use_uvloop": True}


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Takes the body of a POST, answers a GET of `/large` with much, and anything else with a word."""
    while scope["method"] == "POST" and (message := await receive()).get("more_body", False):
        assert message["type"] == "http.request"
    part, times = (PART, LARGE // len(PART)) if scope["path"] == "/large" else (b"hello", 1)
    fields = [(b"content-length", b"%d" % (len(part) * times))]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    for time in range(times):
        await send({"type": "http.response.body", "body": part, "more_body": time < times - 1})


class Drops:
    """Who was given up, and why."""

    def __init__(self) -> None:
        self.reasons: Counter[str] = Counter()

    def __call__(self, reason: str, client: str) -> None:
        assert client == "127.0.0.1"
        self.reasons[reason] += 1


@asynccontextmanager
async def impatient(
    head_seconds: float = SOON, slow_seconds: float = 0.5, slowest: int = 10_000
) -> AsyncIterator[tuple[uvicorn.Server, Drops]]:
    """The protocol with half a second where it has half a minute."""
    drops = Drops()
    kind: type[BoundedProtocol] = protocol_for({}, None, Crowd(10_000, dropped=drops))
    kind.head_seconds, kind.slow_seconds, kind.slowest = head_seconds, slow_seconds, slowest
    async with served(application, kind) as server:
        yield server, drops


async def slow_head(client: socket.socket) -> bytes:
    """Says its head byte by byte."""
    return await dripped(client, LINE + b"x: " + b"y" * 60_000)


async def slow_body(client: socket.socket) -> bytes:
    """Sends its body byte by byte."""
    head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 60000\r\n\r\n"
    await asyncio.get_running_loop().sock_sendall(client, head)
    return await dripped(client, b"z" * 60_000)


async def slow_read(client: socket.socket) -> bytes:
    """Asks for much and takes a few bytes at a time."""
    loop, taken = asyncio.get_running_loop(), 0
    await loop.sock_sendall(client, b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n")
    while part := await loop.sock_recv(client, 64):
        taken += len(part)
        await asyncio.sleep(0.1)
    return b""


async def dripped(client: socket.socket, said: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    answer = asyncio.ensure_future(loop.sock_recv(client, 1 << 16))
    for at in range(len(said)):
        await loop.sock_sendall(client, said[at : at + 1])
        if (await asyncio.wait([answer], timeout=0.1))[0]:
            break
    return await answer


Mode = Callable[[socket.socket], Awaitable[bytes]]


async def left(server: uvicorn.Server, mode: Mode) -> bytes:
    """Be slow until the server has had enough; returns what it said last."""
    with socket.socket() as client:
        # A small window, or the kernel alone would take most of the answer.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port(server)))
        with suppress(ConnectionError):
            return await asyncio.wait_for(mode(client), SOON)
        return b""


@pytest.mark.parametrize("mode", [slow_head, slow_body, slow_read])
async def test_slow_clients_are_left_and_leave_nothing_behind(mode: Mode, caplog: pytest.LogCaptureFixture) -> None:
    process = psutil.Process()
    async with impatient(head_seconds=0.5 if mode is slow_head else SOON) as (server, drops):
        assert status(await one(server)) == 200
        gc.collect()
        memory, files, tasks = process.memory_info().rss, len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())
        slow = [asyncio.create_task(left(server, mode)) for _ in range(SLOW)]
        await until(lambda: len(server.server_state.connections) > SLOW // 3)
        # Whoever comes meanwhile is answered.
        assert [status(await one(server)) for _ in range(10)] == [200] * 10
        answers = list(await asyncio.gather(*slow, return_exceptions=True))
        assert not [answer for answer in answers if isinstance(answer, BaseException)]
        await until(lambda: not server.server_state.connections)
        await until(lambda: len(asyncio.all_tasks()) <= tasks)
        assert drops.reasons == {mode.__name__: SLOW}
        if mode is slow_body:
            # A byte that is on its way when the connection is closed may cost a client the word.
            told = Counter(status(answer) for answer in answers if isinstance(answer, bytes))
            assert told[408] > SLOW // 2
            assert told[408] + told[0] == SLOW
        gc.collect()
        after, open_files = process.memory_info().rss, len(os.listdir("/proc/self/fd"))
        print(
            f"\n{mode.__name__}: {SLOW} left; memory {memory / MIB:.0f} to {after / MIB:.0f} MiB, "
            f"files {files} to {open_files}"
        )
        assert open_files <= files
        assert after < memory + 60 * MIB
    assert not [record for record in caplog.records if record.exc_info]


async def one(server: uvicorn.Server) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port(server))
    writer.write(LINE + b"connection: close\r\n\r\n")
    try:
        return await asyncio.wait_for(reader.read(), SOON)
    finally:
        writer.close()


async def test_a_client_on_a_slow_line_gets_all_and_may_send_all() -> None:
    async with impatient(slow_seconds=0.3, slowest=1000) as (server, drops):
        reader, writer = await asyncio.open_connection("127.0.0.1", port(server))
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4000\r\n\r\n")
        for _ in range(20):  # 2 kB a second and more
            writer.write(bytes(200))
            await asyncio.sleep(0.05)
        assert (await asyncio.wait_for(reader.readuntil(b"hello"), SOON)).startswith(b"HTTP/1.1 200")
        writer.write(b"GET /large HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        taken = 0
        while part := await asyncio.wait_for(reader.read(1 << 18), SOON):
            taken += len(part)
            await asyncio.sleep(0.02)
        assert taken > LARGE
        assert not drops.reasons
        writer.close()


async def test_who_leaves_by_itself_is_counted_apart() -> None:
    async with impatient(slow_seconds=30) as (server, drops):
        reader, writer = await asyncio.open_connection("127.0.0.1", port(server))
        writer.write(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n")
        await reader.readexactly(1000)
        writer.transport.abort()
        await until(lambda: bool(drops.reasons))
        assert drops.reasons == {"left": 1}


async def test_an_idle_connection_that_ends_is_nobodys_fault() -> None:
    async with impatient(head_seconds=0.2) as (server, drops):
        reader, writer = await asyncio.open_connection("127.0.0.1", port(server))
        assert await asyncio.wait_for(reader.read(), SOON) == b""
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port(server))
        writer.write(WHOLE)
        await reader.readuntil(b"hello")
        writer.close()
        await until(lambda: not server.server_state.connections)
        assert not drops.reasons
