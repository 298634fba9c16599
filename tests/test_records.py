"""What is known of an original: learned once, looked after, and believed while its source does not answer."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from proxy.failures import NoSuchOriginal, OriginFailed, OriginTimedOut
from proxy.flights import Flights
from proxy.known import StoredRecords
from proxy.record import Recheck
from proxy.records import HELD_FOR, PATIENCE, Records
from proxy.sources.copies import Copies
from proxy.sources.file import FileSource
from proxy.sources.mounts import Mounted
from proxy.sources.originals import Originals
from proxy.sources.source import Original, Stat
from proxy.stores.memory import MemoryStore
from proxy.stores.result import Result
from proxy.tags import Numbers
from tests import pictures
from tests.elsewhere import Elsewhere
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

    def fresh(self, tell: Callable[[str, str, str], None] = lambda mount, key, version: None) -> Records:
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
            tell=tell,
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
    place.clock.now += Recheck().every + 0.1
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
    place.clock.now += Recheck().every + 0.1
    old = await place.records.find(place.mounted())
    assert place.source.asked == 2
    place.write(pictures.encoded(pictures.flat(width=61), "png"))
    assert await place.records.find(place.mounted()) == old
    place.clock.now += Recheck().every + 0.1
    new, header = await place.records.header(place.mounted())
    assert new.version != old.version
    assert header.width == 61


async def test_who_finds_it_changed_can_have_it_asked_at_once(place: Place) -> None:
    old = await place.records.find(place.mounted())
    place.write(pictures.encoded(pictures.flat(width=61), "png"))
    place.records.forget(place.mounted())
    assert (await place.records.find(place.mounted())).version != old.version


async def test_what_one_server_sees_to_change_another_asks_for_at_once(place: Place) -> None:
    other = place.fresh()
    one = place.fresh(tell=other.hear)
    before = await one.find(place.mounted())
    place.clock.now += Recheck().every + 0.1
    assert (await other.find(place.mounted())).version == before.version
    place.write(pictures.encoded(pictures.flat(width=30, height=20), "png"))
    after = await one.find(place.mounted())
    assert after.version != before.version
    asked = place.source.asked
    assert (await other.find(place.mounted())).version == after.version
    # Once told it knows; to hear of what it knows, or of what it never knew, changes nothing.
    other.hear("photos", "a.png", after.version)
    other.hear("photos", "b.png", after.version)
    await other.find(place.mounted())
    assert place.source.asked == asked + 1


async def test_what_another_server_sees_fails_nobody_whose_source_is_down(place: Place) -> None:
    before = await place.records.find(place.mounted())

    async def fail() -> None:
        raise OriginFailed("down")

    place.source.before = fail
    place.records.hear("photos", "a.png", "another version")
    assert (await place.records.find(place.mounted())).version == before.version
    assert place.source.asked == 2


async def test_who_has_not_heard_of_an_original_for_long_waits_for_its_source(place: Place) -> None:
    """Else a picture that nobody asked for in a week would be a week old, however short the ages of its answers."""
    first = await place.records.find(place.mounted())

    async def take_its_time() -> None:
        await asyncio.sleep(2 * PATIENCE)

    place.source.before = take_its_time
    place.write(pictures.encoded(pictures.flat(width=61, height=40), "png"))
    place.clock.now += 10
    assert (await place.records.find(place.mounted())).version == first.version, "it was there a moment ago"
    await asyncio.sleep(3 * PATIENCE)
    place.write(pictures.encoded(pictures.flat(width=62, height=40), "png"))
    place.clock.now += Recheck().every + Recheck().meanwhile + 1
    records = await asyncio.gather(*(place.records.header(place.mounted()) for _ in range(3)))
    assert {header.width for _, header in records} == {62}


async def test_a_source_that_hangs_holds_up_nobody_who_knows(place: Place) -> None:
    known = await place.records.find(place.mounted())
    place.clock.now += Recheck().every + 0.1
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
        place.clock.now += Recheck().every + 0.1
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
    place.clock.now += Recheck().every + 0.1
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
    place.clock.now += Recheck().every + 0.1
    assert (await place.records.header(place.mounted()))[1].width == 62


async def test_the_frames_of_an_animation_are_no_reason_to_refuse_it_outright(place: Place) -> None:
    place.limits = Limits(frames=2)
    place.write(pictures.animated("gif"), "a.gif")
    assert (await place.records.header(place.mounted("a.gif")))[1].frames >= 3


class Far:
    """Records of a place elsewhere, made anew as often as a test wants; nothing but the store outlives them."""

    def __init__(self) -> None:
        self.remote = Elsewhere({"a.png": pictures.encoded(pictures.flat(width=60, height=40), "png")})
        self.clock, self.store = Clock(), MemoryStore(1 << 20)
        self.copies = Copies(None, 0, lambda *_: None)
        self.rule = Recheck(60.0, obeys=True, missing=10.0)
        self.purged: Numbers = ()
        self.records = self.fresh()

    def fresh(self) -> Records:
        self.source = Originals(self.remote, "here", self.copies, lambda *_: None)

        async def probe(_: Original) -> Header:
            raise AssertionError("its header takes no library")

        return Records(
            self.store,
            Flights(),
            probe,
            lambda _: Limits(),
            passing=(OriginFailed, OriginTimedOut),
            clock=self.clock,
            recheck=lambda _: self.rule,
            outliving=StoredRecords(self.store),
            purged=lambda *_: self.purged,
        )

    async def width(self, records: Records | None = None, key: str = "a.png") -> int:
        return (await (records or self.records).header(self.mounted(key)))[1].width

    def mounted(self, key: str = "a.png") -> Mounted:
        return Mounted("far", self.source, key)

    def write(self, width: int) -> None:
        self.remote.originals["a.png"] = pictures.encoded(pictures.flat(width=width, height=40), "png")


@pytest.fixture
async def far() -> AsyncIterator[Far]:
    made = Far()
    yield made
    await made.copies.close()


async def test_what_is_known_of_an_original_elsewhere_outlives_the_process(far: Far) -> None:
    assert await far.width() == 60
    far.clock.now += 30
    assert await far.width(far.fresh()) == 60
    assert (far.remote.asked, far.remote.fetched) == (1, 1)
    far.write(61)
    far.clock.now += 31
    assert await far.width(far.fresh()) == 61
    assert await far.width(far.fresh()) == 61
    assert (far.remote.asked, far.remote.fetched) == (2, 2)


async def test_it_is_believed_for_a_day_after_a_restart_while_its_place_is_down(far: Far) -> None:
    await far.width()
    far.remote.down = True
    far.clock.now += HELD_FOR - 10
    later = far.fresh()
    for _ in range(10):
        assert await far.width(later) == 60
    assert far.remote.asked == 2  # and not again within a minute
    far.clock.now += 61
    with pytest.raises(OriginFailed):
        await far.width(later)


async def test_that_an_original_is_still_the_same_is_written_down_now_and_then(far: Far) -> None:
    await far.width()
    for _ in range(20):
        far.clock.now += 0.9 * HELD_FOR
        assert await far.width() == 60
    far.remote.down = True
    far.clock.now += 0.9 * HELD_FOR
    assert await far.width(far.fresh()) == 60


async def test_an_original_that_is_gone_is_not_believed_after_a_restart(far: Far) -> None:
    await far.width()
    body = far.remote.originals.pop("a.png")
    far.clock.now += 61
    with pytest.raises(NoSuchOriginal):
        await far.width()
    far.remote.down = True
    with pytest.raises(OriginFailed):
        await far.width(far.fresh())
    far.remote.down, far.remote.originals["a.png"] = False, body
    assert await far.width(far.fresh()) == 60


async def test_what_cannot_be_used_any_more_is_not_believed_after_a_restart(far: Far) -> None:
    await far.width()
    far.remote.originals["a.png"] = b"I am not a picture."
    far.clock.now += 61
    with pytest.raises(UnsupportedFormat):
        await far.width()
    far.remote.down = True
    with pytest.raises(OriginFailed):
        await far.width(far.fresh())


@pytest.mark.parametrize(
    ("fresh", "obeys", "expected"), [(0, True, 60), (300, True, 300), (5, True, 5), (5, False, 60)]
)
async def test_a_place_is_asked_again_as_it_says_or_as_is_set(
    far: Far, fresh: float, obeys: bool, expected: float
) -> None:
    far.remote.fresh, far.rule = fresh, Recheck(60.0, obeys=obeys)
    await far.width()
    for asked in (1, 2, 3):
        far.clock.now += expected - 0.1
        await far.width()
        assert far.remote.asked == asked
        far.clock.now += 0.2
        await far.width()
        assert far.remote.asked == asked + 1


async def test_an_original_that_is_missing_is_asked_for_every_ten_seconds(far: Far) -> None:
    async def all_refused() -> None:
        found = await asyncio.gather(
            *(far.records.find(far.mounted("no.png")) for _ in range(5000)), return_exceptions=True
        )
        assert all(isinstance(refusal, NoSuchOriginal) for refusal in found)

    for _ in range(2):
        await all_refused()
    assert far.remote.asked == 1
    far.clock.now += 10.1
    await all_refused()
    assert far.remote.asked == 2
    far.remote.originals["no.png"] = far.remote.originals["a.png"]
    far.clock.now += 10.1
    assert await far.width(key="no.png") == 60


async def test_a_place_that_is_down_is_asked_for_an_unknown_original_once_in_a_second(far: Far) -> None:
    far.remote.down = True
    for asked in (1, 2):
        for _ in range(100):
            with pytest.raises(OriginFailed):
                await far.width()
        assert far.remote.asked == asked
        far.clock.now += 1.1
    far.remote.down = False
    assert await far.width() == 60


async def test_what_was_written_down_is_no_answer_to_doubt(far: Far) -> None:
    await far.width()
    far.write(61)
    far.records.forget(far.mounted())
    assert await far.width() == 61
    assert await far.width(far.fresh()) == 61


async def test_what_was_known_before_a_purge_is_asked_again_after_a_restart_too(far: Far) -> None:
    await far.width()
    far.write(61)
    assert await far.width() == await far.width(far.fresh()) == 60, "for a minute"
    far.purged = (("mount:far", "1"),)
    assert await far.width(far.fresh()) == 61
    assert await far.width() == 61
    del far.remote.originals["a.png"]
    far.purged = (("mount:far", "2"),)
    with pytest.raises(NoSuchOriginal):
        await far.width()
    far.write(62)
    far.purged = (("mount:far", "3"),)
    assert await far.width() == 62, "that it was missing is not believed either"


async def test_what_is_just_being_asked_when_a_purge_comes_is_not_believed_after_it(far: Far) -> None:
    asked, answer = asyncio.Event(), asyncio.Event()
    stat = far.remote.stat

    async def slow(key: str) -> Stat:
        found = await stat(key)
        asked.set()
        await answer.wait()
        return found

    far.remote.stat = slow  # type: ignore[method-assign]
    before = asyncio.create_task(far.width())
    await asked.wait()
    far.remote.stat = stat  # type: ignore[method-assign]
    far.write(61)
    far.purged = (("mount:far", "1"),)
    assert await far.width() == 61
    answer.set()
    assert await before in (60, 61)
    assert await far.width() == await far.width(far.fresh()) == 61


async def test_a_record_of_another_age_is_none(far: Far) -> None:
    await far.width()
    known = StoredRecords(far.store)
    (key,) = [key for key in far.store._kept if "version" in (await far.store.get(key)).meta]  # type: ignore[union-attr]
    await far.store.put(key, Result({"version": "1", "header": "png"}, b""))
    assert await known.recall(far.mounted(), ()) is None
    assert await far.width(far.fresh()) == 60
