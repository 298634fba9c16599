"""Originals drawn by code, and the facts about pixels that tests state of them and of results."""

import math
import struct
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyvips
from pyvips import Image

Colour: TypeAlias = tuple[int, ...]
Picture: TypeAlias = Image | bytes | str | Path

# Not pure primaries: a pure one hides what clipping and a wrong profile do to it.
RED, GREEN, BLUE, YELLOW = (220, 40, 40), (40, 170, 60), (50, 80, 210), (240, 210, 50)
COLOURS: dict[str, Colour] = {
    "red": RED,
    "green": GREEN,
    "blue": BLUE,
    "yellow": YELLOW,
    "white": (255, 255, 255),
    "black": (0, 0, 0),
    "grey": (128, 128, 128),
    "cyan": (40, 190, 210),
    "magenta": (210, 50, 190),
    "orange": (240, 130, 30),
}
UPRIGHT = ("red", "green", "blue", "yellow")
SUFFIXES = ("jpg", "png", "webp", "tiff", "avif")

# What each suffix is saved with unless a test says otherwise: as little loss as the format allows.
SAVING: dict[str, dict[str, Any]] = {
    "jpg": {"Q": 95, "subsample_mode": "off"},
    "webp": {"lossless": True, "effort": 1},
    "avif": {"lossless": True, "effort": 1},
}


# Pictures in memory


def flat(colour: Colour = RED, width: int = 60, height: int = 40) -> Image:
    """One colour all over; one, two, three or four numbers are grey, grey+alpha, RGB, RGB+alpha."""
    array = np.broadcast_to(np.array(colour, np.uint8), (height, width, len(colour)))
    return Image.new_from_array(np.ascontiguousarray(array), interpretation="b-w" if len(colour) < 3 else "srgb")


def patches(colours: Sequence[Colour], width: int = 60, height: int = 40, interpretation: str = "srgb") -> Image:
    """Four flat colours: top left, top right, bottom left, bottom right."""
    array = np.zeros((height, width, len(colours[0])), np.uint8)
    middle, centre = height // 2, width // 2
    for colour, rows, columns in zip(
        colours,
        (slice(None, middle), slice(None, middle), slice(middle, None), slice(middle, None)),
        (slice(None, centre), slice(centre, None)) * 2,
        strict=True,
    ):
        array[rows, columns] = colour
    return Image.new_from_array(array, interpretation=interpretation)


def quadrants(width: int = 60, height: int = 40) -> Image:
    """Red, green over blue, yellow: every orientation, flip and crop shows in its corners."""
    return patches((RED, GREEN, BLUE, YELLOW), width, height)


def gradient(width: int = 256, height: int = 256) -> Image:
    """Red grows from 0 to 255 to the right, green downwards, blue is 128."""
    across, down = np.linspace(0, 255, width).round(), np.linspace(0, 255, height).round()
    red, green = np.broadcast_to(across, (height, width)), np.broadcast_to(down[:, None], (height, width))
    array = np.stack([red, green, np.full((height, width), 128)], axis=2).astype(np.uint8)
    return Image.new_from_array(array, interpretation="srgb")


def ramp(width: int = 256, height: int = 40) -> Image:
    """One band: black at the left to white at the right."""
    array = np.broadcast_to(np.linspace(0, 255, width).round().astype(np.uint8), (height, width))
    return Image.new_from_array(np.ascontiguousarray(array), interpretation="b-w")


def edge(width: int = 60, height: int = 40) -> Image:
    """Black left half, white right half: a blur makes a slope of it."""
    return patches(((0,) * 3, (255,) * 3) * 2, width, height)


def noise(width: int = 60, height: int = 40, seed: int = 1) -> Image:
    """Three bands of evenly distributed noise, the same for the same seed."""
    array = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.new_from_array(array, interpretation="srgb")


def spot(x: int, y: int, width: int = 400, height: int = 300, radius: int = 30, seed: int = 1) -> Image:
    """A quiet grey ground with one disc of coloured noise around (x, y): the place that attention should find."""
    down, across = np.mgrid[:height, :width]
    inside = (across - x) ** 2 + (down - y) ** 2 <= radius**2
    colours = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    colours[..., 0] |= 128
    array = np.where(inside[..., None], colours, np.uint8(120))
    return Image.new_from_array(array, interpretation="srgb")


