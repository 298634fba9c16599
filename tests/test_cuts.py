"""Where films are cut, in which sizes and at what rates they are offered, and why some are not sent as they are."""

import dataclasses
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest

from transforms.video.cuts import cuts
from transforms.video.ladders import LADDERS, Ladder, Step, chosen
from transforms.video.rates import clock, encoded_rate, own_rate
from transforms.video.recipes import CURRENT, RECIPES
from transforms.video.remuxable import FARTHEST, Facts, obstacle

RECIPE = RECIPES[CURRENT]
NTSC = Fraction(30000, 1001)
FILM = Fraction(24000, 1001)


def test_a_film_begins_with_short_segments() -> None:
    assert cuts(Fraction(20), RECIPE) == (0, 2, 4, 6, 12, 18, 20)


def test_what_would_be_too_short_at_the_end_belongs_to_the_segment_before_it() -> None:
    assert cuts(Fraction(123, 10), RECIPE)[-2:] == (6, Fraction(123, 10))
    assert cuts(Fraction(126, 10), RECIPE)[-2:] == (12, Fraction(126, 10))
    assert cuts(Fraction(1, 10), RECIPE) == (0, Fraction(1, 10))
    assert cuts(Fraction(2), RECIPE) == (0, 2)


@pytest.mark.parametrize("every", [Fraction(1, 2), Fraction(5, 2), Fraction(26, 5), Fraction(7), Fraction(12)])
def test_cuts_on_keyframes_are_none_but_keyframes_and_never_equal(every: Fraction) -> None:
    seconds = Fraction(1001, 10)
    keys = [number * every for number in range(int(seconds / every) + 1)]
    found = cuts(seconds, RECIPE, keys)
    assert set(found[:-1]) <= set(keys)
    assert all(later > earlier for earlier, later in pairwise(found))
    assert max(later - earlier for earlier, later in pairwise(found)) <= RECIPE.target + every


def test_late_keyframes_do_not_add_up() -> None:
    """The grid of seconds goes on: after one long segment comes a shorter one."""
    keys = [Fraction(key) for key in (0, 3, 5, 7, 13, 18, 24, 30)]
    assert cuts(Fraction(36), RECIPE, keys) == (0, 3, 5, 7, 13, 18, 24, 30, 36)


def test_without_keyframes_but_the_first_a_film_is_one_segment() -> None:
    assert cuts(Fraction(11), RECIPE, [Fraction(0)]) == (0, 11)
    assert cuts(Fraction(11), RECIPE, []) == (0, 11)


@pytest.mark.parametrize(
    ("size", "below", "expected"),
    [
        ((1920, 1080), False, [("1080", 1920, 1080), ("480", 854, 480)]),
        ((1920, 1080), True, [("720", 1280, 720), ("360", 640, 360)]),
        ((1080, 1920), False, [("1080", 1080, 1920), ("480", 480, 854)]),
        ((640, 428), False, [("480", 640, 428), ("240", 358, 240)]),
        ((640, 364), False, [("360", 632, 360), ("240", 422, 240)]),
        ((320, 180), False, [("240", 320, 180)]),
        ((320, 180), True, []),
        ((4096, 2160), False, [("1080", 2048, 1080), ("480", 910, 480)]),
        ((3, 1), False, [("240", 4, 2)]),
    ],
)
def test_a_film_gets_sizes_that_are_its_own_or_smaller(size: Any, below: bool, expected: list[Any]) -> None:
    made = chosen(LADDERS["auto"], *size, 0, below=below)
    assert [(step.name, step.width, step.height) for step in made] == expected


def test_every_size_is_even_and_no_more_than_that_larger_than_the_film() -> None:
    for width, height in ((1, 1), (7, 1000), (853, 479), (176, 144), (641, 361), (4096, 16)):
        for step in chosen(LADDERS["full"], width, height, 0, below=False):
            assert step.width % 2 == step.height % 2 == 0
            assert 2 <= step.width <= width + 2
            assert 2 <= step.height <= height + 2


def test_a_step_spends_no_more_bits_than_the_film_and_less_than_the_step_above() -> None:
    made = chosen(LADDERS["full"], 1920, 1080, 1_000_000, below=False)
    assert [step.bits for step in made] == [1_000_000, 700_000, 490_000, 343_000, 240_100]
    assert chosen(LADDERS["auto"], 1920, 1080, 20_000, below=False)[0].bits == 150_000


