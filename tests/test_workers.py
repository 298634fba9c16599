"""Whatever happens to a worker costs one request at most: each test injects one fault."""

import asyncio
import fcntl
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from unittest import mock

import psutil
import pytest

from proxy.failures import Busy, ClosingDown, Poisoned, TimedOut, WorkerLost, WorkFailed
from proxy.workers.poison import PoisonList
from proxy.workers.pool import Job, Pool, Reply
from proxy.workers.process import JEMALLOC, Worker, worker_environment
from proxy.workers.scratch import Scratch
from tests import pictures
from tests.conftest import corpus
from transforms.carried import LONGEST_TEXT, refusal_from_fields
from transforms.errors import InvalidOption
from transforms.headers import Header
from transforms.limits import Limits
from transforms.probe import probe
from transforms.worker import PREFIX, Aside, as_json, frame, joined, serve

pytestmark = pytest.mark.anyio

MIB = 1 << 20
HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage")
FAULTY = [sys.executable, str(Path(__file__).with_name("faulty_worker.py"))]
on_uvloop = pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": True})], ids=["uvloop"])


def job(do: str, *, deadline: float = 10, cost: float = 10, memory: int = MIB, rank: int = 0, **more: Any) -> Job:
    stop = more.pop("stop_if_unwanted", False)
    identity = more.pop("identity", f"{do} {random.random()}")
    descriptor, origin = more.pop("descriptor", None), more.pop("original", "")
    return Job({"do": do, **more}, identity, deadline, cost, memory, rank, stop, descriptor, origin)


@asynccontextmanager
async def pool(scratch: Path, **changes: Any) -> AsyncIterator[Pool]:
    settings: dict[str, Any] = {
        "size": 2,
        "scratch": scratch,
        "queue_seconds": 10,
        "memory": 1024 * MIB,
        "worker_memory": 256 * MIB,
        "recycle_rss": 200 * MIB,
        "recycle_jobs": 100_000,
    }
    opened = Pool(changes.pop("command", FAULTY), **(settings | changes))
    await opened.start()
    try:
        yield opened
    finally:
        await opened.close(grace=0)
        assert not workers()
        assert not list(scratch.iterdir())


OTHERS = ("redis-server", "weed", "nginx")
"""Servers that run beside the tests."""


def workers() -> list[psutil.Process]:
    children = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    return [child for child in children if child.name() not in OTHERS]


