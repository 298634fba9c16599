"""What is known of an original: learned once, looked after, and believed while its source does not answer."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from proxy.failures import NoSuchOriginal, OriginFailed, OriginTimedOut
from proxy.flights import Flights
from proxy.records import HELD_FOR, PATIENCE, RECHECKED_AFTER, Records
from proxy.sources.file import FileSource
from proxy.sources.mounts import Mounted
from proxy.sources.source import Original, Stat
from proxy.stores.memory import MemoryStore
from tests import pictures
from transforms.errors import DamagedOriginal, OriginalTooLarge, TooManyPixels, UnsupportedFormat
from transforms.headers import Header
from transforms.limits import Limits

pytestmark = pytest.mark.anyio

T = TypeVar("T")


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Troubled:
    """A folder whose answers a test can hold up, or replace by a failure."""

    def __init__(self, root: Path) -> None:
        self._folder = FileSource(root)
        self.asked = 0
        self.before: Callable[[], Awaitable[None]] | None = None

    async def stat(self, key: str) -> Stat:
        self.asked += 1
        if self.before:
            await self.before()
        return await self._folder.stat(key)

    async def open(self, key: str) -> Original:
        return await self._folder.open(key)


class NearBy(Troubled):
    """The same, which can be looked into at once."""

    looked = 0

    async def opened(self, key: str, use: Callable[[Original], T]) -> tuple[Original, T]:
        self.looked += 1
        return await self._folder.opened(key, use)


class Place:
    """Records of one folder, and all that a test wants to see of them."""

    def __init__(self, root: Path) -> None:
        self.root, self.clock, self.probed = root, Clock(), 0
        self.source: Troubled = Troubled(root)
        self.store = MemoryStore(1 << 20)
        self.limits = Limits()
        self.records = self.fresh()

    def fresh(self) -> Records:
        async def probe(original: Original) -> Header:
            self.probed += 1
            await asyncio.sleep(0.01)
            return Header("svg", 60, 40, original.size)

        return Records(
            self.store,
            Flights(),
            probe,
            lambda _: self.limits,
            passing=(OriginFailed, OriginTimedOut),
            clock=self.clock,
        )

    def mounted(self, key: str = "a.png") -> Mounted:
        return Mounted("photos", self.source, key)

    def write(self, data: bytes, key: str = "a.png") -> None:
        (self.root / key).write_bytes(data)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    made.write(pictures.encoded(pictures.flat(width=60, height=40), "png"))
    return made


async def test_a_header_is_learned_once_and_outlives_the_process(place: Place) -> None:
    record, header = await place.records.header(place.mounted())
    assert (header.kind, header.width, header.height) == ("png", 60, 40)
    assert record.size == (place.root / "a.png").stat().st_size
    place.write(pictures.svg(), "a.svg")
    await place.records.header(place.mounted("a.svg"))
    assert place.probed == 1
    _, again = await place.fresh().header(place.mounted("a.svg"))
    assert (again.kind, place.probed) == ("svg", 1)


async def test_an_original_that_is_near_is_looked_into_once_and_asked_of_later(place: Place) -> None:
    place.source = near = NearBy(place.root)
    for _ in range(2):
        record, header = await place.records.header(place.mounted())
        assert (header.kind, header.width, record.size) == ("png", 60, (place.root / "a.png").stat().st_size)
        assert (near.looked, near.asked) == (1, 0)
    assert place.store.stats().entries == 0  # to read it again costs less than to find it
    place.clock.now += RECHECKED_AFTER + 0.1
    assert (await place.records.find(place.mounted())).version == record.version
    assert (near.looked, near.asked) == (1, 1)


async def test_a_header_that_takes_a_library_is_kept_of_what_is_near_too(place: Place) -> None:
    place.source = NearBy(place.root)
    place.write(pictures.svg(), "a.svg")
    await place.records.header(place.mounted("a.svg"))
    await place.fresh().header(place.mounted("a.svg"))
    assert place.probed == 1


async def test_what_is_near_and_cannot_be_used_is_refused_from_memory(place: Place) -> None:
    place.source = near = NearBy(place.root)
    place.write(pictures.encoded(pictures.flat(width=60, height=40), "png")[:20], "half.png")
    place.limits = Limits(picture_megapixels=0.001)
    for key, refusal in (("half.png", DamagedOriginal), ("a.png", TooManyPixels)):
        for _ in range(2):
            with pytest.raises(refusal):
                await place.records.header(place.mounted(key))
    assert (near.looked, near.asked) == (2, 0)


async def test_many_who_ask_at_once_learn_together(place: Place) -> None:
    place.write(pictures.svg(), "a.svg")
    found = await asyncio.gather(*(place.records.header(place.mounted("a.svg")) for _ in range(50)))
    assert len({header for _, header in found}) == 1
    assert (place.probed, place.source.asked) == (1, 1)


async def test_a_source_is_asked_every_few_seconds(place: Place) -> None:
    for _ in range(3):
        await place.records.find(place.mounted())
    assert place.source.asked == 1
    place.clock.now += RECHECKED_AFTER + 0.1
    old = await place.records.find(place.mounted())
    assert place.source.asked == 2
    place.write(pictures.encoded(pictures.flat(width=61), "png"))
    assert await place.records.find(place.mounted()) == old
    place.clock.now += RECHECKED_AFTER + 0.1
    new, header = await place.records.header(place.mounted())
    assert new.version != old.version
    assert header.width == 61


async def test_who_finds_it_changed_can_have_it_asked_at_once(place: Place) -> None:
    old = await place.records.find(place.mounted())
    place.write(pictures.encoded(pictures.flat(width=61), "png"))
    place.records.forget(place.mounted())
    assert (await place.records.find(place.mounted())).version != old.version


async def test_a_source_that_hangs_holds_up_nobody_who_knows(place: Place) -> None:
    known = await place.records.find(place.mounted())
    place.clock.now += RECHECKED_AFTER + 0.1
    answering = asyncio.Event()

    async def hang() -> None:
        await answering.wait()

    place.source.before = hang
    loop = asyncio.get_running_loop()
    started = loop.time()
    first = asyncio.create_task(place.records.find(place.mounted()))
    await asyncio.sleep(0)
    assert await place.records.find(place.mounted())
    assert loop.time() - started < PATIENCE / 2
    assert (await first).version == known.version
    assert loop.time() - started < 10 * PATIENCE
    assert place.source.asked == 2
    # It answers after all, and what it says is there for whoever comes next.
    place.write(pictures.encoded(pictures.flat(width=61), "png"))
    answering.set()
    await asyncio.sleep(0.1)
    assert (await place.records.find(place.mounted())).version != known.version
    assert place.source.asked == 2


@pytest.mark.parametrize("trouble", [OriginFailed, OriginTimedOut])
async def test_an_original_is_believed_for_a_day_while_its_source_is_down(
    place: Place, trouble: type[OriginFailed]
) -> None:
    async def fail() -> None:
        raise trouble("x")

    known = await place.records.find(place.mounted())
    place.source.before = fail
    for _ in range(3):
        place.clock.now += RECHECKED_AFTER + 0.1
        assert (await place.records.find(place.mounted())).version == known.version
        assert (await place.records.find(place.mounted())).version == known.version
    assert place.source.asked == 4  # once for each time, however many want to know
    with pytest.raises(trouble):
        await place.records.find(place.mounted("unknown.png"))
    place.clock.now += HELD_FOR
    with pytest.raises(trouble):
        await place.records.find(place.mounted())
    place.source.before = None
    assert await place.records.find(place.mounted())


async def test_an_original_that_is_gone_is_gone(place: Place) -> None:
    await place.records.find(place.mounted())
    (place.root / "a.png").unlink()
    place.clock.now += RECHECKED_AFTER + 0.1
    for _ in range(2):
        with pytest.raises(NoSuchOriginal):
            await place.records.find(place.mounted())


@pytest.mark.parametrize(
    ("data", "limits", "refusal"),
    [
        (b"I am not a picture.", Limits(), UnsupportedFormat),
        (b"", Limits(), DamagedOriginal),
        (pictures.encoded(pictures.flat(), "png"), Limits(picture_megapixels=0.001), TooManyPixels),
        (pictures.encoded(pictures.flat(), "png"), Limits(picture_bytes=10, jpeg_bytes=10), OriginalTooLarge),
        (pictures.svg(), Limits(picture_bytes=10, jpeg_bytes=20), OriginalTooLarge),
    ],
)
async def test_what_cannot_be_used_is_looked_at_once(
    place: Place, data: bytes, limits: Limits, refusal: type[Exception]
) -> None:
    place.limits = limits
    place.write(data)
    for _ in range(3):
        with pytest.raises(refusal):
            await place.records.header(place.mounted())
    assert (place.source.asked, place.probed) == (1, 0)
    await asyncio.get_running_loop().shutdown_default_executor()  # its threads let go of what they did
    held = [os.readlink(name) for name in Path("/proc/self/fd").iterdir() if name.exists()]
    assert str(place.root / "a.png") not in held


async def test_another_version_of_what_could_not_be_used_may_be_better(place: Place) -> None:
    place.write(b"I am not a picture.")
    with pytest.raises(UnsupportedFormat):
        await place.records.header(place.mounted())
    place.write(pictures.encoded(pictures.flat(width=62), "png"))
    place.clock.now += RECHECKED_AFTER + 0.1
    assert (await place.records.header(place.mounted()))[1].width == 62


async def test_the_frames_of_an_animation_are_no_reason_to_refuse_it_outright(place: Place) -> None:
    place.limits = Limits(frames=2)
    place.write(pictures.animated("gif"), "a.gif")
    assert (await place.records.header(place.mounted("a.gif")))[1].frames >= 3
