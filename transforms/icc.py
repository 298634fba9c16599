"""The name of a colour profile: ICC.1:2022, sections 7.2, 7.3 and 10.15; ICC.1:2001-04, section 6.5.17."""

import struct
from typing import Final

from transforms.facts import clean

_MOST_TAGS: Final = 100
_MOST_BYTES: Final = 4096  # of a description


def profile_name(profile: bytes) -> str | None:
    """What a profile calls itself, in English where it has several names; None where it does not say."""
    if profile[36:40] != b"acsp":
        return None
    (count,) = struct.unpack(">I", profile[128:132].rjust(4, b"\0"))
    table = profile[132 : 132 + 12 * min(count, _MOST_TAGS)]
    for tag, start, length in struct.iter_unpack(">4sII", table[: len(table) // 12 * 12]):
        if tag == b"desc":
            held = profile[start : start + min(length, _MOST_BYTES)]
            return _localised(held) if held[:4] == b"mluc" else clean(held[12:]) if held[:4] == b"desc" else None
    return None


def _localised(held: bytes) -> str | None:
    table = held[16:]
    (count,) = struct.unpack(">I", held[8:12].rjust(4, b"\0"))
    rows = list(struct.iter_unpack(">2s2sII", table[: min(count * 12, len(table) // 12 * 12)]))
    if not rows:
        return None
    _, _, length, start = next((row for row in rows if row[0] == b"en"), rows[0])
    return clean(held[start : start + length // 2 * 2].decode("utf-16-be", "replace").partition("\0")[0])