def photograph(width: int = 1200, height: int = 800, seed: int = 1) -> Image:
    """Clouds of colour with detail and grain, so that encoders find about as much to do as in a photograph."""
    rng = np.random.default_rng(seed)

    def clouds() -> Any:
        total, weight, cell = np.zeros((height, width)), 1.0, max(width, height) // 2
        while cell >= 4:
            grid = rng.random((height // cell + 3, width // cell + 3)).astype(np.float32)
            layer = Image.new_from_array(grid).resize(cell, kernel="cubic").crop(0, 0, width, height)
            total += weight * layer.numpy()
            weight, cell = weight * 0.55, cell // 2
        return (total - total.min()) / np.ptp(total)

    one, two = clouds(), clouds()
    rgb = np.stack([60 + 180 * one, 50 + 110 * one + 70 * two, 70 + 150 * two], axis=2)
    rgb += rng.normal(0, 4, (height, width, 1))
    return Image.new_from_array(rgb.clip(0, 255).astype(np.uint8), interpretation="srgb")


def with_alpha(image: Image, right: int = 0) -> Image:
    """The picture opaque in its left half and with an alpha of `right` (0..255) in its right half."""
    array = np.full((image.height, image.width), 255, np.uint8)
    array[:, image.width // 2 :] = right
    return image.bandjoin(Image.new_from_array(array))


# Encoded


def encoded(image: Image, suffix: str = "png", **saving: Any) -> bytes:
    """The picture as a file's bytes, with as little loss as the format allows unless `saving` says otherwise."""
    data: bytes = image.write_to_buffer(f".{suffix}", **{**SAVING.get(suffix, {}), **saving})
    return data


# The stored picture that each EXIF orientation turns upright.
STORED: dict[int, Callable[[Image], Image]] = {
    1: lambda image: image,
    2: lambda image: image.fliphor(),
    3: lambda image: image.rot180(),
    4: lambda image: image.flipver(),
    5: lambda image: image.rot90().fliphor(),
    6: lambda image: image.rot270(),
    7: lambda image: image.rot270().fliphor(),
    8: lambda image: image.rot90(),
}


@cache
def oriented(orientation: int, suffix: str = "jpg", width: int = 60, height: int = 40) -> bytes:
    """The quadrants stored so that orientation 1..8 shows them upright at width x height.

    JPEG, PNG (eXIf) and WebP say so in EXIF, TIFF in its tag, AVIF by `irot` and `imir`, which readers obey unasked.
    """
    image = STORED[orientation](quadrants(width, height)).copy()
    image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    return encoded(image, suffix)


@cache
def sixteen_bit(suffix: str = "png") -> bytes:
    """The quadrants with 16 bits a channel, as PNG or TIFF; an 8-bit value v is stored as 257 v."""
    return encoded((quadrants() * 257).cast("ushort").copy(interpretation="rgb16"), suffix)


@cache
def grey(suffix: str = "png") -> bytes:
    """One band, 256x40, black at the left to white at the right."""
    return encoded(ramp(), suffix)


@cache
def grey_alpha(suffix: str = "png") -> bytes:
    """The grey ramp, opaque in its left half and transparent in its right half."""
    return encoded(with_alpha(ramp()), suffix)


@cache
def rgba(suffix: str = "png", right: int = 0) -> bytes:
    """The quadrants, opaque in their left half and with an alpha of `right` in their right half."""
    return encoded(with_alpha(quadrants(), right), suffix)


@cache
def palette_png(alpha: bool = False) -> bytes:
    """The quadrants as a PNG with a palette; with alpha, the right half is transparent by `tRNS`."""
    return encoded(with_alpha(quadrants()) if alpha else quadrants(), palette=True)


@cache
def interlaced_png() -> bytes:
    """The quadrants as an Adam7 PNG."""
    return encoded(quadrants(), interlace=True)


@cache
def progressive_jpeg() -> bytes:
    """The quadrants as a JPEG in several scans."""
    return encoded(quadrants(), "jpg", interlace=True)


@cache
def sampled_jpeg(sampling: str = "4:2:2", width: int = 64, height: int = 32) -> bytes:
    """The quadrants as a baseline JPEG of any chroma sampling, written here because libvips writes two of them only.

    Each block holds one colour, so that its mean is all there is to write (ITU-T T.81; BT.601 full range as in JFIF).
    Half of each side must be a whole number of blocks of the sampling.
    """
    across, down = {"4:4:4": (1, 1), "4:2:2": (2, 1), "4:2:0": (2, 2), "4:4:0": (1, 2), "4:1:1": (4, 1)}[sampling]
    bits: list[str] = []
    last = [0, 0, 0]

    def block(component: int, mean: int) -> None:
        change, last[component] = mean - last[component], mean
        size = abs(change).bit_length()
        bits.append(f"{size:04b}")
        if size:
            bits.append(f"{change if change > 0 else change + (1 << size) - 1:0{size}b}")
        bits.append("0")

    for y in range(0, height, 8 * down):
        for x in range(0, width, 8 * across):
            r, g, b = (RED, GREEN, BLUE, YELLOW)[2 * (y >= height // 2) + (x >= width // 2)]
            for _ in range(across * down):
                block(0, round(0.299 * r + 0.587 * g + 0.114 * b) - 128)
            block(1, round(-0.168736 * r - 0.331264 * g + 0.5 * b))
            block(2, round(0.5 * r - 0.418688 * g - 0.081312 * b))
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    scan = int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\x00")
    components = bytes([1, across << 4 | down, 0, 2, 0x11, 0, 3, 0x11, 0])
    return (
        b"\xff\xd8"
        + segment(0xE0, b"JFIF\0\1\2\0\0\1\0\1\0\0")
        + segment(0xDB, b"\0" + b"\x08" * 64)
        + segment(0xC0, struct.pack(">BHHB", 8, height, width, 3) + components)
        + segment(0xC4, b"\x00" + bytes([0, 0, 0, 12] + [0] * 12) + bytes(range(12)))
        + segment(0xC4, b"\x10" + bytes([1] + [0] * 15) + b"\0")
        + segment(0xDA, bytes([3, 1, 0, 2, 0, 3, 0, 0, 63, 0]))
        + scan
        + b"\xff\xd9"
    )


# Colour

# Inks (cyan, magenta, yellow, black, 0..255) of a CMYK original; libvips' own profile shows them as the quadrants.
INKS: tuple[Colour, ...] = ((20, 240, 225, 5), (205, 25, 250, 10), (210, 180, 0, 0), (15, 35, 225, 0))


@cache
def cmyk_jpeg(profile: bool = True) -> bytes:
    """The quadrants as a CMYK JPEG, inverted as Adobe's are, with libvips' CMYK profile or with none."""
    image = patches(INKS, interpretation="cmyk")
    return encoded(image, "jpg", profile="cmyk") if profile else encoded(image, "jpg")


# Values of Display P3 and the sRGB that they must become: an ordinary red and green, a red outside sRGB, a grey.
P3_STORED: tuple[Colour, ...] = ((200, 90, 60), (90, 170, 80), (255, 0, 0), (128, 128, 128))
P3_SHOWN: tuple[Colour, ...] = ((216, 81, 49), (52, 172, 66), (255, 0, 0), (128, 128, 128))


def srgb_to_linear(value: float) -> float:
    """The light of an encoded sRGB value, both 0..1 (IEC 61966-2-1)."""
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def srgb_of_p3(colour: Colour) -> Colour:
    """The sRGB value of a Display P3 value, clipped: the same transfer curve, other primaries (CSS Color 4)."""
    linear = [srgb_to_linear(c / 255) for c in colour]
    matrix = (
        (1.2249401762805598, -0.22494017628055996, 0.0),
        (-0.042056954709688163, 1.0420569547096881, 0.0),
        (-0.019637554590334432, -0.078636045550631889, 1.0982736001409663),
    )
    mixed = (min(1.0, max(0.0, sum(m * v for m, v in zip(row, linear, strict=True)))) for row in matrix)
    return tuple(round(255 * (12.92 * v if v <= 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055)) for v in mixed)


@cache
def display_p3(suffix: str = "jpg") -> bytes:
    """Four patches of `P3_STORED` with a Display P3 profile; shown right, they are `P3_SHOWN` in sRGB."""
    return encoded(patches(P3_STORED), suffix, profile="p3")


# sRGB's primaries as XYZ, adapted to D50, as every sRGB profile has them (IEC 61966-2-1, ICC.1).
SRGB_PRIMARIES = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))


def icc_profile(primaries: Sequence[Sequence[float]] = SRGB_PRIMARIES, gamma: float | None = None) -> bytes:
    """An RGB matrix profile: three primaries as XYZ under D50, and sRGB's curve or a pure gamma (ICC.1:2001-04)."""
    if gamma is None:
        curve = [round(65535 * srgb_to_linear(step / 1023)) for step in range(1024)]
        curve_tag = b"curv" + struct.pack(">4xI1024H", 1024, *curve)
    else:
        curve_tag = b"curv" + struct.pack(">4xIH2x", 1, round(256 * gamma))

    def xyz(values: Sequence[float]) -> bytes:
        return b"XYZ " + struct.pack(">4x3i", *(round(65536 * v) for v in values))

    d50 = (0.96420, 1.0, 0.82491)
    name = b"Darkroom test\0"
    tags = {
        b"desc": b"desc" + struct.pack(">4xI", len(name)) + name + bytes(78 + -len(name) % 4),
        b"cprt": b"text" + bytes(4) + b"CC0\0",
        b"wtpt": xyz(d50),
        **dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), map(xyz, primaries), strict=True)),
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve_tag),
    }
    table, body, start = b"", b"", 132 + 12 * len(tags)
    for tag, data in tags.items():
        table += tag + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(">I4xI", start + len(body), 0x02100000) + b"mntrRGB XYZ "
    header += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + xyz(d50)[8:] + bytes(48)
    return header + struct.pack(">I", len(tags)) + table + body


