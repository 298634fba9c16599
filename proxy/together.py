"""A part of the composition root: what several fronts have in common, made of the settings."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from proxy import metrics as counted
from proxy.addresses import RedisAddress
from proxy.coordination.local import LocalBus, LocalLocks, LocalTable
from proxy.coordination.locks import RedisLocks
from proxy.coordination.redis import RedisBus, RedisTable
from proxy.coordination.seams import Bus, Locks, Table
from proxy.herd import Handover, Herd, SharedTiers
from proxy.metrics import Metrics
from proxy.redis import RedisClient
from proxy.settings import Settings
from proxy.stores.behind import Behind
from proxy.stores.redis import RedisStore
from proxy.stores.tiered import TieredStore

HANDED_OVER = 10.0
"""Seconds for which Redis keeps what is handed over; who waits for it takes it at once."""
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
        if settings.redis:
            client, prefix = self._client(settings.redis), settings.redis_prefix
            self.redis = client
            self.bus = self._redis_bus = bus = RedisBus(client, prefix)
            self.table, self.locks = RedisTable(client, prefix), (locks := RedisLocks(client, bus, prefix))
            metrics.watch(lambda: [(counted.LOCK_WAITS, (), locks.waits), (counted.HEARD, (), bus.connected)])
        else:
            self.bus, self.table, self.locks = LocalBus(), LocalTable(), LocalLocks()

    def tiers(self) -> list[Behind]:
        """The stores that machines share, in the order of the settings."""
        return [self._behind(self._redis_store(tier.address, **tier.options)) for tier in self._settings.shared_tiers]

    def herd(self, store: TieredStore) -> Herd | None:
        """How equal work is done once by all fronts; none where nothing joins them, or results cannot travel."""
        settings = self._settings
        if not settings.redis or not (store.shared or settings.redis_handover):
            return None
        if store.shared:
            herd = Herd(self.locks, SharedTiers(store))
        else:
            prefix = f"{settings.redis_prefix}handover:"
            between = RedisStore(self._client(settings.redis), prefix, int(settings.redis_handover), HANDED_OVER)
            herd = Herd(self.locks, Handover(between, store))
        self._metrics.watch(lambda: [(counted.RECEIVED, (), herd.received)])
        return herd

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

    def _redis_store(self, address: RedisAddress | None, *, bodies: int, ttl: float) -> RedisStore:
        settings = self._settings
        address = address or settings.redis
        assert address, "the settings see to it"
        return RedisStore(self._client(address), settings.redis_prefix, bodies, ttl)

    def _behind(self, store: RedisStore) -> Behind:
        settings = self._settings
        behind = Behind(store, settings.shared_seconds)
        self._metrics.watch(
            lambda: [
                (counted.DROPPED, (behind.name,), behind.dropped),
                (counted.BREAKER, (f"{behind.name} store",), STATES.index(behind.breaker.state)),
            ]
        )
        return behind

    def _client(self, address: RedisAddress) -> RedisClient:
        """The client of a Redis; one for all that is asked of it."""
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
