"""The picture that a sound carries, as another sound may carry it on."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from av.container import InputContainer

from transforms.errors import Refusal
from transforms.limits import Limits
from transforms.stored import cleaned
from transforms.video.covers import cover_of

_MOST_BYTES: Final = 4_000_000
_MEDIA_TYPES: Final = {"jpg": "image/jpeg", "png": "image/png"}
_CODECS: Final = {"jpg": "mjpeg", "png": "png"}
# What draws the picture. All else tells of it, and may tell where it was taken.
_DRAWN: Final = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT")
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Cover:
    """A JPEG or PNG file that says nothing beside its picture."""

    kind: str
    width: int
    height: int
    data: bytes

    @property
    def codec(self) -> str:
        """FFmpeg's name of the codec."""
        return _CODECS[self.kind]

    @property
    def media_type(self) -> str:
        return _MEDIA_TYPES[self.kind]


def kept_cover(container: InputContainer, limits: Limits) -> Cover | None:
    """The cover of a sound, without what its own file says beside the picture.

    None where there is none, and where it is no JPEG or PNG that is whole and within the limits: a sound is the same
    without it. Nothing is decoded. The container is to be opened anew behind this.
    """
    if not (found := cover_of(container)):
        return None
    data, header = found
    try:
        limits.check_original(header)
    except Refusal:
        return None
    if header.kind not in _CODECS or len(data) > _MOST_BYTES:
        return None
    whole = cleaned(data, {}) if header.kind == "jpg" else _png(data)
    return Cover(header.kind, *header.upright, whole) if whole else None


def _png(data: bytes) -> bytes | None:
    """A PNG of the chunks that draw it; None where they do not fill the file."""
    kept = [data[start:end] for name, start, end in _chunks(data) if name in _DRAWN]
    return _SIGNATURE + b"".join(kept) if kept and kept[-1][4:8] == b"IEND" else None


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of each chunk, up to the last that is whole."""
    place = len(_SIGNATURE)
    while place + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, place)
        end = place + 12 + length
        if end > len(data):
            return
        yield name, place, end
        if name == b"IEND":
            return
        place = end
