"""What is refused from a header alone, and what work is expected to cost."""

from dataclasses import replace

import pytest

from transforms.errors import OriginalTooLarge, Refusal, ResultTooLarge, TooManyFrames, TooManyPixels
from transforms.formats import FORMATS, writable
from transforms.headers import Header
from transforms.limits import Limits, estimate

LIMITS = Limits()
PHOTO = Header("jpg", 4032, 3024, 2_913_134, subsampling="4:2:2")
SMALL = 600 * 450


def original(kind: str = "png", width: int = 100, height: int = 100, size: int = 1000, frames: int = 1) -> Header:
    return Header(kind, width, height, size, frames=frames)


JUST_UNDER_AND_OVER = [
    (original("jpg", 25_000, 10_000), original("jpg", 25_000, 10_001), TooManyPixels),
    (original("png", 10_000, 6_000), original("png", 10_001, 6_000), TooManyPixels),
    (original("avif", 10_000, 6_000), original("avif", 10_000, 6_001), TooManyPixels),
    (original("jpg", size=100_000_000), original("jpg", size=100_000_001), OriginalTooLarge),
    (original("webp", size=64_000_000), original("webp", size=64_000_001), OriginalTooLarge),
    (original("gif", frames=1000), original("gif", frames=1001), TooManyFrames),
    (original("webp", 1000, 1000, frames=100), original("webp", 1000, 1000, frames=101), TooManyFrames),
    (original("pdf", frames=1000), original("pdf", frames=1001), TooManyFrames),
    (replace(PHOTO, progressive=True, scans=100), replace(PHOTO, progressive=True, scans=101), TooManyPixels),
]


@pytest.mark.parametrize(("under", "over", "refusal"), JUST_UNDER_AND_OVER)
def test_an_original_is_refused_just_over_a_limit(under: Header, over: Header, refusal: type[Refusal]) -> None:
    LIMITS.check_original(under)
    with pytest.raises(refusal):
        LIMITS.check_original(over)


def test_a_progressive_jpeg_has_the_limit_of_other_pictures() -> None:
    large = original("jpg", 10_000, 10_000)
    LIMITS.check_original(large)
    with pytest.raises(TooManyPixels, match="progressive JPEGs of up to 60 are read"):
        LIMITS.check_original(replace(large, progressive=True))


def test_a_drawing_is_judged_by_the_size_at_which_it_is_drawn() -> None:
    LIMITS.check_original(original("svg", 1_000_000, 1_000_000))
    LIMITS.check_raster(10_000, 6_000)
    with pytest.raises(TooManyPixels, match=r"drawn at this size has 60\.1 megapixels"):
        LIMITS.check_raster(10_001, 6_000)


def test_the_pages_of_a_document_do_not_count_as_pixels() -> None:
    LIMITS.check_original(original("tiff", 5000, 5000, frames=900))


def test_a_refusal_says_what_came_and_what_is_read() -> None:
    with pytest.raises(TooManyPixels) as refused:
        LIMITS.check_original(original("png", 20_000, 20_000))
    assert str(refused.value) == "the original has 400 megapixels (20000x20000); pictures of up to 60 are read"


def test_what_is_hardly_too_much_does_not_read_like_what_is_allowed() -> None:
    with pytest.raises(OriginalTooLarge, match=r"has 64\.1 MB; pictures of up to 64 are read"):
        LIMITS.check_original(original(size=64_000_001))


def test_limits_can_be_set() -> None:
    Limits(picture_megapixels=500).check_original(original("png", 20_000, 20_000))
    with pytest.raises(TooManyPixels, match=r"pictures of up to 0\.5 are read"):
        Limits(picture_megapixels=0.5).check_original(original("png", 1000, 1000))


@pytest.mark.parametrize(("width", "height"), [(8192, 1), (1, 8192), (8000, 5000)])
def test_a_result_within_its_limits_is_made(width: int, height: int) -> None:
    LIMITS.check_result(width, height)


@pytest.mark.parametrize(
    ("width", "height", "words"), [(8193, 1, "8192"), (1, 8193, "8192"), (8000, 5001, r"40\.1 megapixels")]
)
def test_a_result_over_its_limits_is_refused(width: int, height: int, words: str) -> None:
    with pytest.raises(ResultTooLarge, match=words) as refused:
        LIMITS.check_result(width, height)
    assert refused.value.expected


