"""Which originals elsewhere are films and sounds, told from their first block."""

import asyncio
from collections.abc import Awaitable, Callable

from proxy.failures import NoRoom
from proxy.sources.mounts import Mounted
from proxy.sources.source import Parts, Stat, parts_of
from transforms.formats import FORMATS, by_extension
from transforms.headers import Header, check_kind
from transforms.limits import Limits
from transforms.sniff import HEAD, sniff

_MORE = ("xml", "gzip")
"""What more than the first bytes may show to be a drawing."""


async def recorded_header(
    mounted: Mounted, stat: Stat, limits: Limits, era: str, probe: Callable[[Parts], Awaitable[Header]]
) -> Header | None:
    """The header of a film or a sound elsewhere; None for what is to be copied. Raises as both below do."""
    for last in (False, True):
        if not (parts := await recorded_in_parts(mounted, stat, limits, era)):
            break
        try:
            return await probe(parts)
        except NoRoom:  # beside the cache; the next time its parts are elsewhere
            if last:
                raise
    return None


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
    row = by_extension(key.rpartition(".")[2])
    return row is not None and row.medium == "picture"
