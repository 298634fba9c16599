"""How results are written: formats, quality, bytes, chroma, losslessness, grades."""

import io
import time

import pytest

from tests import pictures
from tests.developing import develop
from transforms.errors import ConflictingOptions, InvalidOption, ResultTooLarge
from transforms.formats import FORMATS, writable
from transforms.headers import read_header
from transforms.limits import Limits

WRITTEN = [row.name for row in writable("picture")]
LOSSY = ["jpg", "webp", "avif"]
LOSSLESS = ["webp", "avif", "png", "tiff"]
GRADES = ["first", "final"]

PHOTOGRAPH = pictures.photograph(360, 240)
ORIGINAL = pictures.encoded(PHOTOGRAPH)


def size(text: str, suffix: str = "jpg", grade: str = "first") -> int:
    return len(develop(ORIGINAL, text, suffix, grade).data)


@pytest.mark.parametrize("grade", GRADES)
@pytest.mark.parametrize("suffix", WRITTEN)
def test_every_format_is_written_so_that_it_can_be_read(suffix: str, grade: str) -> None:
    made = develop(ORIGINAL, "w_180", suffix, grade)
    image = pictures.opened(made.data)
    assert (image.width, image.height) == made.size == (180, 120)
    assert pictures.difference(image[:3], PHOTOGRAPH.resize(0.5)).mean < 6
    assert develop(made.data, "w_90", "png").size == (90, 60)


@pytest.mark.parametrize("suffix", WRITTEN)
def test_transparency_goes_where_it_can_and_is_white_elsewhere(suffix: str) -> None:
    made = pictures.opened(develop(pictures.rgba("png", 0), "", suffix).data)
    if FORMATS[suffix].alpha:
        assert pictures.corners(made) == ("red", "transparent", "blue", "transparent")
    else:
        assert pictures.corners(made) == ("red", "white", "blue", "white")
    half = pictures.colour_at(develop(pictures.encoded(pictures.flat((200, 100, 0, 128))), "", "jpg").data, 9, 9)
    pictures.assert_close(half, (227, 177, 127), 3)


# Quality and bytes


@pytest.mark.parametrize("suffix", LOSSY)
def test_more_quality_is_more_bytes_and_less_difference(suffix: str) -> None:
    made = [develop(ORIGINAL, f"q_{quality}", suffix).data for quality in (1, 10, 30, 50, 70, 85, 95, 100)]
    sizes, losses = [len(data) for data in made], [pictures.difference(data, PHOTOGRAPH).mean for data in made]
    assert sizes == sorted(sizes)
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("suffix", LOSSY)
def test_without_a_number_the_quality_is_the_usual(suffix: str) -> None:
    assert size("", suffix) == size("q_80", suffix)


@pytest.mark.parametrize("grade", GRADES)
@pytest.mark.parametrize("suffix", LOSSY)
def test_a_result_has_no_more_bytes_than_it_may(suffix: str, grade: str) -> None:
    whole = size("", suffix, grade)
    for share in (0.9, 0.5, 0.3):
        most = int(whole * share)
        made = develop(ORIGINAL, f"fl_max:{most}", suffix, grade).data
        assert most * 0.6 < len(made) <= most
    assert size(f"fl_max:{whole}", suffix, grade) == whole


@pytest.mark.parametrize("suffix", WRITTEN)
def test_what_cannot_be_written_in_so_few_bytes_is_refused_with_the_fewest(suffix: str) -> None:
    with pytest.raises(InvalidOption, match=r"fl_max: .* in 100 bytes; the smallest .* has \d+") as refused:
        develop(ORIGINAL, "fl_max:100", suffix)
    least = int(refused.value.detail.rpartition(" ")[2])
    assert refused.value.part == "fl_max:100"
    assert len(develop(ORIGINAL, f"fl_max:{least}", suffix).data) == least
    with pytest.raises(InvalidOption):
        develop(ORIGINAL, f"fl_max:{least - 1}", suffix)


def test_the_lowest_qualities_are_not_raised_to_fit() -> None:
    least = size("q_1")
    assert size(f"q_1,fl_max:{least}") == least
    with pytest.raises(InvalidOption, match=f"has {least}"):
        develop(ORIGINAL, f"q_1,fl_max:{least - 1}", "jpg")


