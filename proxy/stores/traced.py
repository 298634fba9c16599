"""A store whose keeping of results is watched."""

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from typing import Any

from proxy.stats import Stats
from proxy.stores.result import Result, Scratch, Store


class TracedStore:
    """Another store, around each of whose `put`s something is: a span."""

    def __init__(self, store: Store, around: Callable[[], AbstractContextManager[Any]]) -> None:
        self._store, self._around = store, around
        self.name = store.name

    async def get(self, key: str) -> Result | None:
        return await self._store.get(key)

    async def put(self, key: str, result: Result | Scratch, tags: Collection[str] = ()) -> Result:
        with self._around():
            return await self._store.put(key, result, tags)

    async def delete(self, key: str) -> None:
        await self._store.delete(key)

    def stats(self) -> Stats:
        return self._store.stats()
