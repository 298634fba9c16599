"""Equal work in flight is done once."""

import asyncio
import copy
import gc
import traceback
from dataclasses import dataclass

import pytest

from proxy.failures import Busy, ClosingDown
from proxy.flights import Flights

pytestmark = pytest.mark.anyio


class Work:
    """Work that waits to be let go, and counts how often it was begun."""

    def __init__(self, result: object = "picture") -> None:
        self.result = result
        self.begun = 0
        self.ended = 0
        self.started = asyncio.Event()
        self.go = asyncio.Event()

    async def __call__(self) -> object:
        self.begun += 1
        self.started.set()
        await self.go.wait()
        self.ended += 1
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result


async def test_five_hundred_waiters_are_one_piece_of_work() -> None:
    flights, work = Flights(), Work()
    tasks = [asyncio.create_task(flights.share("k", work)) for _ in range(500)]
    await work.started.wait()
    assert len(flights) == 1
    work.go.set()
    results = await asyncio.gather(*tasks)
    assert work.begun == 1
    assert {result for result, _ in results} == {"picture"}
    assert [led for _, led in results].count(True) == 1
    assert (flights.led, flights.joined, flights.abandoned) == (1, 499, 0)
    assert len(flights) == 0


async def test_different_keys_are_different_work() -> None:
    flights = Flights()
    works = [Work(n) for n in range(3)]
    tasks = [asyncio.create_task(flights.share(str(n), work)) for n, work in enumerate(works)]
    for work in works:
        await work.started.wait()
        work.go.set()
    assert await asyncio.gather(*tasks) == [(0, True), (1, True), (2, True)]


async def test_what_is_done_is_done_again_when_asked_again() -> None:
    flights, work = Flights(), Work()
    work.go.set()
    assert await flights.share("k", work) == ("picture", True)
    assert await flights.share("k", work) == ("picture", True)
    assert work.begun == 2


async def test_a_leader_that_leaves_takes_nothing_from_the_others() -> None:
    flights, work = Flights(), Work()
    leader = asyncio.create_task(flights.share("k", work))
    await work.started.wait()
    follower = asyncio.create_task(flights.share("k", work))
    await asyncio.sleep(0)
    leader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leader
    work.go.set()
    assert await follower == ("picture", False)
    assert (work.begun, flights.abandoned) == (1, 0)


async def test_work_that_all_have_left_goes_on_and_is_counted() -> None:
    flights, work = Flights(), Work()
    tasks = [asyncio.create_task(flights.share("k", work)) for _ in range(3)]
    await work.started.wait()
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert (len(flights), flights.abandoned) == (1, 0)
    late = asyncio.create_task(flights.share("k", work))
    await asyncio.sleep(0)
    late.cancel()
    await asyncio.wait([late])
    work.go.set()
    await asyncio.wait([flight.task for flight in flights._flights.values()])
    assert (work.begun, work.ended, flights.abandoned) == (1, 1, 1)


async def test_work_that_fails_with_nobody_waiting_complains_to_nobody() -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
    flights, work = Flights(), Work(ValueError("wrong"))
    task = asyncio.create_task(flights.share("k", work))
    await work.started.wait()
    task.cancel()
    await asyncio.wait([task])
    work.go.set()
    await asyncio.wait([flight.task for flight in flights._flights.values()])
    gc.collect()
    assert complaints == []
    assert flights.abandoned == 1


async def test_an_exception_reaches_every_waiter_with_a_short_traceback() -> None:
    flights, work = Flights(), Work(Busy("full", retry_after=3.0))
    tasks = [asyncio.create_task(flights.share("k", work)) for _ in range(100)]
    await work.started.wait()
    work.go.set()
    errors = await asyncio.gather(*tasks, return_exceptions=True)
    for error in errors:
        assert isinstance(error, Busy)
        assert (error.detail, error.retry_after) == ("full", 3.0)
        assert len(traceback.extract_tb(error.__traceback__)) <= 4
    assert len({id(error) for error in errors}) == 100
    assert len(flights) == 0


async def test_the_cause_of_an_exception_is_kept() -> None:
    async def fail() -> None:
        try:
            raise KeyError("deep")
        except KeyError as error:
            raise ValueError("shallow") from error

    with pytest.raises(ValueError, match="shallow") as raised:
        await Flights().share("k", fail)
    assert isinstance(raised.value.__cause__, KeyError)
    assert "fail" in [frame.name for frame in traceback.extract_tb(raised.value.__traceback__)]


@dataclass
class Uncopied(Exception):
    """An exception that refuses to be copied."""

    one: int
    two: int

    def __copy__(self) -> "Uncopied":
        raise TypeError("no")


async def test_an_exception_that_cannot_be_copied_is_raised_as_it_is() -> None:
    with pytest.raises(TypeError):
        copy.copy(Uncopied(1, 2))
    flights, work = Flights(), Work(Uncopied(1, 2))
    tasks = [asyncio.create_task(flights.share("k", work)) for _ in range(100)]
    await work.started.wait()
    work.go.set()
    errors = await asyncio.gather(*tasks, return_exceptions=True)
    assert errors == [Uncopied(1, 2)] * 100
    assert all(len(traceback.extract_tb(error.__traceback__)) <= 4 for error in errors if isinstance(error, Exception))


async def test_work_that_fails_is_tried_anew_by_who_asks_next() -> None:
    flights, work = Flights(), Work(ValueError("wrong"))
    work.go.set()
    for _ in range(2):
        with pytest.raises(ValueError, match="wrong"):
            await flights.share("k", work)
    assert work.begun == 2


async def test_closing_stops_the_work_and_tells_the_waiters() -> None:
    flights, work = Flights(), Work()
    task = asyncio.create_task(flights.share("k", work))
    await work.started.wait()
    await flights.close()
    with pytest.raises(ClosingDown):
        await task
    assert (work.ended, len(flights)) == (0, 0)
    await flights.close()


async def test_work_cancelled_before_it_begins_leaves_no_entry() -> None:
    flights, work = Flights(), Work()
    task = asyncio.create_task(flights.share("k", work))
    await asyncio.sleep(0)
    await flights.close()
    with pytest.raises(ClosingDown):
        await task
    assert (work.begun, len(flights)) == (0, 0)
