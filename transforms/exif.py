"""What a camera wrote down beside a picture: EXIF 2.32 (CIPA DC-008) in the directories of TIFF 6.0.

Three directories are read, each once and entry by entry, so that loops, lengths and counts in a block do no harm. The
directory of the thumbnail and the maker's note are never looked at.
"""

import math
import re
import struct
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, TypeAlias

from transforms.facts import JSON, Facts, clean, known

Read: TypeAlias = Callable[[int, int], bytes]
Value: TypeAlias = bytes | tuple[float, ...]
Directory: TypeAlias = Mapping[int, Value]

_CAMERA, _PLACE = 0x8769, 0x8825  # where the directories of the shot and of the place are
_MOST_ENTRIES: Final = 512
_MOST_BYTES: Final = 8192  # of one value: texts are cut, no number that is read here has more

_TEXTS: Final = frozenset({2, 7, 129})
_NUMBERS: Final = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I"}
_FRACTIONS: Final = {5: "II", 10: "ii"}
_SIZES: Final = {
    **dict.fromkeys(_TEXTS, 1),
    **{kind: struct.calcsize(letters) for kind, letters in (*_NUMBERS.items(), *_FRACTIONS.items())},
}

_TIME: Final = re.compile(rb"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d):(\d\d)")
_DATE: Final = re.compile(rb"(\d{4})[:-](\d\d)[:-](\d\d)")
_OFFSET: Final = re.compile(rb"[+-](?:0\d|1[0-4]):[0-5]\d")


def read_exif(read: Read, *, gps: bool) -> Facts:
    """The facts of an EXIF block; what is missing or cannot be read is left out, and nothing is raised.

    `read(start, length)` gives bytes of the block, which begins with a TIFF header, fewer where it ends. Lengths are in
    millimetres, times in seconds, places in degrees and metres. The place is read only where `gps` asks for it.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(read(0, 4))
    start = read(4, 4)
    if not order or len(start) < 4:
        return {}
    picture = _directory(read, order, struct.unpack(order + "I", start)[0])
    shot = _directory(read, order, _pointer(picture, _CAMERA))
    place = _directory(read, order, _pointer(picture, _PLACE)) if gps else {}
    exposure = _positive(shot.get(0x829A))
    return known(
        {
            **{name: reader(picture.get(tag)) for name, (tag, reader) in _OF_PICTURE.items()},
            **{name: reader(shot.get(tag)) for name, (tag, reader) in _OF_SHOT.items()},
            "exposure": exposure,
            "exposure_text": _shutter(exposure) if exposure else None,
            "taken": _taken(shot),
            "gps": _gps(place) or None,
        }
    )


def _directory(read: Read, order: str, start: int) -> Directory:
    """The values of a directory by their tags; of two with the same tag the first counts."""
    head = read(start, 2) if start else b""
    if len(head) < 2:
        return {}
    table = read(start + 2, 12 * min(_MOST_ENTRIES, struct.unpack(order + "H", head)[0]))
    found: dict[int, Value] = {}
    for tag, kind, count, place in struct.iter_unpack(order + "HHII", table[: len(table) // 12 * 12]):
        length = _SIZES.get(kind, 0) * count
        if tag not in _WANTED or tag in found or not length:
            continue
        held = struct.pack(order + "I", place)[:length] if length <= 4 else read(place, min(length, _MOST_BYTES))
        found[tag] = held if kind in _TEXTS else _numbers(held, kind, order)
    return found


def _numbers(held: bytes, kind: int, order: str) -> tuple[float, ...]:
    """The first numbers of a value; a fraction with nothing below its line is not a number."""
    size = _SIZES[kind]
    held = held[: min(len(held), 8 * size) // size * size]
    if kind in _NUMBERS:
        return tuple(number for (number,) in struct.iter_unpack(order + _NUMBERS[kind], held))
    pairs = struct.iter_unpack(order + _FRACTIONS[kind], held)
    return tuple(above / below if below else math.nan for above, below in pairs)


def _pointer(directory: Directory, tag: int) -> int:
    return _whole(directory.get(tag)) or 0


# One value


def _text(value: Value | None) -> str | None:
    return clean(value) if isinstance(value, bytes) else None


def _rights(value: Value | None) -> str | None:
    """The photographer's and the editor's copyright, which a zero parts."""
    if not isinstance(value, bytes):
        return None
    return ", ".join(filter(None, map(clean, value.split(b"\0", 2)[:2]))) or None


def _finite(value: Value | None) -> float | None:
    first = value[0] if isinstance(value, tuple) and value else math.nan
    return first if math.isfinite(first) else None


def _positive(value: Value | None) -> float | None:
    number = _finite(value)
    return float(f"{number:.6g}") if number and number > 0 else None


def _whole(value: Value | None) -> int | None:
    number = _finite(value)
    return int(number) if number and number > 0 else None


def _orientation(value: Value | None) -> int | None:
    number = _whole(value)
    return number if number and number <= 8 else None


def _flash(value: Value | None) -> bool | None:
    """Whether the flash fired, which is the lowest bit of several."""
    number = _finite(value)
    return None if number is None else bool(int(number) & 1)


_OF_PICTURE: Final[Mapping[str, tuple[int, Callable[[Value | None], JSON]]]] = {
    "make": (0x010F, _text),
    "model": (0x0110, _text),
    "description": (0x010E, _text),
    "artist": (0x013B, _text),
    "copyright": (0x8298, _rights),
    "software": (0x0131, _text),
    "orientation": (0x0112, _orientation),
}
_OF_SHOT: Final[Mapping[str, tuple[int, Callable[[Value | None], JSON]]]] = {
    "lens_make": (0xA433, _text),
    "lens": (0xA434, _text),
    "focal_length": (0x920A, _positive),
    "focal_length_35mm": (0xA405, _positive),
    "aperture": (0x829D, _positive),
    "iso": (0x8827, _whole),
    "flash": (0x9209, _flash),
}


# Several values

_ORIGINAL, _DIGITISED = (0x9003, 0x9011, 0x9291), (0x9004, 0x9012, 0x9292)  # time, offset, fraction of a second
_LATITUDE, _LONGITUDE = (0x0001, 0x0002), (0x0003, 0x0004)  # which half of the globe, degrees
_BELOW, _ALTITUDE, _CLOCK, _DAY = 0x0005, 0x0006, 0x0007, 0x001D

_WANTED: Final = frozenset(
    (
        *(tag for tag, _ in (*_OF_PICTURE.values(), *_OF_SHOT.values())),
        *(_CAMERA, _PLACE, 0x829A),
        *(*_ORIGINAL, *_DIGITISED),
        *(*_LATITUDE, *_LONGITUDE, _BELOW, _ALTITUDE, _CLOCK, _DAY),
    )
)


def _shutter(seconds: float) -> str:
    """An exposure as cameras show it: "1/250", "0.5", "30"."""
    return f"1/{round(1 / seconds)}" if seconds <= 0.25 else f"{float(f'{seconds:.3g}'):g}"


def _taken(shot: Directory) -> str | None:
    """When the picture was taken, or else digitised: ISO 8601 in the camera's time, with its offset where known."""
    for time, offset, fraction in (_ORIGINAL, _DIGITISED):
        found = _TIME.match(_bytes(shot, time))
        moment = _moment(*map(int, found.groups())) if found else None
        if moment:
            digits = re.match(rb"\d{1,6}", _bytes(shot, fraction))
            zone = _OFFSET.match(_bytes(shot, offset))
            return moment + (f".{digits[0].decode()}" if digits else "") + (zone[0].decode() if zone else "")
    return None


