"""Purges over HTTP: nothing old is answered after one, and nobody purges who may not."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.purging import SECRET, TOKENS, draw, post, purge
from tests.serving import Reply, Server, fetch, serving

ACCEPTS = ("image/avif,image/webp", "image/webp", "*/*")
STEPS = ("w_60", "w_30,f_auto", "f_webp", "t_card", "c_fill,h_20,w_20/f_png", "-")
PLACES = ("photos/2024/a.jpg", "photos/b.jpg", "raw/c.jpg")


def settings(folder: Path) -> dict[str, Any]:
    return {
        "mounts": {
            "": str(folder / "root"),
            "photos": str(folder / "photos"),
            "raw": {"url": str(folder / "raw"), "originals": True},
            "set": {"url": str(folder / "photos"), "default_preset": "outer"},
        },
        "presets": {"card": "c_fill,h_40,w_50", "outer": "t_card", "other": "w_44"},
        "tokens": TOKENS,
        "unsigned": True,
        "first": "final",  # a refinement gives a result another tag, whenever a worker has time for it
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("originals")
    for name in (*PLACES, "root/d.jpg", "root/x/e.jpg"):
        draw(place / name, 0)
    return place


@pytest.fixture(scope="module")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(None, tmp_path_factory.mktemp("server"), **settings(folder)) as running:
        yield running


def everything(server: Server, source: str, **fields: str) -> dict[tuple[str, str], Reply]:
    """Every rendition of an original for every kind of client."""
    steps = [step for step in STEPS if step != "-" or source.startswith("raw/")]
    asked = list(product(steps, ACCEPTS))
    with ThreadPoolExecutor(8) as threads:
        replies = threads.map(lambda ask: server.ask(f"/{ask[0]}/{source}", accept=ask[1], **fields), asked)
        return dict(zip(asked, replies, strict=True))


def etag(server: Server, path: str) -> str:
    return server.ask(path)["etag"]


# What is old is gone


@pytest.mark.parametrize("source", PLACES)
def test_after_a_purge_nobody_is_given_what_was_made_before(source: str, folder: Path, server: Server) -> None:
    mount, key = source.split("/", 1)
    tag = everything(server, source)["w_60", "*/*"]["cache-tag"].split(",")[0]
    ways = ({"source": source}, {"prefix": f"{source.rpartition('/')[0]}/"}, {"mount": mount}, {"tag": tag})
    for version, target in enumerate(ways, 1):
        old = everything(server, source)
        draw(folder / mount / key, version)
        assert post(server, target).status == 202
        new = everything(server, source)
        for asked, reply in new.items():
            assert (reply.status, old[asked].status) == (200, 200), asked
            assert reply.body != old[asked].body, (target, asked)
            assert reply["etag"] != old[asked]["etag"]
        # Whoever revalidates is given the new one too, by tag or by date.
        for asked, reply in old.items():
            path = f"/{asked[0]}/{source}"
            assert server.ask(path, accept=asked[1], if_none_match=reply["etag"]).status == 200
            assert server.ask(path, accept=asked[1], if_none_match=new[asked]["etag"]).status == 304


@pytest.mark.anyio
async def test_who_asks_while_purges_come_is_never_given_what_was_purged_before(folder: Path, server: Server) -> None:
    source, path = folder / "root/d.jpg", "/w_70,f_jpg/d.jpg"
    seen: dict[bytes, int] = {}
    purged = drawn = 0
    stop = asyncio.Event()

    async def ask() -> None:
        while not stop.is_set():
            began = purged
            reply = await fetch(server.port, path)
            assert reply.status == 200
            # A body belongs to the version that was there when it was first seen, or to an earlier one.
            assert seen.setdefault(reply.body, drawn) >= began, "it is older than the last purge"

    asking = [asyncio.create_task(ask()) for _ in range(6)]
    for version in range(1, 12):
        drawn = version
        await asyncio.to_thread(draw, source, 100 + version)
        reply = await asyncio.to_thread(post, server, {"source": "d.jpg"})
        assert reply.status == 202
        purged = version
        async with asyncio.timeout(30):
            while version not in seen.values():  # noqa: ASYNC110 -- or nobody may have asked before the next one
                await asyncio.sleep(0.01)
    stop.set()
    results = await asyncio.gather(*asking, return_exceptions=True)
    assert results == [None] * 6
    assert len(seen) >= 11


def test_a_purge_holds_after_a_restart_and_a_kill(folder: Path, tmp_path: Path) -> None:
    paths = ["/w_61/photos/b.jpg", "/w_61,f_auto/photos/2024/a.jpg", "/t_card/photos/b.jpg"]
    with serving(None, tmp_path, **settings(folder)) as server:
        first = [etag(server, path) for path in paths]
        assert purge(server, {"mount": "photos"}, {"preset": "card"})["state"] == "done"
        second = [etag(server, path) for path in paths]
        server.process.kill()
        server.process.wait()
    with serving(None, tmp_path, **settings(folder)) as server:
        assert "detail=disk" in server.ask(paths[0])["cache-status"], "what was made since is used"
        third = [etag(server, path) for path in paths]
    assert not set(first) & set(second)
    assert [tag.split(".")[0] for tag in second] == [tag.split(".")[0] for tag in third]


def test_only_what_bears_the_tag_is_made_anew(server: Server) -> None:
    paths = {
        "/w_62/photos/b.jpg": {"mount"},
        "/t_card/photos/b.jpg": {"mount", "preset"},
        "/t_outer/x/e.jpg": {"prefix", "preset"},
        "/set/b.jpg": {"preset"},
        "/t_other/x/e.jpg": {"prefix"},
        "/w_62/d.jpg": set[str](),
    }
    for kind, name in (("preset", "card"), ("prefix", "x/"), ("mount", "photos")):
        before = {path: etag(server, path).split(".")[0] for path in paths}
        purge(server, {kind: name})
        changed = {path for path in paths if etag(server, path).split(".")[0] != before[path]}
        assert changed == {path for path, kinds in paths.items() if kind in kinds}, kind


def test_several_targets_are_purged_at_once(server: Server) -> None:
    paths = ["/w_63/photos/b.jpg", "/w_63/d.jpg"]
    before = [etag(server, path) for path in paths]
    found = purge(server, {"source": "photos/b.jpg"}, {"source": "d.jpg"}, {"source": "d.jpg"})
    assert len(found["tags"]) == 2
    assert not set(before) & {etag(server, path) for path in paths}


def test_a_result_that_nobody_finds_gives_its_space_back(folder: Path, tmp_path: Path) -> None:
    with serving(None, tmp_path, **settings(folder)) as server:
        for width in range(10, 30):
            server.ask(f"/w_{width}/photos/2024/a.jpg")
        server.ask("/w_20/d.jpg")
        found = purge(server, {"prefix": "photos/2024/"})
        assert found["stores"]["disk"]["removed"] == found["stores"]["memory"]["removed"] == 20
        kept = [path for path in (tmp_path / "cache/results").glob("??/*") if path.is_file()]
        assert len(kept) == 1, "the result of the other original is left"
        assert server.count("darkroom_purges_total", by="client") == 1


def test_an_original_that_was_missing_is_found_after_a_purge(folder: Path, server: Server) -> None:
    path = "/w_64,d_d.jpg/photos/late.jpg"
    missing = server.ask(path)
    assert missing.status == 404
    assert "mount:photos" in missing["cache-tag"], "the picture in its place goes with it"
    draw(folder / "photos/late.jpg", 7)
    purge(server, {"source": "photos/late.jpg"})
    assert server.ask(path).status == 200


# Who may, and how it is asked


@pytest.mark.parametrize(
    ("secret", "body", "status", "code"),
    [
        ("", {"source": "d.jpg"}, 401, "no_token"),
        ("wrong", {"source": "d.jpg"}, 401, "no_token"),
        (SECRET[:-1], {"source": "d.jpg"}, 401, "no_token"),
        (SECRET[::-1], {"source": "photos/b.jpg"}, 202, ""),
        (SECRET[::-1], {"prefix": "photos/"}, 202, ""),
        (SECRET[::-1], {"mount": "photos"}, 202, ""),
        (SECRET[::-1], {"tag": "mount:photos"}, 202, ""),
        (SECRET[::-1], {"source": "d.jpg"}, 403, "out_of_scope"),
        (SECRET[::-1], {"mount": "/"}, 403, "out_of_scope"),
        (SECRET[::-1], {"preset": "card"}, 403, "out_of_scope"),
        (SECRET[::-1], {"overlay": "photos/b.jpg"}, 403, "out_of_scope"),
        (SECRET[::-1], {"tag": "source:0123456789abcdef"}, 403, "out_of_scope"),
        (SECRET[::-1], [{"source": "photos/b.jpg"}, {"source": "d.jpg"}], 403, "out_of_scope"),
    ],
)
def test_a_token_opens_what_it_is_for(secret: str, body: object, status: int, code: str, server: Server) -> None:
    reply = post(server, body, secret)
    assert (reply.status, reply.code) == (status, code)
    assert reply["cache-control"] == "no-store"
    if status == 401:
        assert reply["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({}, None),
        ([], None),
        ("d.jpg", None),
        ({"source": "d.jpg", "mount": "/"}, None),
        ([{"source": "d.jpg"}, 5], "[1]"),
        ({"sauce": "d.jpg"}, "sauce"),
        ({"source": ""}, "source"),
        ({"source": 5}, "source"),
        ({"source": "a" * 5000}, "source"),
        ({"source": "a\0b"}, "source"),
        (b'{"source": "\\ud800"}', "source"),
        ({"source": "https://example.com/a.jpg"}, "source"),
        ({"prefix": "photos"}, "prefix"),
        ({"prefix": "/photos/"}, "prefix"),
        ({"prefix": "/"}, "prefix"),
        ({"prefix": "a/" * 17}, "prefix"),
        ({"mount": "nowhere"}, "mount"),
        ({"preset": "t_card"}, "preset"),
        ({"tag": "season:spring"}, "tag"),
        ({"tag": "source:xyz"}, "tag"),
        ({"tag": "mount:nowhere"}, "tag"),
        ([{"source": "d.jpg"}] * 1001, None),
        (b"{", None),
        (b"\xff", None),
        (b"[" * 100_000, None),
    ],
)
def test_a_body_that_cannot_be_used_is_refused_by_name(body: object, part: str | None, server: Server) -> None:
    reply = post(server, body)
    assert (reply.status, reply.code) == (400, "bad_body"), reply.body
    assert reply.json.get("part") == part
    assert reply["content-type"] == "application/problem+json"


def test_what_is_no_purge_is_told_so(server: Server) -> None:
    authorization = f"Bearer {SECRET}"
    assert post(server, {"source": "d.jpg"}, content_type="text/plain").status == 415
    for method in ("GET", "PROPFIND"):
        reply = server.ask("/api/v1/purge", method, authorization=authorization)
        assert (reply.status, reply["allow"], reply.json["code"]) == (405, "POST", "method_not_allowed")
    progress = server.ask("/api/v1/purge/x", "POST", authorization=authorization)
    assert (progress.status, progress["allow"]) == (405, "GET, HEAD")
    assert server.ask("/api/v1/purge/0123", authorization=authorization).code == "no_such_purge"
    assert server.ask("/api/v1/purge/0123").code == "no_token"
    assert post(server, b" " * (1 << 20) + b"{}").code == "body_too_large"
    assert SECRET not in server.log_file.read_text()


def test_an_idempotency_key_makes_one_purge_of_many(server: Server) -> None:
    first = post(server, {"source": "d.jpg"}, idempotency_key="one")
    again = post(server, {"source": "d.jpg"}, idempotency_key="one")
    assert first.json["id"] == again.json["id"]
    assert post(server, {"source": "d.jpg"}).json["id"] != first.json["id"]
    assert post(server, {"source": "x/e.jpg"}, idempotency_key="one").code == "idempotency_key_reused"
    other = post(server, {"source": "photos/b.jpg"}, SECRET[::-1], idempotency_key="one")
    assert other.status == 202, "keys of different tokens are different"
    assert post(server, {"source": "d.jpg"}, idempotency_key="a b").code == "bad_body"


def test_large_purges_do_not_pile_up(server: Server) -> None:
    def large(number: int) -> Reply:
        names = [f"{number}/{place}/{'a' * 900}\U0001f600" for place in range(1000)]
        body = json.dumps([{"source": f"photos/{name}"} for name in names], ensure_ascii=False).encode()
        reply = post(server, body, idempotency_key=f"large-{number}")
        assert reply.status == 202, reply.body
        return reply

    process = psutil.Process(server.process.pid)
    first = large(0)
    for number in range(1, 5):
        large(number)
    before = process.memory_info().rss
    last = [large(number) for number in range(5, 25)][-1]
    grown = process.memory_info().rss - before
    print(f"\n{grown >> 20} MiB more")
    assert grown < 50 << 20, f"{grown >> 20} MiB for 20 purges of 4 MB each"
    asked = {"authorization": f"Bearer {SECRET}"}
    assert server.ask(last["location"], **asked).status == 200
    assert server.ask(first["location"], **asked).code == "no_such_purge"
