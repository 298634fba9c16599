"""Which originals elsewhere are films and sounds, told from their first block."""

import asyncio

from proxy.sources.mounts import Mounted
from proxy.sources.source import Parts, Stat, parts_of
from transforms.formats import FORMATS
from transforms.headers import check_kind
from transforms.limits import Limits
from transforms.sniff import HEAD, sniff

_SPELT = {"jpeg": "jpg", "tif": "tiff", "heif": "heic"}
"""Endings of names that are not those of formats."""
_MORE = ("xml", "gzip")
"""What more than the first bytes may show to be a drawing."""


async def recorded_in_parts(mounted: Mounted, stat: Stat, limits: Limits, era: str) -> Parts | None:
    """A film or a sound elsewhere, which is never copied whole; None for what is.

    Raises what is wrong with an original that is too large for what it is, or nothing that is read here, before it
    comes; and what its place raises.
    """
    if _is_called_a_picture(mounted.key) and stat.size <= max(limits.picture_bytes, limits.jpeg_bytes):
        return None  # it comes in one request
    parts = await parts_of(mounted.source, mounted.key, stat.version, stat.size, era)
    if parts is None:
        return None
    kind = sniff(await asyncio.to_thread(parts.head, HEAD))
    kind = "svg" if kind in _MORE else kind
    check_kind(kind)
    assert kind
    limits.check_bytes(kind, stat.size)
    return None if FORMATS[kind].medium == "picture" else parts


def _is_called_a_picture(key: str) -> bool:
    """Whether a name says so, which is believed only where nothing depends on it."""
    ending = key.rpartition(".")[2].lower()
    row = FORMATS.get(_SPELT.get(ending, ending))
    return row is not None and row.medium == "picture"