def test_a_ladder_survives_json() -> None:
    ladder = Ladder((Step(720, 2_000_000),), most=1, remux=False)
    assert Ladder.from_dict(ladder.to_dict()) == ladder


@pytest.mark.parametrize(
    ("steps", "average", "expected"),
    [
        ([Fraction(1, 25)] * 20, Fraction(25), Fraction(25)),
        ([Fraction(1001, 30000)] * 20, Fraction(300000, 10201), NTSC),
        ([Fraction(33, 1000), Fraction(33, 1000), Fraction(34, 1000)] * 8, Fraction(1000), Fraction(30)),
        ([Fraction(33, 1000), Fraction(33, 1000), Fraction(34, 1000)] * 8, NTSC, NTSC),
        (
            [Fraction(42, 1000), Fraction(41, 1000), Fraction(42, 1000)] * 8,
            Fraction(24000, 1001),
            Fraction(24000, 1001),
        ),
        ([Fraction(1, 50), Fraction(1, 10)] * 10, Fraction(50, 3), Fraction(50, 3)),
        ([], Fraction(25), Fraction(25)),
        ([], None, Fraction(25)),
        ([], Fraction(90_000), Fraction(25)),
        ([Fraction(2)] * 5, Fraction(1, 2), Fraction(1, 2)),
    ],
)
def test_a_film_has_the_rate_that_its_frames_have(steps: list[Fraction], average: Any, expected: Fraction) -> None:
    moments = [sum(steps[:number], Fraction(0)) for number in range(len(steps) + 1)]
    assert own_rate(moments, average) == expected


def test_no_more_than_sixty_frames_a_second_are_encoded_and_no_less_than_one() -> None:
    rates = [encoded_rate(Fraction(rate), RECIPE.fastest) for rate in (25, 60, 120, 100, 240, Fraction(1, 2))]
    assert rates == [25, 60, 60, 50, 60, 1]
    assert encoded_rate(NTSC * 4, RECIPE.fastest) == NTSC * 2


@pytest.mark.parametrize(
    "rate", [Fraction(24000, 1001), NTSC, Fraction(25), Fraction(60), Fraction(173, 10), Fraction(1)]
)
def test_every_frame_begins_with_a_tick_of_the_clock(rate: Fraction) -> None:
    assert (1 / rate / clock(rate)).denominator == 1
    assert 10_000 <= 1 / clock(rate) < 2**31


GOOD = Facts(
    kind="mp4",
    codec="h264",
    pixels="yuv420p",
    rate=Fraction(25),
    seconds=Fraction(20),
    keys=[Fraction(key) for key in range(0, 20, 2)],
    weights=[1000] * 10,
    turned=False,
    interlaced=False,
    configured=True,
    late=False,
    open=False,
    vague=False,
)


def test_a_film_that_players_play_is_sent_as_it_is() -> None:
    assert obstacle(GOOD) == ""
    assert obstacle(dataclasses.replace(GOOD, kind="webm", codec="vp9")) == ""
    assert obstacle(dataclasses.replace(GOOD, codec="hevc", pixels="yuv420p10le")) == ""


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kind": "avi"}, "AVI does not say"),
        ({"codec": "mpeg4"}, "players do not play MPEG-4 Part 2"),
        ({"codec": "dvvideo"}, "players do not play DVVIDEO"),
        ({"pixels": "yuv444p"}, "pixels of the kind yuv444p"),
        ({"pixels": "yuv420p10le"}, "few players"),
        ({"turned": True}, "turned"),
        ({"interlaced": True}, "interlaced"),
        ({"rate": Fraction(100)}, "100 frames a second"),
        ({"configured": False}, "what its decoder needs"),
        ({"keys": ()}, "does not list"),
        ({"keys": (Fraction(0), Fraction(7, 2))}, "up to 16.5 seconds apart"),
        ({"weights": (10**9,)}, "too large"),
        ({"late": True}, "between two keyframes"),
        ({"open": True}, "lean on frames before"),
        ({"vague": True}, "not shown when"),
    ],
)
def test_what_stands_in_the_way_is_said_for_people(change: dict[str, Any], told: str) -> None:
    assert told in obstacle(dataclasses.replace(GOOD, **change))


def test_keyframes_may_be_two_segments_apart() -> None:
    assert 2 * RECIPE.target == FARTHEST
