"""The plan of a stream and the index of a film as values: hashed, written and read back."""

import dataclasses
import json
from fractions import Fraction

from signing.leaves import is_leaf
from transforms.video.index import Index, Picture, Sound, Words
from transforms.video.stream_plan import Rung, StreamPlan

INDEX = Index(
    kind="mkv",
    seconds=Fraction(30030, 1000),
    picture=Picture(
        stream=0,
        codec="h264",
        width=640,
        height=360,
        rate=Fraction(30000, 1001),
        time_base=Fraction(1, 1000),
        keys=(0, 2002, 4004),
        seconds=Fraction(30030, 1000),
        bit_rate=0,
        remux=False,
        why="its keyframes are too far apart",
    ),
    sounds=(Sound(1, "aac", 2, 44_100, "eng", "", True, True, 128_000, Fraction(30)),),
    words=(Words(None, "webvtt", "de", "", False, False),),
    start=Fraction(1, 15),
)

SOURCE = Rung("src", "picture", True, "avc1.64001e", 900_000, 700_000, 0, Fraction(10))
FILM = Rung("360", "picture", False, "avc1.64001e", 800_000, 500_000, 0, Fraction(10), Fraction(1001, 30000))
SOUND = Rung("a0-aac192", "sound", False, "mp4a.40.2", 200_000, 192_000, 1, Fraction(10), Fraction(1024, 48000))
PLAN = StreamPlan(1, "v1", (Fraction(0), Fraction(2), Fraction(6), Fraction(10)), (SOURCE, FILM, SOUND))


def test_an_index_survives_json() -> None:
    assert Index.from_dict(json.loads(json.dumps(INDEX.to_dict()))) == INDEX
    assert Index.from_dict({**INDEX.to_dict(), "later": 1}) == INDEX


def test_a_plan_survives_json_with_its_name() -> None:
    again = StreamPlan.from_dict(json.loads(json.dumps(PLAN.to_dict())))
    assert again == PLAN
    assert again.id == PLAN.id


def test_whatever_decides_bytes_changes_the_name() -> None:
    others = [
        dataclasses.replace(PLAN, recipe=2),
        dataclasses.replace(PLAN, version="v2"),
        dataclasses.replace(PLAN, start=Fraction(1, 10)),
        dataclasses.replace(PLAN, cuts=PLAN.cuts[:2]),
        dataclasses.replace(PLAN, rungs=(SOURCE, dataclasses.replace(FILM, height=240), SOUND)),
    ]
    assert len({PLAN.id, *(other.id for other in others)}) == len(others) + 1


def test_the_name_stands_in_the_addresses_of_leaves() -> None:
    assert is_leaf(f"hls/{PLAN.id}/{SOUND.name}/index.m3u8")


def test_segments_of_frames_begin_with_the_first_frame_at_or_after_the_cut() -> None:
    frame = FILM.unit
    assert PLAN.edges(SOURCE) == PLAN.cuts
    assert PLAN.edges(FILM) == (0, 60 * frame, 180 * frame, Fraction(10))
    assert PLAN.edges(SOUND)[1] == 94 * SOUND.unit


def test_a_rung_that_ends_early_has_fewer_segments_and_none_is_empty() -> None:
    short = dataclasses.replace(SOUND, end=Fraction(6))
    assert len(PLAN.segments(short)) == 2
    assert len(PLAN.segments(dataclasses.replace(SOUND, end=Fraction(13, 2)))) == 3
    assert PLAN.segments(dataclasses.replace(SOUND, end=Fraction(0))) == ()
    coarse = dataclasses.replace(SOUND, unit=Fraction(20))
    assert PLAN.segments(coarse) == ((0, 10),)


def test_sound_that_is_sent_as_it_is_keeps_its_own_frames() -> None:
    late = dataclasses.replace(SOUND, phase=Fraction(1, 100))
    assert PLAN.edges(late)[:2] == (Fraction(1, 100), Fraction(1, 100) + 94 * late.unit)


def test_a_rung_that_ends_a_tick_late_has_no_segment_of_that_tick() -> None:
    late = dataclasses.replace(SOURCE, end=PLAN.cuts[-1] + Fraction(1, 90_000))
    assert len(PLAN.segments(late)) == len(PLAN.cuts) - 1
