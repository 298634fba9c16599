"""Clients that say too much, too slowly or nothing at all, each over a real socket."""

import asyncio
import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from proxy import protocol
from proxy.handlers.media import _send
from proxy.protocol import BoundedProtocol
from proxy.stores.result import FileBody
from proxy.wire import Message

pytestmark = pytest.mark.anyio

LINE = b"GET / HTTP/1.1\r\nhost: test\r\n"
WHOLE = LINE + b"\r\n"
KIB = 1024
SOON = 10.0


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The event loop of the server: its transports differ from those of asyncio."""
    return "asyncio", {"use_uvloop": True}


class Impatient(BoundedProtocol):
    """The same with little patience."""

    head_seconds = 0.3
    slow_seconds = 0.3


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


@asynccontextmanager
async def served(
    app: ASGIApp = hello, kind: type[BoundedProtocol] = BoundedProtocol, limit: int | None = None, keep_alive: int = 5
) -> AsyncIterator[uvicorn.Server]:
    """The protocol in a server of its own."""
    config = uvicorn.Config(
        app,
        http=kind,
        ws="none",
        lifespan="off",
        log_config=None,
        limit_concurrency=limit,
        timeout_keep_alive=keep_alive,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup([socket.create_server(("127.0.0.1", 0))])
    try:
        yield server
    finally:
        server.force_exit = True
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        await server.shutdown([])


def port(server: uvicorn.Server) -> int:
    return int(server.servers[0].sockets[0].getsockname()[1])


async def told(server: uvicorn.Server, *parts: bytes) -> bytes:
    """All that is answered to these parts until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port(server))
    answer = b""
    try:
        with suppress(ConnectionError):
            for part in parts:
                writer.write(part)
                await writer.drain()
        with suppress(ConnectionError):
            while block := await asyncio.wait_for(reader.read(1 << 16), SOON):
                answer += block
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    return answer


async def until(true: Callable[[], bool]) -> None:
    """Look again and again until something is so."""
    for _ in range(int(SOON / 0.01)):
        if true():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


def status(answer: bytes) -> int:
    return int(answer[9:12] or 0)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"GET /" + b"a" * 17 * KIB + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET /" + b"a" * 15 * KIB + b" HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n", 200),
        (LINE + b"a: b\r\n" * 100 + b"\r\n", 431),
        (LINE + b"connection: close\r\n" + b"a: b\r\n" * 98 + b"\r\n", 200),
        (LINE + b"a: " + b"b" * 65 * KIB + b"\r\n\r\n", 431),
        (LINE + b"connection: close\r\na: " + b"b" * 60 * KIB + b"\r\n\r\n", 200),
        (b"nonsense\r\n\r\n", 400),
    ],
    ids=["long target", "longish target", "many fields", "some fields", "large field", "largish field", "nonsense"],
)
@pytest.mark.parametrize("at_once", [True, False])
async def test_a_large_head_is_refused(head: bytes, expected: int, at_once: bool) -> None:
    parts = [head] if at_once else [head[start : start + 5000] for start in range(0, len(head), 5000)]
    async with served() as server:
        answer = await told(server, *parts)
        assert status(answer) == expected
        if expected != 200:
            fields, body = answer.split(b"\r\n\r\n")
            assert json.loads(body)["status"] == expected
            assert b"content-length: %d\r\n" % len(body) in fields
            assert b"connection: close" in fields


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nx-host: test\r\nconnection: close\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: test\r\na: b\r\nHOST: other\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\nhost: test\r\nhost: other\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\na: b\r\nHost:\r\nconnection: close\r\n\r\n", 200),
        (b"GET / HTTP/1.0\r\n\r\n", 200),
        (b"GET / HTTP/1.0\r\nhost: test\r\n\r\n", 200),
    ],
    ids=["none", "another field", "two", "two of 1.0", "an empty one", "none of 1.0", "one of 1.0"],
)
async def test_a_request_says_once_which_host_it_means(head: bytes, expected: int) -> None:
    async with served() as server:
        answer = await told(server, head)
        assert status(answer) == expected
        assert (b"x-error: bad_request\r\n" in answer) == (expected == 400)


