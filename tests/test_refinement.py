"""What was made fast is made with care in idle moments, and whoever asks for something meanwhile need not wait."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.failures import Preempted
from proxy.workers.poison import PoisonList
from tests import pictures
from tests.serving import Server, fetch, serving
from tests.test_workers import job, pool, running, until

pytestmark = pytest.mark.anyio

HEAVY = "f_avif,q_95,w_3000/heavy.jpg"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, one of which takes seconds to make with care."""
    place = tmp_path_factory.mktemp("originals")
    (place / "heavy.jpg").write_bytes(pictures.encoded(pictures.photograph(3000, 2000), "jpg"))
    for number in range(6):
        (place / f"{number}.jpg").write_bytes(pictures.encoded(pictures.photograph(600, 400, seed=number), "jpg"))
    return place


@pytest.fixture
def server(folder: Path, tmp_path: Path) -> Iterator[Server]:
    with serving(folder, tmp_path, workers=1, deadline=60, worker_memory="1GiB") as running:
        yield running


def refining(server: Server) -> bool:
    """Whether the one worker is busy, while nobody has asked for anything."""
    return server.count("darkroom_workers", pool="pictures", state="busy") == 1


def preempted(server: Server) -> int:
    return int(server.count("darkroom_worker_ends_total", pool="pictures", reason="preempted"))


def finals(server: Server) -> int:
    return int(server.count("darkroom_transforms_total", grade="final"))


# Who asks again


ASKING_AGAIN = {"asks for it again": False, "asks whether it has changed": True}


@pytest.mark.parametrize("how", ASKING_AGAIN)
def test_it_is_refined_when_somebody(how: str, server: Server) -> None:
    first = server.ask("/f_avif,w_50/0.jpg")
    assert first["etag"].endswith('.first"')
    # At once, while the answer of a moment ago is given again without a look at what is kept.
    fields = {"if_none_match": first["etag"]} if ASKING_AGAIN[how] else {}
    again = server.ask("/f_avif,w_50/0.jpg", **fields)
    assert again.status == (304 if fields else 200)
    assert again["etag"] == first["etag"]
    server.until(lambda: finals(server) == 1)
    server.until(lambda: server.ask("/f_avif,w_50/0.jpg")["etag"].endswith('.final"'))
    assert server.ask("/f_avif,w_50/0.jpg", if_none_match=first["etag"]).status == 200
    for ratio in ("cost", "memory"):
        assert server.count(f"darkroom_{ratio}_ratio_count", format="avif") == 2
        assert server.count(f"darkroom_{ratio}_ratio_sum", format="avif") > 0


def test_nothing_is_refined_that_is_asked_for_once(server: Server) -> None:
    for number in range(3):
        server.ask(f"/f_avif,w_50/{number}.jpg")
    server.ask("/f_avif,w_50/5.jpg")
    server.ask("/f_avif,w_50/5.jpg")
    server.until(lambda: finals(server) == 1)
    server.ask("/f_avif,w_50/4.jpg")
    server.ask("/f_avif,w_50/4.jpg")
    server.until(lambda: server.ask("/f_avif,w_50/4.jpg")["etag"].endswith('.final"'))
    assert finals(server) == 2


def test_what_is_wanted_while_no_worker_is_idle_is_refined_later(server: Server) -> None:
    server.ask(f"/{HEAVY}")
    paths = [f"/f_avif,w_50/{number}.jpg" for number in range(4)]
    for path in [*paths, *paths]:
        server.ask(path)
    server.until(lambda: finals(server) == 4)


# Making room


def test_a_request_does_not_wait_for_a_refinement(server: Server) -> None:
    server.ask(f"/{HEAVY}")
    server.ask(f"/{HEAVY}")
    server.until(lambda: refining(server))
    assert server.ask("/w_50/0.jpg").status == 200
    assert finals(server) == 0
    server.until(lambda: preempted(server) == 1)
    server.until(lambda: finals(server) == 1)
    server.until(lambda: server.ask(f"/{HEAVY}")["etag"].endswith('.final"'))
    assert preempted(server) == 1
    assert server.count("darkroom_worker_ends_total", pool="pictures") == 1


