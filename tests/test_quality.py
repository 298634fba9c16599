"""`q_auto`: as much quality as each picture needs, and never a larger file than the original was."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pyvips import GValue, Image

from tests import pictures
from tests.developing import develop
from transforms.auto_quality import LEVELS
from transforms.errors import InvalidOption
from transforms.headers import read_header
from transforms.plan import Plan
from transforms.similarity import Reference
from transforms.stored import cleaned, own_quality

LOSSY = ["jpg", "webp", "avif"]
GRADES = ["first", "final"]
ROOT = Path(__file__).parent.parent
WORDS = {"best": "q_auto:best", "good": "q_auto", "eco": "q_auto:eco", "low": "q_auto:low"}
AIMS = {"best": 0.983, "good": 0.959, "eco": 0.936, "low": 0.917}

PHOTOGRAPH = pictures.photograph(720, 480)
SMOOTH = PHOTOGRAPH.gaussblur(3)


def drawing(width: int = 640, height: int = 448) -> Image:
    """Flat colours with straight and round edges."""
    down, across = np.mgrid[:height, :width]
    array = np.full((height, width, 3), (250, 248, 240), np.uint8)
    array[60:380, 50:300] = (30, 90, 160)
    array[(across - 440) ** 2 + (down - 220) ** 2 < 130**2] = (220, 60, 40)
    return Image.new_from_array(array, interpretation="srgb")


def similarity(made: bytes, image: Image) -> float:
    return Reference(image[:3].numpy()).similarity(pictures.opened(made)[:3].numpy())


# Similarity


def test_a_picture_is_wholly_like_itself_and_less_so_the_more_it_is_changed() -> None:
    pixels = PHOTOGRAPH.numpy()
    reference = Reference(pixels)
    noisy = [
        reference.similarity(
            (pixels + np.random.default_rng(1).normal(0, spread, pixels.shape)).clip(0, 255).astype("u1")
        )
        for spread in (0, 3, 9, 27)
    ]
    assert noisy[0] > 0.99
    assert noisy == sorted(noisy, reverse=True)
    assert reference.similarity(pixels) == pytest.approx(1, abs=1e-4)


def test_the_similarity_is_that_of_its_formula() -> None:
    """On one window it can be worked out by hand."""
    rng = np.random.default_rng(1)
    one, other = (rng.integers(0, 256, (11, 11), np.uint8) for _ in range(2))
    near = np.exp(-((np.arange(11) - 5.0) ** 2) / (2 * 1.5**2))
    weights = np.outer(near, near) / near.sum() ** 2
    (a, b), (x, y) = (
        ((weights * plane).sum() for plane in (one, other)),
        (plane.astype(float) for plane in (one, other)),
    )
    varied = (weights * ((x - a) ** 2 + (y - b) ** 2)).sum()
    together = (weights * (x - a) * (y - b)).sum()
    c1, c2 = 2.55**2, 7.65**2
    expected = (2 * a * b + c1) * (2 * together + c2) / ((a * a + b * b + c1) * (varied + c2))
    grey = [np.repeat(plane[..., None], 3, axis=2) for plane in (one, other)]
    assert Reference(grey[0]).brightness(grey[1]) == pytest.approx(expected, abs=1e-4)


def test_a_change_of_colour_alone_is_seen() -> None:
    pixels = np.full((32, 32, 3), (120, 120, 120), np.uint8)
    tinted = np.full((32, 32, 3), (160, 100, 120), np.uint8)  # as bright
    reference = Reference(pixels)
    assert reference.brightness(tinted) > 0.999
    assert reference.similarity(tinted) < 0.995


# What is chosen


@pytest.mark.parametrize("grade", GRADES)
@pytest.mark.parametrize("suffix", LOSSY)
def test_every_picture_reaches_what_the_level_aims_at_or_the_level_s_bounds(suffix: str, grade: str) -> None:
    for image in (PHOTOGRAPH, SMOOTH, drawing()):
        for level, word in WORDS.items():
            made = develop(pictures.encoded(image), word, suffix, grade)
            bounds = LEVELS[level]
            assert made.quality is not None
            assert bounds.least <= made.quality <= bounds.most
            reached = similarity(made.data, image)
            if made.quality < bounds.most:
                assert reached > AIMS[level] - 0.012
            if made.quality > bounds.least:
                assert reached < AIMS[level] + 0.025


@pytest.mark.parametrize("suffix", LOSSY)
def test_levels_come_in_their_order(suffix: str) -> None:
    made = [develop(pictures.encoded(PHOTOGRAPH), WORDS[level], suffix) for level in ("low", "eco", "good", "best")]
    qualities, sizes = [one.quality for one in made], [len(one.data) for one in made]
    assert qualities == sorted(qualities, key=int)  # type: ignore[type-var, call-overload]
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize("suffix", LOSSY)
def test_what_is_simple_needs_fewer_bytes_and_grain_more_quality(suffix: str) -> None:
    for image in (drawing(), SMOOTH):
        data = pictures.encoded(image)
        assert len(develop(data, "q_auto", suffix).data) < len(develop(data, "q_80", suffix).data)
    chosen = [develop(pictures.encoded(image), "q_auto", suffix).quality or 0 for image in (SMOOTH, PHOTOGRAPH)]
    assert chosen[0] < chosen[1]


@pytest.mark.parametrize("suffix", LOSSY)
def test_different_pictures_come_out_more_alike_in_quality_than_at_one_number(suffix: str) -> None:
    images = [SMOOTH, PHOTOGRAPH, PHOTOGRAPH.gaussblur(0.8), PHOTOGRAPH.gaussblur(1.5)]
    spread = {
        word: np.std([similarity(develop(pictures.encoded(image), word, suffix).data, image) for image in images])
        for word in ("q_auto", "q_80")
    }
    assert spread["q_auto"] < spread["q_80"]


@pytest.mark.parametrize("suffix", LOSSY)
def test_pictures_of_every_shape_have_a_quality(suffix: str) -> None:
    for image in (
        pictures.flat((200, 30, 60), 1, 1),
        pictures.flat((200, 30, 60), 300, 300),
        pictures.noise(9, 7),
        pictures.noise(63, 700),
        pictures.noise(1300, 12),
        pictures.noise(65, 1100),
        pictures.with_alpha(PHOTOGRAPH, 90),
        pictures.with_alpha(pictures.noise(400, 300), 0),
    ):
        made = develop(pictures.encoded(image), "q_auto", suffix)
        assert made.size == (image.width, image.height)
        assert made.quality is not None
        assert 55 <= made.quality <= 88
    assert develop(pictures.grey(), "q_auto", suffix).quality is not None


def test_unseen_pixels_ask_for_no_quality() -> None:
    hidden = pictures.with_alpha(SMOOTH.join(pictures.noise(720, 480), "horizontal"), 0)
    seen = pictures.with_alpha(SMOOTH.join(pictures.noise(720, 480), "horizontal"), 255)
    of_hidden, of_seen = (develop(pictures.encoded(image), "q_auto", "webp").quality or 0 for image in (hidden, seen))
    assert of_hidden < of_seen


@pytest.mark.parametrize("grade", GRADES)
def test_an_animation_has_the_quality_that_its_middle_needs_too(grade: str) -> None:
    first, middle, last = (pictures.flat((90, 40 * shade, 160), 320, 240) for shade in (1, 2, 3))
    calm = Image.arrayjoin([first, middle, last], across=1)
    lively = Image.arrayjoin([first, pictures.noise(320, 240), last], across=1)
    qualities = []
    for strip in (calm, lively):
        strip = strip.copy()
        strip.set_type(GValue.gint_type, "page-height", 240)
        data = strip.write_to_buffer(".webp", lossless=True)
        made = develop(data, "q_auto", "webp", grade)
        assert made.frames == 3
        qualities.append(made.quality or 0)
    assert qualities[0] < qualities[1]


def test_formats_without_quality_and_lossless_results_are_as_without_it() -> None:
    data = pictures.encoded(PHOTOGRAPH)
    for suffix in ("png", "gif", "tiff"):
        made = develop(data, "q_auto", suffix)
        assert made.quality is None
        assert made.data == develop(data, "", suffix).data
    made = develop(data, "fl_lossless,q_auto", "webp")
    assert made.quality is None
    assert pictures.difference(made.data, PHOTOGRAPH).max == 0


@pytest.mark.parametrize("suffix", LOSSY)
def test_an_upper_bound_of_bytes_holds_beside_it(suffix: str) -> None:
    data = pictures.encoded(PHOTOGRAPH)
    free = develop(data, "q_auto", suffix)
    most = len(free.data) // 2
    bound = develop(data, f"fl_max:{most},q_auto", suffix)
    assert len(bound.data) <= most
    assert (bound.quality or 0) < (free.quality or 0)
    assert develop(data, f"fl_max:{len(free.data)},q_auto", suffix).data == free.data


def test_the_plan_says_that_quality_is_measured() -> None:
    assert str(Plan.read("q_auto")) == str(Plan.read("q_auto:good")) == "q_auto"
    assert str(Plan.read("q_auto:low,w_9")) == "q_auto:low,w_9"
    assert str(Plan.read("q_80")) == ""
    for wrong in ("q_auto:fine", "q_auto:", "q_auto:80", "q_auto:good:444"):
        with pytest.raises(InvalidOption, match="auto with :best"):
            Plan.read(wrong)


def test_the_worker_tells_which_quality_was_chosen(tmp_path: Path) -> None:
    """In a process of its own, since a worker switches loaders off for good."""
    original = tmp_path / "original.png"
    original.write_bytes(pictures.encoded(PHOTOGRAPH))
    code = """
