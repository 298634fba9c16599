"""The composition root: from settings to a server, everything made here, passed in, and closed in reverse."""

import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from proxy import metrics as counted
from proxy.budget import Budget, find_machine, plan_budget
from proxy.caching import Freshness
from proxy.delivery import Delivery
from proxy.edge import Edge, RecentAnswers
from proxy.flights import Flights
from proxy.handlers.media import Media
from proxy.handlers.status import Status
from proxy.handlers.visitors import Visitors
from proxy.metrics import Metrics
from proxy.workers.poison import PoisonList
from proxy.policy import Allowed
from proxy.pressure import Siblings
from proxy.reading import Place, Reader
from proxy.records import Records
from proxy.rendering import Renderer, Watch
from proxy.rendition import Bounds, Rendition
from proxy.settings import Settings
from proxy.sources.file import FileSource
from proxy.sources.mounts import Mounts
from proxy.stores.disk import DiskStore
from proxy.stores.memory import MemoryStore
from proxy.stores.result import Store
from proxy.stores.tiered import TieredStore
from proxy.wire import Manners
from proxy.workers.pool import Pool, Reply
from signing import Key, KeyRing, looks_like_step, sign
from transforms.limits import Cost, Limits

log = structlog.get_logger(__name__)

CHEAP = 250.0
"""Milliseconds below which work may use the worker that is kept free: every usual rendition, but no refined AVIF."""
WORKER = (sys.executable, "-m", "transforms.worker")


@dataclass
class Phase:
    """What the server is about to do, for those who ask whether it is ready."""

    started: bool = False
    draining: bool = False


@dataclass(frozen=True)
class Application:
    """A server in one value: the ASGI application and what a test or a command may want of it."""

    asgi: Edge
    delivery: Delivery
    metrics: Metrics
    recent: RecentAnswers
    pools: Mapping[str, Pool]
    budget: Budget
    phase: Phase = field(default_factory=Phase)