async def test_requests_that_keep_coming_end_few_refinements(server: Server) -> None:
    """Each try after one that had to make room comes twice as late, so that a busy server is not kept from its work."""
    for _ in range(2):
        await fetch(server.port, f"/{HEAVY}")
    for width in range(51, 91):
        assert (await fetch(server.port, f"/w_{width}/1.jpg")).status == 200
        await asyncio.sleep(0.1)
    assert 1 <= await asyncio.to_thread(preempted, server) <= 3


def test_several_that_made_room_are_not_held_against_the_picture(server: Server) -> None:
    server.ask(f"/{HEAVY}")
    server.ask(f"/{HEAVY}")
    for width in range(60, 62):
        server.until(lambda: refining(server))
        assert server.ask(f"/w_{width}/0.jpg").status == 200
    server.until(lambda: preempted(server) == 2)
    server.until(lambda: server.ask(f"/{HEAVY}")["etag"].endswith('.final"'))
    assert not [event for event in server.log() if event.get("level") in ("warning", "error")]


def test_a_server_that_stops_does_not_wait_for_refinements(folder: Path, tmp_path: Path) -> None:
    with serving(folder, tmp_path, workers=1, deadline=60, worker_memory="1GiB", stop_seconds=60) as server:
        server.ask(f"/{HEAVY}")
        server.ask(f"/{HEAVY}")
        server.until(lambda: refining(server))
        server.stop()
        assert not [event for event in server.log() if event.get("level") in ("warning", "error")]


# In the pool


async def test_work_that_nobody_waits_for_makes_room_for_what_comes(tmp_path: Path) -> None:
    poison = PoisonList(strikes=1)
    async with pool(tmp_path, size=1, spare=1, poison=poison, bad_originals=poison) as opened:
        for number in range(1, 4):
            behind = await running(opened, job("spin", rank=1, identity="behind", original="same", cost=5000))
            reply = await opened.run(job("nothing"))
            assert reply.meta["do"] == "nothing"
            with pytest.raises(Preempted):
                await behind
            await until(lambda number=number: opened.stats().kills == {"preempted": number})  # type: ignore[misc]
            await until(lambda: opened.stats().idle == 2)
        assert not poison.remaining("behind")
        assert not poison.remaining("same")
        assert opened.stats().done == 3
        assert await opened.run(job("nothing", rank=1, identity="behind", original="same"))


async def test_without_a_spare_the_next_worker_takes_what_waits(tmp_path: Path) -> None:
    async with pool(tmp_path, size=1) as opened:
        behind = await running(opened, job("spin", rank=1, cost=5000))
        assert await opened.run(job("nothing"))
        with pytest.raises(Preempted):
            await behind
        assert opened.stats().starts == 2


async def test_without_a_spare_what_is_about_to_end_goes_on(tmp_path: Path) -> None:
    async with pool(tmp_path, size=1) as opened:
        behind = await running(opened, job("sleep", seconds=0.2, rank=1, cost=1))
        assert await opened.run(job("nothing"))
        assert await behind
        assert not opened.stats().kills


async def test_nothing_makes_room_while_there_is_a_worker_for_what_comes(tmp_path: Path) -> None:
    async with pool(tmp_path, size=2) as opened:
        behind = await running(opened, job("sleep", seconds=0.5, rank=1, cost=5000))
        for _ in range(5):
            assert await opened.run(job("nothing"))
        assert await opened.run(job("nothing", rank=1)), "what nobody waits for ends nothing either"
        assert await behind
        assert not opened.stats().kills


async def test_a_result_that_came_too_late_is_left_nowhere(tmp_path: Path) -> None:
    """Preempted at every moment of a job, also when its file is just written or its reply on the way."""
    async with pool(tmp_path, size=1, spare=1) as opened:
        for number in range(20):
            behind = asyncio.create_task(opened.run(job("body", size=3 << 20, rank=1, cost=5000)))
            await asyncio.sleep(number / 2000)
            assert await opened.run(job("nothing"))
            await asyncio.wait([behind])
            if not behind.exception():
                behind.result().body.unlink()  # type: ignore[union-attr]
            await until(lambda: opened.stats().idle == 2)
        assert not list(tmp_path.glob("*/result-*"))
