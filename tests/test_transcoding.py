"""Films on their way: who waits, who is sent what there is, who is promised it and for when; without workers."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from proxy.answer import Answer
from proxy.caching import Lifetime
from proxy.failures import Busy, WorkerLost
from proxy.films import Witness
from proxy.rendition import Rendition
from proxy.stores.growing import Growing, Unfinished
from proxy.stores.result import Result
from proxy.transcoding import MOST_WORKS, Transcodes
from transforms.errors import TooLong
from transforms.limits import Cost

pytestmark = pytest.mark.anyio

RESULT = Result({"digest": "ab" * 32}, b"whole")


@dataclass
class Keyed:
    """As much of a rendition as is looked at."""

    key: str = "0" * 40


@dataclass
class Studio:
    """Makes films when it is told to."""

    now: float = 0.0
    made: int = 0
    witness: Witness | None = None
    rank: int | None = None
    outcome: asyncio.Future[Result] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def make(self, witness: Witness | None, rank: int) -> tuple[Result, bool]:
        self.made += 1
        self.witness, self.rank = witness, rank
        return await self.outcome, True


def asking(films: Transcodes, studio: Studio, seconds: float) -> Callable[..., Awaitable[Answer]]:
    async def ask(head: bool = False) -> Answer:
        promised = Answer(Lifetime(60, "public"), media_type="video/mp4", etag='"x"')
        rendition = cast(Rendition, Keyed())
        return await films.answer(b"/f_mp4/a.mov", head, rendition, promised, Cost(seconds * 1000, 1), studio.make)

    return ask


async def until(true: Callable[[], Any]) -> None:
    """Let others go on until something is so."""
    for _ in range(1000):
        if true():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never was so")


async def test_a_film_is_sent_to_all_while_it_grows(tmp_path: Path) -> None:
    studio = Studio()
    ask = asking(Transcodes(10, 100, 1), studio, 5)
    first, second = asyncio.create_task(ask()), asyncio.create_task(ask())
    await until(lambda: studio.witness)
    path = tmp_path / "film"
    path.write_bytes(b"one ")
    assert studio.witness
    studio.witness.begins()
    studio.witness.grows({}, os.open(path, os.O_RDONLY))
    answers = [await first, await second, await ask()]
    assert studio.made == 1
    assert all(isinstance(answer.body, Growing) and not answer.whole and not answer.etag for answer in answers)
    bodies = [cast(Growing, answer.body).blocks() for answer in answers]
    assert [await anext(body) for body in bodies] == [b"one "] * 3
    with path.open("ab") as file:
        file.write(b"two")
    studio.witness.progresses(0.5)
    assert [await anext(body) for body in bodies] == [b"two"] * 3
    studio.outcome.set_result(RESULT)
    assert [[block async for block in body] for body in bodies] == [[]] * 3


async def test_what_fails_ends_without_an_end(tmp_path: Path) -> None:
    studio = Studio()
    ask = asking(Transcodes(10, 100, 1), studio, 5)
    asked = asyncio.create_task(ask())
    await until(lambda: studio.witness)
    (tmp_path / "film").write_bytes(b"half")
    assert studio.witness
    studio.witness.grows({}, os.open(tmp_path / "film", os.O_RDONLY))
    body = cast(Growing, (await asked).body).blocks()
    assert await anext(body) == b"half"
    studio.outcome.set_exception(WorkerLost("it is gone"))
    with pytest.raises(Unfinished):
        await anext(body)


async def test_who_waits_for_a_film_that_fails_is_told_why() -> None:
    studio = Studio()
    ask = asking(Transcodes(10, 100, 1), studio, 5)
    asked = [asyncio.create_task(ask()) for _ in range(2)]
    await until(lambda: studio.made)
    studio.outcome.set_exception(WorkerLost("it is gone"))
    for one in asked:
        with pytest.raises(WorkerLost):
            await one


async def test_a_short_film_is_waited_for_and_comes_whole() -> None:
    studio = Studio()
    asked = asyncio.create_task(asking(Transcodes(10, 100, 1), studio, 0.5)())
    await until(lambda: studio.made)
    assert studio.witness is None, "nobody needs it before it is done"
    studio.outcome.set_result(RESULT)
    answer = await asked
    assert (answer.body, answer.etag, answer.whole) == (b"whole", f'"{"ab" * 32}"', True)


@pytest.mark.parametrize(("done", "after"), [(0.1, 10.0), (0.25, 30.0), (0.9, 300.0)])
async def test_a_job_says_when_it_will_be_done_by_its_own_pace(done: float, after: float) -> None:
    studio = Studio()
    ask = asking(Transcodes(10, 1000, 1, clock=lambda: studio.now), studio, 40)
    first = await ask()
    assert (first.status, first.retry_after, json.loads(cast(bytes, first.body))["status"]) == (202, 40, "waiting")
    await until(lambda: studio.witness)
    assert studio.witness
    studio.now = 100
    studio.witness.begins()
    studio.now = 100 + after
    studio.witness.progresses(done)
    told = json.loads(cast(bytes, (await ask()).body))
    left = after / done - after
    assert left <= told["retry_after"] <= left + 1
    assert told == {"status": "working", "progress": done, "retry_after": told["retry_after"], "url": "/f_mp4/a.mov"}
    assert studio.rank == 1
    studio.outcome.set_result(RESULT)


async def test_a_job_that_failed_says_so_for_a_while() -> None:
    studio = Studio()
    films = Transcodes(10, 1000, 1, clock=lambda: studio.now)
    ask = asking(films, studio, 40)
    await ask()
    await until(lambda: studio.made)
    studio.outcome.set_exception(WorkerLost("it is gone"))
    await until(lambda: "0" * 40 not in films)
    for _ in range(3):
        with pytest.raises(WorkerLost):
            await ask()
    assert studio.made == 1
    studio.now, studio.outcome = 61, asyncio.get_running_loop().create_future()
    assert (await ask()).status == 202
    await until(lambda: studio.made == 2)
    studio.outcome.set_result(RESULT)


async def test_who_is_in_a_hurry_is_told_that_all_are_busy_and_a_job_waits() -> None:
    studio = Studio()
    asked = asyncio.create_task(asking(Transcodes(10, 1000, 1), studio, 5)())
    await until(lambda: studio.made)
    studio.outcome.set_exception(Busy("all are busy"))
    with pytest.raises(Busy):
        await asked


async def test_head_begins_nothing() -> None:
    studio = Studio()
    films = Transcodes(10, 1000, 1)
    assert (await asking(films, studio, 5)(head=True)).status == 200
    assert (await asking(films, studio, 50)(head=True)).status == 202
    assert studio.made == 0


async def test_too_much_work_is_refused() -> None:
    with pytest.raises(TooLong):
        await asking(Transcodes(10, 100, 1), Studio(), 101)()


async def test_the_end_of_the_server_ends_what_is_in_work() -> None:
    studio, films = Studio(), Transcodes(10, 1000, 1)
    await asking(films, studio, 50)()
    await until(lambda: studio.made)
    await films.close()
    assert "0" * 40 not in films


async def test_no_more_than_so_many_films_wait_at_a_time() -> None:
    films, studio = Transcodes(10, 1000, 1), Studio()

    async def ask(number: int) -> Answer:
        promised, rendition = Answer(Lifetime(60, "public")), cast(Rendition, Keyed(str(number)))
        return await films.answer(b"/f_mp4/a.mov", False, rendition, promised, Cost(50_000, 1), studio.make)

    for number in range(MOST_WORKS):
        assert (await ask(number)).status == 202
    with pytest.raises(Busy) as refused:
        await ask(MOST_WORKS)
    assert refused.value.retry_after >= 10
    assert (await ask(0)).status == 202  # who shares in one that waits takes no place
    assert studio.made <= MOST_WORKS
    await films.close()
