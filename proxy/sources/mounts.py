"""Which source an address belongs to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from proxy.failures import Forbidden, NoSuchOriginal
from proxy.sources.source import Closed, Source
from signing.address import RESERVED

REMOTE = "remote"
"""The name under which other web sites are known, as if they were a mount."""

_ADDRESSES = ("https://", "http://")


@dataclass(frozen=True)
class Mounted:
    """A source, the name it is mounted under, and the key that is left for it."""

    name: str
    source: Source
    key: str


class Mounts:
    """Sources by prefix: the longest that matches by whole segments, else the one named with the empty string.

    `remote` takes addresses on other hosts, with the whole address as its key; without it they are forbidden.
    Raises ValueError for a name that no URL could reach.
    """

    def __init__(
        self,
        table: Mapping[str, Source],
        *,
        looks_like_step: Callable[[str], bool],
        remote: Source | None = None,
    ) -> None:
        for name in table:
            if name and (fault := _fault(name.split("/"), looks_like_step)):
                raise ValueError(f"the mount {name!r} cannot be reached: {fault}")
        self._table = dict(table)
        self._depth = max((name.count("/") + 1 for name in table if name), default=0)
        self._remote = remote

    def resolve(self, source: str) -> Mounted:
        """Raises NoSuchOriginal where nothing is mounted, Forbidden for other hosts."""
        if source.startswith(_ADDRESSES):
            if self._remote is None:
                raise Forbidden("Originals on other hosts are not served here.")
            return Mounted(REMOTE, self._remote, source)
        segments = source.split("/", self._depth)
        for depth in range(len(segments) - 1, 0, -1):
            name = "/".join(segments[:depth])
            if name in self._table:
                return Mounted(name, self._table[name], "/".join(segments[depth:]))
        if "" not in self._table:
            raise NoSuchOriginal("There is no such original.")
        return Mounted("", self._table[""], source)

    async def close(self) -> None:
        for source in {id(source): source for source in [*self._table.values(), self._remote]}.values():
            if isinstance(source, Closed):
                await source.close()


def _fault(segments: list[str], looks_like_step: Callable[[str], bool]) -> str:
    """What keeps a URL from naming this mount; empty when nothing does."""
    first = segments[0]
    if any(segment in ("", ".", "..") for segment in segments):
        return "empty segments and dots cannot stand in a URL"
    if any(segment.startswith("~") or not segment.isprintable() for segment in segments):
        return "a segment cannot begin with ~ or hold control characters"
    if first in RESERVED:
        return f"{first} is reserved"
    if first == "-" or first.startswith("b64:") or first in ("http:", "https:"):
        return f"{first} means something else in a URL"
    if looks_like_step(first):
        return f"{first} looks like a step"
    return ""
