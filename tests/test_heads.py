"""Requests that are known by the bytes of their heads: they get what they would get by being read."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from ipaddress import ip_network
from typing import Any

import pytest

from proxy.answer import Answer
from proxy.caching import Lifetime
from proxy.clients.addresses import Addresses
from proxy.clients.buckets import Rate
from proxy.clients.rates import Allowance, Limiter, Rates
from proxy.edge import Edge
from proxy.heads import LONGEST, MOST, MOST_FIELDS, Heads, Said, read
from proxy.metrics import Metrics
from proxy.negotiation import Bucket
from proxy.protocol import BoundedProtocol
from proxy.recent import RecentAnswers
from tests.test_protocol import port, served

pytestmark = pytest.mark.anyio

BLOCK = b"host: here\r\naccept: image/webp\r\n\r\n"
ONE, OTHER, TAGGED = b"/w_60/1.jpg", b"/w_60/2.jpg", b"/w_60/3.jpg"
TAG = b'W/"x.final"'


def get(path: bytes, block: bytes = BLOCK, method: bytes = b"GET") -> bytes:
    return method + b" " + path + b" HTTP/1.1\r\n" + block


class Counting(Edge):
    """Counts what was read before it was answered, and what was not."""

    def __init__(self, recent: RecentAnswers, limiter: Limiter | None = None) -> None:
        async def renew(path: bytes, accept: bytes) -> bool:
            return True

        super().__init__(self._behind, recent, renew, limiter=limiter)
        self.read = self.known = self.behind = 0

    def at_once(self, *args: Any) -> tuple[bytes, bytes] | None:
        self.read += 1
        return super().at_once(*args)

    def again(self, *args: Any) -> tuple[bytes, bytes] | None:
        ready = super().again(*args)
        self.known += ready is not None
        return ready

    async def _behind(self, scope: Any, receive: Any, send: Any) -> None:
        self.behind += 1
        await send({"type": "http.response.start", "status": 299, "headers": [(b"content-length", b"6")]})
        await send({"type": "http.response.body", "body": b"behind"})


def filled() -> RecentAnswers:
    recent = RecentAnswers(1 << 20, Metrics())
    for path in (ONE, OTHER, TAGGED):
        fields = [(b"etag", TAG), (b"content-length", b"%d" % len(path)), (b"content-type", b"image/webp")]
        answer = Answer(Lifetime(100, ""), path, "image/webp", etag=TAG.decode(), modified=10.0, format="webp")
        recent.remember(path, Bucket(webp=True), answer, fields, recent.generation)
    return recent


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()

    async def ask(self, *parts: bytes) -> tuple[int, bytes]:
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()
            await asyncio.sleep(0.02)
        return await self.answer()

    async def answer(self) -> tuple[int, bytes]:
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 5)
        length = next((line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b"0")
        assert head.count(b"x-request-id: ") == (head[9:12] in {b"200", b"304", b"429"})
        return int(head[9:12]), await self.reader.readexactly(int(length))


@asynccontextmanager
async def answering(edge: Edge, keep_alive: int = 5) -> AsyncIterator[Callable[[], Awaitable[Client]]]:
    """A server with this edge; yields what makes a connection to it."""
    kind = type("Own", (BoundedProtocol,), {"answers": edge, "head_seconds": 0.3})
    async with served(edge, kind=kind, keep_alive=keep_alive) as server, AsyncExitStack() as opened:

        async def connect() -> Client:
            client = Client(*await asyncio.open_connection("127.0.0.1", port(server)))
            opened.push_async_callback(client.close)
            return client

        yield connect


async def known(client: Client) -> None:
    """Have the usual fields come twice."""
    for _ in range(2):
        assert await client.ask(get(ONE)) == (200, ONE)


async def test_fields_that_are_known_are_not_read_again_whatever_the_path() -> None:
    edge = Counting(filled())
    async with answering(edge) as connect:
        client, another = await connect(), await connect()
        assert await client.ask(get(ONE)) == (200, ONE)
        assert await client.ask(get(OTHER)) == (200, OTHER)
        assert await client.ask(get(TAGGED)) == (200, TAGGED)
        assert await another.ask(get(ONE)) == (200, ONE)
        assert (edge.read, edge.known, edge.behind) == (2, 2, 0)
        # What is not at hand goes its ordinary way, and what comes after it does not.
        assert await client.ask(get(b"/w_60/4.jpg")) == (299, b"behind")
        assert await client.ask(get(OTHER)) == (200, OTHER)
        assert (edge.known, edge.behind) == (3, 1)


async def test_a_copy_is_confirmed_by_fields_that_are_known() -> None:
    edge = Counting(filled())
    block = BLOCK[:-2] + b"If-None-Match: " + TAG + b"\r\n\r\n"
    async with answering(edge) as connect:
        client = await connect()
        for _ in range(3):
            assert await client.ask(get(ONE, block)) == (304, b"")
        assert (edge.read, edge.known) == (2, 1)


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (get(ONE, method=b"POST"), (299, b"behind")),
        (get(ONE, b"range: bytes=0-1\r\n" + BLOCK), (299, b"behind")),
        (get(ONE, b"content-length: 2\r\n" + BLOCK) + b"ab", (200, ONE)),
        (get(ONE + b"?a"), (200, ONE)),
        (get(ONE + b"#a"), (200, ONE)),
        (get(ONE, b"host: here\r\n\r\n"), (299, b"behind")),
        (b"\r\n" + get(ONE), (200, ONE)),
    ],
)
async def test_whatever_is_otherwise_is_read(second: bytes, expected: tuple[int, bytes]) -> None:
    edge = Counting(filled())
    async with answering(edge) as connect:
        client = await connect()
        await known(client)
        assert await client.ask(second) == expected
        assert edge.known == 0
        assert await client.ask(get(OTHER)) == (200, OTHER)
        assert edge.known == 1


@pytest.mark.parametrize("line", [b"GET %b HTTP/1.0", b"GET  %b HTTP/1.1", b"get %b HTTP/1.1", b"GET %b x"])
async def test_another_first_line_is_for_the_parser(line: bytes) -> None:
    edge = Counting(filled())
    async with answering(edge) as connect:
        client = await connect()
        await known(client)
        await client.ask(line % ONE + b"\r\n" + BLOCK)
        assert edge.known == 0


async def test_heads_in_pieces_and_several_at_once_are_all_answered_in_their_order() -> None:
    edge = Counting(filled())
    async with answering(edge) as connect:
        client = await connect()
        await known(client)
        head = get(OTHER)
        for cut in (1, 10, head.index(b"\r\n") + 2, len(head) - 1):
            assert await client.ask(head[:cut], head[cut:]) == (200, OTHER)
        # The rest of a head looks like a whole one.
        assert await client.ask(b"GET /w_60/9.jpg HTTP/1.1\r\na: ", get(ONE)) == (299, b"behind")
        assert edge.known == 0
        for _ in range(2):
            assert await client.ask(get(ONE) + get(OTHER) + get(TAGGED)) == (200, ONE)
            assert [await client.answer() for _ in range(2)] == [(200, OTHER), (200, TAGGED)]
        # Behind an answer that is still being made.
        assert await client.ask(get(b"/w_60/5.jpg"), get(ONE)) == (299, b"behind")
        assert await client.answer() == (200, ONE)


async def test_a_head_answered_without_a_body() -> None:
    edge = Counting(filled())
    async with answering(edge) as connect:
        client = await connect()
        await known(client)
        client.writer.write(get(ONE, method=b"HEAD"))
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head or b" 304 " in head
        assert await client.ask(get(OTHER)) == (200, OTHER)


async def test_what_was_forgotten_is_asked_for_behind_again() -> None:
    recent = filled()
    edge = Counting(recent)
    async with answering(edge) as connect:
        client = await connect()
        await known(client)
        assert await client.ask(get(ONE)) == (200, ONE)
        assert edge.known == 1
        recent.forget()
        assert await client.ask(get(ONE)) == (299, b"behind")


async def test_who_asks_too_often_is_refused_all_the_same() -> None:
    edge = Counting(filled(), Limiter(Rates(Allowance(Rate(3, 3600, burst=3)))))
    edge.addresses = Addresses([ip_network("127.0.0.1")])
    block = b"x-forwarded-for: 198.51.100.1\r\n" + BLOCK
    async with answering(edge) as connect:
        client = await connect()
        assert [(await client.ask(get(ONE, block)))[0] for _ in range(5)] == [200, 200, 200, 429, 429]


async def test_a_connection_is_idle_only_from_its_last_answer_on() -> None:
    edge = Counting(filled())
    async with answering(edge, keep_alive=2) as connect:
        client = await connect()
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while loop.time() < begun + 3:
            assert await client.ask(get(ONE)) == (200, ONE)
            last = loop.time()
            await asyncio.sleep(0.2)
        assert await asyncio.wait_for(client.reader.read(), 10) == b""
        assert 1.9 < loop.time() - last < 6


async def test_a_first_request_that_is_known_ends_the_wait_for_a_head() -> None:
    edge = Counting(filled())
    async with answering(edge) as connect:
        await known(await connect())
        client = await connect()
        assert await client.ask(get(ONE)) == (200, ONE)
        await asyncio.sleep(0.5)
        assert await client.ask(get(ONE)) == (200, ONE)
        assert edge.known == 2


@pytest.fixture
def said() -> Said:
    found = read([(b"accept", b"image/webp")])
    assert found
    return found


def test_fields_of_one_request_and_two_heads_in_one_are_not_learnt(said: Said) -> None:
    heads = Heads()
    for block in (b"a: b\r\n\r\n" + get(ONE), b"a: " + b"b" * LONGEST + b"\r\n\r\n", b"a: b\r\n"):
        for _ in range(2):
            heads.learn(get(ONE, block), said)
        assert heads.find(get(ONE, block)) is None
    line = b"GET / HTTP/1.1\r\n"
    for _ in range(2):
        heads.learn(b"\r\n" + line + BLOCK, said)
    assert heads.find(line + line + BLOCK) is None
    for _ in range(2):
        heads.learn(get(ONE), said._replace(fields=[(b"a", b"b")] * (MOST_FIELDS + 1)))
    assert heads.find(get(ONE)) is None
    heads.learn(get(ONE), said)
    assert heads.find(get(ONE)) is None
    heads.learn(get(ONE), said)
    assert heads.find(get(OTHER)) == (OTHER, said)


def test_heads_are_known_within_bounds(said: Said) -> None:
    heads = Heads()
    for number in range(10 * MOST):
        for _ in range(2):
            heads.learn(get(ONE, b"a: %d\r\n\r\n" % number), said)
    assert sum(heads.find(get(ONE, b"a: %d\r\n\r\n" % number)) is not None for number in range(10 * MOST)) <= MOST
