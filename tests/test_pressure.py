"""When more is asked for than can be made in time: something near it, then a refusal that says when to come back."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests import pictures
from tests.serving import Reply, Server, fetch, hammer, percentile, serving

pytestmark = pytest.mark.anyio

AVIF, WEBP = "image/avif,image/webp", "image/webp"
SOON = 0.25


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One large original that keeps a worker busy for seconds, and small ones."""
    place = tmp_path_factory.mktemp("originals")
    large = pictures.photograph(1000, 700).replicate(3, 3)
    for name in ("large", "other"):
        (place / f"{name}.jpg").write_bytes(pictures.encoded(large, "jpg"))
    for name in ("a", "b", "c", "d", "e"):
        (place / f"{name}.jpg").write_bytes(pictures.encoded(pictures.photograph(600, 400, seed=ord(name)), "jpg"))
    (place / "alpha.png").write_bytes(pictures.rgba())
    return place


def pressed(folder: Path, place: Path, workers: int, queue_seconds: float = 0.3) -> Iterator[Server]:
    settings: dict[str, Any] = {"first": "final", "queue_seconds": queue_seconds, "deadline": 30, "workers": workers}
    with serving(folder, place, **settings) as running:
        yield running


@pytest.fixture(scope="module")
def one(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With one worker alone."""
    yield from pressed(folder, tmp_path_factory.mktemp("one"), 1)


@pytest.fixture(scope="module")
def two(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With two workers, one of which is kept for quick work."""
    yield from pressed(folder, tmp_path_factory.mktemp("two"), 2)


@asynccontextmanager
async def busy(server: Server, number: int) -> AsyncIterator[None]:
    """While a worker encodes something large, and leaves with the test."""
    task = asyncio.create_task(fetch(server.port, f"/f_avif,v_{number},w_2900/large.jpg"))
    await asyncio.to_thread(server.until, lambda: server.count("darkroom_workers", pool="pictures", state="busy"))
    await asyncio.sleep(0.1)
    try:
        yield
        assert server.count("darkroom_workers", pool="pictures", state="busy"), "the work ended before the test"
    finally:
        while not task.done():  # it is tried a second time
            for worker in server.workers():
                with suppress(psutil.NoSuchProcess):
                    worker.kill()
            await asyncio.wait((task,), timeout=0.5)
        await asyncio.to_thread(server.until, lambda: server.count("darkroom_workers", state="idle") >= 2)


def is_substitute(reply: Reply, word: str) -> None:
    assert reply.status == 200
    assert reply["x-darkroom-degraded"] == word
    ages = [int(age) for age in re.findall(r"age=(\d+)", reply["cache-control"])]
    assert ages
    assert max(ages) <= 10
    assert "stale" not in reply["cache-control"]
    assert reply.get("etag") is None
    assert reply.get("last-modified") is None


async def test_what_is_near_goes_out_before_a_refusal(one: Server, folder: Path) -> None:
    # What was made in quieter times.
    assert one.ask("/w_400/a.jpg").status == 200
    assert one.ask("/w_300/a.jpg").status == 200
    made = one.ask("/f_auto,w_250/b.jpg", accept=WEBP)
    assert made["content-type"] == "image/webp"
    old = one.ask("/w_200/c.jpg")
    cropped = one.ask("/c_fill,h_90,w_90/d.jpg")
    (folder / "c.jpg").write_bytes(pictures.encoded(pictures.photograph(600, 400, seed=99), "jpg"))
    await asyncio.sleep(2.1)
    async with busy(one, 1):
        stale = one.ask("/w_200/c.jpg", range="bytes=0-999999")
        assert (stale.status, stale["x-darkroom-degraded"], stale.body) == (206, "stale", old.body)
        larger = one.ask("/w_200/a.jpg")
        is_substitute(larger, "larger")
        assert pictures.size_of(larger.body) == (300, 200)  # the nearest of those that are larger
        other = one.ask("/f_auto,w_250/b.jpg", accept=AVIF)
        is_substitute(other, "other-format")
        assert (other["content-type"], other["vary"], other.body) == ("image/webp", "Accept", made.body)
        # A client that takes no WebP gets none; a crop is no other crop; and nothing stands in for facts.
        for path in (
            "/f_auto,w_250/b.jpg",
            "/c_fill,h_80,w_80/d.jpg",
            "/w_200/e.jpg",
            "/f_json/a.jpg",
            "/f_webp,w_200/a.jpg",
        ):
            refused = one.ask(path)
            assert (refused.status, refused.code, refused["cache-control"]) == (503, "busy", "no-store"), path
            assert int(refused["retry-after"]) >= 1
        assert one.ask("/c_fill,h_90,w_90/d.jpg").body == cropped.body
    # Nothing of it is remembered.
    for path, accept in (("/w_200/a.jpg", ""), ("/f_auto,w_250/b.jpg", AVIF), ("/w_200/c.jpg", "")):
        right = one.ask(path, accept=accept)
        assert (right.status, right.get("x-darkroom-degraded")) == (200, None)
        assert right["etag"]
    assert pictures.size_of(one.ask("/w_200/a.jpg").body) == (200, 133)


async def test_a_result_of_an_earlier_process_can_stand_in_too(folder: Path, tmp_path: Path) -> None:
    for start in pressed(folder, tmp_path, 1):
        assert start.ask("/w_410/a.jpg").status == 200
    for again in pressed(folder, tmp_path, 1):
        assert again.ask("/w_410/a.jpg")["cache-status"] == "darkroom; hit; detail=disk"
        async with busy(again, 2):
            is_substitute(again.ask("/w_201/a.jpg"), "larger")


async def test_a_quick_format_is_made_where_a_worker_is_kept_for_it(two: Server) -> None:
    path = "/f_auto,w_600/large.jpg"
    async with busy(two, 3):
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(fetch(two.port, path, accept=AVIF)) for _ in range(8)]
        for reply in (task.result() for task in asked):
            is_substitute(reply, "quick-format")
            assert reply["content-type"] == "image/webp"
        assert two.count("darkroom_transforms_total", format="webp") == 1
        # The next one finds it made.
        is_substitute(await fetch(two.port, path, accept=AVIF), "other-format")
        explicit = two.ask("/f_avif,w_600/large.jpg", accept=AVIF)
        assert (explicit.status, explicit.code) == (503, "busy")
    right = two.ask(path, accept=AVIF)
    assert (right["content-type"], right.get("x-darkroom-degraded")) == ("image/avif", None)


