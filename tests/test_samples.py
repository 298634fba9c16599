"""The bundled samples are what they promise, and the originals that other tests use are what they claim."""

from collections.abc import Callable
from pathlib import Path

import pypdfium2
import pytest
import pyvips

from tests import pictures
from tests.pictures import (
    GREEN,
    P3_SHOWN,
    P3_STORED,
    RED,
    SUFFIXES,
    UPRIGHT,
    assert_close,
    colour_at,
    corners,
    delta_e,
    difference,
    fields,
    frames_of,
    mean,
    opened,
    shown,
    size_of,
)
from transforms.probe import probe
from transforms.samples import SAMPLES, make_samples

# Width, height, bands and format of each picture as libvips opens it.
FACTS = {
    "cats/1.jpg": (4000, 3000, 3, "uchar"),
    "landscape.jpg": (4032, 3024, 3, "uchar"),
    "portrait-exif6.jpg": (4032, 3024, 3, "uchar"),
    "paper.tiff": (1280, 960, 3, "ushort"),
    "aurora.avif": (2400, 1600, 3, "ushort"),
    "print-cmyk.jpg": (1654, 2339, 4, "uchar"),
    "wide-gamut.jpg": (2880, 1920, 3, "uchar"),
    "clock.gif": (320, 320, 4, "uchar"),
    "flower.png": (1600, 1600, 4, "uchar"),
    "icon.svg": (512, 512, 4, "uchar"),
}

# Kind, width, height and seconds of those that are none.
RECORDED = {"lighthouse.mp4": ("mp4", 640, 360, 6), "bells.flac": ("flac", 0, 0, 8)}


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    told: list[str] = []
    paths = make_samples(folder, told.append)
    assert paths == [folder / name for name in SAMPLES]
    assert sorted(told) == sorted(SAMPLES)
    return folder


def test_the_folder_holds_the_samples_and_nothing_unfinished(samples: Path) -> None:
    files = {str(path.relative_to(samples)) for path in samples.rglob("*") if path.is_file()}
    assert files == set(SAMPLES) == {*FACTS, *RECORDED}


@pytest.mark.parametrize("name", FACTS)
def test_a_sample_opens_with_the_size_and_depth_it_promises(samples: Path, name: str) -> None:
    image = opened(samples / name, fail_on="warning")
    assert (image.width, image.height, image.bands, image.format) == FACTS[name]
    assert image.avg() > 0


@pytest.mark.parametrize("name", RECORDED)
def test_a_film_and_a_sound_last_as_long_as_they_promise(samples: Path, name: str) -> None:
    header = probe(samples / name)
    assert (header.kind, header.width, header.height) == RECORDED[name][:3]
    assert header.seconds == pytest.approx(RECORDED[name][3], abs=0.03)
    assert header.sound
    assert (samples / name).stat().st_size < 2_000_000


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_the_same_whenever_it_is_painted(samples: Path, name: str) -> None:
    assert SAMPLES[name]() == (samples / name).read_bytes()


def test_files_that_exist_are_left_alone(tmp_path: Path) -> None:
    for name in SAMPLES:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    (tmp_path / "icon.svg").unlink()
    told: list[str] = []
    paths = make_samples(tmp_path, told.append)
    assert told == ["icon.svg"]
    assert [path.name for path in paths if path.read_bytes() != b"mine"] == ["icon.svg"]


def test_photographs_weigh_what_photographs_do(samples: Path) -> None:
    for name in ("cats/1.jpg", "landscape.jpg", "portrait-exif6.jpg"):
        assert 1_500_000 < (samples / name).stat().st_size < 6_000_000


def test_the_cat_says_who_took_it_how_and_where(samples: Path) -> None:
    values = fields(samples / "cats/1.jpg")
    assert values["exif-ifd0-Model"].startswith("Paintbox")
    assert "Darkroom contributors" in values["exif-ifd0-Copyright"]
    assert values["exif-ifd2-LensModel"].startswith("Brush 85 mm")
    assert values["exif-ifd3-GPSLatitude"].startswith("41/1 1/1 ")


def test_the_portrait_lies_on_its_side_and_is_turned_upright_by_its_tag(samples: Path) -> None:
    image = opened(samples / "portrait-exif6.jpg")
    assert image.get("orientation") == 6
    upright = image.autorot()
    assert size_of(upright) == (3024, 4032)
    sky, hills = mean(upright, (0, 0, 300, 300)), mean(upright, (0, 3700, 300, 300))
    assert sky[2] > 180 > 130 > hills[2]


