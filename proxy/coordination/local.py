"""Coordination of a front that is alone."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

log = logging.getLogger(__name__)


class LocalBus:
    """Words to the listeners of this process, heard before `publish` returns."""

    def __init__(self) -> None:
        self._hearers: defaultdict[str, list[Callable[[str], None]]] = defaultdict(list)

    async def publish(self, topic: str, text: str) -> None:
        self.hear(topic, text)

    def listen(self, topic: str, hear: Callable[[str], None]) -> None:
        self._hearers[topic].append(hear)

    def hear(self, topic: str, text: str) -> None:
        """Tell all listeners, whatever one of them makes of it."""
        for hear in self._hearers.get(topic, ()):
            try:
                hear(text)
            except Exception:
                log.exception("A listener to %s failed", topic)


class LocalTable:
    """Maps in the memory of this process."""

    def __init__(self) -> None:
        self._maps: dict[str, dict[str, str]] = {}

    async def read(self, name: str) -> Mapping[str, str]:
        return dict(self._maps.get(name, {}))

    async def get(self, name: str, field: str) -> str | None:
        return self._maps.get(name, {}).get(field)

    async def set(self, name: str, field: str, value: str) -> None:
        self._maps.setdefault(name, {})[field] = value

    async def add(self, name: str, field: str, by: int = 1) -> int:
        fields = self._maps.setdefault(name, {})
        fields[field] = str(now := int(fields.get(field, "0")) + by)
        return now


class LocalLocks:
    """Locks among the tasks of this process; who holds one cannot die without its block ending."""

    def __init__(self) -> None:
        self._held: dict[str, asyncio.Event] = {}

    def held(self, key: str, seconds: float) -> AbstractAsyncContextManager[bool]:
        return self._hold(key)

    @asynccontextmanager
    async def _hold(self, key: str) -> AsyncIterator[bool]:
        if other := self._held.get(key):
            await other.wait()
            yield False
            return
        self._held[key] = free = asyncio.Event()
        try:
            yield True
        finally:
            del self._held[key]
            free.set()
