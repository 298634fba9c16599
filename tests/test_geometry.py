"""Where pixels go, by arithmetic alone: every crop mode on pictures larger and smaller than its box."""

import pytest

from transforms.operation import Size
from transforms.operations.geometry import Framing, Resize
from transforms.plan import Plan

LANDSCAPE, PORTRAIT, SMALL = Size(1200, 800), Size(800, 1200), Size(120, 80)


def framing(text: str, size: Size, focus: tuple[float, float] | None = None) -> Framing:
    resize = Plan.read(text).find(Resize)
    assert resize
    return resize.framing(size, focus)


RESULTS = [
    # One side: the other follows, in every mode that scales.
    ("w_600", LANDSCAPE, (600, 400)),
    ("h_400", LANDSCAPE, (600, 400)),
    ("w_600", SMALL, (120, 80)),
    ("c_fit,w_600", SMALL, (600, 400)),
    ("c_scale,w_600", SMALL, (600, 400)),
    # A box.
    ("w_300,h_300", LANDSCAPE, (300, 200)),
    ("w_300,h_300", PORTRAIT, (200, 300)),
    ("c_fit,w_300,h_300", SMALL, (300, 200)),
    ("c_limit,w_300,h_300", SMALL, (120, 80)),
    ("c_mfit,w_300,h_300", SMALL, (300, 200)),
    ("c_mfit,w_300,h_300", LANDSCAPE, (1200, 800)),
    ("c_scale,w_300,h_300", LANDSCAPE, (300, 300)),
    ("c_fill,w_300,h_300", LANDSCAPE, (300, 300)),
    ("c_fill,w_300,h_300", SMALL, (300, 300)),
    ("c_lfill,w_300,h_300", LANDSCAPE, (300, 300)),
    ("c_lfill,w_300,h_300", SMALL, (80, 80)),
    ("c_lfill,w_300,h_200", Size(400, 100), (150, 100)),
    ("c_pad,w_300,h_300", LANDSCAPE, (300, 300)),
    ("c_pad,w_300,h_300", SMALL, (300, 300)),
    ("c_lpad,w_300,h_300", SMALL, (300, 300)),
    ("c_mpad,w_300,h_300", SMALL, (300, 300)),
    ("c_mpad,w_300,h_300", LANDSCAPE, (1200, 800)),
    ("c_fill_pad,w_300,h_220", LANDSCAPE, (300, 220)),
    ("c_fill_pad,w_100,h_400", LANDSCAPE, (100, 400)),
    ("c_crop,w_300,h_200", LANDSCAPE, (300, 200)),
    ("c_crop,w_300,h_200", SMALL, (120, 80)),
    ("c_crop,w_300", LANDSCAPE, (300, 800)),
    ("c_thumb,g_center,w_100,h_100", LANDSCAPE, (100, 100)),
    ("c_thumb,g_center,w_300,h_300", SMALL, (300, 300)),
    # Ratios and shares.
    ("c_fill,w_300,ar_1:1", LANDSCAPE, (300, 300)),
    ("c_fill,h_300,ar_2:1", LANDSCAPE, (600, 300)),
    ("c_crop,ar_1:1", LANDSCAPE, (800, 800)),
    ("c_fill,ar_1:1", PORTRAIT, (800, 800)),
    ("c_pad,ar_1:1", LANDSCAPE, (1200, 1200)),
    ("w_0.5", LANDSCAPE, (600, 400)),
    ("w_50p,h_10p", LANDSCAPE, (120, 80)),
    ("c_scale,w_2.0", SMALL, (240, 160)),
    # Never less than a pixel.
    ("w_1", Size(1, 5000), (1, 5000)),
    ("h_1", Size(1, 5000), (1, 1)),
    ("w_0.001", Size(10, 10), (1, 1)),
]


@pytest.mark.parametrize(("text", "size", "result"), RESULTS)
def test_the_result_has_the_size_that_the_mode_promises(text: str, size: Size, result: tuple[int, int]) -> None:
    assert framing(text, size).result == result
    assert Plan.read(text).measure(size) == [result]


CUTS = [
    # A landscape cut to a square: 300 of 450 columns are left.
    ("c_fill,w_300,h_300", (75, 0)),
    ("c_fill,w_300,h_300,g_west", (0, 0)),
    ("c_fill,w_300,h_300,g_east", (150, 0)),
    ("c_fill,w_300,h_300,g_north_east", (150, 0)),
    ("c_fill,w_300,h_300,g_west,x_20", (20, 0)),
    ("c_fill,w_300,h_300,g_east,x_20", (130, 0)),
    ("c_fill,w_300,h_300,g_east,x_9000", (0, 0)),
    ("c_fill,w_300,h_300,g_xy_center,x_0,y_0", (0, 0)),
    ("c_fill,w_300,h_300,g_xy_center,x_0.5,y_0.5", (75, 0)),
    ("c_fill,w_300,h_300,g_xy_center,x_600,y_400", (75, 0)),
    ("c_fill,w_300,h_300,g_xy_center,x_1.0,y_1.0", (150, 0)),
    ("c_crop,w_300,h_200", (450, 300)),
    ("c_crop,w_300,h_200,x_10,y_20", (10, 20)),
    ("c_crop,w_300,h_200,x_0.5,y_0.25", (600, 200)),
    ("c_crop,w_300,h_200,g_south_east,x_10,y_20", (890, 580)),
    ("c_crop,w_300,h_200,g_center,x_10", (460, 300)),
    ("c_crop,w_300,h_200,g_xy_center,x_150,y_100", (0, 0)),
    ("c_thumb,w_100,h_100,g_xy_center,x_600,y_400", (25, 0)),
    ("c_thumb,w_100,h_100,g_xy_center,x_600,y_400,z_2", (100, 50)),
]


@pytest.mark.parametrize(("text", "at"), CUTS)
def test_gravity_and_offsets_say_which_part_is_kept(text: str, at: tuple[int, int]) -> None:
    assert framing(text, LANDSCAPE).at == at


def test_padding_puts_the_picture_where_gravity_says() -> None:
    assert framing("c_pad,w_300,h_300", LANDSCAPE).at == (0, 50)
    assert framing("c_pad,w_300,h_300,g_north", LANDSCAPE).at == (0, 0)
    assert framing("c_pad,w_300,h_300,g_south,y_10", LANDSCAPE).at == (0, 90)


def test_searching_gravities_wait_for_the_pixels_unless_somebody_has_set_a_point() -> None:
    assert framing("c_fill,w_300,h_300,g_auto", LANDSCAPE).at is None
    assert framing("c_fill,w_300,h_300,g_auto", LANDSCAPE, focus=(1.0, 0.5)).at == (150, 0)


def test_fill_pad_pads_only_where_filling_would_lose_too_much() -> None:
    assert framing("c_fill_pad,w_300,h_220", LANDSCAPE).canvas is None
    assert framing("c_fill_pad,w_100,h_400", LANDSCAPE).canvas == (100, 400)


def test_turning_grows_the_canvas() -> None:
    assert Plan.read("a_90").measure(LANDSCAPE) == [(800, 1200)]
    assert Plan.read("a_45").measure(Size(100, 100)) == [(141, 141)]
    assert Plan.read("a_hflip").measure(LANDSCAPE) == [LANDSCAPE]
