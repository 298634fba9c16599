"""Progressive JPEGs made short for a small picture: the scans that it does not show are left out.

ITU-T T.81, annexes B, F and G; what is sound, and what a reduced picture is made of, by the rules of libjpeg.
"""

import re
import struct
from dataclasses import dataclass, field
from mmap import mmap
from typing import Final, TypeAlias

Data: TypeAlias = bytes | memoryview | mmap

_SOF2, _DHT, _EOI, _SOS, _DQT, _DRI = 0xC2, 0xC4, 0xD9, 0xDA, 0xDB, 0xDD
_NOTES: Final = frozenset({*range(0xE0, 0xF0), 0xFE})  # APPn and COM
_MARKER: Final = re.compile(rb"\xff+[^\0\xff]", re.DOTALL)
# In a scan, 255 and 0 are a byte; restarts belong to it where there is an interval.
_SCAN_ENDS: Final = re.compile(rb"\xff[^\0\xff]", re.DOTALL)
_RESTARTED_ENDS: Final = re.compile(rb"\xff[^\0\xff\xd0-\xd7]", re.DOTALL)
_RESTARTS: Final = re.compile(rb"\xff([\xd0-\xd7])")

_SIZES: Final = {4: 2, 8: 1}  # pixels a side that are left of a block
_NEEDED: Final = {1: 0, 2: 5, 4: 24, 8: 63}
"""The last coefficient, in zigzag order, that shows in a block of so many pixels a side."""

_SHAPE: Final = 5
"""The last coefficient whose precision is looked at."""

_COARSEST: Final = 32
"""The largest step between values of a coefficient that is taken while the file has finer ones.

A photograph of 12 MP, read at 1/4 and then scaled by 0.6 (0.74): steps of 8 to 12 take .0004 (.0004) off its SSIM, of
20 to 28 .0015 (.0035), of 40 to 56 .0037 (.0087).
"""

_MIDDLE: Final = 9, 8
"""What the steps of a coefficient are raised by whose last bits are missing, for those were cut off and not rounded."""

_MOST_BLOCKS: Final = 10  # of an interleaved unit
_MOST_SCANS: Final = 100  # libvips refuses more
_MOST_SEGMENTS: Final = 512  # 32 MB of whole ones
_MOST_STEP: Final = 2**15 - 1  # decoders multiply with short integers
_LONGEST_RUN: Final = 2**15 - 1  # of blocks without coefficients
# The codes of such runs: 15 of four bits, for runs of 2**0 to 2**14 blocks and more.
_RUNS: Final = b"\xff\xc4\0\x22\x10\0\0\0\x0f" + bytes(12) + bytes(range(0, 15 << 4, 1 << 4))
_NO_RESTARTS: Final = b"\xff\xdd\0\4\0\0"


class _Unusual(Exception):
    """The JPEG is not progressive, not sound or not common: the ordinary decoder is to judge it."""


@dataclass(frozen=True)
class _Scan:
    """Coefficients `first` to `last` of some components, of which `low` bits then are missing, and `high` were."""

    segments: list[bytes]
    """What stands before it: tables of codes and restart intervals, and the notes of the file before the first."""
    header: bytes
    coded: tuple[int, int]
    """Where its data begins and ends."""
    places: tuple[int, ...]
    """Its components, by their places in the frame."""
    first: int
    last: int
    high: int
    low: int


@dataclass
class _Picture:
    """What a file says, as far as it was read."""

    frame: bytes = b""
    size: tuple[int, int] = (0, 0)
    names: bytes = b""
    factors: list[tuple[int, int]] = field(default_factory=list)
    """How often each component is sampled, across and down."""
    quantized_by: bytes = b""
    tables: dict[int, list[int]] = field(default_factory=dict)
    """Quantization tables in zigzag order."""
    codes: set[int] = field(default_factory=set)
    """The Huffman tables that are there, by class and number as a DHT gives them."""
    interval: int = 0
    """Units between restarts; 0 is without."""
    scans: list[_Scan] = field(default_factory=list)
    missing: list[list[int | None]] = field(default_factory=list)
    """Of each component's coefficients, how many bits are missing; None where nothing is known."""


def cut(data: Data, shrink: int) -> bytes | None:
    """What a progressive JPEG shows at 1/`shrink` of its size; None where all of it does, or where all is not sound.

    Scans that do not show at 1/4 or 1/8 are left out. Bits that are missing then are moved into the quantization
    tables, and coefficients that are missing are said to be zero by scans of a few bytes: libjpeg would guess at both,
    which takes it longer than to read what is left. Any damage to the structure of the file returns None, so that the
    decoder reports it; damage to the pixels' data is passed over where it is in what is left out.
    """
    size = _SIZES.get(shrink)
    if not size:
        return None
    try:
        picture = _read(data)
        kept = _kept(picture, size)
        short = _written(data, picture, kept)
    except _Unusual:
        return None
    return short if len(kept) < len(picture.scans) and len(short) < len(data) else None