import sys
from pathlib import Path
from transforms.work import perform
from transforms.worker import Aside
aside = Aside(Path(), print)
job = {"path": sys.argv[1], "limits": {}, "grade": "first"}
header = perform({**job, "do": "probe"}, Path(), aside)[0]["header"]
for form in ("webp", "png"):
    order = {**job, "do": "render", "header": header, "plan": "q_auto", "format": form}
    print(perform(order, Path(), aside)[0]["quality"])
"""
    command = [sys.executable, "-c", code, str(original)]
    told = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
    assert told == [str(develop(original, "q_auto", "webp").quality), "None"]


# What is only written anew


@pytest.mark.parametrize("quality", [20, 30, 50, 75, 90, 100])
def test_a_jpeg_tells_its_own_quality(quality: int) -> None:
    assert own_quality(PHOTOGRAPH.write_to_buffer(".jpg", Q=quality)) == pytest.approx(quality, abs=1)


@pytest.mark.parametrize("suffix", LOSSY)
def test_no_more_quality_is_written_than_the_original_has(suffix: str) -> None:
    data = PHOTOGRAPH.write_to_buffer(".jpg", Q=40)
    assert develop(data, "q_auto:best", suffix).quality == 40
    assert (develop(data, "q_auto:best,w_500", suffix).quality or 0) > 40  # smaller, its faults are smaller too


@pytest.mark.parametrize("grade", GRADES)
@pytest.mark.parametrize("text", ["q_auto", "q_auto:best", "q_auto,w_5000", "c_fill,h_480,q_auto,w_720"])
def test_a_jpeg_is_never_larger_than_it_was(text: str, grade: str) -> None:
    for quality in (20, 60, 78, 95):
        data = PHOTOGRAPH.write_to_buffer(".jpg", Q=quality, optimize_coding=True, interlace=True)
        made = develop(data, text, "jpg", grade).data
        assert len(made) <= len(data)
        assert pictures.opened(made).width == 720


def kept(text: str = "q_auto:best") -> bytes:
    """What becomes of a JPEG that is smaller than all that could be made of it, and holds every kind of metadata."""
    quiet = PHOTOGRAPH.write_to_buffer(".jpg", Q=30, optimize_coding=True, interlace=True, keep="none")
    xmp = b"http://ns.adobe.com/xap/1.0/\0" + pictures.xmp()
    notes = ((0xE1, b"Exif\0\0" + pictures.exif()), (0xE1, xmp), (0xED, pictures.iptc()), (0xFE, b"a comment"))
    told = quiet[:2] + b"".join(pictures.segment(*note) for note in notes) + quiet[2:] + b"\xff\xd8 a film behind it"
    made = develop(told, text, "jpg").data
    assert pictures.difference(made, pictures.opened(quiet)).max == 0
    assert b"a comment" not in made
    assert b"a film" not in made
    return made


def test_an_original_that_goes_out_is_cleaned_as_a_result_is() -> None:
    usual = develop(pictures.canary_jpeg(), "q_80", "jpg").data
    assert pictures.canaries_in(kept()) == pictures.canaries_in(usual)
    assert pictures.canaries_in(kept("fl_force_strip,q_auto:best")) == set()
    everything = develop(pictures.canary_jpeg(), "fl_keep_metadata,q_80", "jpg").data
    assert pictures.canaries_in(kept("fl_keep_metadata,q_auto:best")) == pictures.canaries_in(everything)


def test_what_shows_other_pixels_than_it_holds_is_always_written_anew() -> None:
    for data in (pictures.oriented(6), pictures.display_p3(), pictures.cmyk_jpeg(), pictures.swapped("jpg")):
        usual, auto = (develop(data, text, "jpg") for text in ("q_95", "q_auto:best"))
        assert usual.size == auto.size
        assert pictures.difference(usual.data, auto.data).mean < 6
    progressive = develop(
        PHOTOGRAPH.write_to_buffer(".jpg", Q=30, interlace=False), "fl_progressive,q_auto", "jpg"
    ).data
    header = read_header(io.BytesIO(progressive), len(progressive))
    assert header
    assert header.progressive


def test_a_second_picture_before_the_end_of_the_first_does_not_go_along() -> None:
    first = PHOTOGRAPH.write_to_buffer(".jpg", Q=30, optimize_coding=True, keep="none")
    second = pictures.flat(width=16, height=16).write_to_buffer(".jpg", optimize_coding=True, keep="none")
    both = first[:-2] + second[2:]
    made = develop(both, "q_auto:best", "jpg").data
    assert second[-40:-2] not in made
    assert cleaned(first, {}) == first
    assert cleaned(both, {}) is None


def test_broken_jpegs_tell_nothing_and_are_not_kept() -> None:
    whole = PHOTOGRAPH.write_to_buffer(".jpg", Q=30)
    for broken in (b"", b"\xff\xd8", whole[:300], whole[:-2], whole[2:], b"\xff\xd8\xff\xdb\0\1" + whole[2:]):
        assert cleaned(broken, {}) is None
    for broken in (b"", b"\xff\xd8", whole[:30], whole[2:], b"\xff\xd8\xff\xda\0\2\xff\xd9"):
        assert own_quality(broken) is None
