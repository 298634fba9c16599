"""Where the index of an MP4 or MOV is, told from its first bytes (ISO/IEC 14496-12, 4.2: a file is boxes)."""

import re
from typing import Final

_NAME: Final = re.compile(rb"[A-Za-z0-9 ]{4}")
_NARROW, _WIDE = 8, 16
"""Bytes of the two kinds of a box's head: the size is in 32 or in 64 bits."""


def index_place(head: bytes, size: int) -> tuple[int, int] | None:
    """First byte and length of what the index is in, of a file of so many bytes; None where that cannot be told.

    Where `head` ends before there is an index, it is behind the box that goes beyond, up to the end of the file.
    """
    at = 0
    while at < size:
        if at + _WIDE > len(head):
            return (at, size - at) if at else None
        length, name, narrow = int.from_bytes(head[at : at + 4]), head[at + 4 : at + 8], True
        if length == 1:  # it is in the eight bytes that follow
            length, narrow = int.from_bytes(head[at + 8 : at + 16]), False
        if length == 0:  # it goes to the end
            length = size - at
        if not _NAME.fullmatch(name) or length < (_NARROW if narrow else _WIDE):
            return None
        if name == b"moov":
            return at, min(length, size - at)
        at += length
    return None
