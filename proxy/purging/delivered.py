"""Which paths were answered with what bears a tag, so that caches in front can be told which of theirs to drop."""

import json
import os
import re
from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes

from proxy.negotiation import Bucket
from signing.address import holds_auth

MOST: Final = 100_000
MOST_BYTES: Final = 96 << 20
OVERHEAD: Final = 900
"""Bytes that a place takes beside its path, about: its places in the tables."""
TAG_OVERHEAD: Final = 80

_Name = tuple[str, bytes]

_slash = re.compile(b"/|%2[Ff]")


@dataclass(frozen=True)
class Place:
    """Where a cache in front may have something: an answer's name, a path that led to it, for which kinds of client.

    The path is as it came, auth segment and all: a cache that asks what it means needs all of it.
    """

    name: str
    path: bytes
    taken: frozenset[Bucket]
    tags: tuple[str, ...]

    @property
    def public(self) -> bytes:
        """The path without its auth segment: the same for all who may ask for this."""
        # Escapes are decoded before a path is parted, those of slashes too.
        first, *rest = _slash.split(self.path[1:], maxsplit=1)
        return b"/" + b"".join(rest) if holds_auth(unquote_to_bytes(first).decode("latin-1")) else self.path

    @property
    def size(self) -> int:
        """Bytes that it takes, about."""
        return 2 * len(self.path) + OVERHEAD + TAG_OVERHEAD * len(self.tags)


class Delivered:
    """The answers that this front has given, the least recently given forgotten first."""

    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._kept: OrderedDict[_Name, Place] = OrderedDict()
        self._tagged: dict[str, dict[_Name, None]] = {}
        self.bytes = self.forgotten = 0

    def __len__(self) -> int:
        return len(self._kept)

    def remember(self, path: bytes, taken: Bucket, name: str, tags: tuple[str, ...]) -> None:
        """A client of this kind was given the answer of this name at this path."""
        self._keep(Place(name, path, frozenset({taken}), tags))

    @property
    def tags(self) -> Collection[str]:
        """All tags of which anything was answered."""
        return self._tagged.keys()

    def take(self, tags: Iterable[str]) -> list[Place]:
        """What was answered that bears one of these tags; it is forgotten here."""
        names = dict.fromkeys(name for tag in tags for name in self._tagged.get(tag, ()))
        return [self._drop(name) for name in names]

    def save(self, file: Path) -> None:
        """Write all of it into a file, for the next process and nobody else; raises OSError."""
        copy = file.with_name(f"{file.name}.new")
        copy.unlink(missing_ok=True)
        with os.fdopen(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as lines:
            for place in self._kept.values():
                taken = [list(bucket) for bucket in place.taken]
                row = [place.name, place.path.decode("latin-1"), taken, place.tags]
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
            name, path, taken, tags = json.loads(line)
            buckets = frozenset(Bucket(bool(avif), bool(webp)) for avif, webp in taken)
            self._keep(Place(str(name), path.encode("latin-1"), buckets, tuple(map(str, tags))))
        except (ValueError, TypeError, AttributeError):
            return

    def _keep(self, place: Place) -> None:
        # One answer may be kept under several spellings of its path.
        name = (place.name, place.public)
        if known := self._kept.get(name):
            if (known.path, known.tags) == (place.path, place.tags) and place.taken <= known.taken:
                self._kept.move_to_end(name)
                return
            self._drop(name)
            place = Place(place.name, place.path, place.taken | known.taken, place.tags)
        self._kept[name] = place
        self.bytes += place.size
        for tag in place.tags:
            self._tagged.setdefault(tag, {})[name] = None
        while len(self._kept) > self._most or self.bytes > self._most_bytes:
            self._drop(next(iter(self._kept)))
            self.forgotten += 1

    def _drop(self, name: _Name) -> Place:
        place = self._kept.pop(name)
        self.bytes -= place.size
        for tag in place.tags:
            names = self._tagged[tag]
            names.pop(name, None)
            if not names:
                del self._tagged[tag]
        return place