def test_the_flower_stands_free_on_a_soft_shadow(samples: Path) -> None:
    image = opened(samples / "flower.png")
    assert corners(image, 0.01) == ("transparent",) * 4
    assert colour_at(image, 800, 780)[3] == 255
    shadow = image[3].hist_find()
    assert sum(shadow(level, 0)[0] for level in range(20, 130)) > 50_000


def test_the_silk_has_colours_that_srgb_has_not(samples: Path) -> None:
    image = opened(samples / "wide-gamut.jpg")
    in_srgb = image.icc_transform("srgb", embedded=True)
    assert difference(image, in_srgb.icc_transform("p3")).max > 20


def test_the_print_is_in_four_inks_with_their_profile(samples: Path) -> None:
    image = opened(samples / "print-cmyk.jpg")
    assert image.interpretation == "cmyk"
    assert image.get("icc-profile-data")[16:20] == b"CMYK"
    red, green, blue = colour_at(shown(image), 827, 900)
    assert red > 200 > 100 > max(green, blue)


def test_the_clock_runs_for_a_day(samples: Path) -> None:
    frames = frames_of(samples / "clock.gif")
    assert (len(frames.images), frames.delays, frames.loop) == (24, [120] * 24, 0)
    noon, midnight = (mean(frames.images[hour], (0, 0, 320, 60)) for hour in (12, 0))
    assert noon[2] > midnight[2] + 100


def test_deep_samples_use_their_bits(samples: Path) -> None:
    assert opened(samples / "aurora.avif").get("bits-per-sample") == 10
    levels = opened(samples / "paper.tiff")[1].hist_find()
    assert sum(levels(level, 0)[0] > 0 for level in range(20_000, 21_000)) > 900


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_oriented_original_is_shown_upright(suffix: str, orientation: int) -> None:
    data = pictures.oriented(orientation, suffix)
    image = opened(data)
    if suffix != "avif":
        assert image.get("orientation") == orientation
        assert (corners(image) == UPRIGHT) == (orientation == 1)
    assert corners(image.autorot()) == UPRIGHT
    assert size_of(image.autorot()) == (60, 40)


# Quarter turns against the clock and the axis of the mirror, as ISO 23008-12 has them (axis 1 swaps left and right).
@pytest.mark.parametrize(
    ("orientation", "turns", "axis"),
    [(1, None, None), (2, None, 1), (3, 2, None), (4, None, 0), (5, 3, 1), (6, 3, None), (7, 3, 0), (8, 1, None)],
)
def test_an_oriented_avif_says_so_in_its_container(orientation: int, turns: int | None, axis: int | None) -> None:
    data = pictures.oriented(orientation, "avif")
    found = [data[data.index(box) + 4] if box in data else None for box in (b"irot", b"imir")]
    assert found == [turns, axis]


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bits_are_kept(suffix: str) -> None:
    assert opened(pictures.sixteen_bit(suffix)).format == "ushort"
    assert colour_at(pictures.sixteen_bit(suffix), 5, 5) == tuple(257 * value for value in RED)
    assert corners(pictures.sixteen_bit(suffix)) == UPRIGHT


def test_png_kinds_are_what_their_headers_say() -> None:
    # Byte 25 of a PNG is its colour type, byte 28 its interlace method.
    kinds = [
        pictures.grey(),
        pictures.grey_alpha(),
        pictures.rgba(),
        pictures.palette_png(),
        pictures.palette_png(True),
    ]
    assert [data[25] for data in kinds] == [0, 4, 6, 3, 3]
    assert pictures.interlaced_png()[28] == 1
    assert b"tRNS" in pictures.palette_png(True)
    half = ("red", "transparent", "blue", "transparent")
    assert corners(pictures.rgba()) == corners(pictures.palette_png(True)) == half
    assert corners(pictures.palette_png()) == corners(pictures.interlaced_png()) == UPRIGHT


@pytest.mark.parametrize("sampling", ["4:4:4", "4:2:2", "4:2:0", "4:4:0", "4:1:1"])
def test_a_sampled_jpeg_has_its_sampling_and_its_colours(sampling: str) -> None:
    data = pictures.sampled_jpeg(sampling)
    frame = data.index(b"\xff\xc0")
    assert data[frame + 11] == {"4:4:4": 0x11, "4:2:2": 0x21, "4:2:0": 0x22, "4:4:0": 0x12, "4:1:1": 0x41}[sampling]
    assert corners(opened(data, fail_on="warning")) == UPRIGHT
    assert_close(colour_at(data, 3, 3), RED)


def test_a_progressive_jpeg_has_several_scans() -> None:
    assert opened(pictures.progressive_jpeg()).get("jpeg-multiscan") == 1