@pytest.mark.parametrize("endless", [b"a: b\r\n", b"a" * 999, b"a: " + b"b" * 999])
async def test_a_head_without_an_end_is_cut_off(endless: bytes) -> None:
    async with served() as server:
        _, writer = await asyncio.open_connection("127.0.0.1", port(server))
        sent = 0
        with suppress(ConnectionError):
            writer.write(LINE)
            while sent < 64 * KIB * KIB:
                writer.write(endless * 50)
                sent += len(endless) * 50
                await writer.drain()
        writer.close()
        assert sent < 16 * KIB * KIB  # what the buffers of two kernels' ends hold


async def test_heads_that_follow_each_other_are_bounded_one_by_one() -> None:
    largish = LINE + b"a: " + b"b" * 40 * KIB + b"\r\n\r\n"
    async with served() as server:
        answer = await told(server, *[largish] * 5, LINE + b"connection: close\r\n\r\n")
        assert answer.count(b"HTTP/1.1 200") == 6


async def test_only_so_many_requests_may_wait_for_their_turn() -> None:
    async with served() as server:
        assert (await told(server, WHOLE * 50 + LINE + b"connection: close\r\n\r\n")).count(b"hello") == 51
        assert (await told(server, WHOLE * 5000)).count(b"hello") <= 101


async def test_trailers_are_counted() -> None:
    async with served() as server:
        body = b"0\r\n" + b"a: b\r\n" * 200 + b"\r\n"
        answer = await told(server, LINE + b"transfer-encoding: chunked\r\n\r\n" + body)
        assert status(answer) in (0, 413, 431)


@pytest.mark.parametrize("framing", ["length", "chunks"])
async def test_a_large_body_is_cut_off(framing: str) -> None:
    how = b"content-length: 1000000\r\n" if framing == "length" else b"transfer-encoding: chunked\r\n"
    parts = [b"x" * 1000] * 1000 if framing == "length" else [b"3e8\r\n" + b"x" * 1000 + b"\r\n"] * 1000
    async with served() as server:
        answer = await told(server, LINE + how + b"\r\n", *parts)
        assert status(answer) in (200, 413)
        assert answer.count(b"HTTP/1.1") == 1


async def test_a_small_body_does_no_harm() -> None:
    async with served() as server:
        answer = await told(server, LINE + b"content-length: 3\r\n\r\nabc", LINE + b"connection: close\r\n\r\n")
        assert answer.count(b"HTTP/1.1 200") == 2


@pytest.mark.parametrize(
    "said",
    [b"", b"\r\n", b"GE", LINE, WHOLE + LINE, WHOLE + b"\r\n"],
    ids=["nothing", "an empty line", "a word", "half a head", "half a second head", "an empty line after an answer"],
)
async def test_a_head_that_does_not_come_is_not_waited_for(said: bytes) -> None:
    async with served(kind=Impatient, keep_alive=1) as server:
        assert status(await told(server, *([said] if said else []))) in (0, 200)
        assert not server.server_state.connections


@pytest.mark.parametrize(
    "first", [WHOLE, LINE + b"content-length: 100\r\n\r\n"], ids=["in the second head", "in the body of the first"]
)
async def test_dripping_does_not_help(first: bytes) -> None:
    async with served(kind=Impatient, keep_alive=60) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", port(server))
        writer.write(first)
        await reader.readuntil(b"hello")
        closed, dripped = asyncio.ensure_future(reader.read()), 0
        while not closed.done() and dripped < len(WHOLE) - 1:
            writer.write(WHOLE[dripped : dripped + 1])
            dripped += 1
            await asyncio.wait([closed], timeout=0.1)
        with suppress(ConnectionError):
            await asyncio.wait_for(closed, SOON)
        assert dripped < len(WHOLE) - 1
        writer.close()


async def test_a_body_that_ends_behind_its_answer_starts_the_wait_for_a_head() -> None:
    async with served(kind=Impatient, keep_alive=60) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", port(server))
        writer.write(LINE + b"content-length: 3\r\n\r\n")
        await reader.readuntil(b"hello")
        writer.write(b"abc")
        assert await asyncio.wait_for(reader.read(), SOON) == b""
        writer.close()


async def test_an_idle_connection_is_left_to_the_keep_alive_timer() -> None:
    async with served(kind=Impatient, keep_alive=60) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", port(server))
        for _ in range(2):
            writer.write(WHOLE)
            await asyncio.wait_for(reader.readuntil(b"hello"), SOON)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), Impatient.head_seconds * 3)
        writer.close()


