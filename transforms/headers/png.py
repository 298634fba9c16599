"""The header of a PNG: W3C PNG, third edition, sections 5 and 11."""

import struct
from typing import Final

from transforms.errors import DamagedOriginal
from transforms.headers.exif import LARGEST, orientation
from transforms.headers.header import Header
from transforms.headers.window import Window

_FIRST: Final = b"\0\0\0\x0dIHDR"
_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGB_ALPHA = 0, 2, 3, 4, 6
_DEPTHS: Final = {
    _GREY: (1, 2, 4, 8, 16),
    _RGB: (8, 16),
    _PALETTE: (1, 2, 4, 8),
    _GREY_ALPHA: (8, 16),
    _RGB_ALPHA: (8, 16),
}
_LONGEST: Final = 2**31 - 1
_MOST_CHUNKS: Final = 8192


def read(window: Window) -> Header | None:
    """The header of a PNG, up to its first pixels; None where it has more chunks than are walked here.

    Of an animated PNG it is the first picture, which is all that libvips reads.
    """
    first = window.read(8, 25)
    if len(first) < 25 or not first.startswith(_FIRST):
        raise DamagedOriginal("the PNG does not begin with its header")
    width, height, depth, colour, compression, filtering, interlace = struct.unpack(">IIBBBBB", first[8:21])
    if not 0 < width <= _LONGEST or not 0 < height <= _LONGEST:
        raise DamagedOriginal(f"the PNG says that it has {width}x{height} pixels")
    if depth not in _DEPTHS.get(colour, ()) or compression or filtering or interlace > 1:
        raise DamagedOriginal("the PNG's header is broken")
    exif: bytes | None = None
    profile, transparent, position = False, False, 33
    for _ in range(_MOST_CHUNKS):
        chunk = window.read(position, 8)
        length, name = int.from_bytes(chunk[:4]), chunk[4:]
        if name == b"IDAT":
            break
        if len(chunk) < 8 or length > _LONGEST or position + 8 + length > window.size or name == b"IEND":
            raise DamagedOriginal("the PNG ends before its pixels")
        if name == b"tRNS":
            transparent = True
        elif name == b"iCCP":
            profile = True
        elif name == b"eXIf" and exif is None and length <= LARGEST:
            exif = window.read(position + 8, length)
        position += 12 + length
    else:
        return None
    return Header(
        "png",
        width,
        height,
        window.size,
        orientation=orientation(exif) if exif else 1,
        alpha=transparent or colour in (_GREY_ALPHA, _RGB_ALPHA),
        bits=depth,
        profile=profile,
        space="grey" if colour in (_GREY, _GREY_ALPHA) else "rgb",
        progressive=interlace == 1,
    )
