"""Pictures that say which they are: an original's number and version as sixteen coloured squares."""

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyvips

SIDE = 256
"""Pixels of a side of an original."""
GRID = 4
COLOURS = np.array([(0, 0, 0), (255, 255, 255), (230, 0, 0), (0, 0, 230)], np.float64)
"""Far from each other in brightness and in hue, so that no encoder's loss takes one for another."""
ID_BITS, VERSION_BITS, CHECK_BITS = 9, 15, 8
MOST, NEWEST = 1 << ID_BITS, 1 << VERSION_BITS


@dataclass(frozen=True)
class Said:
    """What a picture says of itself."""

    id: int
    version: int


class Unreadable(ValueError):
    """A picture that says nothing, or something that its check denies."""


def drawn(said: Said) -> bytes:
    """An original as JPEG."""
    if not (0 <= said.id < MOST and 0 <= said.version < NEWEST):
        raise ValueError(f"an id below {MOST} and a version below {NEWEST}, not {said}")
    word = said.id << VERSION_BITS | said.version
    word = word << CHECK_BITS | _check(word)
    symbols = [word >> 2 * place & 3 for place in range(GRID * GRID)]
    squares = COLOURS[np.array(symbols).reshape(GRID, GRID)].astype(np.uint8)
    pixels = squares.repeat(SIDE // GRID, axis=0).repeat(SIDE // GRID, axis=1)
    image: Any = pyvips.Image.new_from_array(pixels, interpretation="srgb")
    return bytes(image.jpegsave_buffer(Q=92, keep="none"))


def read(body: bytes) -> Said:
    """What a rendition of one says, in any format and size. Raises Unreadable."""
    try:
        image: Any = pyvips.Image.new_from_buffer(body, "").colourspace("srgb")
        image = image.flatten() if image.hasalpha() else image
        pixels = image.numpy().astype(np.float64)
    except pyvips.Error as error:
        raise Unreadable(f"{len(body)} bytes are no picture: {body[:24]!r}") from error
    height, width = pixels.shape[:2]
    word = 0
    for place in reversed(range(GRID * GRID)):
        row, column = divmod(place, GRID)
        middle = pixels[
            (row * 4 + 1) * height // (4 * GRID) : (row * 4 + 3) * height // (4 * GRID),
            (column * 4 + 1) * width // (4 * GRID) : (column * 4 + 3) * width // (4 * GRID),
        ]
        colour = middle.reshape(-1, pixels.shape[2])[:, :3].mean(axis=0)
        word = word << 2 | int(((COLOURS - colour) ** 2).sum(axis=1).argmin())
    said, check = word >> CHECK_BITS, word & (1 << CHECK_BITS) - 1
    if _check(said) != check:
        raise Unreadable(f"a picture of {width}x{height} whose squares do not fit their check")
    return Said(said >> VERSION_BITS, said & NEWEST - 1)


def _check(word: int) -> int:
    return zlib.crc32(word.to_bytes(4, "big")) & (1 << CHECK_BITS) - 1
