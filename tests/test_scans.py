"""What is left out of a progressive JPEG does not show in a small picture, and never hides damage to the file."""

import mmap
import random
import struct
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pytest
from pyvips import GValue, Image

from tests.conftest import corpus
from tests.pictures import grey, photograph, quadrants, segment
from transforms.scans import cut

SIZE: Final = 480, 320


@cache
def progressive(quality: int = 90, optimized: bool = False, chroma: str = "on", **more: Any) -> bytes:
    """A photograph as libvips writes it in scans: libjpeg's ten, or as many as mozjpeg finds best."""
    return saved(photograph(*SIZE), Q=quality, optimize_scans=optimized, subsample_mode=chroma, **more)


def saved(image: Image, **options: Any) -> bytes:
    data: bytes = image.jpegsave_buffer(interlace=True, optimize_coding=True, **options)
    return data


def shown(data: bytes, shrink: int) -> Any:
    """The pixels at 1/`shrink`, from a decoder that fails where it would only warn."""
    return Image.jpegload_buffer(data, shrink=shrink, fail_on="warning").numpy().astype(float)


def short(data: bytes, shrink: int) -> bytes:
    result = cut(data, shrink)
    assert result is not None
    return result


def scans(data: bytes) -> list[tuple[bytes, int, int, int]]:
    """Names of components, first and last coefficient and both bit positions of each scan, in files without notes."""
    found = []
    for part in data.split(b"\xff\xda")[1:]:
        count = part[2]
        found.append((part[3 : 3 + 2 * count : 2], *part[3 + 2 * count : 6 + 2 * count]))
    return found


def bytes_of(data: bytes, marker: int) -> slice:
    """Where the first segment with this marker is."""
    start = data.index(bytes([0xFF, marker]))
    return slice(start, start + 2 + int.from_bytes(data[start + 2 : start + 4]))


def without(data: bytes, where: slice) -> bytes:
    return data[: where.start] + data[where.stop :]


# What is shown


@pytest.mark.parametrize("shrink", [4, 8])
@pytest.mark.parametrize("chroma", ["on", "off"])
@pytest.mark.parametrize("optimized", [False, True], ids=["libjpeg", "mozjpeg"])
def test_a_small_picture_looks_the_same(shrink: int, chroma: str, optimized: bool) -> None:
    data = progressive(90, optimized, chroma)
    result = short(data, shrink)
    difference = shown(result, shrink) - shown(data, shrink)
    assert len(result) < 0.7 * len(data)
    assert np.abs(difference).mean() < 2
    assert np.abs(difference.mean((0, 1))).max() < 0.25  # neither darker nor in another tint
    assert np.abs(difference).max() < 20


def test_at_an_eighth_all_that_is_left_are_means() -> None:
    data = progressive(90, False, "off")
    result = short(data, 8)
    assert [scan[1:] for scan in scans(result) if scan[0] == b"\1\2\3"] == [(0, 0, 1), (0, 0, 16)]
    assert np.array_equal(shown(result, 8), shown(data, 8))


def test_colour_with_fewer_samples_keeps_more_of_them() -> None:
    kept = scans(short(progressive(90, False, "on"), 8))
    assert [(name, first) for name, first, *_ in kept] == [
        (b"\1\2\3", 0),
        (b"\3", 1),
        (b"\2", 1),
        (b"\1\2\3", 0),
        (b"\1", 1),
    ]


def test_a_picture_of_odd_size_or_without_colour_is_cut_too() -> None:
    for image in (photograph(477, 331), photograph(*SIZE).colourspace("b-w"), photograph(9, 301)):
        for shrink in (4, 8):
            data = saved(image, Q=90)
            assert np.abs(shown(short(data, shrink), shrink) - shown(data, shrink)).mean() < 2


