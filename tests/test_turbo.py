"""The faster way shows what libvips shows, refuses what libvips refuses, and need not be there."""

import io
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from pyvips import Image

from tests.conftest import corpus
from tests.pictures import cmyk_jpeg, photograph, sampled_jpeg, segment
from transforms import turbo
from transforms.errors import Refusal
from transforms.headers import Header, read_header
from transforms.image import scale
from transforms.operation import Size
from transforms.turbo import decoded, encode_jpeg, finer, image_of, reduction, resized, suits

PHOTO: Final = Header("jpg", 4032, 3024, 2_913_134, subsampling="4:2:2", model="ycc", coding="baseline")
SMALL: Final = Size(600, 450)

installed = pytest.mark.skipif(not turbo.available(), reason="simplejpeg and cykooz-resizer are not installed")


def header_of(data: bytes) -> Header:
    header = read_header(io.BytesIO(data), len(data))
    assert header is not None
    return header


@cache
def jpeg(width: int = 640, height: int = 480, **options: Any) -> bytes:
    data: bytes = photograph(width, height).jpegsave_buffer(**{"Q": 90, "keep": "none", **options})
    return data


def by_libvips(data: bytes, target: Size) -> Any:
    """The pixels at `target` on the ordinary way, which raises where a file is damaged."""
    shrink = reduction(header_of(data), target)
    return scale(Image.jpegload_buffer(data, shrink=shrink, access="sequential", fail_on="error"), target).numpy()


def decode(data: bytes, header: Header, target: Size) -> Image | None:
    """A picture at `target` as the faster way makes it, or None."""
    step = finer(header, target)
    array = decoded(data, header, step)
    if array is None:
        return None
    small = resized(array, target, (header.width / step, header.height / step))
    return scale(image_of(array), target) if small is None else image_of(small)


def by_turbo(data: bytes, target: Size) -> Any:
    header = header_of(data)
    assert suits(header, target)
    image = decode(data, header, target)
    assert image is not None
    return image.numpy()


def distance(one: Any, other: Any) -> float:
    return float(np.abs(one.astype(float) - other).mean())


# What it takes


def test_a_picture_is_reduced_while_a_margin_is_left() -> None:
    steps = {width: reduction(PHOTO, Size(width, 1)) for width in (387, 388, 775, 776, 1550, 1551, 4032)}
    assert steps == {387: 8, 388: 4, 775: 4, 776: 2, 1550: 2, 1551: 1, 4032: 1}
    assert reduction(PHOTO, Size(600, 450), margin=1.7) == 2


def test_between_a_half_and_all_there_are_two_more_steps() -> None:
    steps = {width: finer(PHOTO, Size(width, 1)) for width in (387, 1550, 1551, 1938, 1939, 2326, 2327, 4032)}
    assert steps == {387: 8, 1550: 2, 1551: 8 / 5, 1938: 8 / 5, 1939: 8 / 6, 2326: 8 / 6, 2327: 1, 4032: 1}


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        ({}, True),
        ({"model": "grey", "subsampling": ""}, True),
        ({"progressive": True, "coding": "progressive"}, True),
        ({"profile": True, "orientation": 6}, True),
        ({"kind": "png"}, False),
        ({"model": "rgb"}, False),
        ({"model": "ycck"}, False),
        ({"model": "cmyk"}, False),
        ({"subsampling": "other"}, False),
        ({"coding": "arithmetic"}, False),
        ({"coding": "extended"}, False),
        ({"bits": 12}, False),
        ({"width": 599}, False),
    ],
)
def test_only_plain_jpegs_suit(change: dict[str, Any], fits: bool) -> None:
    assert suits(replace(PHOTO, **change), SMALL) is fits


def test_what_would_be_held_in_full_does_not_suit() -> None:
    assert suits(PHOTO, Size(1200, 900))
    assert not suits(PHOTO, Size(1600, 1200))
    assert not suits(replace(PHOTO, width=65500, height=65500), Size(8000, 8000))


def test_a_progressive_jpeg_suits_only_where_it_can_be_cut() -> None:
    header = replace(PHOTO, width=1600, height=1200, progressive=True, coding="progressive")
    assert suits(header, Size(300, 225))
    assert not suits(header, Size(600, 450))


# What it shows