# Milliseconds of one core and megabytes as measured; a row is a header, a format, pixels out, and what was found.
MEASURED = [
    (PHOTO, "jpg", SMALL, "first", 49, 20),
    (PHOTO, "webp", SMALL, "first", 78, 22),
    (PHOTO, "avif", SMALL, "first", 83, 28),
    (PHOTO, "avif", SMALL, "final", 295, 28),
    (PHOTO, "avif", 1920 * 1440, "first", 300, 105),
    (PHOTO, "png", SMALL, "first", 65, 20),
    (PHOTO, "jpg", 2000 * 1500, "first", 110, 56),
    (Header("jpg", 3840, 2160, 1_230_000, subsampling="4:2:0"), "jpg", 600 * 338, "first", 31, 20),
    (Header("jpg", 1136, 775, 237_000, subsampling="4:2:0"), "jpg", 600 * 409, "first", 12, 20),
    (replace(PHOTO, progressive=True, scans=10, bytes=2_600_000), "jpg", SMALL, "first", 88, 64),
    (Header("png", 4032, 3024, 14_400_000), "jpg", SMALL, "first", 225, 62),
    (Header("webp", 3264, 2448, 489_228), "jpg", SMALL, "first", 74, 24),
]


@pytest.mark.parametrize(("header", "output", "pixels", "grade", "milliseconds", "megabytes"), MEASURED)
def test_an_estimate_is_near_what_was_measured(
    header: Header, output: str, pixels: int, grade: str, milliseconds: float, megabytes: float
) -> None:
    cost = estimate(header, output, pixels, grade=grade)
    assert milliseconds / 1.7 < cost.milliseconds < milliseconds * 1.7
    assert megabytes / 1.7 < cost.memory / 1e6 < megabytes * 1.7


HEADERS = [
    *(original(kind, 3000, 2000, 1_000_000) for kind, row in FORMATS.items() if row.medium == "picture"),
    replace(PHOTO, progressive=True, scans=10),
    original("gif", 300, 200, 1_000_000, frames=50),
]


@pytest.mark.parametrize("header", HEADERS, ids=lambda header: header.kind)
@pytest.mark.parametrize("output", [row.name for row in writable("picture")])
def test_more_work_costs_more(header: Header, output: str) -> None:
    cost = estimate(header, output, SMALL)
    larger = replace(header, width=2 * header.width, height=2 * header.height, bytes=4 * header.bytes)
    assert estimate(larger, output, SMALL).milliseconds > cost.milliseconds
    assert estimate(larger, output, SMALL).memory >= cost.memory
    assert estimate(header, output, 4 * SMALL).milliseconds > cost.milliseconds
    assert estimate(header, output, 4 * SMALL).memory > cost.memory
    assert estimate(header, output, SMALL, grade="final").milliseconds >= cost.milliseconds


def test_finding_a_quality_costs_time_where_there_is_one_to_find() -> None:
    for output in ("jpg", "webp", "avif"):
        for grade in ("first", "final"):
            fixed, found = (
                estimate(PHOTO, output, SMALL, grade=grade, measured=measured) for measured in (False, True)
            )
            assert found.milliseconds > fixed.milliseconds
            assert found.memory == fixed.memory
    assert estimate(PHOTO, "png", SMALL, measured=True) == estimate(PHOTO, "png", SMALL)


def test_to_keep_every_pixel_costs_more() -> None:
    header = Header("png", 2000, 1500, bytes=4_000_000)
    for output in ("webp", "avif"):
        for grade in ("first", "final"):
            plain, exact = (estimate(header, output, SMALL, grade=grade, lossless=kept) for kept in (False, True))
            assert exact.milliseconds > 1.5 * plain.milliseconds
            assert exact.memory > plain.memory
    assert estimate(header, "png", SMALL, lossless=True) == estimate(header, "png", SMALL)


def test_shrinking_while_it_loads_makes_a_jpeg_cheaper() -> None:
    costs = [estimate(PHOTO, "jpg", SMALL, shrink=shrink).milliseconds for shrink in (1, 2, 4, 8)]
    assert costs == sorted(costs, reverse=True)
    assert estimate(PHOTO, "jpg", SMALL).milliseconds == costs[2]


def test_a_jpeg_is_shrunk_only_while_enough_is_left() -> None:
    def same(pixels: int, shrink: int) -> bool:
        return estimate(PHOTO, "jpg", pixels) == estimate(PHOTO, "jpg", pixels, shrink=shrink)

    assert same(PHOTO.pixels // 7, shrink=2)
    assert same(PHOTO.pixels // 6, shrink=1)


def test_every_frame_counts_where_the_result_moves() -> None:
    moving = original("gif", 400, 400, 1_000_000, frames=44)
    assert estimate(moving, "webp", 160_000).milliseconds > 10 * estimate(moving, "jpg", 160_000).milliseconds


def test_many_empty_scans_cost_more_than_their_bytes_say() -> None:
    bomb = Header("jpg", 2000, 2000, 22_167, progressive=True, scans=401, space="grey")
    assert estimate(bomb, "jpg", SMALL).milliseconds > 100


def test_sixteen_bits_take_twice_the_memory() -> None:
    deep = original("png", 3000, 2000)
    assert estimate(replace(deep, bits=16), "jpg", SMALL).memory > 1.5 * estimate(deep, "jpg", SMALL).memory