def test_coarse_coefficients_are_kept_until_they_are_fine() -> None:
    """At quality 50 the first scan of brightness has steps of 40 and more: the scan that halves them is kept."""
    fine, coarse = (short(progressive(quality), 4) for quality in (90, 50))
    assert len(scans(fine)) < len(scans(coarse)) < len(scans(progressive(50)))
    assert np.abs(shown(coarse, 4) - shown(progressive(50), 4)).mean() < 2


def test_what_is_cut_once_is_not_cut_again() -> None:
    for shrink in (4, 8):
        assert cut(short(progressive(), shrink), shrink) is None


def test_metadata_stay() -> None:
    image = photograph(*SIZE).copy()
    image.set_type(GValue.blob_type, "xmp-data", b"<x:xmpmeta/>")
    data = saved(image, Q=90, profile="p3")
    whole, less = (Image.jpegload_buffer(each) for each in (data, short(data, 4)))
    for name in ("icc-profile-data", "xmp-data"):
        assert less.get(name) == whole.get(name)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(photograph(*SIZE).jpegsave_buffer(), id="baseline"),
        pytest.param(quadrants().pngsave_buffer(), id="png"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xd8\xff\xd9", id="nothing"),
    ],
)
def test_other_pictures_are_left_alone(data: bytes) -> None:
    assert cut(data, 4) is None


@pytest.mark.parametrize("shrink", [1, 2, 3, 16])
def test_larger_pictures_are_left_alone(shrink: int) -> None:
    assert cut(progressive(), shrink) is None


def test_any_view_of_bytes_will_do(tmp_path: Path) -> None:
    data = progressive()
    path = tmp_path / "picture.jpg"
    path.write_bytes(data)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert cut(mapped, 4) == cut(memoryview(data), 4) == cut(data, 4)


# Orders of scans that no encoder at hand writes


class Scan(NamedTuple):
    components: Sequence[int]
    first: int
    last: int
    high: int = 0
    low: int = 0