@installed
@pytest.mark.parametrize("target", [Size(400, 300), Size(200, 150), Size(100, 75), Size(50, 30)])
@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="4:4:4"),
        pytest.param({"subsample_mode": "on"}, id="4:2:0"),
        pytest.param({"subsample_mode": "on", "restart_interval": 5}, id="restarts"),
    ],
)
def test_it_shows_what_libvips_shows(options: dict[str, Any], target: Size) -> None:
    data = jpeg(**options)
    one, other = by_turbo(data, target), by_libvips(data, target)
    assert one.shape == other.shape == (target.height, target.width, 3)
    assert distance(one, other) < 0.3
    assert np.abs(one.astype(int) - other).max() <= 6


@installed
@pytest.mark.parametrize("sampling", ["4:4:4", "4:2:2", "4:2:0", "4:4:0", "4:1:1"])
def test_every_sampling_is_read_alike(sampling: str) -> None:
    data = sampled_jpeg(sampling, 256, 128)
    for target in (Size(128, 64), Size(60, 30), Size(16, 8)):
        assert distance(by_turbo(data, target), by_libvips(data, target)) < 1


@installed
def test_grey_stays_one_band() -> None:
    data: bytes = photograph(640, 480).colourspace("b-w").jpegsave_buffer(keep="none")
    image = decode(data, header_of(data), Size(200, 150))
    assert image is not None
    assert (image.bands, image.interpretation) == (1, "b-w")
    assert distance(image.numpy(), by_libvips(data, Size(200, 150))) < 0.3


@installed
@pytest.mark.parametrize("target", [Size(120, 90), Size(60, 45)])
def test_a_progressive_jpeg_is_cut(target: Size) -> None:
    data = jpeg(interlace=True, subsample_mode="on")
    assert distance(by_turbo(data, target), by_libvips(data, target)) < 2


