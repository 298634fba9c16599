"""Effects by facts about pixels: colours worked out by hand, slopes, squares, arcs; alpha is left alone."""

import math

import numpy as np
import pytest

from tests import pictures
from tests.developing import develop
from transforms.pipeline import PIPELINE
from transforms.plan import Plan

PLACES = ((15, 10), (45, 10), (15, 30), (45, 30))
QUADRANTS = [pictures.COLOURS[name] for name in pictures.UPRIGHT]
LUMA = (0.2126, 0.7152, 0.0722)


def made(image: pictures.Image, text: str) -> pictures.Image:
    """What a plan makes of a picture, without loss."""
    return pictures.opened(develop(pictures.encoded(image), text, "png").data)


def light(colour: pictures.Colour) -> float:
    return sum(weight * channel for weight, channel in zip(LUMA, colour, strict=True))


def clipped(*values: float) -> tuple[float, ...]:
    return tuple(min(255.0, max(0.0, value)) for value in values)


def by_matrix(colour: pictures.Colour, *rows: tuple[float, float, float]) -> tuple[float, ...]:
    return clipped(*(sum(weight * channel for weight, channel in zip(row, colour, strict=True)) for row in rows))


def saturated(colour: pictures.Colour, amount: float) -> tuple[float, ...]:
    """CSS saturate() in words: each channel's distance from the light, times the amount."""
    return clipped(*(light(colour) + amount * (channel - light(colour)) for channel in colour))


SEPIA = ((0.393, 0.769, 0.189), (0.349, 0.686, 0.168), (0.272, 0.534, 0.131))
HALF_SEPIA = ((0.6965, 0.3845, 0.0945), (0.1745, 0.843, 0.084), (0.136, 0.267, 0.5655))  # the mean of it and no change
HALF_TURN = ((-0.574, 1.43, 0.144), (0.426, 0.43, 0.144), (0.426, 1.43, -0.856))  # CSS hue-rotate(180deg)

COLOURS = {
    "e_brightness:30": lambda c: clipped(*(1.3 * v for v in c)),
    "e_brightness": lambda c: clipped(*(1.8 * v for v in c)),
    "e_brightness:-99": lambda c: tuple(0.01 * v for v in c),
    "e_contrast:40": lambda c: clipped(*(127.5 + 1.4 * (v - 127.5) for v in c)),
    "e_contrast:-100": lambda c: (127.5,) * 3,
    "e_gamma:50": lambda c: tuple(255 * (v / 255) ** (1 / 1.5) for v in c),
    "e_gamma:-50": lambda c: tuple(255 * (v / 255) ** 2 for v in c),
    "e_gamma:0": lambda c: c,
    "e_saturation:-50": lambda c: saturated(c, 0.5),
    "e_saturation:-100": lambda c: (light(c),) * 3,
    "e_saturation": lambda c: saturated(c, 1.8),
    "e_grayscale": lambda c: (light(c),) * 3,
    "e_hue:100": lambda c: by_matrix(c, *HALF_TURN),
    "e_hue:-100": lambda c: by_matrix(c, *HALF_TURN),
    "e_hue:0": lambda c: c,
    "e_sepia:100": lambda c: by_matrix(c, *SEPIA),
    "e_sepia:50": lambda c: by_matrix(c, *HALF_SEPIA),
    "e_negate": lambda c: tuple(255 - v for v in c),
    "e_tint:0:red": lambda c: c,
    "e_negate,e_brightness:30": lambda c: tuple(255 - v for v in clipped(*(1.3 * v for v in c))),
    "e_negate/e_brightness:30": lambda c: clipped(*(1.3 * (255 - v) for v in c)),
}


@pytest.mark.parametrize("alpha", [None, 255, 128], ids=["RGB", "opaque", "half"])
@pytest.mark.parametrize(("text", "expected"), COLOURS.items(), ids=COLOURS)
def test_colours_change_as_worked_out(text: str, expected: object, alpha: int | None) -> None:
    image = pictures.quadrants()
    image = image if alpha is None else image.bandjoin(alpha)
    result = made(image, text)
    assert result.bands == image.bands
    for place, colour in zip(PLACES, QUADRANTS, strict=True):
        found = pictures.colour_at(result, *place)
        pictures.assert_close(found[:3], expected(colour), 1)  # type: ignore[operator]
        assert found[3:] == (() if alpha is None else (alpha,))


def test_a_tint_leaves_black_and_white_and_makes_middle_grey_the_ink() -> None:
    image = pictures.patches(((0,) * 3, (255,) * 3, (128,) * 3, (64,) * 3))
    result = made(image, "e_tint:100:teal")
    found = [pictures.colour_at(result, *place) for place in PLACES]
    for colour, expected in zip(found, ((0, 0, 0), (255, 255, 255), (1, 128, 128), (0, 64, 64)), strict=True):
        pictures.assert_close(colour, expected, 2)
    half = made(image, "e_tint:50:teal")
    pictures.assert_close(pictures.colour_at(half, 15, 30), (64, 128, 128), 2)


