"""Faults put into a running server: killed workers, hopeless work, a broken cache, signals in the middle of work."""

import asyncio
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests import pictures
from tests.serving import SOAK, Server, fetch, hammer, originals, percentile, serving, wait_until

pytestmark = pytest.mark.anyio

WORKERS = 6
"""Two, one that stands by for them, one for drawings, and two for films."""
KILLS = 40 * SOAK
BETWEEN_KILLS = 0.4
DEADLINE = 2.0
SOON = 0.25
"""Seconds for a hit on a machine that has other things to do; by itself it is a thousandth of that."""
UNHURRIED: dict[str, Any] = {"first": "final", "workers": 1, "deadline": 60, "stop_seconds": 60}
LEAVERS = 200 * SOAK


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = originals(tmp_path_factory.mktemp("originals"))
    huge = pictures.photograph(1000, 700).replicate(10, 10)
    (place / "huge.jpg").write_bytes(pictures.encoded(huge, "jpg", Q=75))
    return place


@pytest.fixture(scope="module")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Whose work may take two seconds, and whose limits let in what takes longer."""
    limits = {"result_megapixels": 100, "result_side": 16000}
    with serving(folder, tmp_path_factory.mktemp("server"), first="final", deadline=DEADLINE, limits=limits) as running:
        yield running


def busy(server: Server) -> bool:
    return bool(server.count("darkroom_workers", pool="pictures", state="busy"))


def whole(server: Server) -> bool:
    """Whether every worker is there and has nothing to do."""
    return server.count("darkroom_workers", state="idle") == WORKERS


async def test_killed_workers_cost_hardly_a_request(server: Server) -> None:
    """Each kill may cost the one request that it hits, and mostly costs none, since work is tried a second time."""
    pid, killed, over = server.process.pid, 0, asyncio.Event()
    widths = iter(range(10, 100_000))
    told: Counter[str] = Counter()

    async def client() -> None:
        while not over.is_set():
            number = next(widths)
            path = f"/w_{50 + number % 500},q_{1 + number // 500 % 100}/cats/{1 + number % 2}.jpg"
            reply = await fetch(server.port, path)
            told["fine" if reply.status == 200 else f"{reply.status} {reply.code}"] += 1

    clients = [asyncio.create_task(client()) for _ in range(4)]
    chance = random.Random(7)
    while killed < KILLS:
        await asyncio.sleep(BETWEEN_KILLS)
        if workers := server.workers():
            with suppress(psutil.NoSuchProcess):
                chance.choice(workers).kill()
                killed += 1
    over.set()
    await asyncio.gather(*clients)
    started = time.monotonic()
    await asyncio.to_thread(server.until, lambda: whole(server))
    lost = told.total() - told["fine"]
    print(f"\n{killed} kills: {lost} of {told.total()} requests lost {dict(told)}; ", end="")
    print(f"all workers were back {time.monotonic() - started:.1f} s after the last")
    assert all(what == "fine" or what.startswith("503") for what in told)
    assert lost <= killed
    assert server.process.pid == pid
    assert server.process.poll() is None
    ends = sum(server.count("darkroom_worker_ends_total", reason=reason) for reason in ("outside", "start"))
    assert ends >= killed * 0.9


async def test_killed_idle_workers_are_replaced_before_anybody_notices(server: Server) -> None:
    await asyncio.to_thread(server.until, lambda: whole(server))
    old = server.workers()
    for worker in old:
        worker.kill()
    reply = await fetch(server.port, "/w_47,q_3/cats/1.jpg")
    assert reply.status == 200
    await asyncio.to_thread(server.until, lambda: whole(server))
    assert not {worker.pid for worker in old} & {worker.pid for worker in server.workers()}


async def test_a_deadline_ends_what_would_take_too_long(server: Server) -> None:
    assert server.ask("/w_60/cats/1.jpg").status == 200
    await asyncio.to_thread(server.until, lambda: whole(server))
    before, over = server.count("darkroom_worker_ends_total", reason="deadline"), asyncio.Event()
    hot = asyncio.create_task(hammer(server.port, "/w_60/cats/1.jpg", over, 0.002))
    reply = await fetch(server.port, "/f_avif,w_4000/huge.jpg")
    over.set()
    told = await hot
    assert (reply.status, reply.code, reply["cache-control"]) == (503, "timeout", "no-store")
    assert reply.seconds <= DEADLINE + 0.5
    assert {status for status, _ in told} == {200}
    seconds = [taken for _, taken in told]
    print(f"\na deadline of {DEADLINE:g} s: answered after {reply.seconds:.2f} s; meanwhile {len(told)} hits, ", end="")
    print(f"p99 {percentile(seconds, 0.99) * 1000:.1f} ms, slowest {max(seconds) * 1000:.1f} ms")
    assert percentile(seconds, 0.99) < SOON
    assert server.count("darkroom_worker_ends_total", reason="deadline") == before + 1


async def test_work_that_ends_workers_is_refused_at_once(server: Server) -> None:
    path = "/f_avif,v_poison,w_4000/huge.jpg"
    for _ in range(4):
        asked = asyncio.create_task(fetch(server.port, path))
        while not asked.done():
            if await asyncio.to_thread(busy, server):
                for worker in server.workers():
                    with suppress(psutil.NoSuchProcess):
                        worker.kill()
            await asyncio.sleep(0.1)
        reply = await asked
        assert reply.status == 503
        if reply.code == "poisoned":
            break
        assert reply.code in ("worker_lost", "timeout", "busy")
        await asyncio.sleep(1.1)  # for a second it is answered from memory
    assert reply.code == "poisoned"
    again = server.ask(path)
    assert (again.status, again.code) == (503, "poisoned")
    assert again.seconds < 0.2
    assert server.ask("/w_71/cats/1.jpg").status == 200
    await asyncio.to_thread(server.until, lambda: whole(server))


async def test_clients_that_leave_take_nothing_with_them(server: Server) -> None:
    process = psutil.Process(server.process.pid)
    await asyncio.to_thread(server.until, lambda: whole(server))
    server.ask("/metrics")
    before, told = process.num_fds(), len(server.log())
    for number in range(LEAVERS):
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(
            f"GET /w_{number % 500 + 20},q_4/cats/2.jpg HTTP/1.1\r\nhost: a\r\n\r\n".encode()[: 30 + number % 40]
        )
        await writer.drain()
        writer.close()
    await asyncio.to_thread(server.until, lambda: whole(server) and process.num_fds() <= before + 5)
    assert not [event for event in server.log()[told:] if event["level"] in ("warning", "error")]


# The cache


@pytest.mark.parametrize("kind", ["under a file", "read by name alone"])
def test_a_cache_that_cannot_be_made_is_done_without(folder: Path, tmp_path: Path, kind: str) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    cache = blocked / "cache" if kind == "under a file" else blocked
    with serving(folder, tmp_path / "server", cache=str(cache), first="final", workers=1) as server:
        assert server.ask("/w_60/cats/1.jpg").status == 200
        assert server.ask("/w_60/cats/1.jpg")["cache-status"] == "darkroom; hit; detail=memory"
        large = server.ask("/c_scale,f_tiff,w_1500/cats/1.jpg")
        assert pictures.size_of(large.body) == (1500, 1000)
        assert any(event["level"] == "warning" and "cache" in event["event"] for event in server.log())


def test_a_full_disk_costs_the_cache_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    with serving(folder, tmp_path, first="final", workers=1, largest_file=8192) as server:
        for width in (100, 300, 500):
            for form in ("png", "jpg"):
                reply = server.ask(f"/f_{form},w_{width}/cats/1.jpg")
                assert reply.status == 200
                assert pictures.size_of(reply.body)[0] == width
                again = server.ask(f"/f_{form},w_{width}/cats/1.jpg", range="bytes=0-99999999")
                assert again.body == reply.body
        assert server.count("darkroom_store_errors_total", tier="disk") > 0


def test_a_cache_that_is_taken_away_is_done_without(folder: Path, tmp_path: Path) -> None:
    with serving(folder, tmp_path, first="final", workers=1) as server:
        assert server.ask("/w_60/cats/1.jpg").status == 200
        (tmp_path / "cache").rename(tmp_path / "gone")
        (tmp_path / "cache").write_text("a file in its place")
        for number in range(3):
            assert server.ask(f"/f_png,w_{500 + number}/cats/1.jpg").status == 200
        assert server.ask("/w_60/cats/1.jpg").status == 200


@pytest.mark.parametrize("damage", ["a flipped bit", "cut", "emptied", "another's"])
def test_a_damaged_result_is_made_anew(folder: Path, tmp_path: Path, damage: str) -> None:
    paths = [f"/f_webp,w_{width}/cats/1.jpg" for width in (60, 61)]
    with serving(folder, tmp_path, first="final", workers=1) as server:
        right = [server.ask(path).body for path in paths]
    kept = [
        file
        for file in (tmp_path / "cache/results").rglob("*")
        if file.is_file() and len(file.name) == 40 and file.stat().st_size > 400
    ]
    contents = [file.read_bytes() for file in kept]
    assert len(kept) == 2
    for number, (file, data) in enumerate(zip(kept, contents, strict=True)):
        flipped = bytes([data[40] ^ 1])
        file.write_bytes(
            {
                "a flipped bit": data[:40] + flipped + data[41:],
                "cut": data[: len(data) // 2],
                "emptied": b"",
                "another's": contents[1 - number],
            }[damage]
        )
    with serving(folder, tmp_path, first="final", workers=1) as server:
        assert [server.ask(path).body for path in paths] == right
        assert server.count("darkroom_transforms_total") == 2
        assert server.count("darkroom_store_corrupt_total", tier="disk") == 2
    with serving(folder, tmp_path, first="final", workers=1) as server:
        assert server.ask(paths[0])["cache-status"] == "darkroom; hit; detail=disk"


# Signals


async def test_told_to_stop_it_says_so_and_goes_on_for_a_while(folder: Path, tmp_path: Path) -> None:
    with serving(folder, tmp_path, first="final", workers=1, drain_seconds=8, queue_seconds=30) as server:
        assert server.ask("/ready").status == 200
        slow = asyncio.create_task(fetch(server.port, "/f_avif,w_2500/huge.jpg"))
        await asyncio.to_thread(server.until, lambda: busy(server))
        stopping = threading.Thread(target=server.stop, args=(signal.SIGTERM,))
        started = time.monotonic()
        stopping.start()
        await asyncio.to_thread(server.until, lambda: server.ask("/ready").status == 503)
        assert server.ask("/ready").json["draining"] is True
        for _ in range(5):
            assert server.ask("/w_60/cats/1.jpg").status == 200
            assert server.ask("/health").status == 200
            await asyncio.sleep(0.05)
        reply = await slow
        assert (reply.status, reply["content-type"]) == (200, "image/avif")
        await asyncio.to_thread(stopping.join, 20)
        assert server.process.poll() == 0
        assert time.monotonic() - started >= 8


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
async def test_a_stop_finishes_what_runs(folder: Path, tmp_path: Path, how: signal.Signals) -> None:
    with serving(folder, tmp_path, **UNHURRIED) as server:
        slow = asyncio.create_task(fetch(server.port, "/f_avif,w_2000/huge.jpg"))
        await asyncio.to_thread(server.until, lambda: busy(server))
        await asyncio.to_thread(server.stop, how)
        assert (await slow).status == 200
        assert server.process.poll() == 0


async def test_what_does_not_finish_in_time_is_given_up(folder: Path, tmp_path: Path) -> None:
    with serving(folder, tmp_path, first="final", workers=1, stop_seconds=0.5, deadline=60) as server:
        slow = asyncio.create_task(fetch(server.port, "/f_avif,w_4000/huge.jpg"))
        await asyncio.to_thread(server.until, lambda: busy(server))
        started = time.monotonic()
        await asyncio.to_thread(server.stop)
        assert time.monotonic() - started < 5
        with suppress(ConnectionError):
            assert (await slow).status == 503


async def test_a_second_signal_waits_for_nothing(folder: Path, tmp_path: Path) -> None:
    with serving(folder, tmp_path, first="final", workers=1, drain_seconds=60, deadline=60) as server:
        slow = asyncio.create_task(fetch(server.port, "/f_avif,w_4000/huge.jpg"))
        await asyncio.to_thread(server.until, lambda: busy(server))
        started = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(server.until, lambda: server.ask("/ready").status == 503)
        server.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.3)
        await asyncio.to_thread(server.stop)
        assert time.monotonic() - started < 8
        with suppress(ConnectionError, OSError):
            await slow


async def test_a_killed_server_leaves_no_worker_and_a_cache_that_can_be_used(folder: Path, tmp_path: Path) -> None:
    with serving(folder, tmp_path, first="final", workers=2) as server:
        right = server.ask("/w_60/cats/1.jpg").body
        asked = asyncio.create_task(fetch(server.port, "/f_avif,w_2000/huge.jpg"))
        await asyncio.to_thread(server.until, lambda: busy(server))
        workers = server.workers()
        server.process.kill()
        server.process.wait()
        with suppress(ConnectionError):
            await asked
        wait_until(lambda: not any(worker.is_running() and worker.status() != "zombie" for worker in workers), 5)
    with serving(folder, tmp_path, first="final", workers=1) as server:
        again = server.ask("/w_60/cats/1.jpg")
        assert again.body == right
        assert not list((tmp_path / "cache/scratch").glob("pool-*/result-*"))
