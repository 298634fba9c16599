"""The playground: what its page shows and asks, without HTTP."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from proxy.pages.dropping import Drops
from proxy.pages.links import Links, Shown
from proxy.pages.options import described_options
from proxy.pages.originals import Tree, extensions
from proxy.pages.recordings import described

STATIC = Path(__file__).parent / "static"
PLAYERS = Path(__file__).parent / "players"
"""Where `players/install.sh` puts what others have written."""
THIRD = ("hls.js",)
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


def static_files() -> Mapping[str, tuple[bytes, str]]:
    """The page's files by name: their bytes and media types; those of others as far as they are installed."""
    installed = [path for name in THIRD if (path := PLAYERS / name).is_file()]
    return {
        path.name: (path.read_bytes(), MEDIA_TYPES[path.suffix])
        for path in (*sorted(STATIC.iterdir()), *installed)
        if path.suffix in MEDIA_TYPES
    }


@dataclass(frozen=True)
class Playground:
    """What the page can be told, and what it can ask for; `tree` and `links` are those of the settings now."""

    tree: Tree
    links: Links
    drops: Drops

    def about(self) -> dict[str, object]:
        """All that the form needs to know."""
        return {
            "operations": described_options(),
            "presets": sorted(self.links.presets),
            "extensions": extensions(),
            "largest": self.drops.most_bytes,
            "signed": self.links.ring is not None,
            "players": [name for name in THIRD if (PLAYERS / name).is_file()],
        }

    async def originals(self, prefix: str) -> dict[str, object]:
        """Folders and originals to choose from. Raises NoSuchOriginal, OriginFailed, OriginTimedOut."""
        found = await self.tree.below(prefix)
        above = prefix[: prefix.rfind("/") + 1]
        return {
            "folders": [{"name": name, "prefix": f"{above}{name}/"} for name in found.folders],
            "originals": [
                {"name": name, "source": f"{above}{name}", "thumbnail": self.links.thumbnail(f"{above}{name}")}
                for name in found.originals
            ],
            "whole": found.whole,
        }

    def urls(self, source: str, steps: str) -> dict[str, object]:
        """See Links.urls."""
        return self.links.urls(source, steps)

    def markup(self, source: str, steps: str, shown: Shown, base: str) -> dict[str, str]:
        """See Links.markup."""
        return self.links.markup(source, steps, shown, base)

    async def recording(self, source: str, base: str) -> dict[str, object]:
        """What the player can play of an original: see `recordings.described`. Raises Refusals and BadAddress."""
        return described(await self.drops.look(self.tree.found(source)), source, self.links, base)

    async def drop(self, parts: AsyncIterator[bytes], promised: int) -> dict[str, object]:
        """Take a file in. Raises as Drops.take does."""
        source, header = await self.drops.take(parts, promised)
        width, height = header.upright
        return {"source": source, "format": header.kind, "width": width, "height": height, "bytes": header.bytes}
