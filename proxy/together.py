"""A part of the composition root: what several fronts have in common, made of the settings.

A front without Redis does not load its library, which takes a tenth of a second and 8 MB.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from proxy import metrics as counted
from proxy.addresses import RedisAddress
from proxy.coordination.local import LocalBus, LocalLocks, LocalTable
from proxy.coordination.seams import Bus, Locks, Table
from proxy.herd import Exchange, FromHandToHand, Handover, Herd, SharedTiers
from proxy.metrics import Metrics
from proxy.s3.bucket import Bucket
from proxy.s3.place import S3Place
from proxy.settings import Settings
from proxy.settings.tiers import Tier
from proxy.stores.behind import Behind
from proxy.stores.result import Store
from proxy.stores.s3 import USUAL, S3Store
from proxy.stores.tiered import TieredStore

if TYPE_CHECKING:
    from proxy.coordination.redis import RedisBus
    from proxy.redis import RedisClient
    from proxy.stores.redis import RedisStore

HANDED_OVER = 10.0
"""Seconds for which Redis keeps what is handed over; who waits for it takes it at once."""
RECORD = "record"
STATES = ("closed", "half-open", "open")


class Together:
    """Bus, tables, locks and stores that fronts share. Without Redis each front is alone, and lacks nothing."""

    bus: Bus
    table: Table
    locks: Locks

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings, self._metrics = settings, metrics
        self._clients: dict[RedisAddress, RedisClient] = {}
        self._redis_bus: RedisBus | None = None
        self.redis: RedisClient | None = None
        """The one by which fronts work together, where there is one."""
        self._telling: set[asyncio.Task[None]] = set()
        self.bus, self.table, self.locks = LocalBus(), LocalTable(), LocalLocks()
        if settings.redis:
            self._join(self._client(settings.redis), settings.redis_prefix)

    def tiers(self, scratch: Path) -> list[Behind]:
        """The stores that machines share, in the order of the settings; `scratch` is where large results arrive."""
        return [self._behind(self._shared_store(tier, scratch)) for tier in self._settings.shared_tiers]

    def herd(self, store: TieredStore) -> Herd | None:
        """How equal work is done once by all fronts; none where nothing joins them, or results cannot travel."""
        settings = self._settings
        if not settings.redis or not (store.shared or settings.redis_handover):
            return None
        herd = Herd(self.locks, self._exchange(settings.redis, store))
        self._metrics.watch(lambda: [(counted.RECEIVED, (), herd.received)])
        return herd

    def _exchange(self, redis: RedisAddress, store: TieredStore) -> Exchange:
        """How results get from one front to the others."""
        most = int(self._settings.redis_handover)
        if not most or any(tier.kind == "redis" for tier in self._settings.shared_tiers):
            return SharedTiers(store)
        between = self._redis_store(redis, most, HANDED_OVER, f"{self._settings.redis_prefix}handover:")
        return FromHandToHand(between, store, most) if store.shared else Handover(between, store)

    def tell_of_records(self, mount: str, key: str, version: str) -> None:
        """Say that an original has changed to those who may not have noticed; nobody waits for it."""
        telling = asyncio.create_task(self.bus.publish(RECORD, json.dumps([mount, key, version])))
        self._telling.add(telling)
        telling.add_done_callback(self._telling.discard)

    def hear_of_records(self, hear: Callable[[str, str, str], None]) -> None:
        """Have `hear` called with mount, key and version of what others have seen to change."""

        def heard(text: str) -> None:
            mount, key, version = map(str, json.loads(text))
            hear(mount, key, version)

        self.bus.listen(RECORD, heard)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Connected, as soon as that can be; whoever starts does not wait for it."""
        async with AsyncExitStack() as closing:
            for client in self._clients.values():
                closing.push_async_callback(client.close)
            if self._redis_bus:
                self._redis_bus.start()
                closing.push_async_callback(self._redis_bus.close)
            yield
            if self._telling:
                await asyncio.wait(self._telling)

    def _join(self, client: "RedisClient", prefix: str) -> None:
        from proxy.coordination.locks import RedisLocks
        from proxy.coordination.redis import RedisBus, RedisTable

        self.redis = client
        self.bus = self._redis_bus = bus = RedisBus(client, prefix)
        self.table, self.locks = RedisTable(client, prefix), (locks := RedisLocks(client, bus, prefix))
        self._metrics.watch(lambda: [(counted.LOCK_WAITS, (), locks.waits), (counted.HEARD, (), bus.connected)])

    def _redis_store(self, address: RedisAddress, bodies: int, ttl: float, prefix: str) -> "RedisStore":
        from proxy.stores.redis import RedisStore

        return RedisStore(self._client(address), prefix, bodies, ttl)

    def _shared_store(self, tier: Tier, scratch: Path) -> Store:
        settings = self._settings
        if tier.bucket:
            return S3Store(Bucket.open(S3Place.read(tier.bucket, USUAL)), scratch=scratch)
        address = tier.address or settings.redis
        assert address, "the settings see to it"
        return self._redis_store(address, prefix=settings.redis_prefix, **tier.options)

    def _behind(self, store: Store) -> Behind:
        settings = self._settings
        behind = Behind(store, settings.shared_seconds)
        self._metrics.watch(
            lambda: [
                (counted.DROPPED, (behind.name,), behind.dropped),
                (counted.BREAKER, (f"{behind.name} store",), STATES.index(behind.breaker.state)),
            ]
        )
        return behind

    def _client(self, address: RedisAddress) -> "RedisClient":
        """The client of a Redis; one for all that is asked of it."""
        from proxy.redis import RedisClient

        if not (client := self._clients.get(address)):
            settings = self._settings
            client = self._clients[address] = RedisClient(address, settings.redis_seconds)
            self._metrics.watch(
                lambda: [
                    (counted.REDIS_COMMANDS, (str(address),), client.commands),
                    (counted.REDIS_FAILURES, (str(address),), client.breaker.failed + client.breaker.refused),
                    (counted.BREAKER, (str(address),), STATES.index(client.breaker.state)),
                ]
            )
        return client
