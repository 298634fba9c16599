"""Pictures stand upright in every format, crop and gravity, and turn when they are asked to."""

from itertools import product
from pathlib import Path

import pytest
from pyvips import Image

from tests import pictures
from tests.conftest import corpus
from tests.developing import develop
from transforms.framing import FILLS, PADS, SCALES
from transforms.operation import Size
from transforms.plan import Plan

WIDTH, HEIGHT = 60, 40

# A plan of each mode on the quadrants, and the colours near its corners.
MODES = {
    "w_30": pictures.UPRIGHT,
    "c_fit,w_90": pictures.UPRIGHT,
    "c_mfit,w_90": pictures.UPRIGHT,
    "c_scale,w_50,h_80": pictures.UPRIGHT,
    "c_fill,w_20,h_30": pictures.UPRIGHT,
    "c_lfill,w_20,h_30": pictures.UPRIGHT,
    "c_fill_pad,w_32,h_24": pictures.UPRIGHT,
    "c_fill_pad,w_80,h_16": ("transparent",) * 4,
    "c_crop,w_30,h_20": pictures.UPRIGHT,
    "c_crop,w_25,h_15,x_2,y_3": ("red",) * 4,
    "c_crop,w_25,h_15,x_32,y_3": ("green",) * 4,
    "c_thumb,g_xy_center,x_15,y_30,w_24,h_16,z_2": ("blue",) * 4,
    "c_thumb,g_xy_center,x_0.75,y_0.75,w_24,h_16,z_2": ("yellow",) * 4,
    "c_pad,w_40,h_60": ("transparent",) * 4,
    "c_lpad,w_80,h_40,g_west": ("red", "transparent", "blue", "transparent"),
    "c_mpad,w_80,h_40,g_east": ("transparent", "green", "transparent", "yellow"),
    "a_90": ("blue", "red", "yellow", "green"),
    "a_180/w_30": ("yellow", "blue", "green", "red"),
    "e_trim/w_30": pictures.UPRIGHT,
}
# Where a fill of half the width or height, and a crop of a quadrant, end up.
GRAVITIES = {
    "north_west": "red",
    "north_east": "green",
    "south_west": "blue",
    "south_east": "yellow",
}


def test_every_mode_is_among_them() -> None:
    modes = {option.removeprefix("c_") for text in MODES for option in text.split(",") if option.startswith("c_")}
    assert modes == {*SCALES, *FILLS, *PADS} - {"limit"}  # which is what stands there without c_


@pytest.mark.parametrize("suffix", pictures.SUFFIXES)
@pytest.mark.parametrize(("text", "colours"), MODES.items(), ids=str)
def test_all_orientations_are_upright_in_every_mode(text: str, colours: tuple[str, ...], suffix: str) -> None:
    for orientation in range(1, 9):
        made = develop(pictures.oriented(orientation, suffix), text, "png")
        assert made.size == Plan.read(text).measure(Size(WIDTH, HEIGHT))[-1]
        assert pictures.size_of(made.data) == made.size
        assert pictures.corners(made.data) == colours, orientation


@pytest.mark.parametrize("suffix", pictures.SUFFIXES)
@pytest.mark.parametrize(("gravity", "colour"), GRAVITIES.items())
def test_gravities_mean_the_picture_as_it_is_shown(gravity: str, colour: str, suffix: str) -> None:
    for orientation in range(1, 9):
        original = pictures.oriented(orientation, suffix)
        for text in (f"c_crop,w_25,h_15,g_{gravity}", f"c_thumb,w_24,h_16,z_2,g_{gravity}"):
            assert pictures.corners(develop(original, text, "png").data) == (colour,) * 4, (text, orientation)