def _read(data: Data) -> _Picture:
    """The structure of a file, sound from its start to its end."""
    if data[:2] != b"\xff\xd8":
        raise _Unusual
    picture, position = _Picture(), 2
    segments: list[bytes] = []
    for _ in range(_MOST_SEGMENTS):
        found = _MARKER.match(data, position)
        if not found:
            raise _Unusual
        start = found.end()
        marker = data[start - 1]
        if marker == _EOI:
            break
        position = start + int.from_bytes(data[start : start + 2])
        payload = bytes(data[start + 2 : position])
        if position < start + 2 or position > len(data):
            raise _Unusual
        segment = b"\xff" + bytes(data[start - 1 : position])
        if marker == _SOS:
            end = (_RESTARTED_ENDS if picture.interval else _SCAN_ENDS).search(data, position)
            if not end:
                raise _Unusual
            _add_scan(picture, segments, segment, payload, (position, end.start()))
            _check_restarts(data, picture)
            segments, position = [], end.start()
        elif marker == _SOF2 and not picture.frame:
            _add_frame(picture, segment, payload)
        elif marker == _DQT and not picture.scans:
            _add_tables(picture, payload)
        else:
            if marker == _DHT:
                _add_codes(picture, payload)
            elif marker == _DRI and len(payload) == 2:
                picture.interval = int.from_bytes(payload)
            elif marker not in _NOTES:
                raise _Unusual
            if marker not in _NOTES or not picture.scans:
                segments.append(segment)
    else:
        raise _Unusual
    if not picture.scans or any(any(bits is None or bits for bits in missing) for missing in picture.missing):
        raise _Unusual
    return picture


def _add_frame(picture: _Picture, segment: bytes, payload: bytes) -> None:
    count = payload[5] if len(payload) > 5 else 0
    if not 1 <= count <= 4 or len(payload) != 6 + 3 * count or payload[0] != 8:
        raise _Unusual
    picture.frame = segment
    picture.size = int.from_bytes(payload[3:5]), int.from_bytes(payload[1:3])
    picture.names, picture.quantized_by = payload[6::3], payload[8::3]
    picture.factors = [divmod(factors, 16) for factors in payload[7::3]]
    picture.missing = [[None] * 64 for _ in range(count)]
    sound = all(1 <= factor <= 4 for factors in picture.factors for factor in factors)
    if not sound or len(set(picture.names)) != count or not all(picture.size):
        raise _Unusual


def _add_tables(picture: _Picture, payload: bytes) -> None:
    while payload:
        wide, number = divmod(payload[0], 16)
        length = 1 + 64 * (1 + wide)
        if wide > 1 or number > 3 or len(payload) < length:
            raise _Unusual
        steps = payload[1:length]
        picture.tables[number] = list(struct.unpack(">64H", steps)) if wide else list(steps)
        payload = payload[length:]


def _add_codes(picture: _Picture, payload: bytes) -> None:
    while payload:
        number, lengths = payload[0], payload[1:17]
        symbols = payload[17 : 17 + sum(lengths)]
        # No code is all ones, and a code for DC says of how many bits a difference is.
        room = 2**16 - sum(count << 15 - place for place, count in enumerate(lengths))
        wrong = number & ~0x13 or len(lengths) < 16 or len(symbols) < sum(lengths) or len(symbols) > 256 or room < 1
        if wrong or (number < 4 and max(symbols, default=0) > 15):
            raise _Unusual
        picture.codes.add(number)
        payload = payload[17 + len(symbols) :]


def _add_scan(picture: _Picture, segments: list[bytes], segment: bytes, payload: bytes, coded: tuple[int, int]) -> None:
    count = payload[0] if payload else 0
    if not 1 <= count <= len(picture.names) or len(payload) != 4 + 2 * count or len(picture.scans) >= _MOST_SCANS:
        raise _Unusual
    places = tuple(picture.names.find(name) for name in payload[1:-3:2])
    first, last, bits = payload[-3:]
    high, low = divmod(bits, 16)
    if min(places) < 0 or len(set(places)) < count or not first <= last < 64 or low > 13 or (high and high != low + 1):
        raise _Unusual
    if (count > 1 and first) or (last and not first):
        raise _Unusual
    if count > 1 and sum(across * down for across, down in (picture.factors[place] for place in places)) > _MOST_BLOCKS:
        raise _Unusual
    for place, codes in zip(places, payload[2:-3:2], strict=True):
        missing = picture.missing[place]
        coded_by = 0x10 | codes & 15 if first else codes >> 4
        if (first or not high) and coded_by not in picture.codes:
            raise _Unusual
        if picture.quantized_by[place] not in picture.tables or (first and missing[0] is None):
            raise _Unusual
        if any(bits != (high or None) for bits in missing[first : last + 1]):
            raise _Unusual
        missing[first : last + 1] = [low] * (last + 1 - first)
    picture.scans.append(_Scan(segments, segment, coded, places, first, last, high, low))