# How it is coded


def subsampling(data: bytes) -> str:
    header = read_header(io.BytesIO(data), len(data))
    assert header
    return header.subsampling


def test_chroma_of_a_jpeg_is_what_is_asked_for() -> None:
    assert subsampling(develop(ORIGINAL, "q_80", "jpg").data) == "4:2:0"
    assert subsampling(develop(ORIGINAL, "q_80:444", "jpg").data) == "4:4:4"
    assert subsampling(develop(ORIGINAL, "q_95:420", "jpg").data) == "4:2:0"
    assert subsampling(develop(ORIGINAL, "q_95", "jpg").data) == "4:4:4"


@pytest.mark.parametrize("suffix", ["jpg", "avif"])
def test_full_chroma_keeps_fine_colours(suffix: str) -> None:
    stripes = (
        pictures.flat((220, 40, 40), 2, 64).join(pictures.flat((40, 60, 220), 1, 64), "horizontal").replicate(30, 1)
    )
    data = pictures.encoded(stripes)
    full, half = (develop(data, f"q_90:{chroma}", suffix).data for chroma in (444, 420))
    assert pictures.difference(full, stripes).mean < pictures.difference(half, stripes).mean * 0.95


def test_webp_has_no_full_chroma_but_a_sharper_way_to_half_of_it() -> None:
    assert develop(ORIGINAL, "q_90:444", "webp").data != develop(ORIGINAL, "q_90:420", "webp").data


def test_a_progressive_jpeg_and_png_are_drawn_from_coarse_to_fine() -> None:
    for suffix in ("jpg", "png"):
        for grade in GRADES:
            data = develop(ORIGINAL, "fl_progressive", suffix, grade).data
            header = read_header(io.BytesIO(data), len(data))
            assert header
            assert header.progressive
    assert not read_header(io.BytesIO(made := develop(ORIGINAL, "", "jpg").data), len(made)).progressive  # type: ignore[union-attr]
    assert develop(ORIGINAL, "fl_progressive", "webp").size == (360, 240)


@pytest.mark.parametrize("grade", GRADES)
@pytest.mark.parametrize("suffix", LOSSLESS)
def test_lossless_results_are_exact(suffix: str, grade: str) -> None:
    for image in (PHOTOGRAPH, pictures.noise(64, 48), pictures.with_alpha(pictures.noise(64, 48), 77)):
        made = develop(pictures.encoded(image), "fl_lossless", suffix, grade).data
        assert pictures.difference(made, image).max == 0
    assert size("fl_lossless,q_20", suffix, grade) == size("fl_lossless", suffix, grade)


def test_what_a_format_cannot_keep_is_refused() -> None:
    with pytest.raises(ConflictingOptions, match="fl_lossless: JPEG cannot keep every pixel"):
        develop(ORIGINAL, "fl_lossless", "jpg")


def test_a_format_holds_no_more_than_its_largest_side() -> None:
    wide, roomy = pictures.encoded(pictures.flat(width=17_000, height=2)), Limits(result_side=100_000)
    for suffix in ("webp", "avif"):
        with pytest.raises(ResultTooLarge, match=rf"17000x2 pixels; {FORMATS[suffix].title} holds"):
            develop(wide, "", suffix, limits=roomy)
    assert develop(wide, "", "png", limits=roomy).size == (17_000, 2)


@pytest.mark.parametrize("suffix", WRITTEN)
def test_grades_differ_where_the_table_says_so_and_look_alike(suffix: str) -> None:
    first, final = (develop(ORIGINAL, "", suffix, grade).data for grade in GRADES)
    assert (first != final) == FORMATS[suffix].refined
    assert len(final) <= len(first)
    assert pictures.difference(first, final).mean < 3


# Times


def test_times_add_up_to_what_was_waited() -> None:
    started = time.perf_counter()
    made = develop(ORIGINAL, "w_200/e_blur:400", "avif")
    waited = time.perf_counter() - started
    assert min(made.decode, made.transform, made.encode) > 0
    assert 0.5 * waited < made.decode + made.transform + made.encode <= waited
