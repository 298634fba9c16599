"""BlurHash and ThumbHash: the reference encoders' own answers, and what holds for any picture."""

import base64
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from transforms.light import Pixels
from transforms.placeholders import blurhash, thumbhash


def drawn(width: int, height: int, alpha: bool = False) -> Pixels:
    """A picture that any language can draw: what the reference encoders were given."""
    y, x = np.mgrid[:height, :width]
    channels = [(7 * x + 3 * y) % 256, (x * x // 4 + 5 * y) % 256, x * y % 256, (5 * x + 2 * y) % 256]
    return np.stack(channels[: 3 + alpha], axis=2).astype(np.uint8)


def small_pictures() -> st.SearchStrategy[Any]:
    shapes = st.tuples(st.integers(1, 40), st.integers(1, 40), st.sampled_from((3, 4)))
    return shapes.flatmap(lambda shape: arrays.arrays(np.uint8, shape))


@pytest.mark.parametrize(
    ("size", "waves", "expected"),
    [
        ((100, 75), (4, 3), "L5HenCvevLq]oq5~NE1a4ol@4rl]"),
        ((100, 75), (3, 4), "T4HenCvLzVs|5$NE4Ul@05Z#z;ID"),
        ((100, 75), (1, 1), "00HenC"),
        ((64, 64), (4, 3), "LPHo5qaJv}NZW9I.NH1IMyq|IY#D"),
        ((64, 64), (3, 4), "TAHo5qVX+GNW9tE28|uo4@XwtcPQ"),
        ((30, 90), (4, 3), "LJHLh-n3ibx,#65RB#e.EK0$@}%0"),
        (
            (100, 75),
            (9, 9),
            "|PHenCnhnOnOrrniNZobX3j;NsWBNtWB1vae#nWCM|iyM}izIri$[ZjbxYe-niV]sTW;$$XjTGS}XMf}XObtXPbukBf9V_n#"
            "e.epjIaOnmnmWEjJf4ayf7a}bIW;j[bakBoubYfkf*baoeoebHj?adafaha$aha$jIe:af",
        ),
    ],
)
def test_a_blurhash_is_what_the_reference_encoder_in_c_makes_of_the_same_pixels(
    size: tuple[int, int], waves: tuple[int, int], expected: str
) -> None:
    assert blurhash(drawn(*size), *waves) == expected


@pytest.mark.parametrize(
    ("size", "alpha", "expected"),
    [
        ((100, 75), False, "HwgGDYJlZkZWVwdUVENmh92P2a+A"),
        ((64, 64), False, "XwgGDwRlNWdFBodDY2uHand21+9n+ygK"),
        ((30, 90), False, "XggGEgZDNkSAQZVWzV+a+1U="),
        ((100, 7), False, "2ggGMYQQIqFymFiJio/8nok="),
        ((1, 1), False, "AAgCBwAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        ((100, 75), True, "H/iBDIIY8leVTVAThr+a9Xh4iICFcXd3Bw=="),
        ((30, 90), True, "H+iBCgYYZ2qWMGXMX6/5NTN3AXvBlnY="),
        ((100, 7), True, "nPiFGYInhESAuZSaf6uPiHSAd4d4h3c="),
        ((1, 1), True, "AAiCBQAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="),
    ],
)
def test_a_thumbhash_is_what_the_reference_encoder_in_javascript_makes_of_the_same_pixels(
    size: tuple[int, int], alpha: bool, expected: str
) -> None:
    assert thumbhash(drawn(*size, alpha)) == expected


@pytest.mark.parametrize(("size", "first"), [((80, 60), "L"), ((60, 80), "T"), ((60, 60), "L")])
def test_a_blurhash_has_more_waves_along_the_longer_side(size: tuple[int, int], first: str) -> None:
    found = blurhash(drawn(*size))
    assert (len(found), found[0]) == (28, first)


def test_what_nobody_sees_does_not_colour_a_blurhash() -> None:
    red_on_hidden_green = np.zeros((8, 8, 4), np.uint8)
    red_on_hidden_green[:, :4] = 255, 0, 0, 255
    red_on_hidden_green[:, 4:] = 0, 255, 0, 0
    red = np.full((8, 8, 3), (255, 0, 0), np.uint8)
    assert blurhash(red_on_hidden_green) == blurhash(red)


def test_the_thumbhash_of_a_flat_picture_has_no_waves() -> None:
    flat = np.full((30, 40, 3), (210, 50, 190), np.uint8)
    assert not any(base64.b64decode(thumbhash(flat))[5:])


@given(small_pictures())
def test_hashes_of_any_picture_have_the_shape_that_decoders_expect(pixels: Pixels) -> None:
    height, width, _ = pixels.shape
    assert re.fullmatch(r"[LT][0-9A-Za-z#$%*+,\-.:;=?@\[\]^_{|}~]{27}", blurhash(pixels))
    found = base64.b64decode(thumbhash(pixels), validate=True)
    transparent, landscape = bool(found[2] & 0x80), bool(found[4] & 0x80)
    assert transparent == (pixels.shape[2] == 4 and bool((pixels[..., 3] < 255).any()))
    assert landscape == (width > height)
    assert 5 <= len(found) <= 25