@pytest.mark.parametrize(("text", "colours"), [("g_west", "red blue"), ("g_east", "green yellow")])
def test_a_fill_keeps_the_side_that_gravity_names(text: str, colours: str) -> None:
    top, bottom = colours.split()
    for orientation in range(1, 9):
        made = develop(pictures.oriented(orientation), f"c_fill,w_10,h_20,{text}", "png")
        assert pictures.corners(made.data) == (top, top, bottom, bottom), orientation


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif", "tiff"])
def test_results_say_that_they_are_upright_or_nothing(suffix: str) -> None:
    for orientation, flags in product((1, 3, 6), ("", "fl_keep_metadata,", "fl_force_strip,")):
        made = develop(pictures.canary_jpeg(orientation), f"{flags}w_30", suffix)
        assert pictures.fields(made.data).get("orientation", 1) == 1
        assert pictures.corners(made.data) == pictures.UPRIGHT


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff"])
def test_a_orientation_can_be_ignored(suffix: str) -> None:
    original = pictures.oriented(6, suffix)
    for text in ("a_ignore", "a_ignore/c_fit,w_80"):
        made = develop(original, text, "png")
        assert pictures.corners(made.data) == pictures.corners(pictures.STORED[6](pictures.quadrants()))
    assert develop(original, "a_ignore").size == (HEIGHT, WIDTH)


@pytest.mark.parametrize(
    ("text", "colours"),
    [
        ("a_exif", "red green blue yellow"),
        ("a_90", "blue red yellow green"),
        ("a_-90", "green yellow red blue"),
        ("a_180", "yellow blue green red"),
        ("a_270", "green yellow red blue"),
        ("a_hflip", "green red yellow blue"),
        ("a_vflip", "blue yellow red green"),
        ("a_hflip.90", "yellow green blue red"),
        ("a_90.hflip", "red blue green yellow"),
        ("a_90/a_hflip", "red blue green yellow"),
        ("a_0", "red green blue yellow"),
    ],
)
def test_pictures_turn_clockwise_and_flip_in_the_order_given(text: str, colours: str) -> None:
    for orientation in (1, 6):
        made = develop(pictures.oriented(orientation), text, "png")
        assert pictures.corners(made.data) == tuple(colours.split())
        assert pictures.opened(made.data).hasalpha() == 0


@pytest.mark.parametrize("angle", [7.5, 30, 45, 100, 359, -12.25])
def test_other_angles_grow_the_canvas_and_leave_its_corners_transparent(angle: float) -> None:
    made = develop(pictures.encoded(pictures.quadrants(240, 160)), f"a_{angle}", "png")
    assert made.size == Plan.read(f"a_{angle}").measure(Size(240, 160))[0]
    image = pictures.opened(made.data)
    assert pictures.corners(image, 0) == ("transparent",) * 4
    # The area that is seen is that of the picture, and its colours are those it had.
    assert abs(pictures.mean(image)[3] / 255 * image.width * image.height / (240 * 160) - 1) < 0.01
    shown = image.flatten(background=[0, 0, 0])
    pictures.assert_close(
        [channel * image.width * image.height / (240 * 160) for channel in pictures.mean(shown)],
        pictures.mean(pictures.quadrants(240, 160)),
        1.5,
    )


def test_corners_of_a_turned_picture_are_filled_where_a_background_is_given() -> None:
    image = pictures.opened(develop(pictures.oriented(1), "a_45,b_28bed2", "png").data)
    assert pictures.corners(image, 0) == ("cyan",) * 4
    assert not image.hasalpha()
    assert pictures.corners(develop(pictures.oriented(1), "a_45", "jpg").data, 0) == ("white",) * 4


def opaque(picture: pictures.Picture) -> Image:
    image = pictures.opened(picture).colourspace("srgb")
    return image.flatten(background=[255, 255, 255]) if image.hasalpha() else image


@pytest.mark.parametrize("path", corpus("image-orientation"), ids=lambda path: path.name)
def test_files_of_cameras_and_editors_stand_upright(path: Path) -> None:
    reference = opaque(pictures.shown(path))
    made = opaque(develop(path, f"c_scale,w_{reference.width},h_{reference.height}", "png").data)
    assert pictures.difference(made, reference).mean < 0.1


@pytest.mark.parametrize("family", ["sharp__Landscape_*.jpg", "pillow__rot*.avif", "pillow__hopper_*.webp"])
def test_pictures_that_differ_in_orientation_alone_are_alike(family: str) -> None:
    """The number in the middle differs, and they were saved with different losses and profiles."""
    made = [opaque(develop(path, "w_120", "png").data) for path in corpus("image-orientation", family)]
    for image in made:
        left, right = (image.crop(x, 0, 40, image.height) for x in (0, image.width - 40))
        assert pictures.difference(left, made[0].crop(0, 0, 40, image.height)).mean < 4
        assert pictures.difference(right, made[0].crop(image.width - 40, 0, 40, image.height)).mean < 4
