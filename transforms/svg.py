"""What an SVG may declare, checked before a parser sees it."""

import re
import zlib
from pathlib import Path

from transforms.errors import DamagedOriginal

MOST_TEXT = 16 * 2**20
"""Bytes of XML that are read, inflated."""


def refuse_declarations(path: Path) -> None:
    """Refuse entities and other declarations of a document type, the ways to read files and to blow up.

    The plain `<!DOCTYPE svg PUBLIC …>` that drawing programs write is harmless and stays allowed. Raises DamagedOriginal.
    """
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        inflater = zlib.decompressobj(wbits=31)
        try:
            data = inflater.decompress(data, MOST_TEXT + 1)
        except zlib.error as error:
            raise DamagedOriginal("the SVG's compression is broken") from error
    if len(data) > MOST_TEXT:
        raise DamagedOriginal(f"the SVG has more than {MOST_TEXT >> 20} MiB of text")
    # In the 16-bit encodings every other byte is zero, so that one search finds the words in all of them.
    text = data.replace(b"\0", b"")
    if re.search(rb"<!\s*ENTITY|<!DOCTYPE[^>]*\[", text, re.IGNORECASE):
        raise DamagedOriginal("the SVG declares entities or a document type of its own, which is not read here")
