"""Colours come out as they went in, whatever the file holds them in; what cannot be seen stays unseen."""

from pathlib import Path

import numpy as np
import pytest

from tests import pictures
from tests.conftest import corpus
from tests.developing import develop
from transforms.errors import DamagedOriginal

QUARTERS = ((15, 10), (45, 10), (15, 30), (45, 30))
QUADRANTS = tuple(pictures.COLOURS[name] for name in pictures.UPRIGHT)
BLACK_TO_WHITE = pictures.ramp()


def colours_of(data: bytes, text: str = "", suffix: str = "png") -> list[pictures.Colour]:
    """The colours in the middle of each quarter, as 8-bit sRGB."""
    made = pictures.shown(develop(data, text, suffix).data)
    return [pictures.colour_at(made, round(x * made.width / 60), round(y * made.height / 40))[:3] for x, y in QUARTERS]


def assert_seen(found: list[pictures.Colour], expected: tuple[pictures.Colour, ...], apart: float) -> None:
    for one, other in zip(found, expected, strict=True):
        assert pictures.delta_e(one, other).max <= apart, (one, other)


# Colour spaces of originals


ORIGINALS = {
    "Display P3 JPEG": (pictures.display_p3("jpg"), pictures.P3_SHOWN, 1.5),
    "Display P3 PNG": (pictures.display_p3("png"), pictures.P3_SHOWN, 0.7),
    "Display P3 WebP": (pictures.display_p3("webp"), pictures.P3_SHOWN, 0.7),
    "Display P3 TIFF": (pictures.display_p3("tiff"), pictures.P3_SHOWN, 0.7),
    "Display P3 AVIF": (pictures.display_p3("avif"), pictures.P3_SHOWN, 0.7),
    "swapped channels PNG": (pictures.swapped("png"), QUADRANTS, 1),
    "swapped channels JPEG": (pictures.swapped("jpg"), QUADRANTS, 1.5),
    "16 bit PNG": (pictures.sixteen_bit("png"), QUADRANTS, 0.5),
    "16 bit TIFF": (pictures.sixteen_bit("tiff"), QUADRANTS, 0.5),
    "palette PNG": (pictures.palette_png(), QUADRANTS, 1),
    "interlaced PNG": (pictures.interlaced_png(), QUADRANTS, 0.1),
    "progressive JPEG": (pictures.progressive_jpeg(), QUADRANTS, 1),
    "JPEG 4:2:2": (pictures.sampled_jpeg("4:2:2"), QUADRANTS, 1),
    "JPEG 4:1:1": (pictures.sampled_jpeg("4:1:1"), QUADRANTS, 1),
    "JPEG 4:4:0": (pictures.sampled_jpeg("4:4:0"), QUADRANTS, 1),
    "an sRGB profile": (
        pictures.encoded(pictures.with_profile(pictures.quadrants(), pictures.icc_profile())),
        QUADRANTS,
        0.1,
    ),
}


@pytest.mark.parametrize("text", ["", "w_30", "c_fill,w_60,h_40", "c_fit,w_120"])
@pytest.mark.parametrize(("data", "expected", "apart"), ORIGINALS.values(), ids=ORIGINALS)
def test_originals_of_every_kind_show_their_colours(
    data: bytes, expected: tuple[pictures.Colour, ...], apart: float, text: str
) -> None:
    assert_seen(colours_of(data, text), expected, apart)


# Primaries as XYZ under D50, and a gamma.
WIDE = {
    "Rec. 2020": (((0.67348, 0.27903, -0.00194), (0.16566, 0.67534, 0.02998), (0.12505, 0.04561, 0.79686)), 2.4),
    "ProPhoto": (((0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03134, 0.00009, 0.82491)), 1.8),
}


@pytest.mark.parametrize(("primaries", "gamma"), WIDE.values(), ids=WIDE)
def test_wide_gamuts_become_srgb(primaries: tuple[tuple[float, ...], ...], gamma: float) -> None:
    light = np.array([[pictures.srgb_to_linear(c / 255) for c in colour] for colour in QUADRANTS])
    stored = np.linalg.solve(np.array(primaries).T, np.array(pictures.SRGB_PRIMARIES).T @ light.T).T
    values = [tuple(round(255 * max(0.0, v) ** (1 / gamma)) for v in colour) for colour in stored]
    wide = pictures.with_profile(pictures.patches(values), pictures.icc_profile(primaries, gamma))
    assert_seen(colours_of(pictures.encoded(wide)), QUADRANTS, 1.5)
    assert_seen(colours_of(pictures.encoded(wide), "w_30", "jpg"), QUADRANTS, 4)


