"""Which paths were answered with what bears a tag, so that caches in front can be told which of theirs to drop."""

import json
from collections import OrderedDict
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

from proxy.negotiation import Bucket

MOST = 100_000
MOST_BYTES = 64 << 20
OVERHEAD = 600
"""Bytes that a path takes beside itself, about: its places in the tables."""
TAG_OVERHEAD = 80


class Place(NamedTuple):
    """Where a cache in front may have something: a raw path without auth segment, and for which kinds of client."""

    path: bytes
    taken: frozenset[Bucket]


class _Kept(NamedTuple):
    taken: frozenset[Bucket]
    tags: tuple[str, ...]


class Delivered:
    """The paths that this front has answered, the least recently answered forgotten first."""

    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self._tagged: dict[str, set[bytes]] = {}
        self.bytes = self.forgotten = 0

    def __len__(self) -> int:
        return len(self._kept)

    def remember(self, path: bytes, taken: Iterable[Bucket], tags: tuple[str, ...]) -> None:
        """A client of this kind was answered."""
        known = self._kept.get(path)
        takers = frozenset(taken)
        if known and known.tags == tags and takers <= known.taken:
            self._kept.move_to_end(path)
            return
        if known:
            self._drop(path)
            takers |= known.taken
        self._kept[path] = _Kept(takers, tags)
        self.bytes += _size(path, tags)
        for tag in tags:
            self._tagged.setdefault(tag, set()).add(path)
        while len(self._kept) > self._most or self.bytes > self._most_bytes:
            self._drop(next(iter(self._kept)))
            self.forgotten += 1

    @property
    def tags(self) -> Collection[str]:
        """All tags of which anything was answered."""
        return self._tagged.keys()

    def take(self, tags: Iterable[str]) -> list[Place]:
        """What was answered that bears one of these tags; it is forgotten here."""
        paths = dict.fromkeys(path for tag in tags for path in sorted(self._tagged.get(tag, ())))
        return [Place(path, self._drop(path).taken) for path in paths]

    def save(self, file: Path) -> None:
        """Write all of it into a file, for the next process; raises OSError."""
        copy = file.with_name(f"{file.name}.new")
        with copy.open("w", encoding="utf-8") as lines:
            for path, kept in self._kept.items():
                row = [path.decode("latin-1"), [list(bucket) for bucket in kept.taken], kept.tags]
                lines.write(json.dumps(row, separators=(",", ":")) + "\n")
        copy.replace(file)

    def load(self, file: Path) -> None:
        """Know what was saved, once: the file is gone then. Raises OSError; lines that cannot be read are left out."""
        try:
            with file.open(encoding="utf-8") as lines:
                for line in lines:
                    self._load(line)
        except FileNotFoundError:
            return
        file.unlink()

    def _load(self, line: str) -> None:
        try:
            path, taken, tags = json.loads(line)
            buckets = [Bucket(bool(avif), bool(webp)) for avif, webp in taken]
            self.remember(path.encode("latin-1"), buckets, tuple(map(str, tags)))
        except (ValueError, TypeError, AttributeError):
            return

    def _drop(self, path: bytes) -> _Kept:
        kept = self._kept.pop(path)
        self.bytes -= _size(path, kept.tags)
        for tag in kept.tags:
            paths = self._tagged[tag]
            paths.discard(path)
            if not paths:
                del self._tagged[tag]
        return kept


def _size(path: bytes, tags: tuple[str, ...]) -> int:
    return len(path) + OVERHEAD + TAG_OVERHEAD * len(tags)
