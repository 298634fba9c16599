"""Whose pages may read what they get, and text that is made small on its way."""

import gzip
import json
from collections.abc import Iterator

import brotli
import pytest

from proxy.cors import Cors
from tests.serving import Server, exchange, originals, request, serving

OURS, THEIRS, SHOP = "https://www.example.com", "https://evil.example", "https://shop.example.com"
PICTURE, FACTS = "/w_60/cats/1.jpg", "/f_json/cats/1.jpg"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    place = tmp_path_factory.mktemp("server")
    folder = originals(place / "originals")
    mounts = {
        "": str(folder),
        "shop": {"url": str(folder / "cats"), "cors_origins": [SHOP]},
        "open": {"url": str(folder / "cats"), "cors_origins": ["*"]},
        "shut": {"url": str(folder / "cats"), "cors_origins": []},
    }
    origins = [OURS, "http://localhost:3000"]
    with serving(None, place, mounts=mounts, cors_origins=origins, first="final") as running:
        yield running


# Pages


@pytest.mark.parametrize("path", [PICTURE, "/w_61/nothing.jpg", "/w_wide/cats/1.jpg", FACTS])
def test_listed_pages_may_read_and_are_named_again_by_hits(server: Server, path: str) -> None:
    for _ in range(3):
        for origin in (OURS, "http://localhost:3000"):
            reply = server.ask(path, origin=origin)
            assert reply["access-control-allow-origin"] == reply["timing-allow-origin"] == origin
            assert "X-Error" in reply["access-control-expose-headers"]
            assert "Origin" in reply["vary"].split(", ")
        for fields in ({"origin": THEIRS}, {"origin": "null"}, {}):
            reply = server.ask(path, **fields)
            assert reply.get("access-control-allow-origin") is None
            assert reply.get("timing-allow-origin") is None
            assert "Origin" in reply["vary"].split(", ")
    assert "access-control-allow-credentials" not in reply.fields


def test_a_304_and_a_negotiated_picture_vary_by_both(server: Server) -> None:
    reply = server.ask("/f_auto,w_60/cats/1.jpg", origin=OURS)
    assert reply["vary"] == "Accept, Origin"
    again = server.ask("/f_auto,w_60/cats/1.jpg", origin=OURS, if_none_match=reply["etag"])
    assert (again.status, again["vary"], again["access-control-allow-origin"]) == (304, "Accept, Origin", OURS)


def test_a_mount_has_pages_of_its_own(server: Server) -> None:
    for _ in range(2):
        assert server.ask("/w_60/shop/1.jpg", origin=SHOP)["access-control-allow-origin"] == SHOP
        assert server.ask("/w_60/shop/1.jpg", origin=OURS).get("access-control-allow-origin") is None
        assert server.ask("/w_60/open/1.jpg", origin=THEIRS)["access-control-allow-origin"] == "*"
        assert server.ask("/w_60/open/1.jpg").get("vary") is None
        assert server.ask("/w_60/shut/1.jpg", origin=OURS).get("access-control-allow-origin") is None


def test_a_browser_is_told_beforehand_what_a_page_may_ask(server: Server) -> None:
    asked = {"access_control_request_method": "GET", "access_control_request_headers": "range"}
    told = server.ask(PICTURE, "OPTIONS", origin=OURS, **asked)
    assert told.status == 204
    assert told["access-control-allow-origin"] == OURS
    assert told["access-control-allow-methods"] == "GET, HEAD, OPTIONS"
    assert "Range" in told["access-control-allow-headers"]
    assert int(told["access-control-max-age"]) > 0
    assert told["vary"] == "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
    assert told.get("content-length") is None
    refused = server.ask(PICTURE, "OPTIONS", origin=THEIRS, **asked)
    # One mount is for everybody; which of them the path is on is not looked at before it is asked for.
    assert refused["access-control-allow-origin"] == "*"


def test_nobody_is_allowed_by_default() -> None:
    assert Cors().fields(OURS.encode()) == []
    assert Cors().preflight({b"origin": OURS.encode()}) == []
    assert Cors((OURS,)).preflight({b"origin": THEIRS.encode()}) == []


# Text


@pytest.mark.parametrize("taken", ["gzip", "br", "zstd", "gzip, br;q=0, zstd;q=0"])
def test_facts_go_out_small_and_come_out_whole(server: Server, taken: str) -> None:
    plain = server.ask(FACTS)
    assert plain.get("content-encoding") is None
    assert "Accept-Encoding" in plain["vary"].split(", ")
    for _ in range(3):  # from a store, and from the answers of a moment ago
        small = server.ask(FACTS, accept_encoding=taken)
        encoding = small["content-encoding"]
        assert encoding == taken.partition(",")[0]
        assert len(small.body) == int(small["content-length"]) < len(plain.body)
        if encoding != "zstd":
            unpacked = gzip.decompress(small.body) if encoding == "gzip" else brotli.decompress(small.body)
            assert unpacked == plain.body
        assert sorted(small["vary"].split(", ")) == ["Accept-Encoding", "Origin"]
        assert small["etag"] == plain["etag"]
        assert small["etag"].startswith("W/")
    unchanged = server.ask(FACTS, accept_encoding=taken, if_none_match=plain["etag"])
    assert (unchanged.status, unchanged.body) == (304, b"")
    assert "Accept-Encoding" in unchanged["vary"].split(", ")
    assert json.loads(plain.body)


def test_pictures_are_never_touched(server: Server) -> None:
    plain = server.ask(PICTURE)
    for path in (PICTURE, "/w_62/cats/1.jpg", "/cats/1.jpg"):
        packed = server.ask(path, accept_encoding="zstd, br, gzip")
        assert packed.get("content-encoding") is None
        assert "Accept-Encoding" not in packed["vary"]
    assert server.ask(PICTURE, accept_encoding="gzip").body == plain.body


@pytest.mark.parametrize("path", ["/ui/", "/ui/options.json", "/ui/style.css", "/ui/main.js", "/metrics"])
def test_pages_and_metrics_go_out_small(server: Server, path: str) -> None:
    small, plain = server.ask(path, accept_encoding="gzip"), server.ask(path)
    assert small["content-encoding"] == "gzip"
    assert len(small.body) < len(plain.body) / 2
    assert path == "/metrics" or gzip.decompress(small.body) == plain.body


def test_a_long_error_goes_out_small_and_a_short_one_as_it_is(server: Server) -> None:
    long = server.ask(f"/w_60/{'a' * 900}.jpg", accept_encoding="gzip")
    if long.get("content-encoding"):
        assert json.loads(gzip.decompress(long.body))["status"] == long.status
    assert server.ask("/w_wide/cats/1.jpg", accept_encoding="gzip").json["code"] == "invalid_option"


def test_head_says_no_length_that_is_not_true(server: Server) -> None:
    data = exchange(server.port, request(FACTS, {"accept-encoding": "gzip"}, "HEAD"))
    head, _, body = data.partition(b"\r\n\r\n")
    assert body == b""
    assert head.startswith(b"HTTP/1.1 200")
