"""Results in the memory of this process."""

import asyncio
from collections.abc import Collection
from dataclasses import replace

from cachetools import LRUCache

from proxy.stats import Stats
from proxy.stores.result import Result, Scratch, checked

OVERHEAD = 2048
"""Bytes that an entry costs beside its body: its key, its meta and its places in the tables."""

SHARE = 8
"""A body may take one part in this many of a store, so that one film does not push out a thousand pictures."""


def _cost(result: Result) -> int:
    return len(result.body) + OVERHEAD if isinstance(result.body, bytes) else OVERHEAD


class MemoryStore:
    """Results kept in memory up to a bound in bytes, the least recently used dropped first.

    Belongs to one event loop. Bodies in files are not kept: the page cache holds them already.
    """

    name = "memory"

    def __init__(self, max_bytes: int) -> None:
        self._kept: LRUCache[str, Result] = LRUCache(max_bytes, getsizeof=_cost)
        self._tags: dict[str, set[str]] = {}
        self._hits = self._misses = self._evictions = 0

    async def get(self, key: str) -> Result | None:
        result = self._kept.get(checked(key))
        if result is None:
            self._misses += 1
        else:
            self._hits += 1
        return result

    async def put(self, key: str, result: Result | Scratch, tags: Collection[str] = ()) -> Result:
        checked(key)
        if isinstance(result, Scratch):
            result = await asyncio.to_thread(result.held)
        result = result.tagged(tags)
        # Also when the new one is not kept: the old one is not what was put last.
        self._drop(key)
        if not isinstance(result.body, bytes) or len(result.body) > self._kept.maxsize // SHARE:
            return result
        while self._kept.currsize + _cost(result) > self._kept.maxsize:
            if not self._kept:
                return result
            self._untag(*self._kept.popitem())
            self._evictions += 1
        self._kept[key] = kept = replace(result, tier=self.name)
        for tag in kept.tags:
            self._tags.setdefault(tag, set()).add(key)
        return kept

    async def delete(self, key: str) -> None:
        self._drop(checked(key))

    async def delete_tagged(self, tag: str) -> int:
        keys = tuple(self._tags.get(tag, ()))
        for key in keys:
            self._drop(key)
        return len(keys)

    def stats(self) -> Stats:
        held = self._kept
        return Stats(self._hits, self._misses, int(held.currsize), len(held), self._evictions)

    def _drop(self, key: str) -> None:
        result = self._kept.pop(key, None)
        if result is not None:
            self._untag(key, result)

    def _untag(self, key: str, result: Result) -> None:
        for tag in result.tags:
            keys = self._tags[tag]
            keys.discard(key)
            if not keys:
                del self._tags[tag]
