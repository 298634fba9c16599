"""Title, creator and rights, as XMP and IPTC keep them beside a picture."""

import struct
from typing import Final
from xml.etree import ElementTree

from transforms.facts import Facts, clean, known

_LARGEST: Final = 65536  # bytes of XMP that are parsed, the most that a segment of a JPEG holds; 10 ms at worst
_MOST_NAMES: Final = 8

_DUBLIN_CORE: Final = "{http://purl.org/dc/elements/1.1/}"
_ITEM: Final = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}li"
_LANGUAGE: Final = "{http://www.w3.org/XML/1998/namespace}lang"

_RECORDS: Final = {"title": 5, "creator": 80, "rights": 116}  # of the application record, IPTC IIM 4.2, chapter 6
_IPTC_RESOURCE: Final = 0x0404
_MOST_RECORDS: Final = 1000


def read_xmp(packet: bytes) -> Facts:
    """Title, creator and rights by Dublin Core (ISO 16684-1, section 8.3); what cannot be read is left out.

    Packets with declarations are left alone: no writer makes any, and entities are declared there.
    """
    text = packet[:_LARGEST].decode("utf-8", "replace").strip("\0\ufeff \t\r\n")
    if len(packet) > _LARGEST or "<!" in text:
        return {}
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError):
        return {}
    title, creator, rights = (root.find(f".//{_DUBLIN_CORE}{name}") for name in ("title", "creator", "rights"))
    return known({"title": _default(title), "creator": _all(creator), "rights": _default(rights)})


def _default(element: ElementTree.Element | None) -> str | None:
    """The text of an element, or of the one among its languages that is meant for everybody."""
    if element is None:
        return None
    items = list(element.iter(_ITEM))
    chosen = next((item for item in items if item.get(_LANGUAGE) == "x-default"), items[0] if items else element)
    return clean(chosen.text or "")


def _all(element: ElementTree.Element | None) -> str | None:
    if element is None:
        return None
    texts = [item.text or "" for item in element.iter(_ITEM)][:_MOST_NAMES] or [element.text or ""]
    return clean(", ".join(filter(None, map(clean, texts))))


def read_iptc(block: bytes) -> Facts:
    """Title, creator and rights from IPTC records, bare or in a Photoshop resource; what cannot be read is left out."""
    data, position, found = _records(block), 0, dict[int, list[str]]()
    for _ in range(_MOST_RECORDS):
        head = data[position : position + 5]
        if len(head) < 5 or head[0] != 0x1C or head[3] & 0x80:  # the high bit is for records of more than 32 KB
            break
        length = int.from_bytes(head[3:])
        text = clean(data[position + 5 : position + 5 + length])
        if head[1] == 2 and text:
            found.setdefault(head[2], []).append(text)
        position += 5 + length
    return known({name: clean(", ".join(found.get(kind, [])[:_MOST_NAMES])) for name, kind in _RECORDS.items()})


def _records(block: bytes) -> bytes:
    """The IPTC records of a Photoshop block (Adobe Photoshop File Formats, "Image Resource Blocks")."""
    if not block.startswith((b"Photoshop 3.0\0", b"8BIM")):
        return block
    position = block.index(b"8BIM") if b"8BIM" in block else len(block)
    for _ in range(_MOST_RECORDS):
        if block[position : position + 4] != b"8BIM" or position + 12 > len(block):
            break
        (resource,) = struct.unpack_from(">H", block, position + 4)
        position += 6 + (block[position + 6] + 2) // 2 * 2
        length = int.from_bytes(block[position : position + 4])
        if resource == _IPTC_RESOURCE:
            return block[position + 4 : position + 4 + length]
        position += 4 + length + length % 2
    return b""