ALL: Final = (0, 1, 2)
REST: Final = (Scan([1], 1, 63), Scan([2], 1, 63))
ORDERS: Final = {
    "spectral selection": (Scan(ALL, 0, 0), Scan([0], 1, 5), Scan([0], 6, 63), *REST),
    "high before low": (Scan(ALL, 0, 0), Scan([0], 28, 63), Scan([0], 1, 5), Scan([0], 6, 27), *REST),
    "in many bands": (Scan(ALL, 0, 0), *(Scan([place], at, at + 2) for at in range(1, 64, 3) for place in ALL)),
    "means apart": (Scan([2], 0, 0), Scan([0], 0, 0), Scan([1], 0, 0), Scan([0], 1, 5), Scan([0], 6, 63), *REST),
    "means refined last": (
        *(Scan(ALL, 0, 0, 0, 2), Scan([0], 1, 9), Scan([0], 10, 63), *REST),
        *(Scan(ALL, 0, 0, 2, 1), Scan([1], 0, 0, 1, 0), Scan([0, 2], 0, 0, 1, 0)),
    ),
    "successive approximation": (
        *(Scan(ALL, 0, 0), *(Scan([place], 1, 63, 0, 3) for place in ALL)),
        *(Scan([place], 1, 63, high, high - 1) for high in (3, 2, 1) for place in ALL),
    ),
    "bands refined apart": (
        *(Scan(ALL, 0, 0), Scan([0], 1, 5, 0, 1), Scan([0], 6, 63, 0, 2), *REST),
        *(Scan([0], 1, 5, 1, 0), Scan([0], 6, 63, 2, 1), Scan([0], 6, 63, 1, 0)),
    ),
    "colour coarse": (
        *(Scan(ALL, 0, 0), Scan([1], 1, 63, 0, 2), Scan([2], 1, 63, 0, 1), Scan([0], 1, 63)),
        *(Scan([1], 1, 63, 2, 1), Scan([1], 1, 63, 1, 0), Scan([2], 1, 63, 1, 0)),
    ),
}
ZIGZAG: Final = sorted(
    range(64), key=lambda at: (at // 8 + at % 8, at // 8 if (at // 8 + at % 8) % 2 else at % 8)
)  # rows first on odd diagonals
SYMBOLS: Final = [run << 4 | size for run in range(16) for size in range(11)]
STEPS: Final = bytes(3 + at // 8 for at in range(64))


@cache
def coefficients(bands: int = 3) -> list[Any]:
    """Quantized coefficients in zigzag order, blocks by rows, of a picture of 96x64, each band as it is."""
    pixels = photograph(96, 64).bandjoin(photograph(96, 64, seed=2)[0])[:bands].numpy().astype(float) - 128
    base = np.array([[np.cos((2 * x + 1) * u * np.pi / 16) for x in range(8)] for u in range(8)]) / 2
    base[0] /= np.sqrt(2)
    planes = []
    for band in range(bands):
        blocks = pixels[..., band].reshape(8, 8, 12, 8).swapaxes(1, 2)
        turned = (base @ blocks @ base.T).reshape(8, 12, 64)[..., ZIGZAG]
        planes.append((turned / np.frombuffer(STEPS, np.uint8)).round().astype(int))
    return planes


def written(order: Sequence[Scan], bands: int = 3, interval: int = 0, between: bytes = b"") -> bytes:
    """A JPEG without subsampling, its coefficients in this order of scans (T.81, annex G, with codes of one length)."""
    planes = coefficients(bands)
    frame = struct.pack(">BHHB", 8, 64, 96, bands) + b"".join(bytes([1 + band, 0x11, 0]) for band in range(bands))
    parts = [
        b"\xff\xd8",
        segment(0xE0, b"JFIF\0\1\2\0\0\1\0\1\0\0"),
        segment(0xDB, b"\0" + STEPS),
        segment(0xC2, frame),
    ]
    parts.append(segment(0xC4, b"\0" + bytes([0, 0, 0, 14] + [0] * 12) + bytes(range(14))))
    parts.append(segment(0xC4, b"\x11" + bytes([0] * 7 + [176] + [0] * 8) + bytes(SYMBOLS)))
    if interval:
        parts.append(segment(0xDD, interval.to_bytes(2)))
    for scan in order:
        names = b"".join(bytes([1 + place, 0x01]) for place in scan.components)
        header = bytes([len(scan.components)]) + names + bytes([scan.first, scan.last, scan.high << 4 | scan.low])
        units = [[planes[place].reshape(-1, 64)[at] for place in scan.components] for at in range(96)]
        runs = [units[at : at + interval] for at in range(0, 96, interval)] if interval else [units]
        coded = b"".join(
            (bytes([0xFF, 0xD0 + (number - 1) % 8]) if number else b"") + packed("".join(bits(scan, run)))
            for number, run in enumerate(runs)
        )
        parts += [between, segment(0xDA, header), coded]
    return b"".join([*parts, b"\xff\xd9"])


def packed(text: str) -> bytes:
    text += "1" * (-len(text) % 8)
    return int(text or "0", 2).to_bytes(len(text) // 8).replace(b"\xff", b"\xff\0")


def number(value: int) -> tuple[int, str]:
    """A value's number of bits, and the bits."""
    size = abs(value).bit_length()
    return size, f"{value if value > 0 else value + (1 << size) - 1:0{size}b}" if size else ""


def bits(scan: Scan, units: Sequence[Sequence[Any]]) -> Iterator[str]:
    last = [0] * len(scan.components)
    for unit in units:
        for place, block in enumerate(unit):
            if scan.first == 0 and scan.high:
                yield str(int(block[0]) >> scan.low & 1)
            elif scan.first == 0:
                value = int(block[0]) >> scan.low
                size, rest = number(value - last[place])
                last[place] = value
                yield f"{size:04b}{rest}"
            else:
                yield from band(scan, [int(value) for value in block[scan.first : scan.last + 1]])


def symbol(run: int, size: int) -> str:
    return f"{SYMBOLS.index(run << 4 | size):08b}"


def band(scan: Scan, block: Sequence[int]) -> Iterator[str]:
    """The coefficients of a band in one block (T.81, figures G.3 and G.7, without runs of blocks)."""
    values = [abs(value) >> scan.low for value in block]
    fresh = [at for at, value in enumerate(values) if value and (not scan.high or value == 1)]
    run, corrections = 0, ""
    for at, value in enumerate(values):
        if not value:
            run += 1
            continue
        while run > 15 and fresh and at <= fresh[-1]:
            yield symbol(15, 0) + corrections
            run, corrections = run - 16, ""
        if scan.high and value > 1:
            corrections += str(value & 1)
            continue
        size, rest = (1, str(int(block[at] > 0))) if scan.high else number(value if block[at] > 0 else -value)
        yield symbol(run, size) + rest + corrections
        run, corrections = 0, ""
    if run or corrections:
        yield symbol(0, 0) + corrections


@pytest.mark.parametrize("interval", [0, 7], ids=["", "restarts"])
@pytest.mark.parametrize("shrink", [4, 8])
@pytest.mark.parametrize("order", ORDERS)
def test_scans_may_come_in_any_order(order: str, shrink: int, interval: int) -> None:
    data = written(ORDERS[order], interval=interval)
    assert np.array_equal(shown(data, 1), shown(written(ORDERS["spectral selection"]), 1))
    result = short(data, shrink)
    difference = shown(result, shrink) - shown(data, shrink)
    assert len(scans(result)) < len(ORDERS[order]) + 3  # three say that the rest is zero
    assert np.abs(difference).mean() < 3
    assert np.abs(difference.mean((0, 1))).max() < 0.5


def test_four_components_are_cut() -> None:
    order = [Scan((0, 1, 2, 3), 0, 0), *(Scan([place], *ends) for ends in ((1, 5), (6, 63)) for place in range(4))]
    data = written(order, bands=4)
    assert np.abs(shown(short(data, 4), 4) - shown(data, 4)).mean() < 3


def test_notes_tables_and_fill_bytes_may_stand_between_scans() -> None:
    notes = b"\xff\xff\xff" + segment(0xFE, b"a note \xff\xda \xff\xd9") + b"\xff" + segment(0xE9, b"")
    tables = segment(0xC4, b"\0" + bytes([0, 0, 0, 14] + [0] * 12) + bytes(range(14)))
    data, plain = (written(ORDERS["means apart"], between=between) for between in (notes + tables, b""))
    assert np.array_equal(shown(short(data, 4), 4), shown(short(plain, 4), 4))


def test_what_follows_the_picture_is_left_out() -> None:
    trailer = b"\0trailer\xff\xd8\xff\xda"
    assert cut(progressive() + trailer, 4) == cut(progressive(), 4)
    assert cut(written((Scan(ALL, 0, 0), Scan([0], 1, 63), *REST)) + trailer, 4) is None


# What is not sound


UNSOUND: Final[dict[str, Callable[[bytes], bytes]]] = {
    "no end": lambda data: data[:-2],
    "half of it": lambda data: data[: len(data) // 2],
    "rubbish between segments": lambda data: data[:2] + b"\0\0" + data[2:],
    "two frames": lambda data: data[:2] + data[bytes_of(data, 0xC2)] + data[2:],
    "no frame": lambda data: without(data, bytes_of(data, 0xC2)),
    "no quantization table": lambda data: without(data, bytes_of(data, 0xDB)),
    "no codes": lambda data: without(data, bytes_of(data, 0xC4)),
    "a quantization table between scans": lambda data: data[:-2] + data[bytes_of(data, 0xDB)] + data[-2:],
    "height that comes later": lambda data: data[:-2] + segment(0xDC, b"\0\x40") + data[-2:],
    "a start inside": lambda data: data[:-2] + b"\xff\xd8" + data[-2:],
    "a restart where there are none": lambda data: data[:-2] + b"\xff\xd0" + data[-2:],
    "an unknown marker": lambda data: data[:-2] + segment(0xF0, b"") + data[-2:],
    "a scan twice": lambda data: data[:-2] + data[data.rindex(b"\xff\xda") :],
    "codes that are too many": lambda data: data.replace(bytes([0, 0, 0, 14] + [0] * 12), bytes([9] * 16)),
    "codes for too many bits": lambda data: data[:2] + segment(0xC4, b"\0\1" + bytes(15) + b"\x10") + data[2:],
    "a hundred scans and one": lambda data: data[:-2] + data[data.rindex(b"\xff\xda") : -2] * 101 + data[-2:],
    "thousands of segments": lambda data: data[:-2] + segment(0xFE, b"") * 5000 + data[-2:],
}


@pytest.mark.parametrize("damage", UNSOUND)
def test_a_file_that_is_not_sound_is_left_to_the_decoder(damage: str) -> None:
    data = written(ORDERS["spectral selection"])
    assert cut(data, 4)
    assert cut(UNSOUND[damage](data), 4) is None


@pytest.mark.parametrize(
    "order",
    [
        pytest.param((Scan(ALL, 0, 0), Scan([0], 1, 5), *REST), id="coefficients that never come"),
        pytest.param((Scan(ALL, 0, 0, 0, 1), Scan([0], 1, 5), Scan([0], 6, 63), *REST), id="bits that never come"),
        pytest.param((Scan([0], 1, 5), Scan(ALL, 0, 0), Scan([0], 6, 63), *REST), id="means that come late"),
        pytest.param((Scan(ALL, 0, 0), Scan([0], 1, 63, 0, 2), Scan([0], 1, 63, 1, 0), *REST), id="a bit left out"),
        pytest.param((Scan(ALL, 0, 0), Scan(ALL, 1, 5), Scan([0], 6, 63)), id="bands of several components"),
    ],
)
def test_an_order_that_leaves_gaps_is_left_to_the_decoder(order: Sequence[Scan]) -> None:
    assert cut(written(order), 4) is None


def test_restarts_out_of_turn_are_left_to_the_decoder() -> None:
    data = written(ORDERS["spectral selection"], interval=7)
    at = data.rindex(b"\xff\xd1")
    assert cut(data, 4)
    assert cut(data[: at + 1] + b"\xd2" + data[at + 2 :], 4) is None
    assert cut(without(data, slice(at, at + 2)), 4) is None


def test_a_file_that_ends_too_early_is_never_cut() -> None:
    data = progressive()
    for end in range(0, len(data), 997):
        assert cut(data[:end], 4) is None


def test_bytes_changed_at_random_raise_nothing() -> None:
    chance = random.Random(1)
    data = saved(photograph(64, 48), Q=80)
    markers = [at for at in range(len(data) - 1) if data[at] == 255 and data[at + 1] not in (0, 255)]
    for _ in range(3000):
        changed = bytearray(data)
        for _ in range(chance.choice((1, 1, 2, 4))):
            near = chance.choice(markers) + chance.randrange(24)
            changed[min(near, len(data) - 1)] = chance.choice((0, 255, chance.randrange(256)))
        for shrink in (4, 8):
            result = cut(bytes(changed), shrink)
            assert result is None or (result[:2], result[-2:]) == (b"\xff\xd8", b"\xff\xd9")


# Real ones


@pytest.mark.parametrize("path", corpus("image-photo", "*.jp*g"), ids=lambda path: path.name)
def test_photographs_look_the_same(path: Path) -> None:
    image = Image.jpegload(str(path)).copy_memory()
    for options in ({"optimize_scans": True}, {"subsample_mode": "off"}):
        data = saved(image, Q=85, **options)
        for shrink in (4, 8):
            result = cut(data, shrink)
            if result is None:
                assert len(data) < 5000  # of which the tables are most
            else:
                assert np.abs(shown(result, shrink) - shown(data, shrink)).mean() < 3


def test_grey_ramps_stay_grey() -> None:
    data = saved(Image.new_from_buffer(grey(), ""), Q=90)
    assert shown(short(data, 8), 8).ndim == 2
