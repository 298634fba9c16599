"""The text of an SVG, checked before a parser sees it."""

import re
import zlib
from pathlib import Path
from typing import Final

from transforms.errors import DamagedOriginal

MOST_TEXT: Final = 16 * 2**20
"""Bytes of XML that are read, inflated."""

_DECLARATION: Final = re.compile(rb"<!\s*ENTITY|<!DOCTYPE[^>]*\[", re.IGNORECASE)


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
