"""Parts that are made before they are asked for: which, when, and for whom they give way."""

import asyncio
from collections.abc import Callable
from fractions import Fraction

import pytest

from proxy.failures import Busy
from proxy.sources.file import FileSource
from proxy.sources.mounts import Mounted
from proxy.stores.result import Result
from proxy.streaming.ahead import Ahead
from proxy.streaming.kept import Kept
from proxy.streaming.part import Part
from tests.serving import wait_until
from transforms.headers import Header
from transforms.video.stream_plan import Rung, StreamPlan

pytestmark = pytest.mark.anyio

RUNG = Rung("720", "picture", False, "avc1.42c01e", 100_000, 80_000, end=Fraction(20))
PLAN = StreamPlan(1, "v", tuple(map(Fraction, range(0, 22, 2))), (RUNG,))
KEPT = Kept(PLAN, Header("mp4", 160, 90, 1000, seconds=20.0))


class Studio:
    """Makes parts when it is let, and tells which."""

    def __init__(self) -> None:
        self.begun: list[object] = []
        self.told: list[str] = []
        self.free, self.go, self.now = True, asyncio.Event(), 0.0
        self.failure: Exception | None = None
        self.ahead = Ahead(self.make, lambda: self.free, 1, self.told.append, lambda: self.now)

    async def make(self, part: Part, begins: Callable[[], None]) -> Result:
        await asyncio.sleep(0)  # its original is opened
        begins()
        self.begun.append(part.place)
        await self.go.wait()
        if self.failure:
            failure, self.failure = self.failure, None
            raise failure
        return Result({}, f"{part.place}".encode())

    async def settled(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)


@pytest.fixture
def part(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Part]:
    mounted = Mounted("", FileSource(tmp_path_factory.mktemp("films")), "film.mp4")
    return lambda place: Part(mounted, KEPT, RUNG, place)


async def until(true: Callable[[], object]) -> None:
    await asyncio.to_thread(wait_until, true)


async def test_the_next_two_are_made_one_after_the_other(part: Callable[[int], Part]) -> None:
    studio = Studio()
    studio.ahead.asked(part(0))
    await studio.settled()
    assert studio.begun == [1]
    studio.go.set()
    await until(lambda: studio.told == ["made", "made"])
    assert studio.begun == [1, 2]
    studio.ahead.asked(part(1))
    await until(lambda: studio.begun == [1, 2, 3])
    assert studio.told.count("used") == 1
    await studio.ahead.close()


async def test_nothing_is_made_behind_the_last_one(part: Callable[[int], Part]) -> None:
    studio = Studio()
    studio.ahead.asked(part(9))
    await studio.settled()
    assert studio.begun == []
    await studio.ahead.close()


async def test_whoever_asks_for_what_is_being_made_takes_it(part: Callable[[int], Part]) -> None:
    studio = Studio()
    studio.ahead.asked(part(0))
    await studio.settled()
    taking = asyncio.create_task(studio.ahead.take(part(1)))
    await studio.settled()
    studio.go.set()
    taken = await taking
    assert taken is not None
    assert taken.body == b"1"
    await studio.ahead.close()


async def test_what_has_not_begun_is_left_to_whoever_asks_for_it(part: Callable[[int], Part]) -> None:
    studio = Studio()
    studio.free = False
    studio.ahead.asked(part(0))
    await studio.settled()
    assert await studio.ahead.take(part(1)) is None
    studio.free = True
    studio.go.set()
    await until(lambda: studio.told == ["made"])
    assert studio.begun == [2]
    await studio.ahead.close()


async def test_what_waits_for_too_long_for_an_idle_worker_is_dropped(part: Callable[[int], Part]) -> None:
    studio = Studio()
    studio.free = False
    studio.ahead.asked(part(0))
    await studio.settled()
    studio.now = 4.1  # more than twice the length of a part
    studio.free = True
    await until(lambda: studio.told == ["dropped", "dropped"])
    assert studio.begun == []
    await studio.ahead.close()


async def test_what_had_to_give_way_is_tried_again_and_who_waited_for_it_makes_it(part: Callable[[int], Part]) -> None:
    studio = Studio()
    studio.ahead.asked(part(0))
    await studio.settled()
    taking = asyncio.create_task(studio.ahead.take(part(1)))
    await studio.settled()
    studio.failure = Busy("it made room")
    studio.go.set()
    assert await taking is None
    await until(lambda: studio.told.count("made") >= 1)
    await studio.ahead.close()
