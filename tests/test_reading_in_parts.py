"""An original that comes while a worker reads it: what is asked for, and how that is answered."""

import asyncio
import inspect
import io
import os
import random
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.failures import OriginFailed, OriginTimedOut, WorkerLost
from proxy.workers.pool import Job, Pool
from tests.test_workers import FAULTY, MIB, pool, until
from transforms import work
from transforms.elsewhere import LEAST, MOST, STEP, TAIL, PartedPath, Unreached
from transforms.headers.boxes import index_place
from transforms.video import jobs

pytestmark = pytest.mark.anyio

BLOCK = 1 << 18
SIZE = 20 * MIB + 4321
BODY = random.Random(1).randbytes(SIZE)


class Filling:
    """The parts of an original: blocks of a file that come when they are asked for."""

    def __init__(self) -> None:
        self.size, self.asked = SIZE, list[tuple[int, int]]()
        with tempfile.TemporaryFile(buffering=0) as file:
            self.descriptor = os.dup(file.fileno())
        os.ftruncate(self.descriptor, SIZE)
        self.refusal: Exception | None = None
        self.answering = asyncio.Event()
        self.answering.set()

    def ask(self, start: int, length: int) -> tuple[int, int]:
        assert 0 <= start < start + length <= SIZE
        self.asked.append((start, length))
        first, behind = start // BLOCK * BLOCK, min(-(-(start + length) // BLOCK) * BLOCK, SIZE)
        os.pwrite(self.descriptor, BODY[first:behind], first)
        return first, behind

    async def need(self, start: int, length: int) -> tuple[int, int]:
        await self.answering.wait()
        if self.refusal:
            raise self.refusal
        return self.ask(start, length)


@pytest.fixture
def filling() -> Iterator[Filling]:
    made = Filling()
    yield made
    os.close(made.descriptor)


@pytest.fixture
def path(filling: Filling) -> PartedPath:
    return PartedPath.of(filling.descriptor, SIZE, filling.ask)


# The path


def test_all_of_an_original_is_read_in_few_requests_that_grow(path: PartedPath, filling: Filling) -> None:
    assert path.read_bytes() == BODY
    lengths = [length for _, length in filling.asked]
    assert lengths[0] <= LEAST
    assert lengths[1:-1] == sorted(lengths[1:-1])
    assert max(lengths) == MOST
    assert len(lengths) < 20


def test_reading_on_asks_for_half_as_much_as_was_read(path: PartedPath, filling: Filling) -> None:
    with path.open("rb", buffering=0) as file:
        for wanted in (100, 300_000, 2_000_000):
            file.seek(0)
            read = 0
            while read < wanted:
                read += len(file.read(wanted - read))
            behind = max(start + length for start, length in filling.asked)
            assert behind <= max(wanted * 1.5, 1) + 2 * BLOCK


def test_who_jumps_asks_for_little(path: PartedPath, filling: Filling) -> None:
    places = [random.Random(2).randrange(SIZE - TAIL - MIB) for _ in range(40)]
    with path.open("rb", buffering=0) as file:
        for place in places:
            file.seek(place)
            part = file.read(1000)
            assert part
            assert part == BODY[place : place + len(part)]
    assert all(length <= STEP for _, length in filling.asked)
    assert len(filling.asked) <= len(places)


def test_the_end_comes_at_once(path: PartedPath, filling: Filling) -> None:
    with path.open("rb") as file:
        file.seek(-TAIL + 5, os.SEEK_END)
        assert file.read() == BODY[-TAIL + 5 :]
    assert len(filling.asked) == 1


def test_any_order_of_reading_gives_the_bytes(path: PartedPath) -> None:
    dice = random.Random(3)
    with path.open("rb", buffering=0) as one, path.open("rb") as other:
        for _ in range(300):
            file = dice.choice((one, other))
            whence, offset = dice.choice(((0, dice.randrange(SIZE + 10)), (2, -dice.randrange(SIZE)), (1, 1000)))
            place = file.seek(offset, whence)
            assert file.tell() == place
            part = file.read(dice.choice((1, 10, 10_000, 400_000)))
            assert part == BODY[place : place + len(part)]
            assert part or place >= SIZE


