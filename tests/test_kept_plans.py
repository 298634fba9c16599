"""Plans of streams as values: kept and read again, named in URLs, and what their parts will cost."""

import zlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from unittest import mock

import pytest

from proxy.failures import Busy
from proxy.sources.file import FileSource
from proxy.sources.mounts import Mounted
from proxy.stores.result import Result
from proxy.streaming.beside import LARGEST as LARGEST_BESIDE
from proxy.streaming.beside import REMEMBERED, TOGETHER, Sidecars, weight
from proxy.streaming.kept import LARGEST, Kept, id_of, key_by_id, key_by_source, named
from proxy.streaming.leaf import Leaf
from proxy.streaming.part import Part
from proxy.streaming.plans import Plans
from transforms.headers import Header
from transforms.video.beside import Beside
from transforms.video.stream_costs import planning, segment
from transforms.video.stream_plan import Rung, StreamPlan

SRC = Rung("src", "picture", True, "avc1.640028", 6_000_000, 5_000_000, end=Fraction(9), width=1920, height=1080)
ENCODED = Rung(
    *("720", "picture", False, "avc1.64001f", 3_000_000, 2_000_000),
    end=Fraction(9),
    unit=Fraction(1, 25),
    width=1280,
    height=720,
    rate=Fraction(25),
)
SOUND = Rung("a0-aac", "sound", False, "mp4a.40.2", 200_000, 192_000, end=Fraction(9), rate=Fraction(48_000))
WORDS = Rung("s0-en", "words", False, "wvtt", 2000, 2000, end=Fraction(5), source=Beside(".en.vtt", b"WEBVTT").source)
PLAN = StreamPlan(1, "v", (Fraction(0), Fraction(2), Fraction(4), Fraction(9)), (SRC, ENCODED, SOUND, WORDS))
HEADER = Header("mp4", 1920, 1080, 1000, seconds=9.0, rate=25.0)
KEPT = Kept(PLAN, HEADER, (Beside(".en.vtt", b"WEBVTT"), Beside(".de.vtt", b"\xff")))


def test_a_plan_is_read_as_it_was_kept() -> None:
    read = Kept.read(KEPT.result())
    assert read == KEPT
    assert read is not None
    assert read.plan.id == PLAN.id


@pytest.mark.parametrize("body", [b"", b"nothing", b"x\x9c\xab\xae\x05\x00\x01u\x00\xf9"])
def test_what_is_no_plan_is_none(body: bytes) -> None:
    assert Kept.read(Result({}, body)) is None
    assert Kept.read(None) is None


def test_a_plan_of_a_newer_release_is_for_its_servers() -> None:
    plans = Plans(mock.Mock(), mock.Mock(), mock.Mock(), (2, 1))
    for recipe in (1, 2):
        plans.check_makes(replace(PLAN, recipe=recipe))
    with pytest.raises(Busy, match="newer release"):
        plans.check_makes(replace(PLAN, recipe=3))


def test_what_becomes_too_much_is_no_plan() -> None:
    assert Kept.read(Result({}, zlib.compress(b" " * (LARGEST + 1)))) is None


def test_a_purge_gives_a_plan_another_name_and_the_same_id() -> None:
    before, after = named(PLAN.id, ()), named(PLAN.id, (("source:abcd", "2"),))
    assert (before, after != before) == (PLAN.id, True)
    assert id_of(before) == id_of(after) == PLAN.id
    leaf = Leaf.read(f"hls/{after}/720/2.m4s")
    assert leaf is not None
    assert (leaf.plan, leaf.rung, leaf.place) == (after, "720", 2)


@pytest.mark.parametrize("name", ["", "a" * 15, f"{PLAN.id}-", f"{PLAN.id}-1", f"{PLAN.id}-0123456g", f"{PLAN.id}_"])
def test_a_plan_has_no_more_names_than_that_of_each_purge(name: str) -> None:
    assert id_of(name) is None


