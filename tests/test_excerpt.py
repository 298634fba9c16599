"""Which moments a plan names, and what it costs to show them."""

from fractions import Fraction

import pytest

from transforms.errors import ConflictingOptions, NoSuchMoment, ResultTooLarge
from transforms.headers import Header
from transforms.limits import Limits
from transforms.operation import Size
from transforms.plan import Plan
from transforms.video.costs import cost
from transforms.video.excerpt import check_animation, count, delays, moves, spans, steps

FILM = Header("mp4", 640, 360, bytes=1_000_000, seconds=8.0, rate=25.0)


def parts(text: str) -> list[tuple[float, float]]:
    return [(float(part.start), float(part.end)) for part in spans(Plan.read(text).loading, FILM.seconds)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [(0, 8)]),
        ("so_2", [(2, 8)]),
        ("so_25p,du_50p", [(2, 6)]),
        ("so_2,eo_3.5", [(2, 3.5)]),
        ("so_6,du_5", [(6, 8)]),
        ("eo_100p", [(0, 8)]),
        ("so_1,eo_8.5", [(1, 8)]),
        ("so_8,eo_9", [(8, 8)]),
        ("so_8", [(8, 8)]),
        ("so_8.0005", [(8, 8)]),
        ("e_preview:4:2", [(1, 3), (5, 7)]),
        ("e_preview:60:2", [(0, 4), (4, 8)]),
        ("so_auto,du_2", [(0, 2)]),
    ],
)
def test_moments_are_told_in_seconds(text: str, expected: list[tuple[float, float]]) -> None:
    assert parts(text) == expected


def test_moments_behind_the_end_are_refused_with_its_length() -> None:
    with pytest.raises(NoSuchMoment, match="so_9: the original lasts 8 seconds") as told:
        parts("so_9")
    assert (told.value.part, told.value.expected) == ("so_9", "a moment from 0 to 8 seconds")
    with pytest.raises(ConflictingOptions, match="eo_1: it does not lie behind the start, 2 s"):
        parts("so_2,eo_1")
    with pytest.raises(ConflictingOptions):
        parts("so_2,eo_2")


def test_a_film_moves_where_a_length_is_named() -> None:
    assert [moves(Plan.read(text).loading) for text in ("so_1", "du_1", "eo_1", "e_preview", "so_auto")] == [
        False,
        True,
        True,
        True,
        False,
    ]


def test_an_animation_has_ten_frames_a_second_or_those_that_there_are() -> None:
    loading = Plan.read("so_1,du_2").loading
    assert steps(loading, FILM, None) == [1 + Fraction(number, 10) for number in range(20)]
    assert len(steps(loading, FILM, 4.0)) == count(loading, FILM, 4.0) == 8
    slow = Header("mp4", 640, 360, bytes=1, seconds=8.0, rate=5.0)
    assert count(loading, slow, None) == 10
    assert count(Plan.read("du_0").loading, FILM, None) == 1
    assert sum(delays(30, 12.0)) == 2500
    assert set(delays(30, 12.0)) == {83, 84}


def test_too_many_frames_and_pixels_are_refused() -> None:
    check_animation(Limits(), 1000, Size(100, 100))
    with pytest.raises(ResultTooLarge, match="1001 frames; up to 1000"):
        check_animation(Limits(), 1001, Size(1, 1))
    with pytest.raises(ResultTooLarge, match=r"115\.2 megapixels in 500 frames of 640x360; up to 100"):
        check_animation(Limits(), 500, Size(640, 360))


def test_costs_rise_with_what_is_decoded_and_written() -> None:
    def of(text: str, form: str = "jpg", header: Header = FILM) -> float:
        return cost(header, Plan.read(text), form, Size(320, 180)).milliseconds

    large = Header("mp4", 1920, 1080, bytes=1, seconds=8.0, rate=30.0)
    deep = Header("mp4", 1920, 1080, bytes=1, seconds=8.0, rate=30.0, bits=10)
    rising = [
        of("so_2,fl_keyframe"),
        of("so_2"),
        of("so_2", header=large),
        of("so_2", header=deep),
        of("so_2,du_3", "webp", large),
        of("so_2,du_6", "webp", large),
        of("so_2,du_6", "gif", large),
    ]
    assert rising == sorted(rising)
    assert of("so_2,du_6", "jpg") == of("so_2", "jpg")
    few, many = (cost(FILM, Plan.read(text), "webp", Size(640, 360)).memory for text in ("du_1", "du_4"))
    assert many > 2 * few
    assert cost(FILM, Plan.read("f_json"), "json", None).milliseconds < 60
