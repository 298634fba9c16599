"""Palettes, averages and brightness of pixels whose colours are known."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests import pictures
from transforms.light import Pixels
from transforms.palette import average, luminance, palette


def pixels_of(image: Any) -> Pixels:
    pixels: Pixels = image.numpy()
    return pixels


def digits(colour: pictures.Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def test_the_colours_of_a_flat_drawing_are_found_exactly() -> None:
    found = palette(pixels_of(pictures.quadrants()))
    assert {swatch.colour for swatch in found} == {
        digits(colour) for colour in (pictures.RED, pictures.GREEN, pictures.BLUE, pictures.YELLOW)
    }
    assert [swatch.share for swatch in found] == [0.25] * 4


def test_the_largest_share_comes_first() -> None:
    pixels = np.full((10, 10, 3), pictures.BLUE, np.uint8)
    pixels[:3] = pictures.YELLOW
    assert palette(pixels) == [(digits(pictures.BLUE), 0.7), (digits(pictures.YELLOW), 0.3)]


def test_grain_does_not_make_colours_of_one() -> None:
    grain = np.random.default_rng(1).normal(0, 4, (60, 60, 1))
    found = palette((np.array(pictures.BLUE) + grain).round().clip(0, 255).astype(np.uint8))
    assert len(found) == 1
    pictures.assert_close([int(found[0].colour[at : at + 2], 16) for at in (1, 3, 5)], pictures.BLUE, 12)


def test_a_dominant_colour_is_in_the_picture_where_the_average_is_not() -> None:
    pixels = pixels_of(pictures.edge())
    assert palette(pixels)[0].colour in ("#000000", "#ffffff")
    assert average(pixels) == "#bcbcbc"  # half of the light, not of the numbers
    assert luminance(pixels) == 0.5


@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), pictures.GREEN, pictures.BLUE])
def test_luminance_is_that_of_the_light(colour: pictures.Colour) -> None:
    red, green, blue = map(pictures.srgb_to_linear, (channel / 255 for channel in colour))
    expected = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    assert luminance(pixels_of(pictures.flat(colour))) == pytest.approx(expected, abs=1e-4)


def test_colours_that_nobody_sees_do_not_count() -> None:
    image = pictures.with_alpha(pictures.patches((pictures.RED, pictures.GREEN) * 2))
    assert palette(pixels_of(image)) == [(digits(pictures.RED), 1)]
    assert average(pixels_of(image)) == digits(pictures.RED)


def test_a_picture_of_nothing_has_no_colours() -> None:
    nothing = np.zeros((5, 5, 4), np.uint8)
    assert (palette(nothing), average(nothing), luminance(nothing)) == ([], None, None)


@given(st.integers(1, 20).flatmap(lambda side: arrays.arrays(np.uint8, (side, 21 - side, 4))))
def test_a_palette_of_any_picture_is_short_and_sorted(pixels: Pixels) -> None:
    shares = [swatch.share for swatch in palette(pixels)]
    assert len(shares) <= 8
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) <= 1.01