def test_lighter_and_darker_are_brightness_gamma_and_contrast() -> None:
    image = pictures.gradient(64, 64)
    means = [sum(pictures.mean(made(image, text))) for text in ("e_gamma:-40", "e_gamma:0", "e_gamma:80")]
    assert means == sorted(means)
    spread = [made(image, text).deviate() for text in ("e_contrast:-40", "e_contrast:0", "e_contrast:40")]
    assert spread == sorted(spread)


# What looks at its neighbours


def row_of(image: pictures.Image) -> list[int]:
    return [pictures.colour_at(image, x, image.height // 2)[0] for x in range(image.width)]


@pytest.mark.parametrize("strength", [20, 60, 100, 200, 400])
def test_a_blur_makes_a_slope_as_long_as_its_sigma_says(strength: int) -> None:
    sigma = strength / 20
    row = row_of(made(pictures.edge(400, 20), f"e_blur:{strength}"))
    assert row == sorted(row)
    assert row[0] == 0
    assert row[-1] == 255
    for distance in (-1.5, -1.0, -0.5, 0.5, 1.0, 1.5):
        expected = 127.5 * (1 + math.erf(distance / math.sqrt(2)))
        assert abs(np.interp(200 + distance * sigma - 0.5, range(400), row) - expected) < 10, distance


@pytest.mark.parametrize("strength", [1, 20, 100, 300, 2000])
def test_a_blur_keeps_the_mean(strength: int) -> None:
    image = pictures.noise(160, 120).embed(400, 400, 960, 920, background=[90, 120, 150], extend="background")
    pictures.assert_close(pictures.mean(made(image, f"e_blur:{strength}")), pictures.mean(image), 0.5)


def test_a_stronger_blur_leaves_less_detail() -> None:
    image = pictures.photograph(200, 150)
    detail = [made(image, f"e_blur:{strength}").sobel().avg() for strength in (1, 20, 60, 200, 600, 2000)]
    assert detail == sorted(detail, reverse=True)
    assert detail[-1] < detail[0] / 10


def test_sharpening_overshoots_on_both_sides_of_an_edge_and_leaves_what_is_flat() -> None:
    image = pictures.patches(((80,) * 3, (170,) * 3) * 2, 80, 40)
    soft = made(image, "e_blur:20")
    plain, sharp, strong = (row_of(made(soft, text)) for text in ("e_gamma:0", "e_sharpen", "e_sharpen:400"))
    assert min(strong) < min(sharp) < min(plain)
    assert max(strong) > max(sharp) > max(plain)
    assert (sharp[5], sharp[-5]) == (80, 170)
    assert (
        pictures.difference(
            made(pictures.quadrants(), "e_sharpen:1000").crop(2, 2, 20, 12), pictures.flat(QUADRANTS[0], 20, 12)
        ).max
        <= 1
    )


@pytest.mark.parametrize("side", [1, 5, 12, 200])
def test_pixels_become_squares_of_their_mean(side: int) -> None:
    image = pictures.noise(60, 40)
    result = made(image, f"e_pixelate:{side}")
    assert pictures.size_of(result) == (60, 40)
    before, after = image.numpy().astype(float), result.numpy()
    for y in range(0, 40, side):
        for x in range(0, 60, side):
            square, expected = after[y : y + side, x : x + side], before[y : y + side, x : x + side]
            assert (square == square[0, 0]).all()
            pictures.assert_close(square[0, 0].tolist(), expected.mean(axis=(0, 1)).tolist(), 1)


# The edge, and what is behind it


def alpha_at(image: pictures.Image, x: int, y: int) -> int:
    return pictures.colour_at(image, x, y)[3]


@pytest.mark.parametrize(
    ("text", "radii"),
    [
        ("r_20", (20, 20, 20, 20)),
        ("r_20:0", (20, 0, 20, 0)),
        ("r_0:10:20", (0, 10, 20, 10)),
        ("r_5:10:15:20", (5, 10, 15, 20)),
        ("r_0", (0, 0, 0, 0)),
    ],
)
def test_each_radius_is_in_its_own_corner(text: str, radii: tuple[int, ...]) -> None:
    """Clockwise from the top left; on each corner's diagonal the arc is where a circle of that radius is."""
    result = made(pictures.quadrants(100, 80), text)
    result = result if result.hasalpha() else result.bandjoin(255)
    assert pictures.size_of(result) == (100, 80)
    inwards = ((0, 0, 1, 1), (99, 0, -1, 1), (99, 79, -1, -1), (0, 79, 1, -1))
    for radius, (x, y, right, down) in zip(radii, inwards, strict=True):
        edge = radius * (1 - math.sqrt(0.5))
        for step in range(30):
            alpha = alpha_at(result, x + right * step, y + down * step)
            if step + 0.5 < edge - 1:
                assert alpha == 0, (radius, step)
            if step + 0.5 > edge + 1:
                assert alpha == 255, (radius, step)
    corners = sum((1 - math.pi / 4) * radius**2 for radius in radii)
    assert abs(pictures.mean(result)[3] / 255 * 8000 - (8000 - corners)) < 4


def test_the_largest_radius_makes_a_circle_and_a_pill() -> None:
    disc = made(pictures.quadrants(80, 80), "r_max")
    assert abs(pictures.mean(disc)[3] / 255 - math.pi / 4) < 0.002
    pill = made(pictures.quadrants(160, 80), "r_max")
    assert abs(pictures.mean(pill)[3] / 255 - (80 * 80 + math.pi * 1600) / 12800) < 0.002
    assert pictures.difference(pill, made(pictures.quadrants(160, 80), "r_5000")).max == 0


def test_round_corners_have_smooth_edges() -> None:
    levels = set(made(pictures.quadrants(100, 80), "r_30").extract_band(3).numpy().ravel().tolist())
    assert len(levels) > 10


def test_a_border_lies_inside_and_follows_the_corners() -> None:
    result = made(pictures.quadrants(100, 80), "r_20,bo_6px_solid_black")
    assert pictures.size_of(result) == (100, 80)
    assert pictures.named(pictures.colour_at(result, 50, 2)) == "black"
    assert pictures.named(pictures.colour_at(result, 50, 5)) == "black"
    assert pictures.named(pictures.colour_at(result, 30, 7)) == "red"
    assert pictures.named(pictures.colour_at(result, 2, 40)) == "black"
    assert alpha_at(result, 1, 1) == 0
    # On the diagonal of the top left corner the line is as wide as elsewhere: its outer arc begins at 20 * (1 - 1/√2).
    diagonal = [pictures.named(pictures.colour_at(result, step, step)) for step in range(16)]
    assert diagonal[:5] == ["transparent"] * 5
    assert diagonal[7:10] == ["black"] * 3
    assert diagonal[11:] == ["red"] * 5


def test_a_border_without_round_corners_needs_no_alpha() -> None:
    result = made(pictures.quadrants(), "bo_4px_solid_white")
    assert not result.hasalpha()
    assert pictures.corners(result, 0.05) == ("white",) * 4
    assert pictures.colour_at(result, 4, 4) == pictures.RED
    assert pictures.colour_at(result, 3, 20) == (255, 255, 255)


def test_a_border_may_be_wider_than_the_picture_and_see_through() -> None:
    assert pictures.corners(made(pictures.quadrants(), "bo_1000px_solid_black"), 0.49) == ("black",) * 4
    seen = pictures.colour_at(made(pictures.flat((200, 100, 0)), "bo_5px_solid_00000080"), 2, 20)
    pictures.assert_close(seen, (100, 50, 0), 1)


def test_opacity_takes_its_share_of_the_alpha() -> None:
    for right, expected in ((255, 128), (100, 50), (0, 0)):
        result = made(pictures.with_alpha(pictures.quadrants(), right), "o_50")
        assert alpha_at(result, 15, 10) == 128
        assert alpha_at(result, 45, 10) == expected
    assert pictures.colour_at(made(pictures.quadrants(), "o_50"), 15, 10) == (*pictures.RED, 128)
    assert not made(pictures.quadrants(), "o_100").hasalpha()
    assert alpha_at(made(pictures.quadrants(), "o_0"), 15, 10) == 0


def test_a_background_shows_wherever_nothing_covers_it() -> None:
    result = made(pictures.with_alpha(pictures.quadrants(), 0), "b_black")
    assert not result.hasalpha()
    assert pictures.corners(result) == ("red", "black", "blue", "black")
    half = made(pictures.flat((200, 100, 50, 128)), "b_white")
    pictures.assert_close(pictures.colour_at(half, 5, 5), (227, 177, 152), 1)


def test_a_background_may_be_seen_through_itself() -> None:
    result = made(pictures.with_alpha(pictures.quadrants(), 0), "b_0000ff80")
    assert pictures.colour_at(result, 45, 10) == (0, 0, 255, 128)
    assert pictures.colour_at(result, 15, 10) == (*pictures.RED, 255)
    pictures.assert_close(
        pictures.colour_at(made(pictures.flat((255, 0, 0, 128)), "b_0000ff80"), 5, 5), (170, 0, 85, 192), 2
    )


def test_backgrounds_fill_corners_that_the_same_step_rounds() -> None:
    assert pictures.corners(made(pictures.quadrants(), "r_max,b_white"), 0) == ("white",) * 4
    assert pictures.corners(made(pictures.quadrants(), "c_pad,w_60,h_80,b_black"), 0.05) == ("black",) * 4


@pytest.mark.parametrize("text", [kind.example for kind in PIPELINE if kind.__module__.endswith(("colour", "effects"))])
def test_alpha_is_kept_by_every_effect_on_colours(text: str) -> None:
    image = pictures.with_alpha(pictures.quadrants(200, 160), 0)
    result = made(image, text)
    assert (alpha_at(result, 10, 80), alpha_at(result, 190, 80)) == (255, 0)
    assert Plan.read(text).transparent(True)
    assert not made(pictures.quadrants(), text).hasalpha()
