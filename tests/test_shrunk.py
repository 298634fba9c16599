"""Each original is decoded once, whoever asks for it and however many come at a time."""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from proxy.failures import Busy, WorkerLost, WorkFailed
from proxy.shrunk import Held, Lead, ShrunkOriginals, Turn
from tests import pictures
from tests.serving import Server, fetch, serving
from transforms.errors import DamagedOriginal, Refusal, ResultTooLarge
from transforms.headers import Header
from transforms.operation import Size
from transforms.shrunk import Layer, Shrunk

pytestmark = pytest.mark.anyio

HEADER = Header("jpg", 4000, 3000, 3_000_000)
SMALL, LARGE = Size(600, 450), Size(1400, 1050)
MIB = 1 << 20


def shrunk(width: int) -> Shrunk:
    layer = Layer(width, width * 3 // 4, 0, float(width), width * 0.75, 1.3)
    return Shrunk((layer,), 3, "uchar", "srgb", (1.0, 1.0), {})


def leave(pixels: ShrunkOriginals, lead: Lead, width: int = 1000, size: int = 0) -> None:
    """What a worker does when it has decoded."""
    lead.begin()
    said = shrunk(width)
    with tempfile.TemporaryFile() as file:
        file.truncate(size or said.layers[0].width * said.layers[0].height * 3)
        pixels.keep(lead, said.to_dict(), os.dup(file.fileno()))


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


CAME = 7.0


def standing(decoded: Size | None) -> AbstractContextManager[float]:
    """A place in a line, since the same moment for everybody."""
    return nullcontext(CAME)


class Visitor:
    """Somebody who makes a result, and lets the test decide when."""

    def __init__(self, pixels: ShrunkOriginals, original: str, target: Size | None, saves: float = 40, **how: bool):
        self.turn: Turn | None = None
        self.go = asyncio.Event()
        self._has = asyncio.Event()
        self.task = asyncio.create_task(self._visit(pixels, original, target, saves, how))

    async def _visit(
        self, pixels: ShrunkOriginals, original: str, target: Size | None, saves: float, how: dict[str, bool]
    ) -> None:
        async with pixels.turn(original, HEADER, target, saves=saves, standing=standing, **how) as self.turn:
            self._has.set()
            await self.go.wait()

    async def has_turn(self) -> Turn:
        await asyncio.wait_for(self._has.wait(), 5)
        assert self.turn
        return self.turn

    async def waits(self) -> bool:
        for _ in range(5):
            await asyncio.sleep(0)
        return self.turn is None

    async def end(self) -> None:
        self.go.set()
        await self.task


async def led(visitor: Visitor) -> Lead:
    lead = (await visitor.has_turn()).lead
    assert lead
    return lead


async def test_who_comes_while_an_original_is_decoded_waits_and_goes_on_from_it() -> None:
    pixels = ShrunkOriginals(64 * MIB)
    first, second = Visitor(pixels, "a", SMALL), Visitor(pixels, "a", Size(300, 225))
    lead = await led(first)
    assert await second.waits()
    leave(pixels, lead)
    turn = await second.has_turn()
    assert turn.held, "before the first is through"
    assert turn.layer
    assert (turn.layer.width, turn.lead) == (1000, None)
    for visitor in (first, second):
        await visitor.end()
    assert (pixels.stats().hits, pixels.stats().misses) == (1, 1)


async def test_before_it_begins_the_decoding_is_asked_for_all_that_others_want() -> None:
    pixels = ShrunkOriginals(64 * MIB)
    first, second = Visitor(pixels, "a", SMALL), Visitor(pixels, "a", LARGE)
    lead = await led(first)
    assert await second.waits()
    assert lead.begin() == {"reach": [1400, 1050]}
    third = Visitor(pixels, "a", Size(2000, 1500))
    assert await led(third) is not lead, "too late to ask for more"
    for visitor in (first, second, third):
        await visitor.end()


async def test_who_waits_stands_in_line_for_work_from_what_is_decoded_and_may_be_refused() -> None:
    pixels, told = ShrunkOriginals(64 * MIB), list[Size | None]()

    def full(decoded: Size | None) -> AbstractContextManager[float]:
        told.append(decoded)
        raise Busy("no place", retry_after=1)

    async def refused() -> None:
        with pytest.raises(Busy):
            async with pixels.turn("a", HEADER, LARGE, saves=40, standing=full):
                raise AssertionError("he was refused")

    await refused()
    first, second = Visitor(pixels, "a", SMALL), Visitor(pixels, "a", SMALL)
    lead = await led(first)
    assert await second.waits()
    await refused()
    assert told == [None, Size(1400, 1050)]
    assert lead.begin() == {"reach": [640, 480]}, "nothing is decoded for one who was refused"
    leave(pixels, lead)
    assert (await second.has_turn()).since == CAME
    for visitor in (first, second):
        await visitor.end()


async def test_a_thumbnail_leaves_enough_for_usual_sizes() -> None:
    pixels = ShrunkOriginals(64 * MIB)
    first = Visitor(pixels, "a", Size(40, 30))
    lead = await led(first)
    assert lead.begin() == {"reach": [640, 480]}
    second = Visitor(pixels, "a", SMALL)
    assert await second.waits()
    for visitor in (first, second):
        await visitor.end()


async def test_where_nothing_is_left_each_goes_on_alone() -> None:
    pixels = ShrunkOriginals(64 * MIB)
    visitors = [Visitor(pixels, "a", SMALL) for _ in range(4)]
    lead = await led(visitors[0])
    lead.begin()
    await visitors[0].end()
    turns = [await visitor.has_turn() for visitor in visitors[1:]]
    assert turns == [Turn()] * 3, "and is let in for what that takes"
    for visitor in visitors[1:]:
        await visitor.end()


async def test_what_is_made_behind_others_lets_nobody_wait() -> None:
    pixels = ShrunkOriginals(64 * MIB)
    behind = Visitor(pixels, "a", SMALL, behind=True)
    assert await behind.has_turn() == Turn()
    first = Visitor(pixels, "a", SMALL)
    leave(pixels, await led(first))
    later = Visitor(pixels, "a", SMALL, behind=True)
    assert (await later.has_turn()).held
    for visitor in (behind, first, later):
        await visitor.end()


@pytest.mark.parametrize(("most", "target"), [(0, SMALL), (64 * MIB, None)])
async def test_nothing_is_shared_where_that_is_off_or_cannot_be(most: int, target: Size | None) -> None:
    pixels = ShrunkOriginals(most)
    for visitor in (Visitor(pixels, "a", target), Visitor(pixels, "a", target)):
        assert await visitor.has_turn() == Turn()
        await visitor.end()


async def test_what_saves_least_for_its_bytes_makes_room() -> None:
    pixels, before = ShrunkOriginals(5 * MIB), descriptors()
    for name, saves, width in (("dear", 900, 900), ("cheap", 20, 900), ("new", 40, 900)):
        visitor = Visitor(pixels, name, SMALL, saves)
        leave(pixels, await led(visitor), width)
        await visitor.end()
    assert pixels.find("dear", HEADER, SMALL)
    assert pixels.find("new", HEADER, SMALL)
    assert not pixels.find("cheap", HEADER, SMALL)
    assert pixels.stats().evictions == 1
    assert pixels.stats().bytes <= 5 * MIB
    del visitor
    assert descriptors() == before + 2
    pixels.close()
    assert descriptors() == before


async def test_no_more_files_are_held_open_than_there_is_room_for() -> None:
    pixels, before = ShrunkOriginals(1 << 30, most_files=3), descriptors()
    for original in "abcde":
        visitor = Visitor(pixels, original, SMALL)
        leave(pixels, await led(visitor))
        await visitor.end()
        assert pixels.find(original, HEADER, SMALL), "the newest stays"
    del visitor
    assert pixels.stats().entries == 3
    assert descriptors() == before + 3


async def test_larger_pixels_take_the_place_of_smaller_ones_and_not_the_other_way() -> None:
    pixels = ShrunkOriginals(64 * MIB)
    for target, width, found in ((SMALL, 1000, 1000), (LARGE, 2000, 2000)):
        visitor = Visitor(pixels, "a", target)
        leave(pixels, await led(visitor), width)
        await visitor.end()
        assert _width(pixels) == found
    pixels.keep(Lead("a", SMALL, 1), shrunk(1000).to_dict(), _file(1000 * 750 * 3))
    assert _width(pixels) == 2000


def _width(pixels: ShrunkOriginals) -> int:
    turn = pixels.find("a", HEADER, SMALL)
    assert turn
    assert isinstance(turn.held, Held)
    return turn.held.shrunk.layers[0].width


def _file(size: int) -> int:
    with tempfile.TemporaryFile() as file:
        file.truncate(size)
        return os.dup(file.fileno())


async def test_what_a_worker_says_wrongly_is_not_kept() -> None:
    pixels, before = ShrunkOriginals(64 * MIB), descriptors()
    first, second = Visitor(pixels, "a", SMALL), Visitor(pixels, "a", SMALL)
    leave(pixels, await led(first), size=10)
    assert await second.has_turn() == Turn()
    assert pixels.stats().entries == 0
    for visitor in (first, second):
        await visitor.end()
    assert descriptors() == before


async def fail(pixels: ShrunkOriginals, failure: Refusal) -> None:
    """Go on from pixels that are there, without success."""
    async with pixels.turn("a", HEADER, SMALL, saves=40, standing=standing) as turn:
        assert turn.held
        raise failure


@pytest.mark.parametrize(
    ("kind", "kept"), [(WorkFailed, False), (WorkerLost, False), (DamagedOriginal, False), (ResultTooLarge, True)]
)
async def test_pixels_that_may_be_at_fault_for_a_failure_are_not_used_again(kind: type[Refusal], kept: bool) -> None:
    pixels = ShrunkOriginals(64 * MIB)
    first = Visitor(pixels, "a", SMALL)
    leave(pixels, await led(first))
    await first.end()
    with pytest.raises(kind):
        await fail(pixels, kind("it did not work"))
    assert bool(pixels.find("a", HEADER, SMALL)) == kept


@pytest.mark.parametrize("margin", ["Infinity", 1e300, "nan", 0.5])
async def test_a_margin_that_is_none_is_not_kept(margin: object) -> None:
    pixels = ShrunkOriginals(64 * MIB)
    first = Visitor(pixels, "a", SMALL)
    said = shrunk(1000).to_dict()
    said["layers"][0][5] = margin
    pixels.keep(await led(first), said, _file(1000 * 750 * 3))
    assert pixels.stats().entries == 0
    await first.end()


# The real server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("originals")
    for number in range(6):
        (folder / f"{number}.jpg").write_bytes(pictures.encoded(pictures.photograph(2400, 1600, seed=number), "jpg"))
    (folder / "alpha.png").write_bytes(pictures.encoded(pictures.with_alpha(pictures.photograph(1600, 1200)), "png"))
    with serving(folder, tmp_path_factory.mktemp("scratch")) as running:
        yield running


def decoded(server: Server) -> float:
    """Originals that were opened to be decoded."""
    return server.count("darkroom_store_misses_total", tier="pixels")


@pytest.mark.parametrize("name", ["0.jpg", "alpha.png"])
async def test_a_srcset_asked_for_at_once_is_decoded_once(server: Server, name: str) -> None:
    read = server.count("darkroom_origin_bytes_total")
    size = (await fetch(server.port, f"/f_json/{name}")).json["bytes"]
    read = server.count("darkroom_origin_bytes_total") - read
    before = decoded(server)
    widths = (160, 320, 480, 640, 720, 800)
    paths = [f"/f_{form},w_{width}/{name}" for width in widths for form in ("webp", "avif")]
    start = server.count("darkroom_origin_bytes_total")
    answers = await asyncio.gather(*(fetch(server.port, path) for path in paths))
    assert [answer.status for answer in answers] == [200] * len(paths)
    for path, answer in zip(paths, answers, strict=True):
        assert pictures.size_of(answer.body)[0] == int(path.split("_")[2].partition("/")[0])
    assert decoded(server) - before <= 2
    assert server.count("darkroom_origin_bytes_total") - start <= 2 * size


async def test_a_second_size_does_not_read_the_original(server: Server) -> None:
    assert server.ask("/w_500/1.jpg").status == 200
    read, hits = (
        server.count("darkroom_origin_bytes_total"),
        server.count("darkroom_store_hits_total", tier="pixels"),
    )
    for plan in ("w_300", "f_webp,w_400", "c_fill,h_100,w_300/e_blur:300"):
        assert server.ask(f"/{plan}/1.jpg").status == 200
    assert server.count("darkroom_origin_bytes_total") == read
    assert server.count("darkroom_store_hits_total", tier="pixels") == hits + 3


async def test_another_original_under_the_same_name_is_decoded_anew(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "originals"
    folder.mkdir()
    photo = folder / "a.png"
    with serving(folder, tmp_path / "scratch") as running:
        for colour in (pictures.RED, pictures.BLUE):
            photo.write_bytes(pictures.encoded(pictures.flat(colour, 900, 600), "png"))
            os.utime(photo, (1000, 1000 + colour[0]))
            running.until(
                lambda colour=colour: (
                    pictures.delta_e(
                        pictures.colour_at(running.ask(f"/f_png,w_300,v_{colour[0]}/a.png").body, 9, 9), colour
                    ).mean
                    < 3
                )
            )
            assert pictures.colour_at(running.ask(f"/f_png,v_{colour[0]},w_200/a.png").body, 9, 9)[:3] == colour[:3]


async def test_sharing_can_be_turned_off(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(pictures.encoded(pictures.photograph(900, 600), "jpg"))
    with serving(tmp_path, tmp_path / "scratch", pixels_bytes=0) as running:
        for width in (100, 200, 300):
            assert running.ask(f"/w_{width}/a.jpg").status == 200
        assert running.count("darkroom_store_entries", tier="pixels") == 0
        size = (tmp_path / "a.jpg").stat().st_size
        assert running.count("darkroom_origin_bytes_total") == 3 * size


async def test_killed_workers_leave_neither_files_nor_waiting_requests(server: Server) -> None:
    """Those who wait for a worker that is killed go on alone."""
    paths = [f"/f_webp,v_{number},w_{100 + number}/{2 + number % 4}.jpg" for number in range(24)]
    asked = asyncio.gather(*(fetch(server.port, path) for path in paths))
    for _ in range(3):
        await asyncio.sleep(0.05)
        server.workers()[0].kill()
    assert {answer.status for answer in await asked} <= {200, 503}
    scratch = server.log_file.parent / "cache" / "scratch"
    server.until(lambda: not [path for path in scratch.rglob("*") if path.is_file()])
