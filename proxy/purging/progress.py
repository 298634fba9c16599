"""How far a purge has come, for whoever asked for it."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

OVERHEAD: Final = 3000
"""Bytes that a purge takes beside its targets and tags, about."""


@dataclass
class Emptied:
    """How far one store has come: space returns there, while what it holds is out of reach already."""

    removed: int = 0
    done: int = 0
    failed: int = 0


@dataclass
class Progress:
    """One purge. What was made before it is not found any more on this server, from the moment that this exists."""

    id: str
    targets: Sequence[str]
    tags: Sequence[str]
    shared: bool
    """Whether all servers count it; if not, they are told as soon as they can be reached."""
    kept: bool
    """Whether it is written down, so that it holds after a restart."""
    stores: dict[str, Emptied] = field(default_factory=dict)
    paths: int = 0
    """Paths that this server has answered and caches in front may have."""
    requests_left: int = 0
    requests_failed: int = 0
    messages_failed: int = 0
    running: bool = True

    @property
    def not_reached(self) -> list[str]:
        """Who has not heard of it, in words; empty where everybody has, or is just being told."""
        return list(self._not_reached())

    def _not_reached(self) -> Iterator[str]:
        if not self.shared:
            yield "the other servers: what joins them does not answer; they are told when it does"
        if not self.kept:
            yield "this server after a restart: there is no cache folder to write it down in, or it takes nothing"
        for name, store in self.stores.items():
            if store.failed:
                yield f"the {name} store: what it holds is out of reach, but its space does not return yet"
        if self.requests_failed:
            yield f"caches in front: {self.requests_failed} of their answers may be old until their time is over"
        if self.messages_failed:
            yield f"hooks: {self.messages_failed} messages were not taken"

    @property
    def state(self) -> str:
        if self.running:
            return "running"
        return "incomplete" if self.not_reached else "done"

    @property
    def size(self) -> int:
        """Bytes that it takes, about."""
        return OVERHEAD + sum(map(sys.getsizeof, (*self.targets, *self.tags)))

    def to_dict(self) -> dict[str, object]:
        """What the interface tells."""
        return {
            "id": self.id,
            "state": self.state,
            "targets": list(self.targets),
            "tags": list(self.tags),
            "stores": {
                name: {"removed": store.removed, "tags_done": store.done, "tags": len(self.tags)}
                for name, store in self.stores.items()
            },
            "caches": {"paths": self.paths, "requests_left": self.requests_left},
            "not_reached": self.not_reached,
        }
