"""The names by which what was made is purged: of an original, its folders, its mount; of a preset, an overlay."""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Final, NamedTuple
from urllib.parse import quote

from proxy.sources.mounts import REMOTE, Mounted

HASHED: Final = ("source", "prefix", "overlay")
"""Kinds of tags whose names are hashes: 16 hexadecimal digits."""
DIGITS: Final = 16
DEEPEST: Final = 16
"""Folders of an original by which it can be purged; those further down go with the folders above them."""
SLOT_DIGITS: Final = 4
"""Hexadecimal digits that decide the slot of a hashed tag: 65,536 slots for each kind, however many are purged."""
ROOT: Final = "/"
"""How the mount without a name is called."""


Numbers = tuple[tuple[str, str], ...]
"""Generations by slot, for those slots that were ever purged."""


class Purged(NamedTuple):
    """What the tags of a rendition say of purges: what goes into its key, and when the last of them was."""

    numbers: Numbers = ()
    since: int | None = None
    """Unix seconds."""

    def after(self, modified: float | None) -> float | None:
        """The time of a last change that is no earlier than the last purge, for those who compare dates alone."""
        return modified if self.since is None or modified is None else max(modified, self.since)


NEVER: Final = Purged()


def address(name: str, key: str) -> str:
    """The original of a mount as a URL names it."""
    elsewhere = name == REMOTE and key.startswith(("https://", "http://"))
    return key if elsewhere or not name else f"{name}/{key}"


def source_tag(mounted: Mounted) -> str:
    """The tag of everything that is made of an original."""
    return f"source:{_hash(f'{mounted.name}/{mounted.key}')}"


def overlay_tag(mounted: Mounted) -> str:
    """The tag of everything that an original is laid over."""
    return f"overlay:{_hash(f'{mounted.name}/{mounted.key}')}"


def prefix_tag(folder: str) -> str:
    """The tag of everything that is made of the originals below a folder; its address ends with a slash."""
    return f"prefix:{_hash(folder)}"


def mount_tag(name: str) -> str:
    """The tag of everything on a mount, whose name is escaped as in a URL: header fields part tags at other signs."""
    return f"mount:{quote(name) or ROOT}"


def preset_tag(name: str) -> str:
    return f"preset:{name}"


def original_tags(mounted: Mounted) -> tuple[str, ...]:
    """The tags that are on everything made of an original, whatever is made of it."""
    return tags_at(mounted.name, mounted.key)


@lru_cache(maxsize=10_000)
def tags_at(name: str, key: str) -> tuple[str, ...]:
    """The same by mount and key."""
    folders = [prefix_tag(folder) for folder in islice(folders_of(address(name, key)), DEEPEST)]
    return (f"source:{_hash(f'{name}/{key}')}", mount_tag(name), *folders)


def folders_of(address: str) -> Iterator[str]:
    """The folders that an original is in, the outermost first.

    >>> list(folders_of("photos/2024/a.jpg"))
    ['photos/', 'photos/2024/']
    """
    end = address.find("/")
    while end >= 0:
        yield address[: end + 1]
        end = address.find("/", end + 1)


def preset_tags(steps: Collection[str], presets: Mapping[str, str]) -> tuple[str, ...]:
    """The tags of the presets that steps name, and of those that these name."""
    found: set[str] = set()
    waiting = list(steps)
    while waiting:
        step = waiting.pop()
        if step.startswith("t_") and (name := step[2:]) in presets and name not in found:
            found.add(name)
            waiting += presets[name].split("/")
    return tuple(preset_tag(name) for name in sorted(found))


def slot(tag: str) -> str:
    """Where the generation of a tag is kept: one of so many for hashed tags, one for each name of the settings."""
    kind, _, name = tag.partition(":")
    return f"{kind}:{name[:SLOT_DIGITS]}" if kind in HASHED else tag


@lru_cache(maxsize=10_000)
def slots(tags: tuple[str, ...]) -> tuple[str, ...]:
    """The slots of several tags."""
    return tuple(map(slot, tags))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
