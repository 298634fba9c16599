"""The header of a JPEG: ITU-T T.81, annex B; JFIF; Adobe technical note 5116; ICC.1, annex B.4."""

import re
from collections.abc import Iterator
from typing import Final

from transforms.errors import DamagedOriginal, TooManyPixels, UnsupportedFormat
from transforms.headers.exif import orientation
from transforms.headers.header import Header
from transforms.headers.window import Window

_SOI, _EOI, _SOS, _APP0, _APP1, _APP2, _APP14 = 0xD8, 0xD9, 0xDA, 0xE0, 0xE1, 0xE2, 0xEE
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_CODINGS: Final = {0xC0: "baseline", 0xC1: "extended", 0xC2: "progressive", 0xC9: "arithmetic", 0xCA: "arithmetic"}
_PROGRESSIVE: Final = (0xC2, 0xCA)
_BARE: Final = frozenset({0x01, *range(0xD0, 0xD8)})  # TEM and RST carry no length
_KNOWN: Final = _FRAMES | {0xC4, 0xCC, 0xDB, 0xDC, 0xDD, *range(0xE0, 0xF0), 0xFE}
_SPACES: Final = {1: "grey", 3: "rgb", 4: "cmyk"}
_SUBSAMPLINGS: Final = {
    (1, 1): "4:4:4",
    (2, 1): "4:2:2",
    (2, 2): "4:2:0",
    (1, 2): "4:4:0",
    (4, 1): "4:1:1",
    (4, 2): "4:1:0",
}

_LARGEST_SIDE: Final = 65500  # of libjpeg
_MOST_SEGMENTS: Final = 4096  # more than 256 MB of whole ones
_MOST_RUBBISH: Final = 1 << 20  # bytes between segments
_SEARCHED: Final = 2048  # of them at a time
_COUNTED: Final = 1 << 20  # bytes of a progressive JPEG in which scans are counted: a millisecond
_MARKER: Final = re.compile(rb"\xff[^\0\xff]")


def read(window: Window) -> Header | None:
    """The header of a JPEG, up to its first scan; None where it has more segments than are walked here."""
    frame: tuple[int, bytes] | None = None
    exif: bytes | None = None
    jfif = profile = False
    transform: int | None = None
    for marker, start, length in _segments(window):
        if marker == _SOS:
            break
        if marker in _FRAMES:
            if frame:
                raise DamagedOriginal("the JPEG has two frames")
            frame = marker, window.read(start, length)
        elif marker == _APP0:
            jfif = jfif or (length >= 14 and window.read(start, 5) == b"JFIF\0")
        elif marker == _APP1 and exif is None and length > 4 and window.read(start, 4) == b"Exif":
            exif = window.read(start, length)
        elif marker == _APP2 and length > 14:
            # libvips joins the parts of a profile from the first one on.
            profile = profile or window.read(start, 13) == b"ICC_PROFILE\0\1"
        elif marker == _APP14 and length >= 12 and window.read(start, 5) == b"Adobe":
            transform = window.read(start + 11, 1)[0]
    else:
        return None
    if not frame:
        raise DamagedOriginal("the JPEG has no frame before its first scan")
    coding, width, height, components = _frame(*frame)
    progressive = frame[0] in _PROGRESSIVE
    return Header(
        "jpg",
        width,
        height,
        window.size,
        orientation=orientation(exif) if exif else 1,
        profile=profile,
        space=_SPACES[len(components)],
        progressive=progressive,
        scans=window.read(start, _COUNTED).count(b"\xff\xda") + 1 if progressive else 0,
        subsampling=_subsampling([factors for _, factors in components]),
        model=_model(bytes(name for name, _ in components), jfif, transform),
        coding=coding,
    )


def _segments(window: Window) -> Iterator[tuple[int, int, int]]:
    """Marker, start and length of the payload of each segment, the first scan being the last."""
    position, rubbish = 2, 0
    for _ in range(_MOST_SEGMENTS):
        start = window.read(position, 4)
        while not _MARKER.match(start):
            # libjpeg, too, goes on at the next marker.
            skipped = window.read(position, _SEARCHED)
            found = _MARKER.search(skipped)
            step = found.start() if found else len(skipped) - 1
            rubbish += step
            position += step
            if step < 1 or rubbish > _MOST_RUBBISH:
                raise DamagedOriginal("the JPEG has no picture")
            start = window.read(position, 4)
        marker, length = start[1], max(2, int.from_bytes(start[2:4]))
        if marker == _SOS:
            yield marker, position + 2, 0
            return
        if marker in (_SOI, _EOI):
            raise DamagedOriginal("the JPEG has no picture")
        if marker in _BARE:
            position += 2
            continue
        if marker not in _KNOWN or position + 2 + length > window.size:
            raise DamagedOriginal(f"the JPEG's header is broken at byte {position}")
        yield marker, position + 4, length - 2
        position += 2 + length


def _frame(marker: int, data: bytes) -> tuple[str, int, int, list[tuple[int, int]]]:
    """Coding, width, height, and of each component its identifier and its sampling factors (a byte of two)."""
    if marker not in _CODINGS:
        raise UnsupportedFormat("the original is a JPEG picture of a kind that is not read: lossless or hierarchical")
    count = data[5] if len(data) > 5 else 0
    if len(data) != 6 + 3 * count:
        raise DamagedOriginal("the JPEG's frame is broken")
    bits, height, width = data[0], int.from_bytes(data[1:3]), int.from_bytes(data[3:5])
    if not width or not height:
        raise DamagedOriginal(f"the JPEG says that it has {width}x{height} pixels")
    if width > _LARGEST_SIDE or height > _LARGEST_SIDE:
        raise TooManyPixels(f"the original has {width}x{height} pixels; JPEGs of up to {_LARGEST_SIDE} a side are read")
    if bits != 8 or count not in _SPACES:
        raise UnsupportedFormat(
            f"the original is a JPEG picture of {count} channels with {bits} bits, which is not read"
        )
    components = [(data[at], data[at + 1]) for at in range(6, len(data), 3)]
    if not all(1 <= factors >> 4 <= 4 and 1 <= factors & 15 <= 4 for _, factors in components):
        raise DamagedOriginal("the JPEG's sampling is broken")
    return _CODINGS[marker], width, height, components


def _subsampling(factors: list[int]) -> str:
    """How the colour is sampled, from the sampling factors of each component."""
    if len(factors) == 1:
        return ""
    (across, down), (other_across, other_down) = divmod(factors[0], 16), divmod(factors[1], 16)
    if factors[1] != factors[2] or across % other_across or down % other_down or factors[3:] not in ([], factors[:1]):
        return "other"
    return _SUBSAMPLINGS.get((across // other_across, down // other_down), "other")


def _model(identifiers: bytes, jfif: bool, transform: int | None) -> str:
    """What the stored channels are, by the rules of libjpeg (`default_decompress_parms`)."""
    if len(identifiers) == 1:
        return "grey"
    if len(identifiers) == 4:
        return "cmyk" if transform in (None, 0) else "ycck"
    if not jfif and transform == 0:
        return "rgb"
    return "rgb" if not jfif and transform is None and identifiers == b"RGB" else "ycc"
