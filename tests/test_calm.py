"""Clients that ask too often, or too many at once, are held back by a real server, and others notice nothing."""

import asyncio
import json
import re
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from signing import Signer, new_secret
from tests.redis_server import RedisServer
from tests.serving import LOCAL, Reply, Server, exchange, originals, request, serving, wait_until

pytestmark = pytest.mark.anyio

KEY, SLOW_KEY = new_secret(), new_secret()
ANYBODY = "198.51.100.1"
RATES = {"requests": "600/minute burst 20", "renders": "60/hour burst 3"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return originals(tmp_path_factory.mktemp("originals"))


@pytest.fixture(scope="module")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that believes what this machine says of its clients, so that a test can be many of them."""
    settings: dict[str, Any] = {
        "keys": [KEY, {"secret": SLOW_KEY, "policy": {"rates": {"requests": "60/hour burst 5"}}}],
        "rates": RATES,
        "trusted_proxies": ["127.0.0.1"],
        "first": "final",
        "cors_origins": ["https://www.example.com"],
    }
    with serving(folder, tmp_path_factory.mktemp("server"), **settings) as running:
        yield running


def url(width: int, key: str = KEY) -> str:
    return Signer(key).url("cats/1.jpg", w=width)


def asked(server: Server, client: str, *paths: str, method: str = "GET", **fields: str) -> list[Reply]:
    """Answers to requests of a client on one connection each."""
    return [server.ask(path, method, x_forwarded_for=client, **fields) for path in paths]


def test_hits_are_let_through_in_a_burst_and_then_refused(server: Server) -> None:
    replies = asked(server, "198.51.100.7", *([url(60)] * 25))
    statuses = [reply.status for reply in replies]
    assert statuses[:20] == [200] * 20
    assert 429 in statuses[20:]
    refused = next(reply for reply in replies if reply.status == 429)
    assert (refused.code, refused["retry-after"]) == ("rate_limited", "1")
    assert refused["ratelimit-policy"] == '"requests";q=600;w=60'
    assert refused["ratelimit"] == '"requests";r=0;t=1'
    assert refused["cache-control"] == "no-store"
    assert refused["content-type"] == "application/problem+json"
    assert refused.json["detail"] == "this client asks too often"
    assert refused.json["request_id"] == refused["x-request-id"]
    # Whoever else asks meanwhile notices nothing.
    assert asked(server, "198.51.100.8", url(60))[0].status == 200
    assert server.count("darkroom_rate_refused_total", limit="requests", whose="client") >= 1
    assert server.count("darkroom_requests_total", status="4xx", outcome="rate_limited") >= 1


def test_a_client_comes_back_after_as_long_as_it_was_told(server: Server) -> None:
    while (last := asked(server, "198.51.100.9", url(60))[0]).status == 200:
        pass
    wait_until(lambda: asked(server, "198.51.100.9", url(60))[0].status == 200, float(last["retry-after"]) + 10)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_refusal_ends_as_its_method_wants_and_pages_may_read_it(server: Server, method: str) -> None:
    client = f"203.0.113.{len(method)}"
    replies = asked(server, client, *([url(60)] * 25), method=method, origin="https://www.example.com")
    refused = next(reply for reply in replies if reply.status == 429)
    assert bool(refused.body) == (method == "GET")
    assert refused["access-control-allow-origin"] == "https://www.example.com"
    assert int(refused["content-length"]) > 100


def test_hits_that_the_connection_answers_are_counted_too(server: Server) -> None:
    server.ask(url(60))
    fields = {"x-forwarded-for": "198.51.100.15", "origin": "https://www.example.com"}
    sent = request(url(60), fields, close=False) * 39 + request("/health", {})
    whole, answers = exchange(server.port, sent), []
    while whole:
        head, _, rest = whole.partition(b"\r\n\r\n")
        length = int(re.search(rb"content-length: (\d+)", head)[1])  # type: ignore[index]
        answers.append(Reply.read(head + b"\r\n\r\n" + rest[:length]))
        whole = rest[length:]
    statuses = [answer.status for answer in answers]
    assert len(statuses) == 40
    assert statuses[:20] == [200] * 20
    assert statuses[20:39].count(429) >= 15
    assert statuses[39] == 200
    # Whether a picture or a refusal, the page that asked may read it.
    assert {answer["access-control-allow-origin"] for answer in answers[:39]} == {"https://www.example.com"}
    refused = next(answer for answer in answers if answer.status == 429)
    assert refused.json["code"] == refused.code == "rate_limited"


def test_work_is_limited_apart_from_hits(server: Server) -> None:
    statuses = [reply.status for reply in asked(server, "198.51.100.10", *(url(width) for width in range(100, 106)))]
    assert statuses == [200, 200, 200, 429, 429, 429]
    # What is there already may be had all the same.
    again = asked(server, "198.51.100.10", *(url(width) for width in range(100, 103)))
    assert [reply.status for reply in again] == [200] * 3
    refused = asked(server, "198.51.100.10", url(105))[0]
    assert refused["ratelimit-policy"] == '"renders";q=60;w=3600'
    assert int(refused["retry-after"]) > 10
    assert asked(server, "198.51.100.11", url(105))[0].status == 200


def test_all_clients_of_a_key_share_its_rate(server: Server) -> None:
    path = url(60, SLOW_KEY)
    statuses = [asked(server, f"192.0.2.{number}", path)[0].status for number in range(8)]
    assert statuses == [200] * 5 + [429] * 3
    assert asked(server, "192.0.2.1", url(60))[0].status == 200


def test_a_site_of_ipv6_is_one_client(server: Server) -> None:
    own = [asked(server, f"2001:db8::{number:x}", url(60))[0].status for number in range(30)]
    assert 429 in own
    assert asked(server, "2001:db8:0:1::1", url(60))[0].status == 200


def test_what_a_client_says_of_itself_is_not_believed(server: Server) -> None:
    lies = [asked(server, f"10.9.8.{number}, 198.51.100.12", url(60))[0].status for number in range(30)]
    assert 429 in lies


def test_probes_and_proxies_themselves_are_not_counted(server: Server) -> None:
    for path in ("/health", "/ready"):
        assert {reply.status for reply in asked(server, "198.51.100.13", *([path] * 30))} == {200}
    assert {server.ask(url(60)).status for _ in range(30)} == {200}


def test_who_floods_does_not_fill_the_log(server: Server) -> None:
    asked(server, "198.51.100.14", *([url(60)] * 60))
    asked(server, "198.51.100.14", *(url(width) for width in range(200, 220)))
    told = [event for event in server.log() if event.get("client") == "198.51.100.14"]
    assert [event["event"] for event in told] == ["somebody asks too often"] * len(told)
    assert 1 <= len(told) <= 2
    assert not [event for event in server.log() if event.get("status") == 429]


def test_an_insider_is_none_because_a_proxy_says_so(server: Server) -> None:
    assert asked(server, "127.0.0.1", "/metrics")[0].status == 403
    assert server.ask("/metrics").status == 200


def test_by_default_nobody_is_held_to_a_rate(folder: Path, tmp_path: Path) -> None:
    with serving(folder, tmp_path, workers=1) as server:
        assert {server.ask("/w_60/cats/1.jpg").status for _ in range(300)} == {200}


def test_two_servers_hold_a_client_to_one_rate(folder: Path, tmp_path: Path, redis: RedisServer) -> None:
    settings: dict[str, Any] = {
        "redis": redis.url,
        "redis_prefix": "calm:",
        "rates": {"requests": "60/hour burst 20"},
        "trusted_proxies": ["127.0.0.1"],
        "workers": 1,
    }
    with (
        serving(folder, tmp_path / "one", "--unsigned", **settings) as one,
        serving(folder, tmp_path / "two", "--unsigned", **settings) as two,
    ):
        through, end = 0, time.monotonic() + 30
        while time.monotonic() < end:
            statuses = [asked(server, ANYBODY, "/w_60/cats/1.jpg")[0].status for server in (one, two)]
            through += statuses.count(200)
            if statuses == [429, 429]:
                break
            time.sleep(0.1)
        print(f"\n{through} requests through two servers with a burst of 20 together")
        assert 20 <= through < 35  # 40 if each were alone


# Connections


def hosts_of_this_machine() -> str:
    """An address of this machine that is not its loopback; such a one is counted as others are."""
    addresses = (
        address.address
        for interface in psutil.net_if_addrs().values()
        for address in interface
        if address.family == socket.AF_INET and not address.address.startswith("127.")
    )
    return next(addresses)


def test_one_client_has_so_many_connections_and_others_theirs(folder: Path, tmp_path: Path) -> None:
    place = hosts_of_this_machine()
    with serving(folder, tmp_path, "--unsigned", host="0.0.0.0", connections=8, workers=1) as server:
        with ExitStack() as open_here:
            held = [open_here.enter_context(socket.create_connection((place, server.port), 20)) for _ in range(8)]
            wait_until(lambda: server.count("darkroom_connections") >= 9)
            with socket.create_connection((place, server.port), 20) as one_more:
                answer = Reply.read(one_more.recv(1 << 16))
                assert (answer.status, answer.code) == (429, "too_many_connections")
            # This machine's own are many clients', and are not counted.
            assert [server.ask("/health").status for _ in range(3)] == [200] * 3
            held[0].sendall(request("/health", {}))
            assert held[0].recv(12)[9:] == b"200"
        wait_until(lambda: server.count("darkroom_connections") <= 1)
        with socket.create_connection((place, server.port), 20) as again:
            again.sendall(request("/health", {}))
            assert again.recv(12)[9:] == b"200"
        assert server.count("darkroom_dropped_total", reason="connections") == 1
        told = [event for event in server.log() if event["event"] == "a client was dropped"]
        assert [(event["reason"], event["client"]) for event in told] == [("connections", place)]


def test_clients_that_leave_in_the_middle_are_a_line_at_most(folder: Path, tmp_path: Path) -> None:
    with serving(folder, tmp_path, workers=1, log_level="debug") as server:
        beginnings = (
            b"PUT /ui/dropped HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/octet-stream\r\n"
            b"content-length: 100000\r\n\r\nabc",
            b"POST /ui/urls HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            b"content-length: 90\r\n\r\n{",
            b"GET /w_601,f_avif/cats/1.jpg HTTP/1.1\r\nhost: localhost\r\n\r\n",
        )
        for beginning in beginnings * 5:
            with socket.create_connection((LOCAL, server.port), 20) as client:
                client.sendall(beginning)
                time.sleep(0.02)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        server.until(lambda: server.count("darkroom_connections") <= 1)
        server.until(lambda: server.count("darkroom_dropped_total", reason="left") >= 10)
        assert server.ask("/w_60/cats/1.jpg").status == 200
        left = [event for event in server.log() if event["event"] == "a client was dropped"]
        assert {(event["reason"], event["level"]) for event in left} == {("left", "debug")}
        assert len(left) <= len(beginnings) * 5
        assert "Traceback" not in server.log_file.read_text()


# Reading the settings anew


def reached(told: list[list[int]], goals: list[int]) -> bool:
    return all(len(statuses) >= goal for statuses, goal in zip(told, goals, strict=True))


async def test_keys_rotate_under_load_without_one_failed_request(folder: Path, tmp_path: Path) -> None:
    file, keys = tmp_path / "darkroom.toml", [new_secret() for _ in range(6)]

    def write(*ring: str, broken: bool = False) -> None:
        text = f"keys = {json.dumps(ring)}\nmounts = '{folder}'\nfirst = 'final'\n"
        (tmp_path / "new").write_text(text + ("rates = {requests = 'many'}" if broken else ""))
        (tmp_path / "new").rename(file)

    def reload(server: Server, words: str) -> None:
        before = sum(words in event["event"] for event in server.log())
        server.process.send_signal(1)
        server.until(lambda: sum(words in event["event"] for event in server.log()) > before)

    write(keys[0])
    with serving(None, tmp_path / "server", "--config", str(file), workers=1) as server:
        current, over = [keys[0]], asyncio.Event()
        told: list[list[int]] = [[] for _ in range(4)]

        async def client(statuses: list[int]) -> None:
            reader, writer = await asyncio.open_connection(LOCAL, server.port)
            while not over.is_set():
                writer.write(request(Signer(current[0]).url("cats/1.jpg", w=60), {}, close=False))
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                await reader.readexactly(length)
                statuses.append(int(head[9:12]))
            writer.close()

        clients = [asyncio.create_task(client(statuses)) for statuses in told]
        for old, new in pairwise(keys):
            write(new, old)
            await asyncio.to_thread(reload, server, "what may change is")
            current[0] = new
            write(new, old, broken=True)
            await asyncio.to_thread(reload, server, "the settings are as before")
            write(new)  # the old one goes only when nobody signs by it any more
            goals = [len(statuses) + 2 for statuses in told]
            await asyncio.to_thread(wait_until, partial(reached, told, goals))
            await asyncio.to_thread(reload, server, "what may change is")
        over.set()
        await asyncio.gather(*clients)
        statuses = [status for one in told for status in one]
        why = next(event["why"] for event in server.log() if "as before" in event["event"])
        assert set(statuses) == {200}, {status: statuses.count(status) for status in set(statuses)}
        print(f"\n{len(keys) - 1} rotations, {len(statuses)} signed requests, all 200; a broken file says: {why}")
        assert why.startswith("rates.requests: expected a rate such as 100/second")
        assert server.ask(Signer(keys[0]).url("cats/1.jpg", w=60)).status == 403


def test_rates_origins_tokens_and_proxies_are_read_anew(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "darkroom.toml"
    base = f"mounts = '{folder}'\nfirst = 'final'\nunsigned = true\n"

    def reload(server: Server, text: str, words: str = "what may change is") -> None:
        file.write_text(base + text)
        before = sum(words in event["event"] for event in server.log())
        server.process.send_signal(1)
        server.until(lambda: sum(words in event["event"] for event in server.log()) > before)

    file.write_text(base)
    with serving(None, tmp_path / "server", "--config", str(file), workers=1) as server:
        path, page = "/w_60/cats/1.jpg", "https://www.example.com"
        assert server.ask(path, origin=page).get("access-control-allow-origin") is None
        reload(
            server,
            'cors_origins = ["https://www.example.com"]\nadmin_token = "a token of its own"\n'
            'trusted_proxies = ["127.0.0.1"]\nrates = {requests = "60/hour burst 2"}\nqueue_seconds = 7\n',
        )
        for _ in range(2):
            assert server.ask(path, origin=page)["access-control-allow-origin"] == page
        assert server.ask("/metrics", x_forwarded_for=ANYBODY, authorization="Bearer a token of its own").status == 200
        assert [reply.status for reply in asked(server, ANYBODY, path, path, path)] == [200, 200, 429]
        # What cannot change says so.
        waiting = [event["names"] for event in server.log() if "next start" in event["event"]]
        assert waiting == [["queue_seconds"]]
        reload(server, 'rates = {requests = "often"}', "the settings are as before")
        reload(server, '[presets]\ncard = "w_6oo"', "the settings are as before")
        why = [event["why"] for event in server.log() if "as before" in event["event"]][-1]
        assert why.startswith("presets.card: w_: ")
        assert why.endswith(f"({file})")
        assert asked(server, ANYBODY, path)[0].status == 429
        assert "a token of its own" not in server.log_file.read_text()
        reload(server, "")
        assert asked(server, ANYBODY, *([path] * 5))[-1].status == 200
        assert server.ask("/metrics", x_forwarded_for=ANYBODY, authorization="Bearer a token of its own").status == 403
