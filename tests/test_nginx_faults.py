"""nginx when many ask at once, when fronts are killed, and when what is sent is large."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from bench.serving import free_port
from proxy.stores.result import LARGE
from tests import pictures
from tests.edging import Rig, nginx, rigged
from tests.serving import Server, fetch, originals

pytestmark = pytest.mark.anyio

SOON = {"max_age": 1, "shared_max_age": 1}
"""Ages after which nginx asks anew at once."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = originals(tmp_path_factory.mktemp("originals"))
    # Noise: larger than what is kept in memory, and a picture all the same.
    (folder / "large.png").write_bytes(pictures.encoded(pictures.noise(900, 700), "png"))
    assert (folder / "large.png").stat().st_size > LARGE
    return folder


@contextmanager
def two_fronts(folder: Path, scratch: Path) -> Iterator[Rig]:
    mounts = {"": str(folder), "free": {"url": str(folder), "originals": True}}
    with rigged(folder, scratch, fronts=2, mounts=mounts, freshness=SOON) as made:
        yield made
    for line in made.nginx.errors().splitlines():
        assert "[emerg]" not in line
        assert "[alert]" not in line


@pytest.fixture(scope="module")
def rig(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Fronts that live on."""
    with two_fronts(folder, tmp_path_factory.mktemp("rig")) as made:
        yield made


def killed(front: Server) -> None:
    """Ended as nobody wants to be, its workers too."""
    family = psutil.Process(front.process.pid).children(recursive=True)
    front.process.kill()
    front.process.wait()
    psutil.wait_procs(family, timeout=10)


async def test_a_hundred_clients_on_a_cold_url_cost_one_transform(rig: Rig) -> None:
    url = rig.url("cats/1.jpg", w=201)
    before = rig.made()
    replies = await asyncio.gather(*(fetch(rig.nginx.port, url) for _ in range(100)))
    print(f"\nherd: 100 clients, {rig.made() - before:.0f} made")
    assert {reply.status for reply in replies} == {200}
    assert len({reply.body for reply in replies}) == 1
    assert rig.made() - before == 1


async def test_a_crowd_on_a_cold_url_has_the_ranges_it_asks_for(rig: Rig) -> None:
    """Those as well whom nginx lets wait in vain for who was first."""
    url = rig.url("cats/1.jpg", "f_avif,q_90", w=1100)
    replies = await asyncio.gather(*(fetch(rig.nginx.port, url, range="bytes=0-99") for _ in range(20)))
    assert {(reply.status, len(reply.body)) for reply in replies} == {(206, 100)}


async def test_killed_fronts_cost_no_get_that_can_be_answered(folder: Path, tmp_path: Path) -> None:
    with two_fronts(folder, tmp_path) as rig:
        await one_is_killed_under_load(rig)
        all_are_gone(rig)


async def one_is_killed_under_load(rig: Rig) -> None:
    names, told = ("cats/1.jpg", "cats/2.jpg", "alpha.png", "grey.png", "cats/café.jpg"), []
    some = asyncio.Event()

    async def asks(first: int) -> None:
        for number in range(first, first + 50):
            reply = await fetch(rig.nginx.port, rig.url(names[number % 5], w=20 + number % 80))
            told.append(reply.status)
            if len(told) == 50:
                some.set()

    asking = [asyncio.create_task(asks(start)) for start in (0, 20, 40, 60)]
    await some.wait()
    killed(rig.fronts.pop())
    await asyncio.gather(*asking)
    print(f"\nkill -9 of one front of two: {len(told)} GETs, {sum(status != 200 for status in told)} failed")
    assert set(told) == {200}


def all_are_gone(rig: Rig) -> None:
    known = [rig.url("cats/1.jpg", w=200 + n) for n in range(5)]
    brief = rig.url("cats/1.jpg", w=200, expires=5, round_expiry=1)
    for url in (*known, brief):
        assert rig.nginx.ask(url).status == 200
    (last,), rig.fronts = rig.fronts, []
    killed(last)
    last.until(lambda: rig.nginx.ask(known[0])["cache-status"] != "nginx; hit")  # it is older than it may be then
    said = [rig.nginx.ask(url) for url in known for _ in range(4)]
    print(f"kill -9 of all: {len(said)} GETs of what is kept, {sum(reply.status != 200 for reply in said)} failed")
    assert {reply.status for reply in said} == {200}
    old = [reply for reply in said if reply["cache-status"] != "nginx; hit"]
    assert {reply["cache-status"] for reply in old} <= {"nginx; hit; detail=stale", "nginx; hit; detail=updating"}
    assert {reply["cache-control"] for reply in old} == {"public, max-age=10"}
    other = rig.nginx.ask(rig.url("cats/1.jpg", w=300))
    assert (other.status, other.code, other.json["code"], other["retry-after"]) == (503, "no_front", "no_front", "5")
    assert other["content-type"] == "application/problem+json"
    assert rig.nginx.ask("/health").status == 200
    # Nobody is there to say that a URL has expired, and it is not served.
    last.until(lambda: rig.nginx.ask(brief).status == 503)


async def test_an_old_answer_is_served_while_it_is_asked_for_anew(rig: Rig) -> None:
    url = rig.url("cats/1.jpg", w=202)
    first = rig.nginx.ask(url)
    seen: list[str] = []

    def renewed() -> bool:
        reply = rig.nginx.ask(url)
        assert (reply.status, reply.body) == (200, first.body)
        seen.append(reply["cache-status"])
        return any("detail" in status for status in seen) and seen[-1] == "nginx; hit"

    rig.fronts[0].until(renewed)
    assert not any("fwd=stale" in status for status in seen)


async def test_a_front_that_hangs_is_passed_over(rig: Rig) -> None:
    url = rig.url("cats/1.jpg", w=203)
    assert rig.nginx.ask(url).status == 200
    for front in rig.fronts:
        os.kill(front.process.pid, signal.SIGSTOP)
    try:
        reply = rig.nginx.ask(url)
    finally:
        for front in rig.fronts:
            os.kill(front.process.pid, signal.SIGCONT)
    assert reply.status == 200


async def test_a_client_that_asks_too_much_is_told_so(folder: Path, tmp_path: Path) -> None:
    slow = {"rate=100r/s": "rate=1r/s", "burst=500": "burst=3"}
    with nginx(tmp_path, [free_port()], folder, slow) as alone:
        replies = [alone.ask("/cats/1.jpg") for _ in range(8)]
    refused = [reply for reply in replies if reply.status == 429]
    assert len(refused) >= 3
    told = {(reply.code, reply["retry-after"], reply["cache-control"], reply["content-type"]) for reply in refused}
    assert told == {("too_many_requests", "1", "no-store", "application/problem+json")}


async def test_large_originals_are_sent_by_nginx_itself(rig: Rig, folder: Path) -> None:
    front, data = rig.fronts[0], (folder / "large.png").read_bytes()
    url = rig.url("free/large.png")
    left = front.ask(url)
    assert (left["x-accel-redirect"], left["content-length"]) == ("/api/accel/large.png", "0")
    before = [front.count("darkroom_response_bytes_total", format="png") for front in rig.fronts]
    whole = rig.nginx.ask(url)
    assert (whole.status, whole.body, whole["content-type"]) == (200, data, "image/png")
    assert whole["content-length"] == str(len(data))
    assert whole["cache-control"].startswith("public, max-age=1, ")
    assert whole["cache-status"] == "darkroom; fwd=bypass, nginx; fwd=bypass"
    assert whole["x-content-type-options"] == "nosniff"
    assert whole["cache-tag"] == left["cache-tag"]
    assert not [name for name in whole.fields if name.startswith(("x-accel", "x-darkroom"))]
    part = rig.nginx.ask(url, range="bytes=1000-1999")
    assert (part.status, part.body, part["content-range"]) == (206, data[1000:2000], f"bytes 1000-1999/{len(data)}")
    assert whole["etag"] == f"W/{left['etag']}"
    assert rig.nginx.ask(url, if_none_match=whole["etag"]).status == 304
    assert rig.nginx.ask(url, if_modified_since=whole["last-modified"]).status == 304
    assert rig.nginx.ask(url, "HEAD")["content-length"] == str(len(data))
    assert [front.count("darkroom_response_bytes_total", format="png") for front in rig.fronts] == before
    brief = rig.nginx.ask(rig.url("free/large.png", expires=600))
    assert (brief.status, brief["cache-control"]) == (200, "public")
    assert "expires" in brief.fields
    assert rig.nginx.ask("/api/accel/large.png").status == 404


async def test_large_results_come_whole_and_are_kept_by_nginx(rig: Rig) -> None:
    url = rig.url("large.png", "w_890,f_png")
    first, second = rig.nginx.ask(url), rig.nginx.ask(url, range="bytes=5-9")
    assert (first.status, len(first.body) > LARGE) == (200, True)
    assert (second.status, second.body) == (206, first.body[5:10])
