"""Storyboards: which frames are on which tile, where the tiles are, and how both are answered."""

import re
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from pyvips import Image

from proxy.errors import TABLE
from tests import clips
from tests.conftest import corpus
from tests.serving import Server, serving
from transforms.errors import NoSuchMoment
from transforms.formats import FORMATS, by_extension
from transforms.headers import Header
from transforms.limits import Limits
from transforms.operation import Size
from transforms.plan import Plan
from transforms.video import header as headers
from transforms.video.sheets import Sheet, sheet
from transforms.video.storyboard import Storyboard

LIMITS = Limits()
CUE = re.compile(r"(\S+) --> (\S+)\n~storyboard/(\d+)\.webp#xywh=(\d+),(\d+),(\d+),(\d+)\n")


def board(
    seconds: float = 60, steps: str = "f_vtt", size: tuple[int, int] = (1920, 1080), rate: float = 25
) -> Storyboard:
    header = Header("mp4", *size, bytes=1, seconds=seconds, rate=rate)
    return Storyboard.of(header, Plan.read(steps))


def seconds(text: str) -> float:
    hours, minutes, rest = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


# What is where


@pytest.mark.parametrize(("length", "tiles"), [(10, 50), (899, 50), (900, 100), (4 * 3600, 100)])
def test_a_short_film_has_fifty_tiles_and_a_long_one_a_hundred(length: float, tiles: int) -> None:
    assert board(length).tiles == tiles


def test_there_are_no_more_tiles_than_frames() -> None:
    assert board(1, rate=10).tiles == 10
    assert board(0.01, rate=10).tiles == 1


@pytest.mark.parametrize(
    ("steps", "tile"),
    [
        ("f_vtt", (160, 90)),
        ("f_vtt,w_320", (320, 180)),
        ("f_vtt,h_45", (80, 45)),
        ("c_fill,f_vtt,h_100,w_100", (100, 100)),
        ("f_vtt,w_9000", (1920, 1080)),
    ],
)
def test_a_tile_is_as_large_as_the_plan_says(steps: str, tile: tuple[int, int]) -> None:
    assert board(steps=steps).tile == tile


@pytest.mark.parametrize("grid", [(10, 10), (5, 5), (3, 4), (1, 1), (20, 1), (7, 20)])
@pytest.mark.parametrize("length", [2, 60, 3600])
def test_every_tile_has_a_place_of_its_own_on_a_sheet_no_larger_than_the_grid(
    grid: tuple[int, int], length: float
) -> None:
    made = board(length, f"f_vtt,tile_{grid[0]}x{grid[1]}")
    places = [made.place(tile) for tile in range(made.tiles)]
    assert len(set(places)) == made.tiles
    assert [tile for number in range(made.sheets) for tile in made.on(number)] == list(range(made.tiles))
    for number in range(made.sheets):
        size = made.size(number)
        assert size.width <= grid[0] * 160
        assert size.height <= grid[1] * 90
        there = [(x, y) for one, x, y in places if one == number]
        assert max(x for x, _ in there) + 160 == size.width
        assert max(y for _, y in there) + 90 == size.height


@pytest.mark.parametrize("length", [0.5, 7.123456, 899.9, 7321.5])
def test_the_cues_cover_the_film_without_a_gap_and_name_each_tile(length: float) -> None:
    made = board(length, "f_vtt,tile_4x4")
    text = made.cues()
    found = CUE.findall(text)
    assert text == "WEBVTT\n\n" + "\n".join(
        f"{start} --> {end}\n~storyboard/{rest[0]}.webp#xywh={','.join(rest[1:])}\n" for start, end, *rest in found
    )
    assert len(found) == made.tiles
    times = [(seconds(start), seconds(end)) for start, end, *_ in found]
    assert times[0][0] == 0
    assert times[-1][1] == pytest.approx(length, abs=0.0006)
    assert all(one[1] == other[0] for one, other in pairwise(times))
    assert all(start < made.moment(tile) < end for tile, (start, end) in enumerate(times))
    assert [tuple(map(int, rest)) for _, _, *rest in found] == [
        (*made.place(tile), *made.tile) for tile in range(made.tiles)
    ]