@pytest.mark.parametrize("profile", [True, False], ids=["with a profile", "without"])
@pytest.mark.parametrize("text", ["", "w_30"])
def test_inks_become_colours_and_adobes_inversion_is_undone(text: str, profile: bool) -> None:
    data = pictures.cmyk_jpeg(profile)
    expected = pictures.opened(data).icc_transform(
        "srgb", embedded=True, input_profile="cmyk", intent="relative", black_point_compensation=True
    )
    assert_seen(colours_of(data, text), tuple(pictures.colour_at(expected, *place) for place in QUARTERS), 1.5)
    assert pictures.corners(develop(data, text, "jpg").data) == pictures.UPRIGHT
    inks = pictures.patches(((0, 0, 0, 0), (0, 0, 0, 255), (255, 0, 0, 0), (0, 0, 255, 0)), interpretation="cmyk")
    paper, black, cyan, yellow = colours_of(pictures.encoded(inks, "jpg", profile="cmyk"), text)
    assert min(paper) > 250
    assert max(black) < 45
    assert cyan[0] < 50 < 150 < cyan[2]
    assert yellow[2] < 50 < 220 < yellow[0]


def test_greys_stay_grey_and_16_bits_of_them_too() -> None:
    for data in (pictures.grey("png"), pictures.grey("jpg"), pictures.grey("tiff"), pictures.grey("webp")):
        made = pictures.opened(develop(data, "", "png").data).colourspace("srgb")
        assert pictures.difference(made, BLACK_TO_WHITE.colourspace("srgb")).max <= 2
    wide = (BLACK_TO_WHITE * 257).cast("ushort").copy(interpretation="grey16")
    for suffix in ("png", "tiff"):
        made = pictures.opened(develop(pictures.encoded(wide, suffix), "", "png").data).colourspace("srgb")
        assert pictures.difference(made, BLACK_TO_WHITE.colourspace("srgb")).max <= 1