def build(settings: Settings, budget: Budget | None = None) -> Application:
    """Put a server together. Raises BudgetError, BadKey and ValueError for settings that cannot be met."""
    budget = budget or plan_budget(settings, find_machine())
    metrics, phase, flights = Metrics(), Phase(), Flights()
    store = _store(settings, budget, metrics)
    ring = _ring(settings)
    mounts = Mounts(
        {name: FileSource(mount.url) for name, mount in settings.mounts.items()}, looks_like_step=looks_like_step
    )
    bounds = {name: Bounds(_limits(settings, name), settings.gps == "keep") for name in settings.mounts}
    freshness = {name: _freshness(settings, name) for name in settings.mounts}
    pools = _pools(settings, budget, metrics)
    renderer = Renderer(
        pictures=pools["pictures"],
        drawings=pools["drawings"],
        store=store,
        limits=lambda mount: bounds[mount].limits,
        deadline=settings.deadline,
        deadline_svg=settings.deadline_svg,
        watch=_watch(metrics),
    )
    reader = Reader(
        ring,
        _policies(settings),
        settings.presets,
        mounts,
        {name: _place(settings, name) for name in settings.mounts},
        open_to_all=settings.unsigned or ring is None,
        clock=time.time,
    )
    delivery = Delivery(
        reader=reader,
        records=Records(store, flights, renderer.probe, lambda mount: bounds[mount].limits, time.time),
        store=store,
        flights=flights,
        renderer=renderer,
        siblings=Siblings(store),
        bounds=bounds.__getitem__,
        freshness=freshness.__getitem__,
        sign=lambda rest, expires: _signed(ring, rest, expires),
        grade="final" if settings.first == "final" else "first",
        clock=time.time,
    )
    recent = RecentAnswers(budget.memory_cache // 2, metrics)
    visitors = Visitors(settings.admin_token.get_secret_value() if settings.admin_token else None)
    manners = Manners(settings.corp, settings.cors_origin)
    media = Media(delivery, recent, metrics, manners, visitors, settings.error_pictures)
    status = Status(metrics, visitors, lambda: _readiness(phase, pools))
    metrics.watch(lambda: [(counted.COALESCED, (), flights.joined)])

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as closing:
            closing.push_async_callback(_close, store)
            closing.push_async_callback(mounts.close)
            for pool in pools.values():
                closing.push_async_callback(pool.close, settings.stop_seconds)
            await asyncio.gather(*(pool.start() for pool in pools.values()))
            closing.push_async_callback(flights.close)
            phase.started = True
            yield
            phase.draining = True

    routes = [
        Route("/health", status.health),
        Route("/ready", status.ready),
        Route("/metrics", status.prometheus),
        Mount("/", app=media),
    ]
    starlette = Starlette(routes=routes, lifespan=lifespan)
    return Application(Edge(starlette, recent, media.renew), delivery, metrics, recent, pools, budget, phase)


async def _close(store: Store) -> None:
    if isinstance(store, TieredStore):
        await store.close()


def _store(settings: Settings, budget: Budget, metrics: Metrics) -> Store:
    tiers: list[Store] = [MemoryStore(budget.memory_cache // 2)]
    if settings.cache:
        tiers.append(DiskStore(settings.cache / "results", int(settings.cache_bytes)))
    for tier in tiers:
        metrics.watch_store(tier.name, tier.stats)
    return TieredStore(tiers)


def _pools(settings: Settings, budget: Budget, metrics: Metrics) -> dict[str, Pool]:
    scratch = settings.cache / "scratch" if settings.cache else Path(tempfile.gettempdir()) / "darkroom-scratch"
    poison = PoisonList()

    def pool(name: str, size: int, reserve: int) -> Pool:
        made = Pool(
            WORKER,
            size=size,
            scratch=scratch,
            reserve=reserve,
            cheap=CHEAP,
            queue_seconds=settings.queue_seconds,
            memory=budget.worker_memory * size,
            worker_memory=budget.worker_limit,
            recycle_rss=budget.recycle_rss,
            recycle_jobs=settings.recycle_jobs,
            poison=poison,
        )
        metrics.watch_pool(name, made.stats)
        return made

    return {
        "pictures": pool("pictures", budget.workers, 1 if budget.workers > 1 else 0),
        # Drawings, and headers that take a library to read: quick work, kept away from encoders.
        "drawings": pool("drawings", 1, 0),
    }


def _watch(metrics: Metrics) -> Watch:
    def made(rendition: Rendition, cost: Cost, reply: Reply, size: int) -> None:
        metrics.count(counted.TRANSFORMS, rendition.format, str(reply.meta.get("grade", "final")))
        for stage in ("decode", "transform", "encode"):
            if stage in reply.meta:
                metrics.observe(counted.STAGE_SECONDS, float(reply.meta[stage]), stage)
        metrics.observe(counted.STAGE_SECONDS, reply.queued, "queue")
        metrics.observe(counted.COST_RATIO, reply.worked * 1000 / max(cost.milliseconds, 0.1), rendition.format)
        if size:
            metrics.count(counted.SAVED_BYTES, rendition.format, by=max(0, rendition.record.size - size))

    return Watch(made, lambda mount, size: metrics.count(counted.ORIGIN_BYTES, mount or "/", by=size))


def _ring(settings: Settings) -> KeyRing | None:
    if not settings.keys:
        return None
    return KeyRing.read([key.secret.get_secret_value() for key in settings.keys])


def _policies(settings: Settings) -> dict[str, Allowed]:
    return {Key.read(key.secret.get_secret_value()).kid: key.policy for key in settings.keys}


def _place(settings: Settings, name: str) -> Place:
    mount = settings.mounts[name]
    return Place(
        public=mount.allowed if mount.policy == "public" else None,
        formats=mount.formats,
        default_preset=mount.default_preset,
        originals=mount.originals,
        focal={key: (point.x, point.y) for key, point in mount.focal.items()},
    )


def _limits(settings: Settings, name: str) -> Limits:
    return Limits(**settings.limits_of(settings.mounts[name]).model_dump())


def _freshness(settings: Settings, name: str) -> Freshness:
    mount, usual = settings.mounts[name], settings.freshness
    return Freshness(
        max_age=int(usual.max_age if mount.max_age is None else mount.max_age),
        shared_max_age=int(usual.shared_max_age if mount.shared_max_age is None else mount.shared_max_age),
        stale_while_revalidate=int(usual.stale_while_revalidate),
        stale_if_error=int(usual.stale_if_error),
        provisional_max_age=int(usual.provisional_max_age),
    )


def _signed(ring: KeyRing | None, rest: str, expires: int | None) -> str:
    """The path of another rendition, signed by the newest key where there are keys."""
    from signing.escapes import unescape

    return f"/{sign(unescape(rest), ring.newest, expires=expires)}/{rest}" if ring else f"/{rest}"


def _readiness(phase: Phase, pools: Mapping[str, Pool]) -> dict[str, object]:
    """Ready is who has started and is not about to stop; a full queue or a missing cache does not count."""
    crews = {name: vars(pool.stats()) | {"kills": dict(pool.stats().kills)} for name, pool in pools.items()}
    return {"ready": phase.started and not phase.draining, "draining": phase.draining, "pools": crews}


class Server(uvicorn.Server):
    """uvicorn that goes on accepting for a while after being told to stop: load balancers look away first."""

    def __init__(self, config: uvicorn.Config, phase: Phase, drain_seconds: float) -> None:
        super().__init__(config)
        self._phase, self._drain_seconds = phase, drain_seconds

    def handle_exit(self, sig: int, frame: object) -> None:
        """The first SIGTERM drains; a second signal, or Ctrl-C, stops at once."""
        if sig == signal.SIGTERM and not self._phase.draining and self._drain_seconds > 0:
            self._phase.draining = True
            log.info("draining", seconds=self._drain_seconds)
            asyncio.get_running_loop().call_later(self._drain_seconds, setattr, self, "should_exit", True)
            return
        self._phase.draining = True
        super().handle_exit(sig, frame)  # type: ignore[arg-type]


def server(settings: Settings, application: Application) -> Server:
    """The HTTP server of an application."""
    config = uvicorn.Config(
        application.asgi,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=int(settings.stop_seconds),
    )
    return Server(config, application.phase, settings.drain_seconds)
