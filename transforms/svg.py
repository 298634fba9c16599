"""The text of an SVG, checked before a renderer sees it."""

import binascii
import io
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from xml.parsers import expat

from transforms.errors import DamagedOriginal, UnsupportedFormat
from transforms.headers import read_header
from transforms.limits import Limits

MOST_TEXT: Final = 16 * 2**20
"""Bytes of XML that are read, inflated."""

MOST_DRAWN: Final = 200_000
"""Elements that are drawn, those that are drawn again by reference counted again: two seconds of work."""

_MOST_NESTED: Final = 200

_DECLARATION: Final = re.compile(rb"<!\s*ENTITY|<!DOCTYPE[^>]*\[", re.IGNORECASE)
_REFERENCE: Final = re.compile(r"url\(\s*[\"']?#([^\"')]+)")
_PICTURE: Final = re.compile(r"\s*data:image/[\w.+-]+\s*(?:;[^,]*)?;\s*base64\s*,", re.IGNORECASE)


def read_svg(path: Path) -> bytes:
    """The XML of a drawing, which is to be parsed from memory: a parser that knows its folder reads what lies there.

    Entities and other declarations of a document type are refused, the ways to read files and to blow up; the plain
    `<!DOCTYPE svg PUBLIC …>` that drawing programs write is harmless. Raises DamagedOriginal.
    """
    with path.open("rb") as file:
        data = file.read(MOST_TEXT + 1)
    if data[:2] == b"\x1f\x8b":
        try:
            data = zlib.decompressobj(wbits=31).decompress(data, MOST_TEXT + 1)
        except zlib.error as error:
            raise DamagedOriginal("the SVG's compression is broken") from error
    if len(data) > MOST_TEXT:
        raise DamagedOriginal(f"the SVG has more than {MOST_TEXT >> 20} MiB of text")
    # In the 16-bit encodings every other byte is zero, so that one search finds the words in all of them.
    if _DECLARATION.search(data.replace(b"\0", b"")):
        raise DamagedOriginal("the SVG declares entities or a document type of its own, which is not read here")
    return data


def check_drawing(text: bytes, limits: Limits) -> None:
    """Refuse a drawing that would draw too much: elements, repeated by references, and pictures inside it.

    Other ways to take long are left to the deadline. Raises DamagedOriginal, and for a picture what `limits` raises.
    """
    drawing = _Drawing(limits)
    parser = expat.ParserCreate()
    parser.StartElementHandler = drawing.begin
    parser.EndElementHandler = drawing.end
    try:
        parser.Parse(text, True)
    except (expat.ExpatError, ValueError):
        return  # the renderer knows more encodings, and what it says of broken XML counts
    if drawing.weight() > MOST_DRAWN:
        raise _too_much()


def _too_much() -> DamagedOriginal:
    return DamagedOriginal(f"the SVG draws more than {MOST_DRAWN} elements, or nests them too deeply")


@dataclass
class _Group:
    """An element that can be drawn again, with those inside it that cannot be on their own."""

    elements: int = 0
    inside: "list[_Group]" = field(default_factory=list)
    references: list[str] = field(default_factory=list)
    drawn: int | None = None


class _Drawing:
    """What a drawing holds, counted while it is parsed."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open = [_Group()]
        self._named: dict[str, _Group] = {}
        self._elements = 0

    def begin(self, name: str, attributes: Mapping[str, str]) -> None:
        group = self._open[-1]
        if "id" in attributes:
            group.inside.append(named := _Group())
            self._named.setdefault(attributes["id"], named)
            group = named
        self._open.append(group)
        self._elements += 1
        if self._elements > MOST_DRAWN:
            raise _too_much()
        group.elements += 1
        for key, value in attributes.items():
            if key.rpartition(":")[2] == "href":
                if value.startswith("#"):
                    group.references.append(value[1:])
                elif name.rpartition(":")[2] == "image":
                    self._check_picture(value)
            elif "url(" in value:
                group.references.extend(_REFERENCE.findall(value))

    def end(self, name: str) -> None:
        self._open.pop()

    def weight(self) -> int:
        """How many elements are drawn, as far as it matters."""
        return self._weight(self._open[0], 0)

    def _weight(self, group: _Group, depth: int) -> int:
        if depth > _MOST_NESTED:
            return MOST_DRAWN + 1
        if group.drawn is None:
            group.drawn = 0  # what refers to itself is not drawn
            others = [self._named[name] for name in group.references if name in self._named]
            drawn = group.elements
            for other in (*group.inside, *others):
                drawn += self._weight(other, depth + 1)
                if drawn > MOST_DRAWN:
                    break
            group.drawn = drawn
        return group.drawn

    def _check_picture(self, link: str) -> None:
        start = _PICTURE.match(link)
        if not start:
            return
        try:
            data = binascii.a2b_base64(link[start.end() :])
            header = read_header(io.BytesIO(data), len(data))
        except (binascii.Error, ValueError, DamagedOriginal, UnsupportedFormat):
            return  # the renderer leaves it out
        if header:
            self._limits.check_original(header)
