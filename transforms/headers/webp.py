"""The header of a WebP: RFC 9649; the VP8 frame header is section 9.1 of RFC 6386."""

from typing import Final, NamedTuple

from transforms.errors import DamagedOriginal
from transforms.headers.exif import LARGEST, orientation
from transforms.headers.header import Header
from transforms.headers.window import Window

_ANIMATION, _EXIF, _ALPHA, _PROFILE = 0x02, 0x08, 0x10, 0x20  # flags of VP8X
_MOST_CHUNKS: Final = 8192


class _Bitstream(NamedTuple):
    width: int
    height: int
    alpha: bool
    coding: str


def read(window: Window, most_frames: int) -> Header | None:
    """The header of a WebP; frames are counted up to one more than `most_frames`.

    None where it has more chunks than are walked here.
    """
    end = int.from_bytes(window.read(4, 4), "little") + 8
    if end > window.size:
        raise DamagedOriginal("the WebP ends before its last byte")
    if window.read(12, 4) == b"VP8X":
        return _extended(window, end, most_frames)
    picture = _bitstream(window, 12)
    return Header("webp", picture.width, picture.height, window.size, alpha=picture.alpha, coding=picture.coding)


def _extended(window: Window, end: int, most_frames: int) -> Header | None:
    start = window.read(16, 14)
    if len(start) < 14:
        raise DamagedOriginal("the WebP ends within its header")
    flags = start[4]
    width, height = _three(start[8:11]) + 1, _three(start[11:14]) + 1
    position = 20 + _padded(start[:4])
    exif: bytes | None = None
    profile, frames, alpha, coding = False, 0, bool(flags & _ALPHA), ""
    for _ in range(_MOST_CHUNKS):
        chunk = window.read(position, 8)
        name, length = chunk[:4], int.from_bytes(chunk[4:8], "little")
        if position + 8 > end or frames > most_frames:
            break
        if name == b"EXIF" and flags & _EXIF and exif is None and length <= LARGEST:
            exif = window.read(position + 8, length)
        elif name == b"ICCP":
            profile = bool(flags & _PROFILE)
        elif name in (b"VP8 ", b"VP8L"):
            coding, frames = _bitstream(window, position).coding, 1
        elif name == b"ANMF" and flags & _ANIMATION:
            # libwebp goes on behind the frame's picture, whatever length the frame states.
            picture, position = _frame(window, position + 24)
            if picture:
                frames += 1
                coding = coding or picture.coding
                # libvips needs an alpha for frames that leave some of the canvas empty, too.
                alpha = alpha or picture.alpha or (picture.width, picture.height) != (width, height)
            continue
        position += 8 + _padded(chunk[4:8])
    else:
        return None
    if not frames:
        raise DamagedOriginal("the WebP has no picture")
    return Header(
        "webp",
        width,
        height,
        window.size,
        orientation=orientation(exif) if exif else 1,
        alpha=alpha,
        frames=frames,
        profile=profile,
        coding=coding,
    )


def _frame(window: Window, position: int) -> tuple[_Bitstream | None, int]:
    """The picture of a frame of an animation, maybe behind its alpha, maybe missing; and the place behind it."""
    start = window.read(position, 8)
    alpha = start[:4] == b"ALPH"
    if alpha:
        position += 8 + _padded(start[4:])
        start = window.read(position, 8)
    if start[:4] not in (b"VP8 ", b"VP8L"):
        return None, position
    picture = _bitstream(window, position)
    return picture._replace(alpha=alpha or picture.alpha), position + 8 + _padded(start[4:])


def _bitstream(window: Window, position: int) -> _Bitstream:
    data = window.read(position, 18)
    if len(data) == 18 and data[:4] == b"VP8 " and data[11:14] == b"\x9d\x01\x2a" and not data[8] & 1:
        width, height = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (14, 16))
        if width and height:
            return _Bitstream(width, height, False, "lossy")
    if len(data) >= 13 and data[:4] == b"VP8L" and data[8] == 0x2F:
        bits = int.from_bytes(data[9:13], "little")
        return _Bitstream((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1), "lossless")
    raise DamagedOriginal("the WebP's picture is broken")


def _three(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _padded(size: bytes) -> int:
    length = int.from_bytes(size, "little")
    return length + (length & 1)
