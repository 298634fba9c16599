"""A JPEG that is only to be written anew: the quality that it has already, and itself without what may not go out.

ITU-T T.81, annexes B and K; JFIF; Adobe technical note 5116.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from transforms.scans import Data

_SOF0, _SOF2, _DHT, _EOI, _SOS, _DQT, _DRI = 0xC0, 0xC2, 0xC4, 0xD9, 0xDA, 0xDB, 0xDD
_APP0, _APP1, _APP13, _APP14 = 0xE0, 0xE1, 0xED, 0xEE
_SOI: Final = b"\xff\xd8"
_NOTES: Final = frozenset({*range(0xE0, 0xF0), 0xFE})  # APPn and COM
_PICTURE: Final = frozenset({_SOF0, _SOF2, _DHT, _SOS, _DQT, _DRI})
_FRAMES: Final = frozenset({_SOF0, _SOF2})
_MARKER: Final = re.compile(rb"\xff+[^\0\xff]", re.DOTALL)
_SCAN_ENDS: Final = re.compile(rb"\xff[^\0\xff\xd0-\xd7]", re.DOTALL)
_MOST_SEGMENTS: Final = 4096

# How the stored channels are to be read, by the beginning of the segment that says it, and how much of it that is: what
# follows in the first is a thumbnail, and two bytes say that there is none.
_COLOURS: Final = {_APP0: (b"JFIF\0", 12, b"\0\0"), _APP14: (b"Adobe", 12, b"")}
_SEGMENTS: Final = {
    "exif-data": (_APP1, b""),
    "xmp-data": (_APP1, b"http://ns.adobe.com/xap/1.0/\0"),
    "iptc-data": (_APP13, b""),
}
_USUAL_STEPS: Final = 3688  # the sum of table K.1, which is that of quality 50


class _Unusual(Exception):
    """The file is not sound, or has parts that are not known here."""


def own_quality(data: Data) -> int | None:
    """The quality (1 to 100) at which the IJG's encoder quantizes brightness as finely; None where it is not told.

    Below 20 it is told as higher than it was, since steps end at 255.
    """
    tables: dict[int, int] = {}
    brightness = -1  # the number of its table, which no table has before the frame says it
    try:
        for marker, start, end in _segments(data):
            if marker == _DQT:
                tables |= _sums(bytes(data[start + 4 : end]))
            elif marker in (_SOF0, _SOF2) and end > start + 12:
                brightness = data[start + 12]
            elif marker == _SOS:
                percent = 100 * tables[brightness] / _USUAL_STEPS
                return max(1, round(5000 / percent if percent > 100 else 100 - percent / 2))
    except (_Unusual, KeyError):
        return None
    return None


def _sums(payload: bytes) -> dict[int, int]:
    """The sum of each quantization table, by its number."""
    sums: dict[int, int] = {}
    while payload:
        wide, number = divmod(payload[0], 16)
        length = 1 + 64 * (1 + wide)
        if wide > 1 or len(payload) < length:
            raise _Unusual
        steps = payload[1:length]
        sums[number] = sum(steps[1::2]) + 256 * sum(steps[::2]) if wide else sum(steps)
        payload = payload[length:]
    return sums


def cleaned(data: Data, blocks: Mapping[str, bytes]) -> bytes | None:
    """The file with these blocks (by libvips' names) for all that it says beside its picture; None where unsure.

    Nothing behind the picture goes along, where phones put a second picture or a film.
    """
    head: list[bytes] = []
    body: list[bytes] = []
    said: set[int] = set()
    try:
        for marker, start, end in _segments(data):
            if marker in _FRAMES:
                if said & _FRAMES:
                    return None  # a second picture, of which decoders may make what they like
                said.add(marker)
            if marker in _PICTURE or marker == _EOI:
                body.append(bytes(data[start:end]))
            elif marker in _COLOURS and marker not in said:
                mark, length, rest = _COLOURS[marker]
                payload = bytes(data[start + 4 : end])
                if payload.startswith(mark) and len(payload) >= length + len(rest):
                    head.append(_segment(marker, payload[:length] + rest))
                    said.add(marker)
    except _Unusual:
        return None
    return b"".join([_SOI, *head, *_notes(blocks), *body])


def annotated(data: bytes, blocks: Mapping[str, bytes]) -> bytes:
    """A JPEG that says nothing beside its picture, with these blocks (by libvips' names)."""
    return b"".join([_SOI, *_notes(blocks), data[len(_SOI) :]]) if blocks else data


def _notes(blocks: Mapping[str, bytes]) -> list[bytes]:
    return [_segment(_SEGMENTS[name][0], _SEGMENTS[name][1] + block) for name, block in blocks.items()]


def _segment(marker: int, payload: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(payload) + 2).to_bytes(2) + payload


def _segments(data: Data) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of each segment up to the end of the picture, that of a scan with its data."""
    if data[:2] != _SOI:
        raise _Unusual
    position = 2
    for _ in range(_MOST_SEGMENTS):
        found = _MARKER.match(data, position)
        if not found:
            raise _Unusual
        start, marker = found.end() - 2, data[found.end() - 1]
        if marker == _EOI:
            yield marker, start, start + 2
            return
        length = int.from_bytes(data[start + 2 : start + 4])
        position = start + 2 + length
        if marker not in _NOTES | _PICTURE or length < 2 or position > len(data):
            raise _Unusual
        if marker == _SOS:
            ends = _SCAN_ENDS.search(data, position)
            if not ends:
                raise _Unusual
            position = ends.start()
        yield marker, start, position
    raise _Unusual
