"""Whatever happens to a worker costs one request at most: each test injects one fault."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from proxy.failures import Busy, ClosingDown, Poisoned, TimedOut, WorkerLost, WorkFailed
from proxy.workers.poison import PoisonList
from proxy.workers.pool import Job, Pool, Reply
from proxy.workers.process import worker_environment
from proxy.workers.scratch import Scratch
from transforms.errors import InvalidOption
from transforms.worker import PREFIX, frame

pytestmark = pytest.mark.anyio

MIB = 1 << 20
FAULTY = [sys.executable, str(Path(__file__).with_name("faulty_worker.py"))]
on_uvloop = pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": True})], ids=["uvloop"])


def job(do: str, *, deadline: float = 10, cost: float = 10, memory: int = MIB, rank: int = 0, **more: Any) -> Job:
    stop = more.pop("stop_if_unwanted", False)
    identity = more.pop("identity", f"{do} {random.random()}")
    return Job({"do": do, **more}, identity, deadline, cost, memory, rank, stop)


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
    opened = Pool(FAULTY, **(settings | changes))
    await opened.start()
    try:
        yield opened
    finally:
        await opened.close(grace=0)
        assert not workers()
        assert not list(scratch.iterdir())


def workers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]


async def until(condition: Callable[[], object], seconds: float = 5) -> None:
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
            await until(lambda kills=kills: opened.stats().kills.get("outside") == kills, 1)  # type: ignore[misc]
            await until(lambda: full(opened), 1)
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


async def test_a_job_that_loses_two_workers_is_lost(tmp_path: Path) -> None:
    async with pool(tmp_path) as opened:
        task = await running(opened, job("sleep", seconds=30, identity="doomed"))
        for _ in range(2):
            await until(lambda: opened.stats().busy == 1 and full(opened))
            for worker in workers():
                worker.kill()
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
        task = await running(opened, job("sleep", seconds=30, deadline=1))
        await asyncio.sleep(0.5)
        for worker in workers():
            worker.kill()
        with pytest.raises(TimedOut):
            await task
        assert time.monotonic() - begun < 1.5


CRASHES = {"exit": "crash", "leave": "crash", "segfault": "crash", "bomb": "memory", "hang up": "protocol"}


@pytest.mark.parametrize("fault", CRASHES)
async def test_a_worker_that_ends_costs_its_own_job_alone(fault: str, tmp_path: Path) -> None:
    async with pool(tmp_path) as opened:
        neighbour = await running(opened, job("sleep", seconds=0.5))
        with pytest.raises(WorkerLost):
            await opened.run(job(fault))
        await until(lambda: full(opened), 1)
        assert opened.stats().kills == {CRASHES[fault]: 1}
        assert (await opened.run(job("nothing"))).meta["do"] == "nothing"
        assert (await neighbour).meta["do"] == "sleep"


async def test_a_busy_loop_is_killed_at_the_deadline(tmp_path: Path) -> None:
    async with pool(tmp_path) as opened:
        neighbour = await running(opened, job("sleep", seconds=0.7))
        begun = time.monotonic()
        with pytest.raises(TimedOut, match=r"its 0\.5 seconds"):
            await opened.run(job("spin", deadline=0.5))
        assert 0.5 <= time.monotonic() - begun < 1
        await until(lambda: full(opened), 1)
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
        assert 0.5 <= time.monotonic() - begun < 1
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
        begun = time.monotonic()
        with pytest.raises(Poisoned):
            await opened.run(job("exit", identity="bad"))
        assert time.monotonic() - begun < 0.005
        await until(lambda: opened.stats().kills == {"crash": 2})
        assert "crash; it was doing bad" in caplog.text
        now = 601.0
        assert await opened.run(job("nothing", identity="bad"))


async def test_workers_that_do_not_start_are_tried_again_with_pauses(tmp_path: Path) -> None:
    (tmp_path / "flag").touch()
    environment = worker_environment(os.environ) | {"FAULT_AT_START": str(tmp_path / "flag")}
    async with pool(tmp_path / "scratch", environment=environment, queue_seconds=1) as opened:
        begun = time.monotonic()
        with pytest.raises(Busy) as refused:
            await opened.run(job("nothing"))
        assert 1 <= time.monotonic() - begun < 1.5
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
            await until(lambda starts=starts: opened.stats().starts > starts, 1)  # type: ignore[misc]
            await until(lambda: full(opened), 1)
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
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_worker_that_lies_is_killed(lie: str, tmp_path: Path) -> None:
    async with pool(tmp_path) as opened:
        with pytest.raises(WorkerLost):
            await opened.run(job("lie", bytes=LIES[lie].hex()))
        await until(lambda: full(opened), 1)
        await until(lambda: opened.stats().kills == {"protocol": 1})


CLAIMS: dict[str, dict[str, Any]] = {
    "a file that is not there": {"meta": {}, "file": 5},
    "a refusal without a class": {"refusal": {"code": "unheard_of", "detail": ""}},
    "a refusal with a field that it has not": {"refusal": {"code": "busy", "detail": "", "args": 1}},
    "a refusal whose detail is no text": {"refusal": {"code": "busy", "detail": 5}},
    "nothing": {},
}


@pytest.mark.parametrize("claim", CLAIMS)
async def test_a_worker_whose_reply_makes_no_sense_is_killed(claim: str, tmp_path: Path) -> None:
    async with pool(tmp_path, size=1) as opened:
        first_job = {"id": 1, "cpu": 0.1, "rss": 1, "peak": 1}
        with pytest.raises(WorkerLost):
            await opened.run(job("claim", header=first_job | CLAIMS[claim]))
        await until(lambda: opened.stats().kills == {"protocol": 1})


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


async def test_a_payload_that_json_cannot_carry_is_the_callers_mistake(tmp_path: Path) -> None:
    async with pool(tmp_path) as opened:
        with pytest.raises(TypeError):
            await opened.run(job("nothing", path=Path()))
        assert opened.stats().queued == opened.stats().busy == 0


# The line


async def test_a_full_line_refuses_at_once_and_says_when_to_come_back(tmp_path: Path) -> None:
    async with pool(tmp_path, queue_seconds=2) as opened:
        tasks = [asyncio.create_task(opened.run(job("sleep", seconds=0.5, cost=1000))) for _ in range(5)]
        await until(lambda: opened.stats().queued == 3)
        begun = time.monotonic()
        with pytest.raises(Busy) as refused:
            await opened.run(job("nothing"))
        assert time.monotonic() - begun < 0.1
        assert refused.value.retry_after == 1
        assert opened.stats().queued_ms == 3000
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
        assert time.monotonic() - begun < 1
        for task in tasks:
            with pytest.raises(ClosingDown):
                await task


async def test_nothing_is_left_behind(tmp_path: Path) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

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
    assert not psutil.wait_procs(orphans, timeout=2)[1]
    async with pool(tmp_path / "scratch"):
        assert len(list((tmp_path / "scratch").iterdir())) == 1, "nor does its folder outlive the next start"


def test_the_folder_of_a_living_owner_is_left_alone(tmp_path: Path) -> None:
    first, second = Scratch(tmp_path), Scratch(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    first.close()
    second.close()
    second.close()
    assert not list(tmp_path.iterdir())


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
    assert seen["cwd"] == seen["TMPDIR"]
    assert seen["files"] == []
    assert Path(seen["cwd"]).is_relative_to(tmp_path)
    assert "DARKROOM_KEYS" not in seen


def test_workers_see_no_credentials_and_a_tuned_allocator(tmp_path: Path) -> None:
    jemalloc = tmp_path / "libjemalloc.so.2"
    front = {"PATH": "/bin", "LC_ALL": "C.UTF-8", "AWS_SECRET_ACCESS_KEY": "x", "DARKROOM_KEYS": "y"}
    passed = {"PATH": "/bin", "LC_ALL": "C.UTF-8", "VIPS_CONCURRENCY": "1"}
    assert worker_environment(front, [jemalloc]) == passed | {"MALLOC_ARENA_MAX": "2"}
    jemalloc.touch()
    tuned = worker_environment(front, [tmp_path / "none", jemalloc])
    assert tuned["LD_PRELOAD"] == str(jemalloc)
    assert "dirty_decay_ms:1000" in tuned["MALLOC_CONF"]
    assert "MALLOC_ARENA_MAX" not in tuned