def with_profile(image: Image, profile: bytes) -> Image:
    """The same pixels with another profile attached."""
    image = image.copy()
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    return image


@cache
def swapped(suffix: str = "png") -> bytes:
    """The quadrants with their channels stored as green, blue, red, and a profile that says so."""
    red, green, blue = quadrants().bandsplit()
    stored = green.bandjoin([blue, red]).copy(interpretation="srgb")
    primaries = (SRGB_PRIMARIES[1], SRGB_PRIMARIES[2], SRGB_PRIMARIES[0])
    return encoded(with_profile(stored, icc_profile(primaries)), suffix)


# Metadata

# One string for each place that metadata hides in; `canaries_in` says which of them are in some bytes.
CANARIES: dict[str, str] = {
    name: f"CANARY-{name.upper()}"
    for name in (
        *("description", "model", "serial", "maker", "gps", "thumbnail", "xmp", "caption", "comment", "trailer"),
        *("artist", "copyright", "xmp-rights", "iptc-rights"),
    )
}
RIGHTS = frozenset({"artist", "copyright", "xmp-rights", "iptc-rights"})
# Latitude and longitude in degrees, altitude in metres, as `canary_jpeg` has them.
GPS = (48.8584, 2.2945, 330.0)


def segment(marker: int, payload: bytes) -> bytes:
    """A marker segment of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


Entry = tuple[int, int, bytes]


def ascii_entry(tag: int, text: str) -> Entry:
    """A TIFF entry of type ASCII."""
    return tag, 2, text.encode() + b"\0"


def rationals(tag: int, *values: float) -> Entry:
    """A TIFF entry of unsigned fractions, in ten thousandths."""
    return tag, 5, b"".join(struct.pack("<II", round(value * 10000), 10000) for value in values)


def ifd(entries: Iterable[Entry], start: int, following: int = 0) -> bytes:
    """A TIFF directory at offset `start` with its values behind it; entries are (tag, type, value bytes)."""
    entries = sorted(entries)
    size = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1}
    table, values, place = struct.pack("<H", len(entries)), b"", start + 6 + 12 * len(entries)
    for tag, kind, value in entries:
        table += struct.pack("<HHI", tag, kind, len(value) // size[kind])
        if len(value) <= 4:
            table += value.ljust(4, b"\0")
        else:
            table += struct.pack("<I", place + len(values))
            values += value + bytes(len(value) % 2)
    return table + struct.pack("<I", following) + values


def exif(orientation: int = 1) -> bytes:
    """An EXIF block with camera, rights, place, maker's note and thumbnail, each with its canary."""
    latitude, longitude, altitude = GPS

    def sexagesimal(tag: int, degrees: float) -> Entry:
        minutes = degrees % 1 * 60
        return rationals(tag, int(degrees), int(minutes), minutes % 1 * 60)

    thumbnail = encoded(quadrants(16, 8), "jpg", keep="none")
    thumbnail = thumbnail[:2] + segment(0xFE, CANARIES["thumbnail"].encode()) + thumbnail[2:]
    place: tuple[int, ...] = (0, 0, 0, 0)
    for _ in range(2):  # once to learn the sizes, once with the places that follow from them
        main = ifd(
            [
                ascii_entry(0x010E, CANARIES["description"]),
                ascii_entry(0x010F, "Darkroom"),
                ascii_entry(0x0110, CANARIES["model"]),
                (0x0112, 3, struct.pack("<H", orientation)),
                ascii_entry(0x013B, CANARIES["artist"]),
                ascii_entry(0x8298, CANARIES["copyright"]),
                (0x8769, 4, struct.pack("<I", place[0])),
                (0x8825, 4, struct.pack("<I", place[1])),
            ],
            8,
            place[2],
        )
        camera = ifd(
            [
                rationals(0x829A, 1 / 125),
                rationals(0x829D, 2.8),
                (0x8827, 3, struct.pack("<H", 200)),
                (0x9000, 7, b"0232"),
                ascii_entry(0x9003, "2024:06:01 12:34:56"),
                rationals(0x920A, 50),
                (0x927C, 7, b"MAKER\0\0\0" + CANARIES["maker"].encode()),
                ascii_entry(0xA431, CANARIES["serial"]),
                ascii_entry(0xA434, "Darkroom 50 mm"),
            ],
            place[0],
        )
        gps = ifd(
            [
                (0x0000, 1, bytes([2, 3, 0, 0])),
                ascii_entry(0x0001, "N"),
                sexagesimal(0x0002, latitude),
                ascii_entry(0x0003, "E"),
                sexagesimal(0x0004, longitude),
                (0x0005, 1, b"\0"),
                rationals(0x0006, altitude),
                (0x001B, 7, b"ASCII\0\0\0" + CANARIES["gps"].encode()),
            ],
            place[1],
        )
        preview = ifd(
            [
                (0x0103, 3, struct.pack("<H", 6)),
                (0x0201, 4, struct.pack("<I", place[3])),
                (0x0202, 4, struct.pack("<I", len(thumbnail))),
            ],
            place[2],
        )
        ends = np.cumsum([8 + len(main), len(camera), len(gps), len(preview)])
        place = tuple(int(end) for end in ends)
    return b"II*\0\x08\0\0\0" + main + camera + gps + preview + thumbnail