def test_a_film_of_unknown_length_has_no_storyboard() -> None:
    with pytest.raises(NoSuchMoment, match="how long"):
        board(0)


# What is on it


def counting(path: Path, frames: int = 50, key: int = 10, size: tuple[int, int] = (64, 36)) -> Path:
    """A film of ten frames a second, each of them grey and four levels lighter than the one before."""
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream(
            "libx264",
            rate=10,
            options={"g": str(key), "sc_threshold": "0", "bf": "0" if path.suffix == ".avi" else "2"},
        )
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number in range(frames):
            grey = np.full((size[1], size[0], 3), 20 + 4 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(grey, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def drawn(path: Path, steps: str = "f_vtt", number: int = 0, form: str = "webp") -> tuple[Storyboard, Sheet, Image]:
    kind = by_extension(path.suffix)
    assert kind
    header, plan = headers.read(path, kind.name, path.stat().st_size, LIMITS), Plan.read(steps)
    made = sheet(path, header, plan, number, FORMATS[form], LIMITS)
    return Storyboard.of(header, plan), made, Image.new_from_buffer(made.data, "")


def shown(there: Storyboard, image: Image, number: int = 0) -> list[int]:
    """The numbers of the frames that are on the tiles of a sheet."""
    found = []
    for tile in there.on(number):
        _, x, y = there.place(tile)
        level = image.crop(x, y, *there.tile)[1].avg()
        found.append(round((level - 20) / 4))
    return found


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_a_tile_shows_the_frame_of_its_moment(tmp_path: Path, suffix: str) -> None:
    there, made, image = drawn(counting(tmp_path / f"film.{suffix}"), "f_vtt,q_95,tile_5x5", 1)
    assert made.exact
    assert shown(there, image, 1) == [int(there.moment(tile) * 10 + 1e-6) for tile in there.on(1)]
    assert made.size == (image.width, image.height) == there.size(1)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_keyframes_stand_for_what_comes_after_them(tmp_path: Path, suffix: str) -> None:
    there, made, image = drawn(counting(tmp_path / f"film.{suffix}"), "f_vtt,fl_keyframe,q_95")
    assert not made.exact
    best = [int(there.moment(tile) * 10 + 1e-6) // 10 * 10 for tile in there.on(0)]
    if suffix == "ts":  # without an index, the one before that may be found first
        assert all(one in (other, other - 10) for one, other in zip(shown(there, image), best, strict=True))
    else:
        assert shown(there, image) == best


def test_where_keyframes_are_closer_than_tiles_they_will_do(tmp_path: Path) -> None:
    path = clips.film(tmp_path / "long.mp4", size=(32, 32), seconds=60, rate=5, key=2)
    there, made, _ = drawn(path)
    assert there.step > 0.4
    assert not made.exact


def test_pixels_that_are_no_squares_are_shown_as_squares(tmp_path: Path) -> None:
    path = clips.film(tmp_path / "wide.mp4", size=(64, 64), seconds=1, aspect=Fraction(2))
    there, made, image = drawn(path, "f_vtt,w_100")
    assert there.tile == (100, 50)
    assert (image.width, image.height) == made.size == there.size(0)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_film_that_was_turned_is_shown_upright(tmp_path: Path, degrees: int) -> None:
    upright = clips.film(tmp_path / "upright.mp4", size=(128, 72), seconds=0.2)
    turned = clips.turned(clips.film(tmp_path / "turned.mp4", size=(128, 72), seconds=0.2), degrees)
    there, _, image = drawn(turned, "f_vtt,q_95,tile_1x1,w_128", form="jpg")
    _, _, plain = drawn(upright, "f_vtt,q_95,tile_1x1,w_128", form="jpg")
    assert there.tile == ((72, 128) if degrees % 180 else (128, 72))
    back = {90: plain.rot90, 180: plain.rot180, 270: plain.rot270}[degrees]()
    assert (back - image).abs().avg() < 8


def test_a_box_is_filled_like_that_of_a_picture(tmp_path: Path) -> None:
    path = clips.film(tmp_path / "film.mp4", seconds=1)
    there, made, image = drawn(path, "c_fill,f_vtt,h_40,w_40", form="jpg")
    assert there.tile == (40, 40)
    assert (image.width, image.height, image.bands) == (*made.size, 3)


# How it is answered


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("films")
    clips.film(folder / "film.mp4", seconds=4)
    clips.film(folder / "short.mp4", seconds=2)
    (folder / "cut.mp4").write_bytes((folder / "film.mp4").read_bytes()[:9000])
    (folder / "wave.wav").write_bytes(silence())
    with serving(folder, tmp_path_factory.mktemp("server")) as running:
        yield running


def silence() -> bytes:
    return b"RIFF$\x08\x00\x00WAVEfmt \x10\0\0\0\1\0\1\0@\x1f\0\0\x80>\0\0\2\0\x10\0data\0\x08\0\0" + bytes(2048)


def test_cues_and_sheets_are_answered_and_kept(server: Server) -> None:
    cues = server.ask("/f_vtt,tile_5x5/film.mp4/~storyboard.vtt")
    assert (cues.status, cues["content-type"]) == (200, "text/vtt; charset=utf-8")
    assert "immutable" not in cues["cache-control"]
    named = {number for _, _, number, *_ in CUE.findall(cues.body.decode())}
    assert named == {"0", "1"}
    for number in named:
        first = server.ask(f"/f_vtt,tile_5x5/film.mp4/~storyboard/{number}.webp")
        assert (first.status, first["content-type"]) == (200, "image/webp")
        assert "fwd=miss" in first["cache-status"]
        again = server.ask(f"/f_vtt,tile_5x5/film.mp4/~storyboard/{number}.webp")
        assert again.body == first.body
        assert "hit" in again["cache-status"]
        image = Image.new_from_buffer(first.body, "")
        assert Size(image.width, image.height) == (800, 450)
    jpeg = server.ask("/f_vtt,tile_5x5/film.mp4/~storyboard/0.jpg")
    assert (jpeg.status, jpeg["content-type"], jpeg.body[:3]) == (200, "image/jpeg", b"\xff\xd8\xff")


@pytest.mark.parametrize("leaf", ["storyboard.vtt", "storyboard/0.webp"])
def test_what_a_client_has_already_is_not_sent_again(server: Server, leaf: str) -> None:
    first = server.ask(f"/f_vtt/film.mp4/~{leaf}")
    again = server.ask(f"/f_vtt/film.mp4/~{leaf}", if_none_match=first["etag"])
    assert (again.status, again.body) == (304, b"")
    assert server.ask(f"/f_vtt/film.mp4/~{leaf}", if_none_match='"other"').status == 200


def test_a_sheet_that_there_is_not_is_refused_before_anything_is_decoded(server: Server) -> None:
    assert server.ask("/f_vtt/short.mp4/~storyboard.vtt").status == 200
    before = server.count("darkroom_transforms_total")
    for leaf in ("storyboard/1.webp", "storyboard/9999999.webp", "storyboard/1.jpg", "master.m3u8"):
        reply = server.ask(f"/f_vtt/short.mp4/~{leaf}")
        assert (reply.status, reply.code) == (404, "no_such_rendition"), leaf
    assert server.count("darkroom_transforms_total") == before


def test_a_sheet_that_would_be_too_large_is_refused(server: Server) -> None:
    reply = server.ask("/c_scale,f_vtt,w_1000/film.mp4/~storyboard.vtt")
    assert (reply.status, reply.code) == (400, "result_too_large")


@pytest.mark.parametrize("name", ["cut.mp4", "wave.wav"])
def test_what_has_no_pictures_has_no_storyboard(server: Server, name: str) -> None:
    for leaf in ("storyboard.vtt", "storyboard/0.webp"):
        assert 400 <= server.ask(f"/f_vtt/{name}/~{leaf}").status < 500


# All the films that there are

FILMS = [*corpus("video"), *corpus("hostile")]


@pytest.mark.parametrize("path", FILMS, ids=lambda path: path.name)
def test_a_film_of_the_corpus_has_a_storyboard_or_is_refused(path: Path) -> None:
    kind = by_extension(path.suffix)
    if kind is None or kind.medium != "motion":
        return
    with suppress(*TABLE):
        there, made, image = drawn(path)
        assert there.size(0) == made.size == (image.width, image.height)
