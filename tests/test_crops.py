"""Results have the size that was promised, and scaling is right: on its own, while a file is read, after other work."""

import itertools

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests import pictures
from tests.developing import develop
from transforms.errors import ResultTooLarge, TooManyPixels
from transforms.framing import FILLS, PADS, SCALES
from transforms.limits import Limits
from transforms.operation import Size
from transforms.plan import Plan

MODES = (*SCALES, *FILLS, *PADS)
BOXES = ("w_37,h_53", "w_53,h_37", "w_200,h_90", "w_90,h_200", "w_1,h_1", "w_3,h_160", "w_0.31,h_0.77")


def option(mode: str, box: str) -> str:
    return f"c_{mode},{box}" + (",g_south_east" if mode == "thumb" else "")


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
@pytest.mark.parametrize("mode", MODES)
def test_results_have_the_size_that_was_measured(mode: str, suffix: str) -> None:
    for (width, height), box in itertools.product(((120, 80), (80, 121), (33, 7), (1, 1)), BOXES):
        text = option(mode, box)
        made = develop(pictures.encoded(pictures.quadrants(width, height), suffix), text, "png")
        expected = Plan.read(text).measure(Size(width, height))[-1]
        assert made.size == expected, (text, width, height)
        assert pictures.size_of(made.data) == expected


sides = st.integers(1, 90)
steps = st.one_of(
    st.builds(option, st.sampled_from(MODES), st.builds("w_{},h_{}".format, sides, sides)),
    st.builds("c_crop,w_{},h_{},x_{},y_{}".format, sides, sides, st.integers(-99, 99), st.integers(-99, 99)),
    st.builds("c_pad,w_{},h_{},x_{},y_{},g_west".format, sides, sides, st.integers(-300, 300), st.integers(-300, 300)),
    st.builds("c_fill,w_{},h_{},g_{}".format, sides, sides, st.sampled_from(("auto", "entropy", "north_east"))),
    st.builds("c_thumb,w_{},h_{},g_xy_center,x_{},y_{},z_{}".format, sides, sides, sides, sides, st.integers(1, 10)),
    st.builds("a_{}".format, st.integers(-360, 360)),
    st.sampled_from(["a_90", "a_hflip", "e_blur:30", "r_9", "b_white", "e_pixelate:3", "o_50", "e_grayscale"]),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(size=st.tuples(sides, sides), orientation=st.integers(1, 8), plan=st.lists(steps, min_size=1, max_size=3))
@example(size=(20, 30), orientation=6, plan=["a_0"])
def test_any_steps_on_any_picture_give_the_size_that_was_measured(
    size: tuple[int, int], orientation: int, plan: list[str]
) -> None:
    text = "/".join(plan)
    data = pictures.oriented.__wrapped__(orientation, "jpg", *size)
    try:
        made = develop(data, text, "png")
    except ResultTooLarge:
        return
    assert made.size == [Size(*size), *Plan.read(text).measure(Size(*size))][-1]  # a turn by nothing is no step
    assert pictures.size_of(made.data) == made.size


@pytest.mark.parametrize("suffix", ["jpg", "webp", "png", "avif", "tiff"])
@pytest.mark.parametrize("width", [600, 420, 301, 150, 80, 33])
def test_shrinking_while_a_file_is_read_comes_close_to_a_full_decode(width: int, suffix: str) -> None:
    data = photograph(suffix)
    made = pictures.opened(develop(data, f"w_{width}", "png").data)
    full = pictures.opened(data)
    full = full.resize(width / full.width, vscale=made.height / full.height)
    assert pictures.size_of(made) == (width, round(width * 2 / 3 + 1e-9))
    apart = pictures.difference(made, full)
    assert apart.mean < 1, apart
    pictures.assert_close(pictures.mean(made), pictures.mean(full), 1)


@pytest.mark.parametrize("text", ["w_250", "c_fill,w_200,h_200", "c_scale,w_90,h_130", "c_pad,w_300,h_300,b_white"])
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_a_resize_that_comes_first_equals_one_that_comes_later(suffix: str, text: str) -> None:
    data = photograph(suffix)
    first, later = (
        pictures.opened(develop(data, plan, "png").data) for plan in (text, f"c_crop,w_1.0,h_1.0,x_0,y_0/{text}")
    )
    general = pictures.opened(develop(data, f"e_brightness:0.1/{text}", "png").data)
    for other in (later, general):
        apart = pictures.difference(first, other)
        assert apart.mean < 1, apart


@pytest.mark.parametrize("text", ["w_150", "w_61", "w_7", "c_fit,w_900", "c_fill,w_40,h_90", "c_scale,w_200,h_33"])
def test_noise_keeps_its_mean(text: str) -> None:
    for image in (pictures.noise(300, 200), pictures.noise(300, 200).bandjoin(255)):
        made = pictures.opened(develop(pictures.encoded(image), text, "png").data)
        if "fill" not in text:
            pictures.assert_close(pictures.mean(made), pictures.mean(image), 1.2)
        assert made.hasalpha() == image.hasalpha()


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (1, 2, 3), (254, 253, 250), (200, 100, 50)])
@pytest.mark.parametrize("text", ["w_20", "c_fit,w_200", "c_fill,w_9,h_33", "e_blur:40", "e_sharpen", "e_pixelate:7"])
def test_one_colour_stays_that_colour(text: str, colour: pictures.Colour) -> None:
    for image in (pictures.flat(colour), pictures.flat((*colour, 255))):
        made = pictures.opened(develop(pictures.encoded(image), text, "png").data)
        assert pictures.difference(made, pictures.flat((*colour, 255)[: made.bands], *pictures.size_of(made))).max <= 1


