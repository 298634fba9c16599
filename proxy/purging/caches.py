"""Caches in front that drop a path when they are asked to: nginx with its cache purge module."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from proxy.negotiation import Bucket
from proxy.purging.asking import Client
from proxy.purging.delivered import Place

AT_ONCE: Final = 16
"""Requests to one cache at a time."""
SLICE: Final = 1000
PAUSES: Final = (0.2, 1.0, 5.0, 30.0, 120.0, 600.0)
"""Seconds before what failed is tried once more: a cache that is down still has its files when it is up again."""
GONE: Final = (200, 204, 404, 412)
"""Answers after which nothing is there: it was dropped (200), or was not there (404, and 412 of old modules)."""
Asked = tuple[bytes, Bucket]
Told = Callable[[Literal["dropped", "failed"]], None]


def accept(taken: Bucket) -> bytes:
    """What a client of this kind says it takes."""
    return b",".join(b"image/" + name.encode() for name, takes in zip(taken._fields, taken, strict=True) if takes)


@dataclass(frozen=True)
class Caches:
    """The caches, each asked for every path in every kind of client that it may have it for."""

    client: Client
    addresses: Sequence[str]
    told: Told
    pauses: Sequence[float] = PAUSES

    async def drop(self, places: Collection[Place], left: Callable[[int], None]) -> int:
        """Have all of them drop all of that; how often that failed for good. `left` hears what is still to be asked."""
        asked = [(place.path, taken) for place in places for taken in sorted(place.taken)]
        waiting: dict[str, list[Asked]] = dict.fromkeys(self.addresses, asked)

        async def one(address: str) -> int:
            for pause in (*self.pauses, None):
                waiting[address] = await self._failed(address, waiting[address])
                left(sum(map(len, waiting.values())))
                if not waiting[address] or pause is None:
                    break
                await asyncio.sleep(pause)
            return len(waiting[address])

        left(sum(map(len, waiting.values())))
        return sum(await asyncio.gather(*map(one, self.addresses)))

    async def _failed(self, address: str, asked: Sequence[Asked]) -> list[Asked]:
        """Ask one cache once for each; returns what it did not drop."""
        turns, failed = asyncio.Semaphore(AT_ONCE), []

        async def one(path: bytes, taken: Bucket) -> None:
            async with turns:
                status = await self.client.status("DELETE", address, path, [(b"accept", accept(taken))])
            self.told("dropped" if status in GONE else "failed")
            if status not in GONE:
                failed.append((path, taken))

        for start in range(0, len(asked), SLICE):
            await asyncio.gather(*(one(*place) for place in asked[start : start + SLICE]))
        return failed