def test_whatever_decides_a_plan_is_in_its_key(tmp_path: Path) -> None:
    mounted = Mounted("", FileSource(tmp_path), "film.mp4")
    other = Mounted("", FileSource(tmp_path), "other.mp4")
    keys = [
        key_by_source(mounted, "v", (), ("auto", {"most": 2}), 1, ()),
        key_by_source(other, "v", (), ("auto", {"most": 2}), 1, ()),
        key_by_source(mounted, "w", (), ("auto", {"most": 2}), 1, ()),
        key_by_source(mounted, "v", KEPT.beside, ("auto", {"most": 2}), 1, ()),
        key_by_source(mounted, "v", (), ("auto", {"most": 3}), 1, ()),
        key_by_source(mounted, "v", (), ("auto", {"most": 2}), 2, ()),
        key_by_source(mounted, "v", (), ("auto", {"most": 2}), 1, (("source:abcd", "2"),)),
        key_by_source(mounted, "v", (), ("full", {"most": 2}), 1, ()),
        key_by_id(mounted, "auto", PLAN.id),
        key_by_id(mounted, "full", PLAN.id),
        key_by_id(other, "auto", PLAN.id),
    ]
    assert len(set(keys)) == len(keys)


def test_a_part_has_a_key_of_its_own_until_it_is_purged(tmp_path: Path) -> None:
    mounted, other = (Mounted("", FileSource(tmp_path), name) for name in ("film.mp4", "other.mp4"))
    parts = [
        Part(mounted, KEPT, ENCODED, 0),
        Part(mounted, KEPT, ENCODED, 1),
        Part(mounted, KEPT, ENCODED, "init"),
        Part(mounted, KEPT, SRC, 0),
        Part(other, KEPT, ENCODED, 0),
        Part(mounted, KEPT, ENCODED, 0, (("source:abcd", "2"),)),
    ]
    assert len({part.key for part in parts}) == len(parts)


def test_only_what_a_rung_has_is_there() -> None:
    assert [KEPT.has(ENCODED, place) for place in ("init", 0, 2, 3)] == [True, True, True, False]
    assert [KEPT.has(WORDS, place) for place in ("init", 0, 2, 3)] == [False, True, True, False]
    assert KEPT.beside_of(WORDS) == KEPT.beside[:1]


def test_what_is_encoded_costs_more_the_longer_and_larger_it_is() -> None:
    def cost(rung: Rung, seconds: float) -> float:
        return segment(PLAN, rung, HEADER, seconds).milliseconds

    assert cost(ENCODED, 6) > cost(ENCODED, 2) > cost(SOUND, 2) > cost(WORDS, 2)
    assert cost(SRC, 6) < 100  # so that it may pass whoever waits for longer work
    assert cost(ENCODED, 0) < 100
    assert planning(HEADER).memory > 0


@pytest.mark.anyio
async def test_files_beside_a_film_are_taken_up_to_a_bound_together(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"")
    languages = ("aa", "bb", "cc", "dd", "ee")
    for language in languages:
        (tmp_path / f"film.{language}.vtt").write_bytes(b"x" * 900_000)
    (tmp_path / "film.zz.vtt").write_bytes(b"x" * (LARGEST_BESIDE + 1))
    sidecars, source = Sidecars(), FileSource(tmp_path)
    found = await sidecars.of(Mounted("", source, "film.mp4"))
    assert [file.suffix for file in found] == [".aa.vtt", ".bb.vtt"]
    assert weight(found) <= TOGETHER
    for number in range(40):
        (tmp_path / f"{number}.mp4").write_bytes(b"")
        (tmp_path / f"{number}.vtt").write_bytes(b"x" * 1_000_000)
        await sidecars.of(Mounted("", source, f"{number}.mp4"))
    assert sum(weight(files) for _, files in sidecars._found.values()) <= REMEMBERED