async def until(condition: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to this in time"
        await asyncio.sleep(0.002)


def full(opened: Pool) -> bool:
    stats = opened.stats()
    return stats.idle + stats.busy == stats.size and len(workers()) == stats.size


async def running(opened: Pool, wanted: Job) -> asyncio.Task[Reply]:
    """A job that a worker has begun."""
    busy = opened.stats().busy
    task = asyncio.create_task(opened.run(wanted))
    await until(lambda: opened.stats().busy > busy)
    return task


# Deaths


@pytest.mark.parametrize("anyio_backend", ["asyncio", ("asyncio", {"use_uvloop": True})], ids=["asyncio", "uvloop"])
async def test_killed_idle_workers_are_replaced(tmp_path: Path) -> None:
    async with pool(tmp_path) as opened:
        for kills in range(1, 21):
            random.choice(workers()).kill()
            await until(lambda kills=kills: opened.stats().kills.get("outside") == kills)  # type: ignore[misc]
            await until(lambda: full(opened))
        assert (await opened.run(job("nothing"))).body == b""
        assert opened.stats().starts == 22


async def test_a_job_whose_worker_is_killed_is_done_by_another(tmp_path: Path) -> None:
    async with pool(tmp_path / "scratch") as opened:
        once = job("die once", flag=str(tmp_path / "flag"), identity="unlucky")
        first = await opened.run(once)
        assert first.meta["pid"] in {worker.pid for worker in workers()}
        await until(lambda: opened.stats().kills == {"outside": 1})
        (tmp_path / "flag").unlink()
        assert await opened.run(once), "having been done, it is forgiven for the worker that it lost"


async def test_a_killed_job_is_tried_again_by_the_only_worker_there_is(tmp_path: Path) -> None:
    async with pool(tmp_path / "scratch", size=1) as opened:
        assert await opened.run(job("die once", flag=str(tmp_path / "flag")))


async def test_a_second_try_may_leave_a_file_beside_its_result_again(tmp_path: Path) -> None:
    def take(facts: Mapping[str, Any], descriptor: int) -> None:
        taken.append(os.read(descriptor, 10))
        os.close(descriptor)

    taken: list[bytes] = []
    async with pool(tmp_path / "scratch") as opened:
        leaves = job("aside", facts={}, bytes="pixels", flag=str(tmp_path / "flag"))
        await opened.run(replace(leaves, aside=take))
        assert taken == [b"pixels"] * 2
        assert opened.stats().kills == {"outside": 1}


async def test_what_is_no_file_beside_a_result_costs_no_descriptor(tmp_path: Path) -> None:
    def take(facts: Mapping[str, Any], descriptor: int) -> None:
        raise AssertionError

    async with pool(tmp_path / "scratch", size=1) as opened:
        before = None
        for _ in range(3):
            with pytest.raises(WorkerLost):
                await opened.run(replace(job("aside", facts={}, folder=True), aside=take))
            await until(lambda: full(opened))
            before = before or len(os.listdir("/proc/self/fd"))
        assert len(os.listdir("/proc/self/fd")) == before


async def test_a_job_that_loses_two_workers_is_lost(tmp_path: Path) -> None:
    async with pool(tmp_path) as opened:
        task = await running(opened, job("sleep", seconds=30, identity="doomed"))
        # A worker that is killed before it has read the job is not held against it, so two kills may not be enough.
        for _ in range(20):
            await until(lambda: task.done() or (opened.stats().busy == 1 and full(opened)))
            if task.done():
                break
            for worker in workers():
                worker.kill()
            await asyncio.sleep(0.1)
        with pytest.raises(WorkerLost, match="outside"):
            await task
        with pytest.raises(Poisoned):
            await opened.run(job("nothing", identity="doomed"))


async def test_a_job_that_found_its_worker_dead_did_not_end_it(tmp_path: Path) -> None:
    async with pool(tmp_path, poison=PoisonList(strikes=1)) as opened:
        for _ in range(5):
            for worker in workers():
                worker.kill()
            assert (await opened.run(job("nothing", identity="innocent"))).meta["pid"] in {w.pid for w in workers()}
            await until(lambda: full(opened))
        assert opened.stats().kills == {"outside": 10}


async def test_a_second_try_has_only_the_time_that_the_first_one_left(tmp_path: Path) -> None:
    async with pool(tmp_path) as opened:
        begun = time.monotonic()
        task = await running(opened, job("sleep", seconds=30, deadline=3))
        await asyncio.sleep(2.5)
        for worker in workers():
            worker.kill()
        with pytest.raises(TimedOut):
            await task
        assert time.monotonic() - begun < 5


CRASHES = {"exit": "crash", "leave": "crash", "segfault": "crash", "bomb": "memory", "hang up": "protocol"}


@pytest.mark.parametrize("fault", CRASHES)
async def test_a_worker_that_ends_costs_its_own_job_alone(fault: str, tmp_path: Path) -> None:
    async with pool(tmp_path) as opened:
        neighbour = await running(opened, job("sleep", seconds=0.5))
        with pytest.raises(WorkerLost):
            await opened.run(job(fault))
        await until(lambda: full(opened))
        assert opened.stats().kills == {CRASHES[fault]: 1}
        assert (await opened.run(job("nothing"))).meta["do"] == "nothing"
        assert (await neighbour).meta["do"] == "sleep"


async def test_a_busy_loop_is_killed_at_the_deadline(tmp_path: Path) -> None:
    async with pool(tmp_path) as opened:
        neighbour = await running(opened, job("sleep", seconds=0.7))
        begun = time.monotonic()
        with pytest.raises(TimedOut, match=r"its 0\.5 seconds"):
            await opened.run(job("spin", deadline=0.5))
        assert 0.5 <= time.monotonic() - begun < 3
        await until(lambda: full(opened))
        assert opened.stats().kills == {"deadline": 1}
        assert (await neighbour).meta["do"] == "sleep"


async def test_a_stopped_worker_is_killed_at_the_deadline(tmp_path: Path) -> None:
    async with pool(tmp_path) as opened:
        begun = time.monotonic()
        task = await running(opened, job("sleep", seconds=0.2, deadline=0.5))
        for worker in workers():
            worker.suspend()
        with pytest.raises(TimedOut):
            await task
        assert 0.5 <= time.monotonic() - begun < 3
        await until(lambda: opened.stats().kills == {"deadline": 1})


async def test_time_in_the_line_does_not_count_as_work(tmp_path: Path) -> None:
    async with pool(tmp_path, size=1) as opened:
        await running(opened, job("sleep", seconds=0.6))
        reply = await opened.run(job("sleep", seconds=0.3, deadline=0.5))
        assert reply.queued > 0.5 > reply.worked > 0.3


async def test_work_that_ended_two_workers_is_refused_for_a_while(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now = 0.0
    async with pool(tmp_path, poison=PoisonList(clock=lambda: now)) as opened:
        for _ in range(2):
            with pytest.raises(WorkerLost):
                await opened.run(job("exit", identity="bad"))
        with pytest.raises(Poisoned) as refused:
            await opened.run(job("exit", identity="bad"))
        assert refused.value.retry_after == 600
        await until(lambda: opened.stats().kills == {"crash": 2})
        assert "crash; it was doing bad" in caplog.text
        now = 601.0
        assert await opened.run(job("nothing", identity="bad"))


async def test_an_original_that_ended_four_workers_is_refused_whatever_is_asked_of_it(tmp_path: Path) -> None:
    now = 0.0
    async with pool(tmp_path, bad_originals=PoisonList(strikes=4, clock=lambda: now)) as opened:
        for _ in range(4):
            with pytest.raises(WorkerLost):
                await opened.run(job("exit", original="bad 1"))
        with pytest.raises(Poisoned, match="the original has ended several workers") as refused:
            await opened.run(job("nothing", original="bad 1"))
        assert refused.value.retry_after == 600
        assert await opened.run(job("nothing", original="bad 2")), "another version of it is another original"
        assert await opened.run(job("nothing"))
        now = 601.0
        assert await opened.run(job("nothing", original="bad 1"))


async def test_an_original_of_which_something_can_be_made_is_not_given_up(tmp_path: Path) -> None:
    async with pool(tmp_path) as opened:
        for _ in range(2):
            for _ in range(3):
                with pytest.raises(WorkerLost):
                    await opened.run(job("exit", original="large"))
            assert await opened.run(job("nothing", original="large"))


async def test_an_original_is_blamed_little_for_what_was_dear_to_make_of_it(tmp_path: Path) -> None:
    dear = {"deadline": 0.2, "cost": 100, "original": "large"}
    async with pool(tmp_path) as opened:
        for _ in range(8):
            with pytest.raises(TimedOut):
                await opened.run(job("spin", **dear))
        assert await opened.run(job("nothing", original="large"))
        for _ in range(4):
            with pytest.raises(TimedOut):
                await opened.run(job("spin", **{**dear, "cost": 10}))
        with pytest.raises(Poisoned):
            await opened.run(job("nothing", original="large"))


async def test_workers_that_do_not_start_are_tried_again_with_pauses(tmp_path: Path) -> None:
    (tmp_path / "flag").touch()
    environment = worker_environment(os.environ) | {"FAULT_AT_START": str(tmp_path / "flag")}
    async with pool(tmp_path / "scratch", environment=environment, queue_seconds=1) as opened:
        begun = time.monotonic()
        with pytest.raises(Busy) as refused:
            await opened.run(job("nothing"))
        assert 1 <= time.monotonic() - begun < 3
        assert refused.value.retry_after >= 1
        assert opened.stats().kills["start"] <= 12
        (tmp_path / "flag").unlink()
        await until(lambda: full(opened))
        assert await opened.run(job("nothing"))


async def test_a_command_that_is_not_there_is_a_start_that_fails(tmp_path: Path) -> None:
    opened = Pool(
        ["/nowhere/worker"],
        size=1,
        scratch=tmp_path,
        queue_seconds=0.1,
        memory=MIB,
        worker_memory=MIB,
        recycle_rss=MIB,
        recycle_jobs=1,
    )
    await opened.start()
    with pytest.raises(Busy):
        await opened.run(job("nothing"))
    await opened.close(grace=0)


async def test_a_worker_that_hangs_at_its_start_is_killed(tmp_path: Path) -> None:
    environment = worker_environment(os.environ) | {"FAULT_AT_START": "hang"}
    async with pool(tmp_path, environment=environment, start_seconds=0.3) as opened:
        assert opened.stats().kills["start"] == 2


@on_uvloop
async def test_two_hundred_kills_under_load_lose_next_to_nothing(tmp_path: Path) -> None:
    lost, done, front = 0, 0, os.getpid()
    over = asyncio.Event()

    async with pool(tmp_path, size=3) as opened:

        async def visitor() -> None:
            nonlocal lost, done
            while not over.is_set():
                try:
                    await opened.run(job("sleep", seconds=random.random() / 50))
                    done += 1
                except WorkerLost:
                    lost += 1

        visitors = [asyncio.create_task(visitor()) for _ in range(6)]
        for _ in range(200):
            starts = opened.stats().starts
            with suppress(psutil.NoSuchProcess):
                random.choice(workers()).kill()
            await until(lambda starts=starts: opened.stats().starts > starts)  # type: ignore[misc]
            await until(lambda: full(opened))
        over.set()
        await asyncio.gather(*visitors)
        assert opened.stats().kills["outside"] == 200
    assert os.getpid() == front
    assert done > 200
    assert lost <= 4, "a job is lost only when the worker of its second try is killed as well"


# Lies

LIES = {
    "a header of two gigabytes": PREFIX.pack(1 << 31, 0),
    "a body of a terabyte": PREFIX.pack(2, 1 << 40) + b"{}",
    "no JSON": PREFIX.pack(4, 0) + b"\xff\xfe{}",
    "JSON without end": PREFIX.pack(200_000, 0) + b"[" * 200_000,
    "an array": PREFIX.pack(2, 0) + b"[]",
    "an empty object": frame({}),
    "a reply to another job": frame({"id": 0, "meta": {}, "cpu": 0.1, "rss": 1, "peak": 1}),
    "a time that is no number": PREFIX.pack(49, 0) + b'{"id": 1, "meta": {}, "cpu":NaN,"rss":1,"peak":1}',
    "a time without end": PREFIX.pack(51, 0) + b'{"id": 1, "meta": {}, "cpu":1e999,"rss":1,"peak":1}',
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_worker_that_lies_is_killed(lie: str, tmp_path: Path) -> None:
    async with pool(tmp_path) as opened:
        with pytest.raises(WorkerLost):
            await opened.run(job("lie", bytes=LIES[lie].hex()))
        await until(lambda: full(opened))
        await until(lambda: opened.stats().kills == {"protocol": 1})


CLAIMS: dict[str, dict[str, Any]] = {
    "a file that is not there": {"meta": {}, "file": 5},
    "a refusal without a class": {"refusal": {"code": "unheard_of", "detail": ""}},
    "a refusal with a field that it has not": {"refusal": {"code": "busy", "detail": "", "args": 1}},
    "a refusal whose detail is no text": {"refusal": {"code": "busy", "detail": 5}},
    "a refusal without detail": {"refusal": {"code": "busy"}},
    "a refusal whose part is no text": {"refusal": {"code": "busy", "detail": "", "part": 1}},
    "a wait in words": {"refusal": {"code": "busy", "detail": "", "retry_after": "soon"}},
    "a wait of nothing": {"refusal": {"code": "busy", "detail": "", "retry_after": None}},
    "a wait of a truth": {"refusal": {"code": "busy", "detail": "", "retry_after": True}},
    "a wait into the past": {"refusal": {"code": "busy", "detail": "", "retry_after": -1}},
    "a wait of ages": {"refusal": {"code": "busy", "detail": "", "retry_after": 1e300}},
    "a broken place": {"refusal": {"code": "invalid_option", "detail": "", "offset": 1.5}},
    "nothing": {},
}


@pytest.mark.parametrize("claim", CLAIMS)
async def test_a_worker_whose_reply_makes_no_sense_is_killed(claim: str, tmp_path: Path) -> None:
    async with pool(tmp_path, size=1) as opened:
        first_job = {"id": 1, "cpu": 0.1, "rss": 1, "peak": 1}
        with pytest.raises(WorkerLost):
            await opened.run(job("claim", header=first_job | CLAIMS[claim]))
        await until(lambda: opened.stats().kills == {"protocol": 1})


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 10**400])
def test_a_refusal_with_an_absurd_number_is_none(number: float) -> None:
    assert refusal_from_fields({"code": "busy", "detail": "", "retry_after": number}) is None


def test_a_refusal_that_talks_too_much_is_cut_short() -> None:
    refusal = refusal_from_fields({"code": "busy", "detail": "x" * 10_000, "part": "y" * 10_000, "retry_after": 3})
    assert isinstance(refusal, Busy)
    assert (len(refusal.detail), len(refusal.part), refusal.retry_after) == (LONGEST_TEXT, LONGEST_TEXT, 3)


async def test_a_link_is_not_taken_for_a_result(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"12345")
    async with pool(tmp_path / "scratch", size=1) as opened:
        header = {"id": 1, "cpu": 0.1, "rss": 1, "peak": 1, "meta": {}, "file": 5}
        with pytest.raises(WorkerLost):
            await opened.run(job("claim", header=header, link=str(tmp_path / "secret")))
    assert (tmp_path / "secret").read_bytes() == b"12345"


# What comes back


async def test_a_refusal_comes_back_as_itself(tmp_path: Path) -> None:
    async with pool(tmp_path) as opened:
        with pytest.raises(InvalidOption) as raised:
            await opened.run(job("refuse"))
        assert type(raised.value) is InvalidOption
        fields = {"part": "w_wide", "expected": "1 to 8192", "suggestion": "w_1", "offset": 5}
        assert vars(raised.value) == {"detail": "w_: a whole number", **fields}
        assert opened.stats().done == 1
        assert not opened.stats().kills


async def test_any_other_exception_is_told_to_the_log_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async with pool(tmp_path) as opened:
        with pytest.raises(WorkFailed) as raised:
            await opened.run(job("fail"))
        assert "secret" not in repr(raised.value)
        assert "the secret of the worker" in capfd.readouterr().err
        seen = [(await opened.run(job("look"))).meta["files"] for _ in range(2)]
        assert seen == [[], []], "what a job leaves in its folder is gone before the next"


@pytest.mark.parametrize("size", [0, 1, 256 * 1024])
async def test_a_small_body_comes_by_the_socket(size: int, tmp_path: Path) -> None:
    async with pool(tmp_path) as opened:
        assert (await opened.run(job("body", size=size))).body == bytes(size)


@pytest.mark.parametrize(("do", "size"), [("body", 256 * 1024 + 1), ("body", 5 * MIB), ("file", 7)])
async def test_a_large_body_comes_as_a_file_of_the_receivers(do: str, size: int, tmp_path: Path) -> None:
    async with pool(tmp_path / "scratch") as opened:
        reply = await opened.run(job(do, size=size))
        assert isinstance(reply.body, Path)
        reply.body.rename(tmp_path / "kept")
    assert (tmp_path / "kept").read_bytes() == bytes(size)


async def test_a_large_body_comes_by_the_socket_where_files_cannot_be_made(tmp_path: Path) -> None:
    async with pool(tmp_path) as opened:
        (folder,) = tmp_path.iterdir()
        for child in folder.iterdir():
            child.rmdir()
        folder.rmdir()
        assert (await opened.run(job("body", size=MIB))).body == bytes(MIB)
        random.choice(workers()).kill()
        await until(lambda: opened.stats().starts == 3)
        await until(lambda: full(opened))


async def test_a_reply_tells_what_it_took(tmp_path: Path) -> None:
    async with pool(tmp_path) as opened:
        reply = await opened.run(job("hold", mib=50))
        assert 50 * MIB < reply.rss <= reply.peak < 150 * MIB
        assert 0 < reply.cpu < reply.worked + 0.05


async def test_a_reply_tells_the_peak_of_its_own_job(tmp_path: Path) -> None:
    async with pool(tmp_path, size=1) as opened:
        large = await opened.run(job("borrow", mib=100))
        # Of what it had when it was ready, the allocator may have given some back.
        assert large.peak - large.base > 99 * MIB
        end = time.monotonic() + 20
        while (small := await opened.run(job("nothing"))).peak - small.base > 50 * MIB:
            assert time.monotonic() < end, "the allocator gives back after a second what is not used"
            await asyncio.sleep(0.1)
        assert large.base == small.base > 0


async def test_pages_of_mapped_files_are_not_the_workers_own(tmp_path: Path) -> None:
    (tmp_path / "shared").write_bytes(os.urandom(100 * MIB))
    async with pool(tmp_path / "scratch", size=1, recycle_rss=80 * MIB) as opened:
        reply = await opened.run(job("map", path=str(tmp_path / "shared")))
        (worker,) = workers()
        assert worker.memory_info().rss > 100 * MIB
        assert reply.rss < 80 * MIB
        assert (await opened.run(job("nothing"))).meta["pid"] == reply.meta["pid"]
        assert not opened.stats().recycled


async def test_a_mistake_in_handing_work_over_costs_that_work_alone(tmp_path: Path) -> None:
    async with pool(tmp_path, size=1) as opened:
        with pytest.raises(WorkFailed, match="ValueError"):
            await opened.run(replace(job("nothing"), late=lambda: {"margin": float("inf")}))
        assert await asyncio.wait_for(opened.run(job("nothing")), 10)
        assert opened.stats().busy == 0


async def test_a_payload_that_json_cannot_carry_is_the_callers_mistake(tmp_path: Path) -> None:
    async with pool(tmp_path) as opened:
        with pytest.raises(TypeError):
            await opened.run(job("nothing", path=Path()))
        assert opened.stats().queued == opened.stats().busy == 0


# The original


@contextmanager
def original(folder: Path, data: bytes = b"the original") -> Iterator[int]:
    """A descriptor of a file that was read to its end, and at whose path by now is a link to another."""
    path, outside = folder / "original", folder / "outside"
    path.write_bytes(data)
    outside.write_bytes(b"of somebody else")
    descriptor = os.open(path, os.O_RDONLY)
    os.lseek(descriptor, 0, os.SEEK_END)
    path.unlink()
    path.symlink_to(outside)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("anyio_backend", ["asyncio", ("asyncio", {"use_uvloop": True})], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("padding", [0, 100_000, 8 * MIB])
async def test_the_worker_reads_the_very_file_that_was_opened(padding: int, tmp_path: Path) -> None:
    async with pool(tmp_path / "scratch") as opened:
        with original(tmp_path) as descriptor:
            wanted = job("read", descriptor=descriptor, path=str(tmp_path / "original"), padding="x" * padding)
            for _ in range(3):
                reply = await opened.run(wanted)
                assert reply.body == b"the original"
                assert reply.meta["path"].startswith("/proc/self/fd/")


async def test_an_original_need_not_be_open_for_longer_than_it_takes_to_ask(tmp_path: Path) -> None:
    async with pool(tmp_path / "scratch", size=1) as opened:
        first = await running(opened, job("sleep", seconds=0.3))
        with original(tmp_path) as descriptor:
            task = asyncio.create_task(opened.run(job("read", descriptor=descriptor)))
            await until(lambda: opened.stats().queued == 1)
        with (tmp_path / "outside").open("rb"):  # it may well have the same number
            assert (await task).body == b"the original"
        await first


async def test_a_second_try_has_the_original_too(tmp_path: Path) -> None:
    async with pool(tmp_path / "scratch", size=1) as opened:
        with original(tmp_path) as descriptor:
            reply = await opened.run(job("read", descriptor=descriptor, flag=str(tmp_path / "flag")))
        assert reply.body == b"the original"
        await until(lambda: opened.stats().kills == {"outside": 1})


async def test_an_original_gets_through_to_a_worker_that_is_slow_to_read(tmp_path: Path) -> None:
    worker = Worker(
        FAULTY, tmp_path / "worker", memory=256 * MIB, largest_body=MIB, environment=worker_environment(os.environ)
    )
    await worker.ready()
    psutil.Process(worker.pid).suspend()
    text = frame({"id": 1, "job": {"do": "read", "padding": "x" * 8 * MIB}, "result": str(tmp_path / "result")})
    begun = worker._sock.send(text)
    assert begun < len(text), "there is no room left"
    with original(tmp_path) as descriptor:
        task = asyncio.create_task(worker.ask(text[begun:], descriptor))
        await asyncio.sleep(0.1)
        psutil.Process(worker.pid).resume()
        assert (await task)[1] == b"the original"
    worker.kill("closing")
    await worker.bury()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def test_originals_are_closed_on_both_sides_whatever_becomes_of_the_job(tmp_path: Path) -> None:
    async with pool(tmp_path / "scratch", size=1) as opened:
        with original(tmp_path) as descriptor:
            before = (await opened.run(job("count descriptors"))).meta["open"]
            ours = descriptors()
            for number in range(200):
                with suppress(InvalidOption, WorkFailed):
                    await opened.run(job(["read", "nothing", "refuse", "fail"][number % 4], descriptor=descriptor))
            assert (await opened.run(job("count descriptors"))).meta["open"] == before
            assert (await opened.run(job("count descriptors", descriptor=descriptor))).meta["open"] == before + 1
            assert descriptors() == ours

            with suppress(TypeError):
                await opened.run(job("nothing", descriptor=descriptor, path=Path()))
            for wait in (0.0, 0.05):
                first = asyncio.create_task(opened.run(job("sleep", seconds=0.2, descriptor=descriptor)))
                second = asyncio.create_task(opened.run(job("read", descriptor=descriptor)))
                await asyncio.sleep(wait)
                first.cancel()
                second.cancel()
                await asyncio.gather(first, second, return_exceptions=True)
                await until(lambda: not opened.stats().busy and descriptors() == ours)
            with suppress(TimedOut):
                await opened.run(job("spin", deadline=0.1, descriptor=descriptor))
            with suppress(WorkerLost):
                await opened.run(job("exit", descriptor=descriptor))
            await until(lambda: full(opened) and descriptors() == ours)

            tasks = [asyncio.create_task(opened.run(job("spin", descriptor=descriptor))) for _ in range(3)]
            await until(lambda: opened.stats().queued == 2)
            await opened.close(grace=0)
            await asyncio.gather(*tasks, return_exceptions=True)
            assert descriptors() < ours, "the worker is gone as well"


def test_a_worker_takes_one_original_and_closes_what_else_is_sent(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    seen: list[tuple[bytes, int]] = []

    def perform(job: dict[str, Any], scratch: Path, aside: Aside) -> tuple[dict[str, Any], bytes]:
        seen.append((Path(job["path"]).read_bytes(), descriptors()))
        return {}, b""

    text = frame({"id": 1, "job": {"path": "/etc/hostname"}, "result": str(tmp_path / "result")})
    with original(tmp_path) as descriptor, ours, theirs, (tmp_path / "outside").open("rb") as other:
        before = descriptors()
        worker = threading.Thread(target=serve, args=(theirs, perform, tmp_path / "scratch"))
        worker.start()
        for sent in ([descriptor], [descriptor, other.fileno(), other.fileno()]):
            socket.send_fds(ours, [text], sent)
        socket.send_fds(ours, [text[:20]], [descriptor])
        socket.send_fds(ours, [text[20:]], [other.fileno()])
        ours.shutdown(socket.SHUT_WR)
        worker.join()
        assert descriptors() == before
    assert [data for data, _ in seen] == [b"the original"] * 3
    assert seen[0][1] == seen[1][1]


SMALL, LARGE = pictures.gradient(64, 48), pictures.gradient(128, 96)
KINDS = {
    **{suffix: (pictures.encoded(SMALL, suffix), pictures.encoded(LARGE, suffix)) for suffix in ("jpg", "png", "webp")},
    **{suffix: (pictures.encoded(SMALL, suffix), pictures.encoded(LARGE, suffix)) for suffix in ("gif", "tif", "avif")},
    "svg": (pictures.svg(64, 48), pictures.svg(128, 96)),
    "pdf": (pictures.pdf(),),
    "heic": tuple(path.read_bytes() for path in corpus("image-format", "*.heic")),
    "jxl": tuple(path.read_bytes() for path in corpus("image-format", "*.jxl")),
}


async def test_originals_of_every_kind_are_read_by_their_descriptors(tmp_path: Path) -> None:
    limits = asdict(Limits())
    root = {"PYTHONPATH": str(Path(__file__).parent.parent)}
    command = [sys.executable, "-m", "transforms.worker"]
    environment = worker_environment(os.environ) | root
    changes: dict[str, Any] = {"command": command, "size": 1, "worker_memory": 2048 * MIB, "recycle_rss": 2048 * MIB}
    async with pool(tmp_path / "scratch", environment=environment, **changes) as opened:
        for number, data in enumerate(data for kind in KINDS.values() for data in kind):
            (folder := tmp_path / str(number)).mkdir()
            (folder / "whole").write_bytes(data)
            header = probe(folder / "whole")
            with original(folder, data) as descriptor:
                reply = await opened.run(job("probe", descriptor=descriptor))
                assert Header.from_dict(reply.meta["header"]) == header
                more: dict[str, Any] = {"header": header.to_dict(), "limits": limits, "descriptor": descriptor}
                plan: dict[str, Any] = {"plan": "", "format": "png", "grade": "final", "focus": None}
                made = await opened.run(job("render", **plan, **more))
                assert (made.meta["width"], made.meta["height"]) == header.upright
                if header.kind == "jpg":
                    assert (await opened.run(job("describe", gps=False, **more))).meta["facts"]


# The line


async def test_a_full_line_refuses_at_once_and_says_when_to_come_back(tmp_path: Path) -> None:
    async with pool(tmp_path, queue_seconds=2) as opened:
        tasks = [asyncio.create_task(opened.run(job("sleep", seconds=0.5, cost=1000))) for _ in range(4)]
        await until(lambda: opened.stats().queued == 2)
        with pytest.raises(Busy) as refused:
            async with asyncio.timeout(0.4):
                await opened.run(job("nothing", cost=1000))
        assert refused.value.retry_after == 1
        assert opened.stats().queued_ms == 2000
        await asyncio.sleep(refused.value.retry_after)
        assert await opened.run(job("nothing")), "it was the truth"
        await asyncio.gather(*tasks)


async def test_who_waits_too_long_is_refused(tmp_path: Path) -> None:
    async with pool(tmp_path, size=1, queue_seconds=0.3) as opened:
        task = await running(opened, job("sleep", seconds=1))
        with pytest.raises(Busy):
            await opened.run(job("nothing"))
        assert opened.stats().queued == 0
        await task


async def test_cheap_work_passes_while_others_are_at_long_work(tmp_path: Path) -> None:
    async with pool(tmp_path, reserve=1) as opened:
        long = [asyncio.create_task(opened.run(job("sleep", seconds=0.5, cost=500))) for _ in range(2)]
        await until(lambda: opened.stats().queued == 1)
        for _ in range(5):
            assert (await opened.run(job("nothing", cost=5))).queued < 0.3
        assert opened.stats().queued == 1
        await asyncio.gather(*long)


async def test_running_jobs_stay_within_the_memory(tmp_path: Path) -> None:
    async with pool(tmp_path, memory=100 * MIB) as opened:
        tasks = [asyncio.create_task(opened.run(job("sleep", seconds=0.2, memory=60 * MIB))) for _ in range(2)]
        tasks.append(asyncio.create_task(opened.run(job("sleep", seconds=0.2, memory=500 * MIB))))
        while not all(task.done() for task in tasks):
            assert opened.stats().busy <= 1
            await asyncio.sleep(0.02)
        await asyncio.gather(*tasks)


async def test_a_client_that_goes_away_leaves_the_line(tmp_path: Path) -> None:
    async with pool(tmp_path, size=1) as opened:
        first = await running(opened, job("sleep", seconds=0.3))
        second = asyncio.create_task(opened.run(job("spin")))
        await until(lambda: opened.stats().queued == 1)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        assert opened.stats().queued == opened.stats().queued_ms == 0
        await first
        assert await opened.run(job("nothing"))


async def test_the_work_of_a_client_that_goes_away_is_finished_and_dropped(tmp_path: Path) -> None:
    async with pool(tmp_path, size=1) as opened:
        task = await running(opened, job("body", size=5 * MIB))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: opened.stats().done == 1)
        assert not opened.stats().kills
        assert not list(tmp_path.glob("*/result-*"))


async def test_the_worker_of_a_client_that_goes_away_is_ended_on_request(tmp_path: Path) -> None:
    async with pool(tmp_path, size=1) as opened:
        for times in range(1, 4):
            task = await running(opened, job("spin", stop_if_unwanted=True, identity="same"))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(lambda times=times: opened.stats().kills == {"unwanted": times})  # type: ignore[misc]
            await until(lambda: full(opened))
        assert await opened.run(job("nothing", identity="same")), "it was not to blame"


# Recycling


async def test_a_worker_is_replaced_after_so_many_jobs_without_a_gap(tmp_path: Path) -> None:
    async with pool(tmp_path, size=1, recycle_jobs=5) as opened:
        pids: set[int] = set()
        begun = time.monotonic()
        while len(pids) < 4:
            assert time.monotonic() - begun < 10
            assert opened.stats().idle, "the old one works on while the new one starts"
            pids.add((await opened.run(job("nothing"))).meta["pid"])
        assert opened.stats().recycled >= 3
        assert not opened.stats().kills


async def test_a_worker_that_has_grown_is_replaced(tmp_path: Path) -> None:
    async with pool(tmp_path, size=1, recycle_rss=80 * MIB) as opened:
        large = await opened.run(job("hold", mib=100))
        await until(lambda: full(opened) and large.meta["pid"] not in {worker.pid for worker in workers()})
        assert (await opened.run(job("nothing"))).rss < 80 * MIB
        assert opened.stats().recycled == 1


async def test_a_spare_takes_the_place_of_one_that_ends(tmp_path: Path) -> None:
    async with pool(tmp_path, size=1, spare=1) as opened:
        with pytest.raises(WorkerLost):
            await opened.run(job("exit"))
        assert opened.stats().idle == 1
        await until(lambda: opened.stats().idle == 2)


# The end


async def test_closing_finishes_what_was_taken_and_takes_nothing_new(tmp_path: Path) -> None:
    async with pool(tmp_path, size=1) as opened:
        tasks = [asyncio.create_task(opened.run(job("sleep", seconds=0.2))) for _ in range(3)]
        await until(lambda: opened.stats().queued == 2)
        closing = asyncio.create_task(opened.close(grace=5))
        await asyncio.sleep(0)
        with pytest.raises(ClosingDown):
            await opened.run(job("nothing"))
        await closing
        assert [task.result().meta["do"] for task in tasks] == ["sleep"] * 3


async def test_closing_does_not_wait_longer_than_its_grace(tmp_path: Path) -> None:
    async with pool(tmp_path, size=1) as opened:
        tasks = [asyncio.create_task(opened.run(job("spin"))) for _ in range(3)]
        await until(lambda: opened.stats().queued == 2)
        begun = time.monotonic()
        await opened.close(grace=0.2)
        assert time.monotonic() - begun < 3
        for task in tasks:
            with pytest.raises(ClosingDown):
                await task


async def test_nothing_is_left_behind(tmp_path: Path) -> None:
    async with pool(tmp_path):
        pass
    before, tasks = descriptors(), len(asyncio.all_tasks())
    async with pool(tmp_path, recycle_jobs=3) as opened:
        for fault in ["hang up", *["exit", "fail", "refuse", "nothing", "nothing"] * 5]:
            with suppress(WorkerLost, WorkFailed, InvalidOption):
                await opened.run(job(fault))
        await opened.run(job("body", size=MIB))
    assert descriptors() == before
    assert len(asyncio.all_tasks()) == tasks


FRONT = """
import asyncio, sys
from pathlib import Path
from proxy.workers.pool import Job, Pool

async def serve():
    pool = Pool(sys.argv[2:], size=2, scratch=Path(sys.argv[1]), queue_seconds=9, memory=1, worker_memory=1 << 28,
                recycle_rss=1 << 28, recycle_jobs=9)
    await pool.start()
    print("ready", flush=True)
    await asyncio.gather(*(pool.run(Job({"do": "spin"}, "", 99, 1, 0)) for _ in range(2)))

asyncio.run(serve())
"""


@pytest.fixture
def front(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", FRONT, str(tmp_path / "scratch"), *FAULTY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


async def test_workers_do_not_outlive_a_killed_front(front: subprocess.Popen[str], tmp_path: Path) -> None:
    orphans = psutil.Process(front.pid).children()
    assert len(orphans) == 2
    assert list((tmp_path / "scratch").glob("pool-*"))
    front.kill()
    front.wait()
    assert not psutil.wait_procs(orphans, timeout=10)[1]
    async with pool(tmp_path / "scratch"):
        assert len(list((tmp_path / "scratch").iterdir())) == 1, "nor does its folder outlive the next start"


def test_the_folder_of_a_living_owner_is_left_alone(tmp_path: Path) -> None:
    first, second = Scratch(tmp_path), Scratch(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    first.close()
    second.close()
    second.close()
    assert not list(tmp_path.iterdir())


def test_a_place_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "place").symlink_to("elsewhere")
    with pytest.raises(NotADirectoryError, match="is not a folder but a link"):
        Scratch(tmp_path / "place")


def test_a_place_of_another_user_is_refused(tmp_path: Path) -> None:
    (tmp_path / "place").mkdir(mode=0o700)
    other = os.geteuid() + 1
    with mock.patch("os.geteuid", return_value=other), pytest.raises(PermissionError, match="belongs to the user"):
        Scratch(tmp_path / "place")


@pytest.mark.parametrize("mode", [0o770, 0o777, 0o1777])
def test_a_place_that_others_can_write_is_refused(mode: int, tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    (tmp_path / "place").chmod(mode)
    with pytest.raises(PermissionError, match="can be written by others"):
        Scratch(tmp_path / "place")


def test_a_place_is_made_for_this_user_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        Scratch(tmp_path / "place").close()
    finally:
        os.umask(before)
    assert (tmp_path / "place").stat().st_mode & 0o777 == 0o700


def test_a_place_that_stays_locked_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.workers.scratch.TRIES", 3)
    holder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    with pytest.raises(TimeoutError, match="has been locked for"):
        Scratch(tmp_path)
    os.close(holder)
    Scratch(tmp_path).close()


PRIVATE = """
import ctypes, subprocess, sys
from transforms.worker import keep_private
keep_private()
ASK = "import ctypes; print(ctypes.CDLL(None).prctl(3), flush=True)"
exec(ASK)
subprocess.run([sys.executable, "-c", ASK], check=True)
"""


def test_a_front_hides_itself_but_not_what_it_starts() -> None:
    said = subprocess.run([sys.executable, "-c", PRIVATE], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["0", "1"]


# What a worker is


@pytest.mark.parametrize("polite", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_that_is_meant_for_the_front_does_not_end_a_worker(
    polite: signal.Signals, tmp_path: Path
) -> None:
    async with pool(tmp_path) as opened:
        task = await running(opened, job("sleep", seconds=0.2))
        for worker in workers():
            worker.send_signal(polite)
        await task
        assert not opened.stats().kills


@pytest.mark.skipif(not any(path.exists() for path in JEMALLOC), reason="jemalloc is not installed")
async def test_a_worker_runs_with_jemalloc_where_it_is_installed(tmp_path: Path) -> None:
    async with pool(tmp_path, size=1):
        (worker,) = workers()
        assert "libjemalloc" in Path(f"/proc/{worker.pid}/maps").read_text()


async def test_a_worker_is_confined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_KEYS", "secret")
    async with pool(tmp_path, size=1) as opened:
        seen = (await opened.run(job("look"))).meta
        (worker,) = workers()
        assert worker.rlimit(psutil.RLIMIT_DATA) == (256 * MIB, 256 * MIB)
        assert worker.rlimit(psutil.RLIMIT_CORE) == (0, 0)
        assert worker.num_fds() <= 4, "three standard ones and its socket"
        assert int(Path(f"/proc/{worker.pid}/oom_score_adj").read_text()) >= 500
        assert worker.nice() == seen["nice"] == 10
        assert _capabilities(worker.pid) & ~0b110 == 0, "none but to open files"
    assert seen["cwd"] == seen["TMPDIR"]
    assert seen["files"] == []
    assert Path(seen["cwd"]).is_relative_to(tmp_path)
    assert "DARKROOM_KEYS" not in seen


def _capabilities(pid: int) -> int:
    """What a process may do, or could take leave to do."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["CapEff"], 16) | int(status["CapPrm"], 16) | int(status["CapInh"], 16)


_BUFFERS = """
import resource
from contextlib import nullcontext
from transforms import huge_pages

def faults(where):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    with where:
        bytes(picture)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

huge_pages.forbid()
picture = bytearray(64 << 20)
print(*[faults(where) for where in (nullcontext(), huge_pages.allowed(), nullcontext())])
"""


@pytest.mark.skipif(not any(path.exists() for path in JEMALLOC), reason="jemalloc is not installed")
@pytest.mark.skipif(
    not (HUGE_PAGES / "enabled").exists()
    or "[never]" in (HUGE_PAGES / "enabled").read_text() + (HUGE_PAGES / "defrag").read_text(),
    reason="this system gives no huge pages, or none when they are asked for",
)
def test_a_large_buffer_lies_in_huge_pages_while_they_are_allowed() -> None:
    command, environment = [sys.executable, "-c", _BUFFERS], worker_environment(os.environ)
    told = subprocess.run(command, env=environment, capture_output=True, check=True, text=True).stdout
    before, allowed, after = map(int, told.split())
    assert allowed < min(before, after) / 2


async def test_a_worker_gets_huge_pages_only_while_it_allows_them(tmp_path: Path) -> None:
    async with pool(tmp_path, size=1, command=[sys.executable, "-m", "transforms.worker"]):
        (worker,) = workers()
        assert "THP_enabled:\t0" in Path(f"/proc/{worker.pid}/status").read_text()


def test_workers_see_no_credentials_and_a_tuned_allocator(tmp_path: Path) -> None:
    jemalloc = tmp_path / "libjemalloc.so.2"
    front = {"PATH": "/bin", "LC_ALL": "C.UTF-8", "AWS_SECRET_ACCESS_KEY": "x", "DARKROOM_KEYS": "y"}
    passed = {"PATH": "/bin", "LC_ALL": "C.UTF-8", "VIPS_CONCURRENCY": "1", "OPENBLAS_NUM_THREADS": "1", "SVT_LOG": "1"}
    assert worker_environment(front, [jemalloc]) == passed | {"MALLOC_ARENA_MAX": "2"}
    jemalloc.touch()
    tuned = worker_environment(front, [tmp_path / "none", jemalloc])
    assert tuned["LD_PRELOAD"] == str(jemalloc)
    assert "dirty_decay_ms:1000" in tuned["MALLOC_CONF"]
    assert "MALLOC_ARENA_MAX" not in tuned


async def test_a_reply_tells_in_what_state_the_original_was_when_the_work_was_done(tmp_path: Path) -> None:
    original = tmp_path / "original"
    original.write_bytes(b"bytes")
    descriptor = os.open(original, os.O_RDONLY)
    try:
        async with pool(tmp_path / "scratch") as crew:
            assert (await crew.run(job("nothing"))).state is None
            before = await crew.run(job("nothing", descriptor=descriptor))
            original.write_bytes(b"other bytes")
            after = await crew.run(job("nothing", descriptor=descriptor))
    finally:
        os.close(descriptor)
    status = original.stat()
    assert before.state != after.state == (status.st_mtime_ns, status.st_size)


def test_two_objects_of_json_are_joined_without_reading_them() -> None:
    for one in ({}, {"a": 1}, {"a": [1, 2], "b": {"c": "}"}}):
        for other in ({}, {"d": 1}, {"d": {}, "e": "{"}):
            assert json.loads(joined(as_json(one), as_json(other))) == {**one, **other}