def test_what_is_there_is_not_asked_for_again(path: PartedPath, filling: Filling) -> None:
    assert path.read_bytes() == BODY
    asked = len(filling.asked)
    assert path.read_bytes() == BODY
    assert len(filling.asked) == asked


def test_nobody_opens_it_by_other_means(path: PartedPath) -> None:
    with pytest.raises(NotADirectoryError):
        Path(path).read_bytes()
    with pytest.raises(ValueError, match="for reading"):
        path.open("r+b")
    with path.open("rb") as file, pytest.raises((ValueError, io.UnsupportedOperation)):
        file.seek(-1)
    assert path.stat().st_size == SIZE


def test_an_answer_that_helps_nobody_is_no_data(filling: Filling) -> None:
    for answer in ((0, 0), (BLOCK, 2 * BLOCK), (0, -1)):
        path = PartedPath.of(filling.descriptor, SIZE, lambda *_, answer=answer: answer)  # type: ignore[misc]
        with path.open("rb") as file, pytest.raises(Unreached):
            file.read(10)


def box(name: bytes, length: int, wide: bool = False) -> bytes:
    """A box of so many bytes, its head included."""
    head = (1).to_bytes(4) + name + length.to_bytes(8) if wide else length.to_bytes(4) + name
    return head + bytes(max(0, length - len(head)))


def test_the_place_of_an_index_is_told_from_the_first_bytes() -> None:
    ftyp, moov = box(b"ftyp", 24), box(b"moov", 5000)
    assert index_place(ftyp + moov, 9000) == (24, 5000)
    assert index_place((ftyp + moov)[:100], 9000) == (24, 5000)
    assert index_place(ftyp + box(b"mdat", 3000) + moov, 8024) == (3024, 5000)
    for wide in (False, True):
        assert index_place((ftyp + box(b"mdat", 3000, wide) + moov)[:100], 8024) == (3024, 5000)
    assert index_place(ftyp + box(b"moov", 5000)[:10], 3000) == (24, 2976)
    for nothing in (b"", b"\x1a\x45\xdf\xa3" * 10, ftyp, box(b"ftyp", 4), ftyp + box(b"mdat", 3, wide=True)):
        assert index_place(nothing + bytes(40), 9000) is None
    assert index_place(ftyp + (0).to_bytes(4) + b"mdat" + bytes(99), 9000) is None  # which goes to the end


@pytest.mark.parametrize("front", [True, False], ids=["front", "end"])
def test_an_index_comes_at_once(filling: Filling, front: bool) -> None:
    head = box(b"ftyp", 24) + (box(b"moov", 3 * MIB) if front else b"")
    rest = SIZE - len(head) - (0 if front else 3 * MIB)
    begin = SIZE - 3 * MIB if not front else 24
    asked: list[tuple[int, int]] = []

    def ask(start: int, length: int) -> tuple[int, int]:
        asked.append((start, length))
        return start, start + length

    os.pwrite(filling.descriptor, (head + rest.to_bytes(4) + b"mdat")[: 3 * MIB + 100], 0)
    os.pwrite(filling.descriptor, box(b"moov", 3 * MIB)[:100], begin)
    with PartedPath.of(filling.descriptor, SIZE, ask).open("rb", buffering=0) as file:
        file.read(LEAST)
        first = asked[0][1]
        wanted = (max(begin, first), begin + 3 * MIB - max(begin, first))
        # One at the end is looked at first, since there may be something else behind it.
        assert asked[1:] == ([wanted] if front else [(begin, STEP), (begin + STEP, 3 * MIB - STEP)])
        file.seek(begin)
        while file.tell() < begin + 3 * MIB:
            file.read(begin + 3 * MIB - file.tell())
        assert len(asked) == (2 if front else 3)


def test_what_follows_an_index_is_not_read(filling: Filling) -> None:
    asked: list[tuple[int, int]] = []

    def ask(start: int, length: int) -> tuple[int, int]:
        asked.append((start, length))
        return start, start + length

    begin = MIB
    os.pwrite(filling.descriptor, box(b"ftyp", 24) + (begin - 24).to_bytes(4) + b"mdat", 0)
    os.pwrite(filling.descriptor, box(b"moov", 5000) + (SIZE - begin - 5000).to_bytes(4) + b"free", begin)
    with PartedPath.of(filling.descriptor, SIZE, ask).open("rb", buffering=0) as file:
        file.read(LEAST)
    assert asked[1:] == [(begin, STEP)]