@pytest.mark.parametrize("profile", [True, False])
def test_a_cmyk_jpeg_shows_the_quadrants(profile: bool) -> None:
    data = pictures.cmyk_jpeg(profile)
    assert b"Adobe" in data
    assert ("icc-profile-data" in fields(data)) == profile
    assert_close(colour_at(data, 5, 5), pictures.INKS[0])
    assert corners(shown(data)) == UPRIGHT


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_profiles_change_what_is_seen_by_what_they_say(suffix: str) -> None:
    assert tuple(map(pictures.srgb_of_p3, P3_STORED)) == P3_SHOWN
    seen = shown(pictures.display_p3(suffix))
    for (x, y), expected in zip(((5, 5), (-5, 5), (5, -5), (-5, -5)), P3_SHOWN, strict=True):
        assert_close(colour_at(seen, x, y), expected)
    assert corners(pictures.swapped(suffix)) == ("blue", "red", "green", "magenta")
    assert corners(shown(pictures.swapped(suffix))) == UPRIGHT


@pytest.mark.parametrize("orientation", [1, 6])
def test_the_canary_jpeg_has_every_canary_where_readers_find_it(orientation: int) -> None:
    data = pictures.canary_jpeg(orientation)
    assert pictures.canaries_in(data) == set(pictures.CANARIES)
    values = fields(opened(data, fail_on="warning"))
    assert values["orientation"] == orientation
    assert corners(opened(data).autorot()) == UPRIGHT
    assert "CANARY-ARTIST" in values["exif-ifd0-Artist"]
    assert values["exif-ifd3-GPSLatitude"].startswith("480000/10000 510000/10000 302400/10000")
    assert b"CANARY-THUMBNAIL" in values["jpeg-thumbnail-data"]
    assert {"xmp-data", "iptc-data", "exif-ifd2-MakerNote"} <= set(values)


def test_other_formats_carry_canaries_too() -> None:
    assert {suffix: len(pictures.canaries_in(pictures.canary(suffix))) for suffix in SUFFIXES if suffix != "jpg"} == {
        "png": 8,
        "webp": 10,
        "tiff": 2,
        "avif": 10,
    }


@pytest.mark.parametrize("suffix", ["gif", "webp"])
@pytest.mark.parametrize("loop", [0, 1, 3])
def test_an_animation_has_its_frames_delays_and_loops(suffix: str, loop: int) -> None:
    frames = frames_of(pictures.animated(suffix, 5, (70, 130), loop))
    assert frames.colours == ["red", "green", "blue", "yellow", "white"]
    assert (frames.delays, frames.loop) == ([70, 130, 70, 130, 70], loop)


def test_documents_have_their_pages() -> None:
    assert frames_of(pictures.tiff_pages()).colours == ["red", "green", "blue"]
    pages = list(pypdfium2.PdfDocument(pictures.pdf()))
    assert [page.get_size() for page in pages] == [(60, 40), (40, 60)]
    colours = [tuple(page.render(scale=1).to_numpy()[20, 20][::-1]) for page in pages]
    assert colours == [RED, pictures.BLUE]


def test_drawings_have_their_shapes() -> None:
    assert corners(pictures.svg(), 0.02) == UPRIGHT
    assert size_of(pictures.svg(90, 30)) == (90, 30)
    assert colour_at(pictures.svg(), 30, 20) == (255, 255, 255, 255)
    assert corners(pictures.svg_disc(), 0.02) == ("transparent",) * 4


@pytest.mark.parametrize(
    ("draw", "place", "colour"),
    [
        (pictures.gradient, (0, 0), (0, 0, 128)),
        (pictures.gradient, (-1, 100), (255, 100, 128)),
        (pictures.ramp, (77, 1), (77,)),
        (pictures.edge, (29, 5), (0, 0, 0)),
        (pictures.edge, (30, 5), (255, 255, 255)),
    ],
)
def test_plain_pictures_have_known_values(
    draw: Callable[[], pyvips.Image], place: tuple[int, int], colour: tuple[int, ...]
) -> None:
    assert colour_at(draw(), *place) == colour


def test_noise_is_the_same_for_the_same_seed() -> None:
    assert difference(pictures.noise(seed=3), pictures.noise(seed=3)).max == 0
    assert difference(pictures.noise(seed=3), pictures.noise(seed=4)).mean > 50
    assert_close(mean(pictures.noise(200, 200)), (127.5,) * 3, 3)


def test_a_spot_is_where_attention_goes() -> None:
    image = pictures.spot(300, 80)
    _, found = image.smartcrop(120, 120, interesting="attention", attention_x=True)
    assert_close((found["attention_x"],), (300,), 40)


def test_colours_are_told_apart_as_eyes_do() -> None:
    assert delta_e(RED, RED).max == 0
    assert delta_e(RED, (221, 42, 40)).max < 1
    assert delta_e(RED, GREEN).mean > 50