def test_grey_with_alpha_keeps_both() -> None:
    for text in ("", "w_128"):
        made = pictures.opened(develop(pictures.grey_alpha(), text, "png").data).colourspace("srgb")
        assert pictures.colour_at(made, -4, 5)[3] == 0
        level = pictures.colour_at(made, made.width // 4, 5)
        pictures.assert_close(level, (64, 64, 64, 255), 2)


@pytest.mark.parametrize("interpretation", ["lab", "labs", "xyz"])
def test_a_tiff_may_hold_lab(interpretation: str) -> None:
    data = pictures.encoded(pictures.quadrants().colourspace(interpretation), "tiff")
    assert_seen(colours_of(data), QUADRANTS, 2)
    assert_seen(colours_of(data, "w_30,q_100", "jpg"), QUADRANTS, 3)


def test_a_palette_may_be_transparent() -> None:
    made = develop(pictures.palette_png(alpha=True), "w_30", "png").data
    assert pictures.corners(made) == ("red", "transparent", "blue", "transparent")


BROKEN = {"seven bytes": b"profile", "noise": bytes(range(256)) * 3, "half": pictures.icc_profile()[:700]}
UNFIT = {
    "of CMYK": bytes(pictures.fields(pictures.cmyk_jpeg())["icc-profile-data"]),
    "that says it has 4 GB": b"\xff\xff\xff\xff" + pictures.icc_profile()[4:],
}


def with_segments(jpeg: bytes, profile: bytes) -> bytes:
    """A JPEG with a profile in as many segments as it takes; libvips writes none that it would not read."""
    parts = [profile[start : start + 60_000] for start in range(0, len(profile), 60_000)]
    segments = (
        pictures.segment(0xE2, b"ICC_PROFILE\0" + bytes([number, len(parts)]) + part)
        for number, part in enumerate(parts, 1)
    )
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


@pytest.mark.parametrize("text", ["", "cs_p3", "cs_copy"])
@pytest.mark.parametrize("profile", (BROKEN | UNFIT).values(), ids=BROKEN | UNFIT)
def test_a_profile_that_does_not_work_counts_as_none(profile: bytes, text: str) -> None:
    data = with_segments(pictures.encoded(pictures.quadrants(), "jpg"), profile)
    assert pictures.fields(data)["icc-profile-data"] == profile
    assert_seen(colours_of(data, text), QUADRANTS, 1.5)
    assert pictures.fields(develop(data, text).data).get("icc-profile-data") != profile


# Colour spaces of results


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif", "tiff"])
@pytest.mark.parametrize(
    "data", [pictures.display_p3("png"), pictures.encoded(pictures.quadrants())], ids=["P3", "sRGB"]
)
def test_a_result_in_p3_says_so_and_shows_its_colours(data: bytes, suffix: str) -> None:
    made = develop(data, "cs_p3,w_60,q_100", suffix).data
    assert b"P3" in pictures.fields(made)["icc-profile-data"].replace(b"\0", b"")
    expected = pictures.P3_SHOWN if data == pictures.display_p3("png") else QUADRANTS
    assert_seen(colours_of(data, "cs_p3,w_60,q_100", suffix), expected, 2)


def test_a_result_in_p3_keeps_what_srgb_cannot_show() -> None:
    made = pictures.opened(develop(pictures.display_p3("png"), "cs_p3").data)
    assert [pictures.colour_at(made, *place) for place in QUARTERS] == list(pictures.P3_STORED)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif", "tiff"])
@pytest.mark.parametrize("data", [pictures.display_p3("png"), pictures.swapped("png")], ids=["P3", "swapped"])
def test_a_profile_is_copied_where_that_is_asked_for(data: bytes, suffix: str) -> None:
    made = develop(data, "cs_copy,w_60,q_100", suffix).data
    assert pictures.fields(made)["icc-profile-data"] == pictures.fields(data)["icc-profile-data"]
    expected = pictures.P3_SHOWN if data == pictures.display_p3("png") else QUADRANTS
    assert_seen(colours_of(data, "cs_copy,w_60,q_100", suffix), expected, 2)


@pytest.mark.parametrize("text", ["cs_p3", "cs_copy"])
def test_formats_without_profiles_stay_srgb(text: str) -> None:
    assert_seen(colours_of(pictures.display_p3("png"), text, "gif"), pictures.P3_SHOWN, 2)


@pytest.mark.parametrize("text", ["cs_p3", "cs_copy"])
def test_inks_and_greys_are_never_left_with_a_profile_of_their_own(text: str) -> None:
    made = develop(pictures.cmyk_jpeg(), text, "jpg").data
    assert pictures.corners(pictures.shown(made)) == pictures.UPRIGHT
    assert pictures.opened(made).bands == 3


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif", "tiff", "gif"])
def test_results_carry_no_profile_unless_one_is_asked_for(suffix: str) -> None:
    assert "icc-profile-data" not in pictures.fields(develop(pictures.display_p3("png"), "w_30", suffix).data)


# Alpha


def hidden() -> bytes:
    """A white left half, and a right half of green that nobody can see."""
    seen, unseen = pictures.flat((255, 255, 255, 255), 40, 40), pictures.flat((0, 255, 0, 0), 40, 40)
    return pictures.encoded(seen.join(unseen, "horizontal"))


@pytest.mark.parametrize(
    "text",
    [
        "w_30",
        "c_fit,w_200",
        "c_fill,w_33,h_17",
        "e_blur:60",
        "a_20",
        "e_pixelate:7",
        "c_scale,w_31,h_90",
        "e_sharpen:300",
    ],
)
def test_colours_that_cannot_be_seen_do_not_bleed(text: str) -> None:
    made = pictures.opened(develop(hidden(), text, "png").data)
    on_white = made.flatten(background=[255, 255, 255])
    assert on_white.min() >= 253
    assert on_white.avg() > 254


def test_opaque_pictures_with_alpha_stay_opaque() -> None:
    data = pictures.encoded(pictures.with_alpha(pictures.noise(200, 150), right=255))
    for text in ("w_71", "c_fit,w_500", "e_blur:40", "e_pixelate:7", "e_sharpen"):
        assert pictures.opened(develop(data, text, "webp").data).hasalpha() == 0 or (
            pictures.opened(develop(data, text, "png").data)[3].min() == 255
        ), text


def test_scaling_half_transparency_keeps_its_share() -> None:
    data = pictures.encoded(pictures.flat((200, 100, 50, 128), 64, 64))
    made = pictures.opened(develop(data, "w_20", "png").data)
    pictures.assert_close(pictures.mean(made), (200, 100, 50, 128), 1)


# Real files


def test_pictures_of_cameras_with_wide_gamuts_look_as_libvips_shows_them() -> None:
    for path in corpus("image-colour", "*.jpg") + corpus("image-colour", "*.png"):
        try:
            made = develop(path, "c_scale,w_100,h_100", "png").data
        except DamagedOriginal:
            assert path.name == "pillow__ultrahdr.jpg"  # it ends after its first rows
            continue
        expected = pictures.opened(path)
        if expected.interpretation == "cmyk":
            expected = expected.icc_transform(
                "srgb", embedded=True, input_profile="cmyk", intent="relative", black_point_compensation=True
            )
        expected = pictures.shown(expected)
        expected = expected.resize(100 / expected.width, vscale=100 / expected.height)
        image = pictures.opened(made).colourspace("srgb")
        assert pictures.delta_e(image[:3], expected[:3]).mean < 0.7, path.name


@pytest.mark.parametrize("path", corpus("image-colour", "*rgb-to-gbr*"), ids=lambda path: path.name)
def test_a_profile_that_swaps_channels_swaps_them(path: Path) -> None:
    image = pictures.opened(develop(path, "w_200", "png").data)
    red, green, blue = (pictures.colour_at(image, *place) for place in ((90, 20), (10, 130), (180, 180)))
    assert red[0] > 200 > 120 > red[1]
    assert green[1] > 200 > 120 > green[0]
    assert blue[2] > 200 > 120 > blue[1]


@pytest.mark.parametrize("path", corpus("image-colour", "*P3-sRGB-color-bars*"), ids=lambda path: path.name)
def test_bars_of_p3_differ_little_from_those_that_are_computed(path: Path) -> None:
    stored, made = pictures.opened(path), pictures.opened(develop(path, "", "png").data)
    for x in range(50, 1000, 100):
        for y in (250, 400, 550):
            expected = pictures.srgb_of_p3(pictures.colour_at(stored, x, y))
            assert pictures.delta_e(pictures.colour_at(made, x, y), expected).max <= 2, (x, y)