def test_sharp_edges_stay_in_place() -> None:
    """A scaled picture is not shifted: the middle of the edge is the middle of the result."""
    for width in (600, 300, 100, 61, 31):
        made = pictures.opened(
            develop(pictures.encoded(pictures.edge(800, 40), "jpg"), f"c_scale,w_{width},h_8", "png").data
        )
        pictures.assert_close(pictures.mean(made), (127.5,) * 3, 2)


# Gravity that looks for what matters


@pytest.mark.parametrize("place", [(60, 60), (340, 240), (200, 150), (340, 60)])
@pytest.mark.parametrize("gravity", ["auto", "entropy"])
def test_attention_finds_the_place_that_stands_out(gravity: str, place: tuple[int, int]) -> None:
    image = pictures.spot(*place)  # grey all over but for a reddish disc
    redness = (pictures.mean(image)[0] - 120) * 400 * 300
    for text, scale in ((f"c_crop,w_120,h_120,g_{gravity}", 1.0), (f"c_thumb,w_60,h_60,g_{gravity},z_2.5", 2.0)):
        made = pictures.opened(develop(pictures.encoded(image), text, "png").data)
        found = (pictures.mean(made)[0] - 120) * made.width * scale * made.height * scale
        assert found > 0.8 * redness, (text, found / redness)


@pytest.mark.parametrize(("focus", "colours"), [((0.1, 0.1), "red"), ((0.9, 0.1), "green"), ((0.1, 0.9), "blue")])
def test_a_focal_point_stands_in_for_attention(focus: tuple[float, float], colours: str) -> None:
    for orientation in (1, 6):
        made = develop(pictures.oriented(orientation), "c_thumb,w_20,h_14,g_auto,z_2", "png", focus=focus)
        assert pictures.corners(made.data) == (colours,) * 4


# Trim


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_trimming_cuts_borders_of_one_colour_away(suffix: str) -> None:
    for colour in ((255, 255, 255), (0, 0, 0), (40, 190, 210)):
        framed = pictures.quadrants(100, 60).embed(30, 20, 200, 120, background=list(colour), extend="background")
        assert develop(pictures.encoded(framed, suffix), "e_trim:25").size == (100, 60)
        assert develop(pictures.encoded(framed, suffix), "e_trim:25/w_50").size == (50, 30)


def test_trimming_cuts_away_what_cannot_be_seen_and_nothing_white_beside_it() -> None:
    white = pictures.flat((255, 255, 255, 255), 50, 30)
    assert develop(pictures.encoded(white.embed(5, 7, 80, 90)), "e_trim").size == (50, 30)


def test_trimming_takes_the_colour_it_is_given_and_leaves_others() -> None:
    framed = pictures.quadrants(100, 60).embed(30, 20, 200, 120, background=[255, 255, 255], extend="background")
    assert develop(pictures.encoded(framed), "e_trim:10:white").size == (100, 60)
    assert develop(pictures.encoded(framed), "e_trim:10:black").size == (200, 120)


def test_a_picture_of_nothing_but_border_is_left_alone() -> None:
    assert develop(pictures.encoded(pictures.flat()), "e_trim").size == (60, 40)
    assert develop(pictures.encoded(pictures.flat((9, 9, 9, 0))), "e_trim").size == (60, 40)


# Too large


def test_what_would_be_too_large_is_refused_before_any_pixel() -> None:
    thin = pictures.encoded(pictures.flat(width=1, height=3000))
    for text in ("c_fill,w_8000,h_1", "c_fit,w_8000", "e_trim/c_fit,w_8000", "c_thumb,g_north,w_4000,h_1,z_10"):
        with pytest.raises(ResultTooLarge):
            develop(thin, text)
    assert develop(thin, "c_fill,w_300,h_1").size == (300, 1)


def test_a_picture_may_be_large_on_its_way_to_a_small_one() -> None:
    wide = pictures.encoded(pictures.noise(10_000, 8), "png")
    assert develop(wide, "e_grayscale/w_500").size == (500, 1)
    with pytest.raises(ResultTooLarge):
        develop(wide, "e_grayscale")


def test_a_jpeg_beyond_other_pictures_is_read_where_little_of_it_is_held() -> None:
    data, small = pictures.encoded(pictures.quadrants(600, 400), "jpg"), Limits(picture_megapixels=0.1)
    assert develop(data, "w_100", limits=small).size == (100, 67)
    assert develop(data, "c_crop,w_50,h_40,x_500,y_300", limits=small).size == (50, 40)
    for text in ("", "e_negate/w_100", "c_fill,w_600,h_300,g_auto"):
        with pytest.raises(TooManyPixels):
            develop(data, text, limits=small)


def photograph(suffix: str) -> bytes:
    return pictures.encoded(PHOTOGRAPH, suffix)


PHOTOGRAPH = pictures.photograph(900, 600)
