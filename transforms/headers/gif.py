"""The header of a GIF, and its frames counted: CompuServe GIF89a, sections 15 to 27.

Size, frames and alpha are those that libnsgif finds, the reader of libvips, odd cases included.
"""

import struct
from typing import Final

from transforms.errors import DamagedOriginal
from transforms.headers.header import Header
from transforms.headers.window import Window

_EXTENSION, _IMAGE, _TRAILER = b"\x21", b"\x2c", b"\x3b"
_GRAPHIC_CONTROL, _COMMENT = 0xF9, 0xFE
_LONGEST_CODE: Final = 12  # bits of an LZW code
_DESCRIPTOR: Final = struct.Struct("<BHHHHB")

# Sizes of screens that old programs wrote for want of the picture's: libnsgif takes the first frame's instead.
_SCREENS: Final = frozenset({(640, 480), (640, 512), (800, 600), (1024, 768), (1280, 1024), (1600, 1200)})
_LARGEST_SCREEN: Final = 2048

_STEP: Final = 65536  # bytes of data that are walked at a time
_MOST_BLOCKS: Final = 400_000  # 100 MB of whole ones; 20 ms
_EXTENSION_COST: Final = 16  # blocks that could be walked in the time of one extension


class _TooLong(Exception):
    """More blocks than are walked here."""


class _Ended(Exception):
    """The file ends, or goes on with something that is not a frame."""


def read(window: Window, most_frames: int) -> Header | None:
    """The header of a GIF; frames are counted up to one more than `most_frames`.

    None where it has more blocks than are walked here.
    """
    screen = window.read(0, 13)
    if len(screen) < 13:
        raise DamagedOriginal("the GIF ends within its header")
    width, height = int.from_bytes(screen[6:8], "little"), int.from_bytes(screen[8:10], "little")
    if (width, height) in _SCREENS or not width or not height or max(width, height) > _LARGEST_SCREEN:
        width = height = 1
    walk, frames, alpha = _Walk(window, 13 + _palette(screen[10])), 0, False
    try:
        while frames <= most_frames:
            right, bottom, transparent, whole = walk.frame()
            if not frames:
                width, height = max(width, right), max(height, bottom)
                alpha = not whole  # what is missing of the first frame stays transparent
            alpha = alpha or transparent
            frames += 1
            if not whole:
                break
    except _Ended:
        pass
    except _TooLong:
        return None
    if not frames:
        raise DamagedOriginal("the GIF has no frame")
    return Header("gif", width, height, window.size, alpha=alpha, frames=frames)


def _palette(flags: int) -> int:
    return 6 << (flags & 7) if flags & 0x80 else 0


class _Walk:
    """A place in a GIF that goes from frame to frame."""

    def __init__(self, window: Window, position: int) -> None:
        self._window = window
        self._position = position  # of the data in the file
        self._data = b""
        self._at = 0  # in the data
        self._blocks = _MOST_BLOCKS

    def frame(self) -> tuple[int, int, bool, bool]:
        """Right edge, bottom edge, transparency and wholeness of the next frame; the place is behind it then."""
        transparent = self._extensions()
        descriptor = self._next(10)
        if len(descriptor) < 10 or descriptor[:1] != _IMAGE:
            raise _Ended
        _, left, top, across, down, flags = _DESCRIPTOR.unpack(descriptor)
        self._at += 10 + _palette(flags)
        start = self._next(3)
        if len(start) < 3 or start[:1] == _TRAILER or start[0] >= _LONGEST_CODE:
            raise _Ended
        self._at += 1
        return left + across, top + down, transparent, self._skip()

    def _extensions(self) -> bool:
        transparent = False
        while (start := self._next(4))[:1] == _EXTENSION:
            if len(start) < 3:
                raise _Ended
            if start[1] == _GRAPHIC_CONTROL and len(start) > 3 and start[3] & 1:
                transparent = True
            self._at += 2 if start[1] == _COMMENT else 3 + start[2]
            self._blocks = max(0, self._blocks - _EXTENSION_COST)
            if not self._skip():
                raise _Ended
        return transparent

    def _next(self, length: int) -> bytes:
        if self._at + length > len(self._data):
            self._position += self._at
            self._data, self._at = self._window.read(self._position, _STEP), 0
        return self._data[self._at : self._at + length]

    def _skip(self) -> bool:
        """Walk over data blocks and the empty one that ends them, which may be missing."""
        while self._next(1):
            data, at = self._data, self._at
            end, walked = len(data), 0
            for walked in range(self._blocks):
                if at >= end:
                    break
                length = data[at]
                at += length + 1
                if not length:
                    self._at, self._blocks = at, self._blocks - walked - 1
                    return True
            else:
                raise _TooLong
            self._at, self._blocks = at, self._blocks - walked
        return False