def test_every_job_takes_the_path_as_it_is() -> None:
    """`Path(job["path"])` would be a plain path, which leads nowhere where an original comes in parts."""
    assert not any('job["path"]' in inspect.getsource(module) for module in (work, jobs))


# The worker


def job(do: str, filling: Filling | None, *, deadline: float = 10, **more: Any) -> Job:
    descriptor = filling.descriptor if filling else None
    return Job({"do": do, **more}, f"{do} {random.random()}", deadline, 10, MIB, descriptor=descriptor, parts=filling)


@pytest.fixture
async def crew(tmp_path: Path) -> AsyncIterator[Pool]:
    async with pool(tmp_path, size=1, command=FAULTY) as opened:
        yield opened


async def test_a_worker_asks_for_what_it_reads(crew: Pool, filling: Filling) -> None:
    ranges = [(5 * MIB, 100), (0, 10), (SIZE - 20, 50)]
    reply = await crew.run(job("read in parts", filling, ranges=ranges))
    assert reply.body == b"".join(BODY[start : start + length] for start, length in ranges)
    assert reply.meta["told"] == [100, 10, 20]
    assert [start for start, _ in filling.asked] == [start for start, _ in ranges]
    assert reply.state is None
    assert sum(crew.stats().kills.values()) == 0


@pytest.mark.parametrize("do", ["read in parts", "read in parts all the same"])
@pytest.mark.parametrize("refusal", [OriginFailed("It failed."), OriginTimedOut("It was late.")], ids=type)
async def test_why_it_does_not_come_is_what_the_job_ends_in(
    crew: Pool, filling: Filling, refusal: Exception, do: str
) -> None:
    filling.refusal = refusal
    for _ in range(3):  # which is no fault of the work
        with pytest.raises(type(refusal), match=str(refusal)):
            await crew.run(job(do, filling, ranges=[(0, 10)], identity="the same"))
    filling.refusal = None
    assert (await crew.run(job("read in parts", filling, ranges=[(0, 10)]))).body == BODY[:10]
    assert sum(crew.stats().kills.values()) == 0


async def test_waiting_for_the_place_counts_as_working_and_is_not_the_works_fault(crew: Pool, filling: Filling) -> None:
    filling.answering.clear()
    slow = job("read in parts", filling, deadline=0.3, ranges=[(0, 10)])
    for _ in range(3):
        with pytest.raises(OriginTimedOut):
            await crew.run(slow)
    filling.answering.set()
    assert (await crew.run(slow)).body == BODY[:10]
    assert crew.stats().kills == {"origin": 3}


NEEDS: dict[str, dict[str, Any]] = {
    "bytes before the beginning": {"need": [-1, 10]},
    "bytes behind the end": {"need": [SIZE - 5, 6]},
    "no bytes": {"need": [0, 0]},
    "half a byte": {"need": [0.5, 1]},
    "words": {"need": ["0", "1"]},
    "nothing": {"need": []},
    "what another job needs": {"id": 99, "need": [0, 1]},
}


@pytest.mark.parametrize("claim", NEEDS)
async def test_a_worker_that_needs_what_it_cannot_need_is_killed(crew: Pool, filling: Filling, claim: str) -> None:
    with pytest.raises(WorkerLost):
        await crew.run(job("claim", filling, header={"id": 1} | NEEDS[claim]))
    await until(lambda: crew.stats().kills == {"protocol": 1})
    assert not filling.asked


async def test_a_worker_that_asks_without_an_original_in_parts_is_killed(crew: Pool) -> None:
    with pytest.raises(WorkerLost):
        await crew.run(job("claim", None, header={"id": 1, "need": [0, 1]}))
    await until(lambda: crew.stats().kills == {"protocol": 1})


async def test_a_worker_that_asks_without_end_is_killed(
    crew: Pool, filling: Filling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.workers.tickets.MOST_NEEDS", 50)
    scattered = [(place * BLOCK, 1) for place in reversed(range(72))]
    with pytest.raises(WorkerLost):
        await crew.run(job("read in parts", filling, ranges=scattered))
    assert len(filling.asked) == 50
    await until(lambda: crew.stats().kills == {"protocol": 1})
