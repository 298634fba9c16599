"""Answers that are ready go out before anything is made of the request, and are the same as ever."""

import socket
from collections.abc import Iterator

import psutil
import pytest

from tests.serving import LOCAL, Reply, Server, originals, request, serving

PATH = "/f_auto,w_120/cats/1.jpg"
OF_ONE_ANSWER = {"date", "x-request-id", "server-timing", "cache-status", "connection"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = originals(tmp_path_factory.mktemp("originals"))
    with serving(folder, tmp_path_factory.mktemp("scratch"), cors_origins=["*"]) as running:
        yield running


class Connection:
    """One connection that stays open, on which answers are read one after the other."""

    def __init__(self, server: Server) -> None:
        self.sock = socket.create_connection((LOCAL, server.port), 20)
        self._held = b""

    def send(self, *requests: bytes) -> None:
        self.sock.sendall(b"".join(requests))

    def read(self, method: str = "GET") -> Reply:
        while b"\r\n\r\n" not in self._held:
            self._receive()
        head, _, self._held = self._held.partition(b"\r\n\r\n")
        reply = Reply.read(head + b"\r\n\r\n")
        length = 0 if method == "HEAD" or reply.status in (204, 304) else int(reply["content-length"])
        while len(self._held) < length:
            self._receive()
        body, self._held = self._held[:length], self._held[length:]
        return Reply(reply.status, reply.fields, body)

    def ask(self, path: str, method: str = "GET", **fields: str) -> Reply:
        self.send(request(path, fields, method, close=False))
        return self.read(method)

    def _receive(self) -> None:
        part = self.sock.recv(1 << 16)
        if not part:
            raise ConnectionError("closed")
        self._held += part


@pytest.fixture
def connection(server: Server) -> Iterator[Connection]:
    made = Connection(server)
    made.ask(PATH)
    with made.sock:
        yield made


def lasting(reply: Reply) -> dict[str, str]:
    return {name: value for name, value in reply.fields.items() if name not in OF_ONE_ANSWER}


def test_a_hit_says_what_the_first_answer_said(server: Server) -> None:
    made = Connection(server)
    with made.sock:
        first, hit = made.ask("/w_90/cats/1.jpg"), made.ask("/w_90/cats/1.jpg")
    assert hit["cache-status"] == "darkroom; hit; detail=memory"
    assert (hit.status, hit.body, lasting(hit)) == (200, first.body, lasting(first))
    assert hit["date"]
    assert len(hit["x-request-id"]) == 16


def test_a_hit_takes_over_the_requests_id(connection: Connection) -> None:
    assert connection.ask(PATH, x_request_id="abcdefgh-12")["x-request-id"] == "abcdefgh-12"
    assert connection.ask(PATH, x_request_id="no id")["x-request-id"] != "no id"


def test_head_and_304_have_no_body(connection: Connection) -> None:
    whole = connection.ask(PATH)
    head = connection.ask(PATH, "HEAD")
    assert (head.status, lasting(head), head.body) == (200, lasting(whole), b"")
    unchanged = connection.ask(PATH, if_none_match=whole["etag"])
    assert unchanged.status == 304
    assert "content-length" not in unchanged.fields
    assert (unchanged["etag"], unchanged["vary"]) == (whole["etag"], whole["vary"])
    assert connection.ask(PATH, if_none_match='"another"').status == 200


def test_each_kind_of_client_has_its_own(connection: Connection) -> None:
    for _ in range(2):
        kinds = {accept: connection.ask(PATH, accept=accept)["content-type"] for accept in ("image/webp", "*/*")}
        assert kinds == {"image/webp": "image/webp", "*/*": "image/jpeg"}


def test_pipelined_requests_are_answered_in_their_order(connection: Connection) -> None:
    paths = [PATH, "/w_77/cats/2.jpg", PATH, PATH, "/w_wide/cats/1.jpg", PATH]
    connection.send(*(request(path, {}, close=False) for path in paths))
    answers = [connection.read() for _ in paths]
    assert [answer.status for answer in answers] == [200, 200, 200, 200, 400, 200]
    assert answers[0].body == answers[2].body == answers[3].body == answers[5].body != answers[1].body


def test_what_is_unusual_goes_the_ordinary_way(connection: Connection, server: Server) -> None:
    whole = connection.ask(PATH)
    part = connection.ask(PATH, range="bytes=0-9")
    assert (part.status, part.body) == (206, whole.body[:10])
    assert connection.ask(f"{PATH}?utm=1").body == whole.body
    connection.send(request(PATH, {"content-length": "3"}, close=False), b"abc")
    assert connection.read().body == whole.body
    connection.send(request(PATH, {"transfer-encoding": "chunked"}, close=False), b"1\r\na\r\n0\r\n\r\n")
    assert connection.read().body == whole.body
    assert connection.ask(PATH, "OPTIONS").status == 204
    old = b"GET %b HTTP/1.0\r\n\r\n" % PATH.encode()
    with socket.create_connection((LOCAL, server.port), 20) as sock:
        sock.sendall(old)
        assert sock.recv(12)[9:] == b"200"
    assert connection.ask(PATH, connection="close").status == 200
    with pytest.raises(ConnectionError):
        connection.ask(PATH)


def test_hits_are_counted(connection: Connection, server: Server) -> None:
    before = server.count("darkroom_requests_total", outcome="memory")
    for _ in range(5):
        connection.ask(PATH)
    assert server.count("darkroom_requests_total", outcome="memory") == before + 5


def test_who_asks_and_takes_nothing_fills_no_memory(server: Server) -> None:
    """A client that sends requests for ever and reads no answer is no longer read."""
    large = "/f_png,w_600/cats/1.jpg"
    size = len(server.ask(large).body)
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss
    with socket.create_connection((LOCAL, server.port), 20) as sock:
        sock.settimeout(1)
        sent = 0
        try:
            while sent < 3000:
                sock.sendall(request(large, {}, close=False) * 10)
                sent += 10
        except TimeoutError:
            pass
        assert 3000 * size > 500 << 20
        assert process.memory_info().rss - before < 100 << 20