def xmp() -> bytes:
    """An XMP packet with a title and rights."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f'<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{CANARIES["xmp"]}</rdf:li></rdf:Alt></dc:title>'
        f'<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">{CANARIES["xmp-rights"]}</rdf:li></rdf:Alt></dc:rights>'
        '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def iptc() -> bytes:
    """A Photoshop resource block with an IPTC caption and copyright notice (IIM 2:120, 2:116)."""
    data = b""
    for dataset, name in ((120, "caption"), (116, "iptc-rights")):
        text = CANARIES[name].encode()
        data += struct.pack(">BBBH", 0x1C, 2, dataset, len(text)) + text
    return b"Photoshop 3.0\x008BIM" + struct.pack(">HHI", 0x0404, 0, len(data)) + data + bytes(len(data) % 2)


@cache
def canary_jpeg(orientation: int = 1) -> bytes:
    """The quadrants as a JPEG with every canary, in EXIF, XMP, IPTC, a comment and behind the end."""
    plain = encoded(STORED[orientation](quadrants()), "jpg", keep="none")
    return (
        plain[:2]
        + segment(0xE1, b"Exif\0\0" + exif(orientation))
        + segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp())
        + segment(0xED, iptc())
        + segment(0xFE, CANARIES["comment"].encode())
        + plain[2:]
        + CANARIES["trailer"].encode()
    )


@cache
def canary(suffix: str = "png") -> bytes:
    """The quadrants with canaries where libvips writes them: EXIF in PNG, WebP, AVIF; XMP in WebP, AVIF, TIFF."""
    image = quadrants().copy()
    for name, block in (("exif-data", b"Exif\0\0" + exif()), ("xmp-data", xmp())):
        image.set_type(pyvips.GValue.blob_type, name, block)
    return encoded(image, suffix)


def canaries_in(data: bytes) -> set[str]:
    """Which of the canaries are in these bytes."""
    return {name for name, text in CANARIES.items() if text.encode() in data}


# Frames and pages

FRAME_COLOURS: tuple[str, ...] = ("red", "green", "blue", "yellow", "white", "black", "cyan", "magenta")


@cache
def animated(
    suffix: str = "gif",
    frames: int = 4,
    delays: tuple[int, ...] = (100, 200, 300, 400),
    loop: int = 0,
    width: int = 32,
    height: int = 24,
) -> bytes:
    """A GIF or WebP whose frames are flat `FRAME_COLOURS` in turn; delays in milliseconds; loop 0 is for ever."""
    names = [FRAME_COLOURS[i % len(FRAME_COLOURS)] for i in range(frames)]
    strip = Image.arrayjoin([flat(COLOURS[name], width, height) for name in names], across=1).copy()
    strip.set_type(pyvips.GValue.gint_type, "page-height", height)
    strip.set_type(pyvips.GValue.gint_type, "loop", loop)
    strip.set_type(pyvips.GValue.array_int_type, "delay", [delays[i % len(delays)] for i in range(frames)])
    return encoded(strip, suffix)


@cache
def tiff_pages(pages: int = 3, width: int = 60, height: int = 40) -> bytes:
    """A TIFF whose pages are flat `FRAME_COLOURS` in turn."""
    names = [FRAME_COLOURS[i % len(FRAME_COLOURS)] for i in range(pages)]
    strip = Image.arrayjoin([flat(COLOURS[name], width, height) for name in names], across=1).copy()
    strip.set_type(pyvips.GValue.gint_type, "page-height", height)
    return encoded(strip, "tiff")


@cache
def svg(width: int = 60, height: int = 40) -> bytes:
    """The quadrants as an SVG of this natural size, with a white disc in the middle."""
    x, y = width / 2, height / 2
    places = ((0, 0), (x, 0), (0, y), (x, y))
    rectangles = "".join(
        f'<rect x="{left}" y="{top}" width="{x}" height="{y}" fill="rgb{COLOURS[name]}"/>'
        for (left, top), name in zip(places, UPRIGHT, strict=True)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f'{rectangles}<circle cx="{x}" cy="{y}" r="{height / 8}" fill="#fff"/></svg>'
    ).encode()


@cache
def svg_disc(size: int = 40) -> bytes:
    """A red disc on nothing: its corners are transparent."""
    middle = size / 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size}" height="{size}">'
        f'<circle cx="{middle}" cy="{middle}" r="{middle}" fill="rgb{RED}"/></svg>'
    ).encode()


@cache
def pdf() -> bytes:
    """Two pages: 60x40 points of red, 40x60 points of blue."""
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R 5 0 R]/Count 2>>"]
    for number, (width, height, colour) in enumerate(((60, 40, RED), (40, 60, BLUE))):
        paint = "{:.4f} {:.4f} {:.4f} rg ".format(*(c / 255 for c in colour)) + f"0 0 {width} {height} re f"
        page = f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 {width} {height}]/Contents {4 + 2 * number} 0 R/Resources<<>>>>"
        objects += [page.encode(), f"<</Length {len(paint)}>>stream\n{paint}\nendstream".encode()]
    data, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(data))
        data += b"%d 0 obj" % number + body + b"endobj\n"
    table = b"0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places)
    count = len(objects) + 1
    return data + b"xref\n0 %d\n%strailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (
        count,
        table,
        count,
        len(data),
    )


# Facts


def opened(picture: Picture, **loading: Any) -> Image:
    """The picture behind bytes, a path or a picture; as stored, its first page, not turned upright."""
    if isinstance(picture, bytes):
        return Image.new_from_buffer(picture, "", **loading)
    if isinstance(picture, str | Path):
        return Image.new_from_file(str(picture), **loading)
    return picture


def shown(picture: Picture) -> Image:
    """The picture turned upright and brought to 8-bit sRGB by libvips alone: what ours is compared with."""
    image = opened(picture).autorot()
    if image.get_typeof("icc-profile-data"):
        return image.icc_transform("srgb", embedded=True, intent="relative", depth=8)
    return image.colourspace("srgb")


def size_of(picture: Picture) -> tuple[int, int]:
    """Width and height of the first page, as stored."""
    image = opened(picture)
    return image.width, image.height


def colour_at(picture: Picture, x: int, y: int) -> Colour:
    """The values of one pixel, as stored; negative places count from the right and the bottom."""
    image = opened(picture)
    return tuple(int(v) for v in image.getpoint(x % image.width, y % image.height))


def mean(picture: Picture, area: tuple[int, int, int, int] | None = None) -> tuple[float, ...]:
    """The mean of each channel, of the whole picture or of an area (left, top, width, height)."""
    image = opened(picture)
    statistics = (image.crop(*area) if area else image).stats()
    return tuple(statistics(4, band + 1)[0] for band in range(image.bands))


def assert_close(actual: Sequence[float], expected: Sequence[float], tolerance: float = 2) -> None:
    """Two colours, sizes or means differ by no more than the tolerance in any channel."""
    assert len(actual) == len(expected), f"{tuple(actual)} is not {tuple(expected)}"
    worst = max(abs(a - e) for a, e in zip(actual, expected, strict=True))
    assert worst <= tolerance, f"{tuple(actual)} is not {tuple(expected)}: {worst:g} apart, {tolerance:g} allowed"


class Difference(NamedTuple):
    """How far two pictures are apart."""

    mean: float
    max: float


def difference(a: Picture, b: Picture) -> Difference:
    """The mean and the largest difference of any channel of any pixel; sizes and bands must be the same."""
    one, two = opened(a), opened(b)
    shape = [(image.width, image.height, image.bands) for image in (one, two)]
    assert shape[0] == shape[1], f"width, height and bands are {shape[0]} and {shape[1]}"
    apart = (one - two).abs()
    return Difference(apart.avg(), apart.max())


def delta_e(a: Picture | Colour, b: Picture | Colour) -> Difference:
    """The mean and the largest CIEDE2000 distance of two pictures or two sRGB colours; about 1 is just visible."""

    def lab(value: Picture | Colour) -> Image:
        image = flat(value, 1, 1) if isinstance(value, tuple) else opened(value)
        return (image[:-1] if image.hasalpha() else image).colourspace("lab")

    apart = lab(a).dE00(lab(b))
    return Difference(apart.avg(), apart.max())


def named(colour: Colour) -> str:
    """The name of the nearest of `COLOURS`, "transparent", or the numbers of a colour that is near none of them."""
    if len(colour) in (2, 4):
        if colour[-1] < 16:
            return "transparent"
        colour = colour[:-1]
    colour = colour * 3 if len(colour) == 1 else colour
    name = min(COLOURS, key=lambda name: math.dist(COLOURS[name], colour))
    return name if math.dist(COLOURS[name], colour) < 75 else str(colour)


def corners(picture: Picture, inset: float = 0.1) -> tuple[str, str, str, str]:
    """The names of the colours near the corners (`inset` of a side away): top left and right, bottom left and right."""
    image = opened(picture).colourspace("srgb")
    x, y = int(image.width * inset), int(image.height * inset)
    right, bottom = image.width - 1 - x, image.height - 1 - y
    top_left, top_right, bottom_left, bottom_right = (
        named(colour_at(image, *place)) for place in ((x, y), (right, y), (x, bottom), (right, bottom))
    )
    return top_left, top_right, bottom_left, bottom_right


def fields(picture: Picture) -> dict[str, Any]:
    """Every field of the picture's header by its libvips name, profile and EXIF included."""
    image = opened(picture)
    return {name: image.get(name) for name in image.get_fields()}


class Frames(NamedTuple):
    """The frames of a moving picture, or the pages of a document."""

    images: list[Image]
    delays: list[int]
    loop: int | None

    @property
    def colours(self) -> list[str]:
        """The name of the colour in the middle of each frame."""
        return [named(colour_at(image, image.width // 2, image.height // 2)) for image in self.images]


def frames_of(picture: Picture) -> Frames:
    """All frames or pages; delays are in milliseconds and empty where there are none; loop 0 is for ever."""
    strip = opened(picture) if isinstance(picture, Image) else opened(picture, n=-1)
    values = fields(strip)
    height = values.get("page-height", strip.height)
    images = [strip.crop(0, top, strip.width, height) for top in range(0, strip.height, height)]
    return Frames(images, list(values.get("delay", [])), values.get("loop"))
