"""The originals of all mounts, as one tree to look through."""

from dataclasses import dataclass

from proxy.failures import Forbidden, NoSuchOriginal
from proxy.sources.mounts import Mounted, Mounts
from proxy.sources.source import Listed, Listing
from transforms.formats import FORMATS, by_extension, reader_available

MOST = 300
"""Names that are shown at once."""


def extensions() -> list[str]:
    """The extensions of files that can be read here."""
    return [word for row in FORMATS.values() if reader_available(row.name) for word in row.extensions]


def is_readable(name: str) -> bool:
    """Whether a name promises a picture, a film or a sound that can be read here."""
    row = by_extension(name.rpartition(".")[2]) if "." in name else None
    return row is not None and reader_available(row.name)


@dataclass(frozen=True)
class Tree:
    """What can be chosen: mounts are folders among those of the root mount."""

    mounts: Mounts
    names: tuple[str, ...]
    """The mounts that are shown."""

    def found(self, source: str) -> Mounted:
        """An original by its name in a URL. Raises NoSuchOriginal and Forbidden."""
        return self.mounts.resolve(source)

    async def below(self, prefix: str) -> Listing:
        """What stands in the folder that `prefix` names up to its last slash and begins with what is behind it.

        Raises NoSuchOriginal where there is no such folder, OriginFailed and OriginTimedOut.
        """
        above, start = prefix[: prefix.rfind("/") + 1], prefix[prefix.rfind("/") + 1 :]
        inner = {name[len(above) :].partition("/")[0] for name in self.names if name.startswith(above)}
        mounted = {name for name in inner if name and name.startswith(start)}
        try:
            found = await self._listed(prefix)
        except NoSuchOriginal:
            if not inner:
                raise
            found = Listing()
        return Listing(tuple(sorted({*found.folders, *mounted})), found.originals, found.whole)

    async def _listed(self, prefix: str) -> Listing:
        try:
            mounted = self.mounts.resolve(prefix)
        except Forbidden:
            raise NoSuchOriginal("There is no such folder.") from None
        if mounted.name not in self.names:
            raise NoSuchOriginal("There is no such folder.")
        if not isinstance(mounted.source, Listed):
            raise NoSuchOriginal("The place of these originals gives no list of them; write the name of one.")
        return await mounted.source.listing(mounted.key, MOST, is_readable)
