"""What a result carries of its original's metadata: blocks written anew from what may go on, never the blocks as found.

EXIF 2.32 (CIPA DC-008), TIFF 6.0, XMP part 1 (ISO 16684-1), IPTC IIM in Photoshop's resources (Adobe, 2019).
"""

import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from transforms.exif import Read
from transforms.wishes import Saving

Entry = tuple[int, int, bytes]
"""Tag, type and value of an EXIF entry."""

MARK: Final = b"Exif\0\0"
_FIRST: Final = 8  # where the first directory may begin
_CAMERA, _PLACE = 0x8769, 0x8825  # where the directories of the shot and of the place are
_RIGHTS: Final = frozenset({0x013B, 0x8298})  # artist, copyright
# Description, camera, software, time, rating and Windows' texts. All else in the first directory tells how the pixels
# are stored, which is no longer true, or repeats the blocks beside it.
_TOLD: Final = _RIGHTS | {0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013C, 0x4746, *range(0x9C9B, 0x9CA0)}
# The maker's note, which holds what it likes; colour space, size and relations, which are no longer true.
_UNTOLD: Final = frozenset({0x927C, 0xA001, 0xA002, 0xA003, 0xA005})
_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_MOST_ENTRIES: Final = 256
_MOST_BYTES: Final = 8192  # of one value
_MOST_BLOCK: Final = 60_000  # a JPEG has room for 65,533 in a segment

_MOST_FIELDS: Final = 200  # that are cut out of a packet: each may cost a walk over all of it

_PHOTOSHOP: Final = b"Photoshop 3.0\0"
_IPTC: Final = b"\x04\x04"  # the resource that holds it
# Thumbnails, which may show what was cropped away; the orientation, which is applied; and the place.
_STALE: Final = {True: rb"[\w.-]+:(?:Thumbnails|Orientation)", False: rb"[\w.-]+:(?:Thumbnails|Orientation|GPS[\w.-]*)"}
_NAMED: Final = re.compile(rb":(?:Thumbnails|Orientation|GPS)")
_FIELD: Final = rb"""\s%b\s*=\s*(?:"[^"]*"|'[^']*')|<(%b)(?=[\s/>])[^>]*(?:(?<=/)>|>.*?</\1\s*>)"""
_DROPPED: Final = {gps: re.compile(_FIELD % (name, name), re.DOTALL) for gps, name in _STALE.items()}
# Declarations can spell any name, and no name is found in 16-bit encodings.
_UNSURE: Final = {True: re.compile(rb"<!(?!--)|\0"), False: re.compile(rb"<!(?!--)|\0|[<:\s]GPS[A-Z]")}


def carried(found: Mapping[str, bytes], saving: Saving) -> dict[str, bytes]:
    """The blocks of a result, by libvips' names, made from those that were found in the original."""
    if saving.metadata == "none":
        return {}
    everything = saving.metadata == "keep"
    tiff = found.get("exif-data", b"").removeprefix(MARK)
    blocks = {"exif-data": kept_exif(lambda a, n: tiff[a : a + n], everything=everything, gps=saving.gps)}
    if everything:
        blocks["xmp-data"] = kept_xmp(found.get("xmp-data", b""), gps=saving.gps)
        blocks["iptc-data"] = kept_iptc(found.get("iptc-data", b""))
    return {name: block for name, block in blocks.items() if 0 < len(block) <= _MOST_BLOCK}


def kept_exif(read: Read, *, everything: bool = False, gps: bool = False) -> bytes:
    """An EXIF block of author and copyright, or of all that describes the shot, the place only where asked for.

    Empty where nothing is kept. `read(start, length)` gives bytes of the block, which begins with a TIFF header, fewer
    where it ends. Loops, lengths and counts in it do no harm: each directory is read once.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(read(0, 4))
    start = read(4, 4)
    if not order or len(start) < 4:
        return b""
    main = dict(_directory(read, order, struct.unpack(order + "I", start)[0]))
    kept = [entry for tag, entry in main.items() if tag in (_TOLD if everything else _RIGHTS)]
    others: dict[int, list[Entry]] = {}
    if everything:
        camera = _directory(read, order, _pointer(main, _CAMERA, order))
        others[_CAMERA] = [entry for tag, entry in camera if tag not in _UNTOLD]
    if everything and gps:
        others[_PLACE] = [entry for _, entry in _directory(read, order, _pointer(main, _PLACE, order))]
    others = {tag: entries for tag, entries in others.items() if entries}
    if not kept and not others:
        return b""
    place = _FIRST + len(_written([*kept, *((tag, 4, bytes(4)) for tag in others)], order, _FIRST))
    behind = b""
    for tag, entries in others.items():
        kept.append((tag, 4, struct.pack(order + "I", place + len(behind))))
        behind += _written(entries, order, place + len(behind))
    return MARK + read(0, 4) + struct.pack(order + "I", _FIRST) + _written(kept, order, _FIRST) + behind


def _directory(read: Read, order: str, start: int) -> Iterator[tuple[int, Entry]]:
    """The entries of a directory by their tags, those of unknown types and of great lengths left out."""
    head = read(start, 2) if start >= _FIRST else b""
    if len(head) < 2:
        return
    table = read(start + 2, 12 * min(_MOST_ENTRIES, struct.unpack(order + "H", head)[0]))
    for tag, kind, values, place in struct.iter_unpack(order + "HHII", table[: len(table) // 12 * 12]):
        length = _SIZES.get(kind, 0) * values
        if 0 < length <= _MOST_BYTES:
            held = struct.pack(order + "I", place)[:length] if length <= 4 else read(place, length)
            if len(held) == length:
                yield tag, (tag, kind, held)


def _pointer(directory: Mapping[int, Entry], tag: int, order: str) -> int:
    _, kind, held = directory.get(tag, (0, 0, b""))
    return int(struct.unpack(order + "I", held)[0]) if kind == 4 and len(held) == 4 else 0


def _written(entries: Iterable[Entry], order: str, start: int) -> bytes:
    """A directory at offset `start`, its longer values behind it."""
    entries = sorted(entries)
    table, values = struct.pack(order + "H", len(entries)), b""
    for tag, kind, held in entries:
        table += struct.pack(order + "HHI", tag, kind, len(held) // _SIZES[kind])
        if len(held) <= 4:
            table += held.ljust(4, b"\0")
        else:
            table += struct.pack(order + "I", start + 6 + 12 * len(entries) + len(values))
            values += held + bytes(len(held) % 2)
    return table + bytes(4) + values


def kept_xmp(packet: bytes, *, gps: bool = False) -> bytes:
    """An XMP packet without thumbnails, orientation and place; empty where it cannot be told what would be left."""
    if len(packet) > _MOST_BLOCK or len(_NAMED.findall(packet)) > _MOST_FIELDS:
        return b""
    packet = _DROPPED[gps].sub(b"", packet)
    return b"" if _UNSURE[gps].search(packet) else packet


def kept_iptc(block: bytes) -> bytes:
    """Captions and rights out of all that Photoshop keeps in one block, thumbnails among it."""
    if block.startswith(b"\x1c"):
        return block
    position = len(_PHOTOSHOP)
    while block.startswith(_PHOTOSHOP) and block[position : position + 4] == b"8BIM":
        start, name = position, block[position + 6 : position + 7]
        if not name:
            break
        position += 6 + (name[0] + 2) // 2 * 2  # the name's length, the name, and what makes it even
        length = int.from_bytes(block[position : position + 4])
        position += 4 + (length + 1) // 2 * 2
        if block[start + 4 : start + 6] == _IPTC:
            return _PHOTOSHOP + block[start:position]
    return b""
