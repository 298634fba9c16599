"""The one tag of EXIF that decides what a picture looks like."""

import struct
from typing import Final

# More than any camera writes; a block that is longer is not read at all by libexif's users either.
LARGEST: Final = 1 << 20

_ORIENTATION: Final = 0x0112
_WHOLE: Final = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}


def orientation(tiff: bytes) -> int:
    """The orientation (1..8) in an EXIF block, with or without its `Exif` mark; 1 where it has none or a wrong one.

    Only the first directory is looked at, once, entry by entry, so that loops and lengths in the block do no harm.
    TIFF 6.0, section 2; EXIF 2.32, section 4.6.4. The first readable entry counts, of any whole type, as in libexif.
    """
    tiff = tiff.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None or len(tiff) < 10:
        return 1
    (start,) = struct.unpack_from(order + "I", tiff, 4)
    if start + 2 > len(tiff):
        return 1
    (entries,) = struct.unpack_from(order + "H", tiff, start)
    table = tiff[start + 2 : start + 2 + 12 * entries]
    for tag, kind, count, place in struct.iter_unpack(order + "HHII", table[: len(table) // 12 * 12]):
        if tag == _ORIENTATION and kind in _WHOLE and count:
            value = struct.Struct(order + _WHOLE[kind])
            inline = struct.pack(order + "I", place)
            held = inline if value.size * count <= 4 else tiff[place : place + value.size * count]
            if len(held) >= value.size * count:
                found = int(value.unpack_from(held)[0])
                return found if 1 <= found <= 8 else 1
    return 1