def _check_restarts(data: Data, picture: _Picture) -> None:
    """The restarts of the last scan are as many as its units ask for, and count from 0 to 7 again and again."""
    if picture.interval:
        scan = picture.scans[-1]
        count = (_units(picture, scan.places) - 1) // picture.interval
        expected = (bytes(range(0xD0, 0xD8)) * (count // 8 + 1))[:count]
        if b"".join(_RESTARTS.findall(data, *scan.coded)) != expected:
            raise _Unusual


def _units(picture: _Picture, places: tuple[int, ...]) -> int:
    """What a scan consists of: blocks of one component, or groups of blocks of several."""
    (width, height), (widest, highest) = picture.size, _most(picture.factors)
    across, down = picture.factors[places[0]] if len(places) == 1 else (1, 1)
    return -(-width * across // (8 * widest)) * -(-height * down // (8 * highest))


def _most(factors: list[tuple[int, int]]) -> tuple[int, int]:
    return max(across for across, _ in factors), max(down for _, down in factors)


def _kept(picture: _Picture, size: int) -> set[int]:
    """The numbers of the scans that show where blocks are reduced to `size` pixels a side."""
    kept = {number for number, scan in enumerate(picture.scans) if not scan.first}
    for place, table in enumerate(picture.quantized_by):
        needed = _NEEDED[_reduced(picture.factors, place, size)]
        own = [number for number, scan in enumerate(picture.scans) if scan.first and scan.places == (place,)]
        coarse = [number for number in own if not picture.scans[number].high and picture.scans[number].first <= needed]
        # A scan that refines needs all that went before it, of coefficients that do not show, too.
        for some in (coarse, *(own[:count] for count in range(1, len(own) + 1))):
            if _fine([picture.scans[number] for number in some], picture.tables[table], needed):
                kept.update(some)
                break
    return kept


def _reduced(factors: list[tuple[int, int]], place: int, size: int) -> int:
    """Pixels a side that libjpeg makes of a component's blocks: more of a colour with fewer samples."""
    wide, high = (most * size for most in _most(factors))
    across, down = factors[place]
    while size < 8 and wide % (across * size * 2) == 0 and high % (down * size * 2) == 0:
        size *= 2
    return size


def _fine(scans: list[_Scan], steps: list[int], needed: int) -> bool:
    """Whether these scans give every coefficient that is needed, without gaps, and its shape precisely enough."""
    missing: dict[int, int] = {}
    for scan in scans:
        missing.update(dict.fromkeys(range(scan.first, scan.last + 1), scan.low))
    shape = range(1, min(needed, _SHAPE) + 1)
    return len(missing) == max(missing, default=0) >= needed and all(
        not missing[place] or steps[place] << missing[place] <= _COARSEST for place in shape
    )


def _written(data: Data, picture: _Picture, kept: set[int]) -> bytes:
    """The file with these scans alone, and nothing missing in it."""
    missing = [[-1] * 64 for _ in picture.names]  # bits of a coefficient, -1 where nothing is known
    for number in sorted(kept):
        scan = picture.scans[number]
        for place in scan.places:
            missing[place][scan.first : scan.last + 1] = [scan.low] * (scan.last + 1 - scan.first)
    known = [64 - bits.count(-1) for bits in missing]
    moved = [min(bits[1:count], default=0) for bits, count in zip(missing, known, strict=True)]
    parts = [b"\xff\xd8", *picture.scans[0].segments]
    frame = bytearray(picture.frame)
    for place, bits in enumerate(moved):
        frame[12 + 3 * place] = place  # each component gets a quantization table of its own
        parts.append(_table(place, picture.tables[picture.quantized_by[place]], bits))
    parts.append(bytes(frame))
    for number, scan in enumerate(picture.scans[: max(kept) + 1]):
        parts += scan.segments if number else []
        if number in kept:
            bits = moved[scan.places[0]] if scan.first else 0
            parts += [scan.header[:-1], bytes([max(scan.high - bits, 0) << 4 | scan.low - bits])]
            parts.append(bytes(data[slice(*scan.coded)]))
    parts += [_NO_RESTARTS, _RUNS]
    parts += [_empty(picture, place, count) for place, count in enumerate(known) if count < 64]
    return b"".join([*parts, b"\xff\xd9"])


def _table(number: int, steps: list[int], bits: int) -> bytes:
    """A quantization table in words, for coefficients that are multiples of 2**`bits`."""
    if bits:
        raised, of = _MIDDLE
        steps = [steps[0], *(min((step << bits) * raised // of, _MOST_STEP) for step in steps[1:])]
    return b"\xff\xdb\0\x83" + bytes([0x10 | number]) + b"".join(step.to_bytes(2) for step in steps)


def _empty(picture: _Picture, place: int, first: int) -> bytes:
    """A scan that says that a component has no coefficients from `first` on, in runs of blocks."""
    blocks = _units(picture, (place,))
    coded = ""
    while blocks:
        run = min(blocks, _LONGEST_RUN)
        code = run.bit_length() - 1
        coded += f"{code:04b}" + f"{run:b}"[1:]
        blocks -= run
    coded += "1" * (-len(coded) % 8)
    stuffed = int(coded, 2).to_bytes(len(coded) // 8).replace(b"\xff", b"\xff\0")
    return b"\xff\xda\0\x08\1" + bytes([picture.names[place], 0, first, 63, 0]) + stuffed
