"""What is known of an original before any pixel is decoded, read from its first bytes in pure Python."""

from typing import BinaryIO, Final

from transforms.errors import DamagedOriginal, UnsupportedFormat
from transforms.formats import FORMATS
from transforms.headers import gif, jpeg, png, webp
from transforms.headers.exif import orientation
from transforms.headers.header import Header
from transforms.headers.window import Window
from transforms.sniff import HEAD, WINDOW, called, sniff

__all__ = ["MOST_FRAMES", "Header", "check_kind", "orientation", "read_header"]

MOST_FRAMES: Final = 4096

_UNKNOWN: Final = "the original's bytes are of no format that is known here"
_STILL: Final = {"jpg": jpeg.read, "png": png.read}
_MOVING: Final = {"gif": gif.read, "webp": webp.read}


def read_header(file: BinaryIO, size: int, most_frames: int = MOST_FRAMES) -> Header | None:
    """The header of an original of `size` bytes; None where a worker must read it.

    JPEG, PNG, GIF and WebP are read here. A worker reads the other formats, and headers of these four that go on for so
    long that reading them would hold up the front. Frames are counted up to one more than `most_frames`.
    Raises `UnsupportedFormat` that names what came, and `DamagedOriginal` where the header cannot be that of a picture.
    """
    window = Window(file, size)
    head = window.read(0, HEAD)
    if not head:
        raise DamagedOriginal("the original is empty")
    kind = sniff(head)
    if kind in ("xml", "gzip") and size > HEAD:
        kind = sniff(window.read(0, WINDOW))
    if kind in _STILL:
        return _STILL[kind](window)
    if kind in _MOVING:
        return _MOVING[kind](window, most_frames)
    check_kind(kind)
    return None


def check_kind(kind: str | None) -> None:
    """Refuse what `sniff` has found if it is not read here. Raises `UnsupportedFormat` that names what came."""
    if kind not in FORMATS:
        raise UnsupportedFormat(f"the original is {called(kind)}, which is not read" if kind else _UNKNOWN)
