"""How a frame is turned to be shown, by the display matrix of its container."""

import struct
from typing import Any, Final

from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame

_EXIF: Final = {
    (1, 0, 0, 1): 1,
    (-1, 0, 0, 1): 2,
    (-1, 0, 0, -1): 3,
    (1, 0, 0, -1): 4,
    (0, 1, 1, 0): 5,
    (0, 1, -1, 0): 6,
    (0, -1, -1, 0): 7,
    (0, -1, 1, 0): 8,
}
"""EXIF orientations by the signs of a matrix (a b; c d), x' = ax + cy and y' = bx + dy, y going down."""

_MATRIX: Final = struct.Struct("=9i")  # a b u, c d v, x y w: ISO/IEC 14496-12, 6.2.2; FFmpeg has them in its own order


def orientation(frame: VideoFrame) -> int:
    """The EXIF orientation that a frame's display matrix stands for; 1 where it has none.

    A film that is turned by another angle than a quarter is shown at the nearest one. A frame that was asked is kept by
    what it was asked for, and so for as long as the garbage is not collected.
    """
    sides: Any = frame.side_data
    found: bytes = next((bytes(side) for side in sides if side.type == Type.DISPLAYMATRIX), b"")
    if len(found) < _MATRIX.size:
        return 1
    a, b, _, c, d, *_ = _MATRIX.unpack(found[: _MATRIX.size])
    upright = abs(a) + abs(d) >= abs(b) + abs(c)
    signs = (_sign(a), 0, 0, _sign(d)) if upright else (0, _sign(b), _sign(c), 0)
    return _EXIF.get(signs, 1)


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)