async def test_hits_and_health_wait_for_nobody(one: Server) -> None:
    assert one.ask("/w_300/a.jpg").status == 200
    over = asyncio.Event()

    def watch() -> list[float]:
        """Seconds of answers to somebody who is not busy with a crowd of clients."""
        seconds = []
        for _ in range(60):
            seconds += [one.ask("/health").seconds, one.ask("/w_300/a.jpg").seconds]
            time.sleep(0.01)
        return seconds

    async with busy(one, 4):
        hot = [asyncio.create_task(hammer(one.port, "/w_300/a.jpg", over, 0.01)) for _ in range(4)]
        watching = asyncio.create_task(asyncio.to_thread(watch))
        crowd = []
        for number in range(20, 140):
            crowd.append(asyncio.create_task(fetch(one.port, f"/w_{number}/e.jpg")))
            await asyncio.sleep(0.005)
        replies, seconds = await asyncio.gather(*crowd), await watching
        over.set()
        statuses = {status for client in hot for status, _ in await client}
    assert {reply.status for reply in replies} <= {200, 503}
    assert statuses == {200}
    refused = [reply.seconds for reply in replies if reply.status == 503]
    assert refused
    print(
        f"\nunder pressure: {len(refused)} of {len(replies)} refused, p50 {percentile(refused, 0.5) * 1000:.1f} ms; ",
        end="",
    )
    print(
        f"hits and health: p50 {percentile(seconds, 0.5) * 1000:.1f} ms, p99 {percentile(seconds, 0.99) * 1000:.1f} ms"
    )
    assert percentile(seconds, 0.95) < SOON


async def test_who_waits_for_the_decoding_of_others_stands_in_line_for_it(folder: Path, tmp_path: Path) -> None:
    """The first waits for a worker, the others for what it will leave: it is known at once who will have none."""
    for server in pressed(folder, tmp_path, 1, queue_seconds=12):
        large = asyncio.create_task(fetch(server.port, "/f_avif,w_2900/large.jpg"))
        works = partial(server.count, "darkroom_workers", pool="pictures", state="busy")
        await asyncio.to_thread(server.until, works)
        paths = (f"/f_avif,w_{width}/other.jpg" for width in range(1500, 1540))
        asked = [asyncio.create_task(fetch(server.port, path)) for path in paths]
        done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        assert not large.done(), "nothing is decoded yet"
        assert {task.result().status for task in done} == {503}
        assert {reply.status for reply in await asyncio.gather(large, *asked)} == {200, 503}
        assert large.result().status == 200
        assert server.count("darkroom_transforms_total") >= 3, "who was first is served, and somebody after it"
