"""The boxes that MP4 is made of (ISO/IEC 14496-12): walked, not interpreted."""

import struct
from collections.abc import Iterator
from typing import NamedTuple


class Box(NamedTuple):
    """Its four letters, where it begins and ends in the bytes, and where its contents begin."""

    name: str
    start: int
    body: int
    end: int


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """The boxes that lie side by side in a part of some bytes. Raises ValueError for what is none."""
    end = len(data) if end is None else end
    while start + 8 <= end:
        size, name = struct.unpack_from(">I4s", data, start)
        body = start + 8
        if size == 1 and body + 8 <= end:
            (size,) = struct.unpack_from(">Q", data, body)
            body += 8
        elif size == 0:
            size = end - start
        if not body - start <= size <= end - start:
            raise ValueError(f"a box of {size} bytes at {start} reaches beyond what holds it")
        yield Box(name.decode("latin-1"), start, body, start + size)
        start += size


def found(data: bytes, *path: str, within: Box | None = None) -> Box | None:
    """The first box at the end of a path of names, or None."""
    box = within
    for name in path:
        start, end = (box.body, box.end) if box else (0, len(data))
        box = next((inner for inner in boxes(data, start, end) if inner.name == name), None)
        if box is None:
            return None
    return box


def only(data: bytes, *names: str) -> bytes:
    """The outermost boxes of some names, joined."""
    return b"".join(data[box.start : box.end] for box in boxes(data) if box.name in names)