def deaf(place: int, sent: bytes) -> socket.socket:
    """A client that asks, and takes as little as it can."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", place))
    sock.sendall(sent)
    return sock


@pytest.mark.parametrize("said", [WHOLE, LINE + b"connection: close\r\n\r\n"], ids=["keep-alive", "close"])
async def test_a_client_that_takes_nothing_is_left(said: bytes) -> None:
    size, done = 16 * KIB * KIB, asyncio.Event()

    async def large(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % size)]})
        await send({"type": "http.response.body", "body": bytes(size)})
        done.set()

    async with served(large, Impatient) as server:
        with deaf(port(server), said):
            await asyncio.wait_for(done.wait(), SOON)
            await until(lambda: not server.server_state.connections)


async def test_a_client_that_is_slow_gets_all() -> None:
    size = 16 * KIB * KIB

    async def large(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % size)]})
        await send({"type": "http.response.body", "body": bytes(size)})

    async with served(large, Impatient) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", port(server))
        writer.write(LINE + b"connection: close\r\n\r\n")
        taken = 0
        while block := await asyncio.wait_for(reader.read(1 << 18), SOON):
            taken += len(block)
            await asyncio.sleep(0.02)
        assert taken > size
        writer.close()


async def test_more_connections_than_there_is_room_for_get_a_503_and_then_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(protocol, "TURNED_AWAY", 2)
    async with served(limit=3) as server:
        silent = [await asyncio.open_connection("127.0.0.1", port(server)) for _ in range(4)]
        assert status(await told(server, WHOLE)) == 503
        more = await asyncio.open_connection("127.0.0.1", port(server))
        assert await told(server, WHOLE) == b""
        for _, writer in [*silent, more]:
            writer.close()
        await until(lambda: not server.server_state.connections)
        assert status(await told(server, LINE + b"connection: close\r\n\r\n")) == 200


@pytest.mark.parametrize(("soft", "hard", "fits"), [(256, 256, 128), (300, 1024, 512), (1024, 1024, 512)])
def test_room_for_connections_comes_from_the_limit_of_open_files(soft: int, hard: int, fits: int) -> None:
    code = "from proxy.protocol import room_for_connections as r; import resource as s; print(r(), *s.getrlimit(7))"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.split() == [str(fits), str(hard), str(hard)]


async def test_an_answer_behind_one_that_was_ready_is_not_cut_short_by_the_idle_timer() -> None:
    class Nothing:
        def at_once(self, method: str, path: bytes, *_: object) -> tuple[bytes, bytes] | None:
            return (b"HTTP/1.1 204 No Content\r\n", b"") if path == b"/" else None

        def again(self, *_: object) -> None: ...

    class Ready(BoundedProtocol):
        answers = Nothing()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await asyncio.sleep(0.2)
        await send({"type": "http.response.body", "body": b"hello"})

    async with served(slow, kind=Ready, keep_alive=0) as server:
        answer = await told(server, WHOLE + WHOLE.replace(b"/", b"/slow", 1))
        assert answer.startswith(b"HTTP/1.1 204 ")
        assert answer.endswith(b"hello")


async def test_a_file_is_read_no_further_when_its_client_has_left(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(90 * KIB * KIB))
    descriptor = os.open(tmp_path / "large", os.O_RDONLY)
    body, sent = FileBody.whole(tmp_path / "large", descriptor), asyncio.get_running_loop().create_future()

    async def file(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"%d" % body.length)]
        sent.set_result(await _send(receive, send, Message(200, headers, body, 0, body.length), "GET", "id"))

    async with served(file) as server:
        before = asyncio.all_tasks()
        reader, writer = await asyncio.open_connection("127.0.0.1", port(server))
        writer.write(WHOLE)
        await reader.readexactly(100_000)
        writer.transport.abort()
        assert await asyncio.wait_for(sent, SOON) < 40 * KIB * KIB
        await until(lambda: not asyncio.all_tasks() - before)


async def test_a_file_goes_out_whole_and_leaves_no_task(tmp_path: Path) -> None:
    data = os.urandom(3 * KIB * KIB)
    (tmp_path / "large").write_bytes(data)
    body = FileBody.whole(tmp_path / "large", os.open(tmp_path / "large", os.O_RDONLY))

    async def file(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"%d" % body.length)]
        await _send(receive, send, Message(200, headers, body, 0, body.length), "GET", "id")

    async with served(file) as server:
        before = asyncio.all_tasks()
        answer = await told(server, LINE + b"connection: close\r\n\r\n")
        assert answer.endswith(data)
        assert not asyncio.all_tasks() - before