def _bytes(directory: Directory, tag: int) -> bytes:
    value = directory.get(tag)
    return value if isinstance(value, bytes) else b""


def _moment(year: int, month: int, day: int, hour: int, minute: int, second: int) -> str | None:
    try:
        return datetime(year, month, day, hour, minute, second).isoformat()
    except ValueError:
        return None


def _gps(place: Directory) -> Facts:
    latitude = _degrees(place, *_LATITUDE, {b"N": 90, b"S": -90})
    longitude = _degrees(place, *_LONGITUDE, {b"E": 180, b"W": -180})
    altitude, below = _finite(place.get(_ALTITUDE)), _finite(place.get(_BELOW))
    here = latitude is not None and longitude is not None
    return known(
        {
            "latitude": latitude if here else None,
            "longitude": longitude if here else None,
            "altitude": None if altitude is None else round(-altitude if below == 1 else altitude, 2),
            "time": _satellite_time(place),
        }
    )


def _degrees(place: Directory, half: int, tag: int, ends: Mapping[bytes, int]) -> float | None:
    """Degrees, minutes and seconds as degrees, to a tenth of a metre; `ends` are those of the globe's halves."""
    parts, end = place.get(tag), ends.get(_bytes(place, half)[:1].upper())
    if not end or not isinstance(parts, tuple) or not parts or not all(map(math.isfinite, parts[:3])):
        return None
    degrees = sum(part / 60**power for power, part in enumerate(parts[:3]))
    return round(math.copysign(degrees, end), 6) if 0 <= degrees <= abs(end) else None


def _satellite_time(place: Directory) -> str | None:
    day, clock = _DATE.match(_bytes(place, _DAY)), place.get(_CLOCK)
    if not day or not isinstance(clock, tuple) or len(clock) < 3 or not all(map(math.isfinite, clock[:3])):
        return None
    moment = _moment(*map(int, day.groups()), *map(int, clock[:3]))
    return f"{moment}Z" if moment else None