@installed
@pytest.mark.parametrize(("side", "interlace", "large"), [(1600, True, True), (1600, False, False), (400, True, False)])
def test_only_what_holds_much_memory_is_decoded_in_huge_pages(
    side: int, interlace: bool, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered: list[bool] = []
    monkeypatch.setattr(turbo.huge_pages, "allowed", lambda: nullcontext(entered.append(True)))
    data = jpeg(side, side, interlace=interlace)
    assert decoded(data, header_of(data), 4.0) is not None
    assert bool(entered) == large


@installed
def test_a_last_column_that_is_not_whole_is_not_stretched() -> None:
    """At 1/8, 653 pixels are 81.6: libvips takes 81 of them for all, so that everything moves a little."""
    data = jpeg(653, 491)
    target = Size(61, 46)
    full = scale(Image.jpegload_buffer(data), target).numpy()
    assert distance(by_turbo(data, target), full) < 0.7 * distance(by_libvips(data, target), full)


@installed
def test_sides_are_scaled_apart() -> None:
    data = jpeg()
    for target in (Size(640, 10), Size(1, 480), Size(1, 1), Size(640, 480)):
        assert by_turbo(data, target).shape == (target.height, target.width, 3)


@installed
def test_pixels_lie_as_stored_and_carry_nothing() -> None:
    data: bytes = photograph(640, 480).jpegsave_buffer(profile="p3")
    image = decode(data, replace(header_of(data), orientation=6), Size(200, 150))
    assert image is not None
    assert (image.width, image.height, image.interpretation, image.format) == (200, 150, "srgb", "uchar")
    assert not image.get_typeof("icc-profile-data")


@installed
def test_no_thread_is_started() -> None:
    code = """
import io, os, sys
from tests.test_turbo import Size, decode, header_of, jpeg
data = jpeg(1600, 1200)
from transforms import turbo; turbo.available()
before = len(os.listdir("/proc/self/task"))
decode(data, header_of(data), Size(1000, 750))
print(len(os.listdir("/proc/self/task")) - before)
"""
    root = Path(__file__).parent.parent
    result = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert int(result.stdout) <= 0


# What it refuses


DAMAGED: Final[dict[str, Callable[[bytes], bytes]]] = {
    "half of it": lambda data: data[: len(data) // 2],
    "without its end": lambda data: data[:-40],
    "zeros in its first scan": lambda data: data[: scan_of(data)] + bytes(99) + data[scan_of(data) + 99 :],
    "rubbish between segments": lambda data: data.replace(b"\xff\xc4", b"\0\0\xff\xc4", 1),
    "half a profile": lambda data: data[:2] + segment(0xE2, b"ICC_PROFILE\0\2\5" + bytes(9)) + data[2:],
}


def scan_of(data: bytes) -> int:
    return data.index(b"\xff\xda") + 60


@installed
@pytest.mark.parametrize("damage", DAMAGED)
@pytest.mark.parametrize("interlace", [False, True], ids=["baseline", "progressive"])
def test_whatever_libjpeg_complains_of_is_left_to_libvips(damage: str, interlace: bool) -> None:
    data = DAMAGED[damage](jpeg(interlace=interlace))
    header = header_of(data)
    assert suits(header, Size(100, 75))
    assert decode(data, header, Size(100, 75)) is None


@installed
def test_a_file_that_is_not_what_its_header_says_is_left_to_libvips() -> None:
    data = jpeg()
    assert decode(data, replace(header_of(data), width=800), Size(100, 75)) is None
    assert decode(b"", header_of(data), Size(100, 75)) is None
    assert decode(cmyk_jpeg(), header_of(data), Size(100, 75)) is None


@installed
def test_what_it_takes_libvips_takes_too() -> None:
    """Bytes changed at random: refusals are the same, because only what nobody complains of is taken."""
    chance = random.Random(1)
    data, target, taken = jpeg(96, 64), Size(40, 30), 0
    for _ in range(1500):
        changed = bytearray(data)
        for _ in range(chance.choice((1, 1, 2, 5))):
            changed[chance.randrange(2, len(data))] = chance.choice((0, 255, chance.randrange(256)))
        try:
            header = header_of(bytes(changed))
        except Refusal:
            continue
        if suits(header, target) and decode(bytes(changed), header, target):
            taken += 1
            by_libvips(bytes(changed), target)
    assert taken > 100


@installed
@pytest.mark.parametrize(
    "path",
    [
        path
        for folder in ("image-photo", "image-orientation", "image-colour", "image-format", "hostile")
        for path in corpus(folder, "*.jp*g")
    ],
    ids=lambda path: path.name,
)
def test_real_and_hostile_files_are_taken_or_left_as_libvips_would(path: Path) -> None:
    data = path.read_bytes()
    try:
        header = read_header(io.BytesIO(data), len(data))
    except Refusal:
        return
    if header is None or header.kind != "jpg":
        return
    for share in (2, 5, 11):
        target = Size(max(1, header.width // share), max(1, header.height // share))
        image = decode(data, header, target) if suits(header, target) else None
        if image is None:
            continue
        ordinary = by_libvips(data, target)
        full = scale(Image.jpegload_buffer(data), target).numpy()
        assert image.numpy().shape == ordinary.shape
        # Where libvips decodes all of it, ours may be reduced to 6/8 or 5/8, which shows by little.
        little = 1.5 if 1 < finer(header, target) < 2 else 1.0
        assert distance(image.numpy(), full) < max(little, 1.2 * distance(ordinary, full))


# What it writes


@installed
@pytest.mark.parametrize("chroma", ["", "420", "444"])
@pytest.mark.parametrize("quality", [1, 50, 80, 90, 96, 100])
def test_it_writes_what_libvips_writes(quality: int, chroma: str) -> None:
    image = photograph(301, 203)
    modes = {"": "auto", "420": "on", "444": "off"}
    expected: bytes = image.jpegsave_buffer(Q=quality, subsample_mode=modes[chroma], keep="none")
    data = encode_jpeg(image.numpy(), quality, chroma)
    assert data is not None
    assert header_of(data).subsampling == header_of(expected).subsampling
    assert abs(len(data) - len(expected)) < 0.02 * len(expected)
    assert distance(Image.jpegload_buffer(data).numpy(), Image.jpegload_buffer(expected).numpy()) < 1.5
    if quality >= 96:
        assert data == expected


@installed
def test_what_it_would_write_worse_is_left_to_libvips() -> None:
    image = photograph(64, 48)
    assert encode_jpeg(image.numpy(), 93) is None
    assert encode_jpeg(image.addalpha().numpy(), 80) is None
    assert encode_jpeg(image.cast("ushort").numpy(), 80) is None
    assert encode_jpeg(image[0].numpy(), 80) is None


# Where it is missing


@pytest.fixture
def _missing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "cykooz_resizer", None)
    turbo._packages.cache_clear()
    yield
    turbo._packages.cache_clear()


@pytest.mark.usefixtures("_missing")
def test_without_its_packages_all_is_left_to_libvips() -> None:
    data = jpeg()
    assert not turbo.available()
    assert decode(data, header_of(data), Size(100, 75)) is None
    assert encode_jpeg(photograph(64, 48).numpy(), 80) is None
