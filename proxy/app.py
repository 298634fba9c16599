"""The composition root: from settings to a server, everything made here, passed in, and closed in reverse."""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from proxy import gate as gates
from proxy import metrics as counted
from proxy.accel import Accel
from proxy.budget import Budget, find_machine, plan_budget
from proxy.delivery import Delivery
from proxy.edge import Edge, RecentAnswers
from proxy.failures import OriginFailed, OriginTimedOut
from proxy.flights import Flights
from proxy.gate import Gate
from proxy.handlers import pages as ui
from proxy.handlers.media import METHODS, Media
from proxy.handlers.pages import Pages
from proxy.handlers.status import Status
from proxy.handlers.verdicts import Verdicts
from proxy.handlers.visitors import Visitors
from proxy.metrics import Metrics
from proxy.pages import dropping
from proxy.pages.dropping import Drops
from proxy.pages.playground import Playground
from proxy.pressure import Siblings
from proxy.protocol import room_for_pixels
from proxy.ready import AtOnce, Fields
from proxy.records import Records
from proxy.refinement import Refinement
from proxy.rendering import Renderer, Watch
from proxy.rendition import Rendition
from proxy.server import Phase
from proxy.settings import Settings
from proxy.shrunk import ShrunkOriginals
from proxy.site import Site
from proxy.sources.dropped import DroppedSource
from proxy.sources.file import FileSource
from proxy.sources.mounts import Mounted
from proxy.sources.source import Closed
from proxy.stores.disk import DiskStore
from proxy.stores.memory import MemoryStore
from proxy.stores.result import Store
from proxy.stores.tiered import TieredStore
from proxy.wire import Manners
from proxy.workers.poison import PoisonList
from proxy.workers.pool import BEHIND, Pool, Reply
from transforms.headers import Header
from transforms.limits import Cost

log = structlog.get_logger(__name__)

CHEAP = 250.0
"""Milliseconds below which work may use the worker that is kept free: every usual rendition, but no refined AVIF."""
WORKER = (sys.executable, "-m", "transforms.worker")


@dataclass(frozen=True)
class Application:
    """A server in one value: the ASGI application and what a test or a command may want of it."""

    asgi: Edge
    at_once: AtOnce
    """Answers that are ready, for the connection's protocol."""
    media: Media
    metrics: Metrics
    recent: RecentAnswers
    pools: Mapping[str, Pool]
    budget: Budget
    larger_bodies: Mapping[tuple[bytes, bytes], int]
    """Bytes of the bodies that are read, by method and path."""
    replace: Callable[[Settings], None]
    """Go on with the keys, presets and mounts of other settings, or raise and go on as before."""
    running: Callable[[], AbstractAsyncContextManager[None]]
    """Workers, stores and sources at work, whoever asks."""
    phase: Phase = field(default_factory=Phase)


def build(settings: Settings, budget: Budget | None = None, *, reserve: int = 1) -> Application:
    """A server, `reserve` of whose workers do short work alone. Raises BudgetError, BadKey, OSError and ValueError."""
    budget = budget or plan_budget(settings, find_machine())
    metrics, phase, flights = Metrics(), Phase(), Flights()
    sources: dict[Path, FileSource] = {}
    dropped = {dropping.MOUNT: DroppedSource()} if settings.playground else {}
    site = Site.of(settings, sources, dropped)
    # Requests that are on their way may still ask for a mount that is gone.
    bounds, freshness = dict(site.bounds), dict(site.freshness)
    store = _store(settings, budget, metrics)
    pools = _pools(settings, budget, metrics, reserve)
    shrunk = ShrunkOriginals(budget.pixels, room_for_pixels())
    metrics.watch_store("pixels", shrunk.stats)
    renderer = Renderer(
        pictures=pools["pictures"],
        drawings=pools["drawings"],
        store=store,
        limits=lambda mount: bounds[mount].limits,
        deadline=settings.deadline,
        deadline_svg=settings.deadline_svg,
        shrunk=shrunk,
        watch=_watch(metrics),
    )
    refinement = _refinement(settings, budget, renderer, flights, pools["pictures"])
    records = Records(
        store,
        flights,
        renderer.probe,
        lambda mount: bounds[mount].limits,
        passing=(OriginFailed, OriginTimedOut),
        clock=time.time,
    )
    delivery = Delivery(
        reader=site.reader,
        records=records,
        store=store,
        flights=flights,
        renderer=renderer,
        siblings=Siblings(store),
        bounds=bounds.__getitem__,
        freshness=freshness.__getitem__,
        refine=refinement.consider,
        grade="final" if settings.first == "final" else "first",
        clock=time.time,
        guarded=settings.behind_nginx,
    )
    gate = Gate(site.reader, freshness.__getitem__, time.time)
    recent = RecentAnswers(budget.memory_cache // 2, metrics)
    visitors = Visitors(settings.admin_token.get_secret_value() if settings.admin_token else None)
    manners = Manners(settings.corp, settings.cors_origin)
    media = Media(delivery, recent, metrics, manners, visitors, settings.error_pictures, _accel(settings))
    status = Status(metrics, visitors, manners, lambda: _readiness(phase, pools))
    pages = Pages(_playground(settings, site, dropped, records), visitors)
    metrics.watch(lambda: [(counted.COALESCED, (), flights.joined)])

    def replace_site(others: Settings) -> None:
        site = Site.of(others, sources, dropped)
        bounds.update(site.bounds)
        freshness.update(site.freshness)
        media.delivery = replace(media.delivery, reader=site.reader)
        media.accel = _accel(others)
        gate.reader = site.reader
        if pages.playground:
            pages.playground = replace(pages.playground, tree=site.tree, links=site.links)
        recent.forget()

    @asynccontextmanager
    async def running() -> AsyncIterator[None]:
        async with AsyncExitStack() as closing:
            closing.push_async_callback(store.close)
            closing.push_async_callback(_close_all, sources)
            closing.callback(shrunk.close)
            closing.push_async_callback(_close_all, dropped)
            for pool in pools.values():
                closing.push_async_callback(pool.close, settings.stop_seconds)
            await asyncio.gather(*(pool.start() for pool in pools.values()))
            closing.push_async_callback(flights.close)
            closing.push_async_callback(refinement.close)
            phase.started = True
            yield
            phase.draining = True

    own = {
        "/health": status.health,
        "/ready": status.ready,
        "/metrics": status.prometheus,
        gates.PLACE.decode(): Verdicts(gate).auth,
    }
    routes = [*(Route(path, endpoint) for path, endpoint in own.items()), *pages.routes()]
    starlette = Starlette(routes=routes, lifespan=lambda _: running())
    paths = {path.encode() for path in own}

    async def routed(scope: Scope, receive: Receive, send: Send) -> None:
        # The framework's router would answer by itself what its patterns do not match, such as a line's end.
        ours = (
            scope["type"] != "http"
            or (scope["raw_path"] in paths and scope["method"] in METHODS)
            or ui.is_below(scope["raw_path"])
        )
        await (starlette if ours else media)(scope, receive, send)

    def at_once(method: str, path: bytes, fields: Fields) -> tuple[bytes, bytes] | None:
        return gate.at_once(fields) if path == gates.PLACE else edge.at_once(method, path, fields)

    edge = Edge(routed, recent, media.renew)
    larger = {(b"PUT", ui.DROPPED.encode()): pages.playground.drops.most_bytes} if pages.playground else {}
    return Application(edge, at_once, media, metrics, recent, pools, budget, larger, replace_site, running, phase)


def _accel(settings: Settings) -> Accel | None:
    # As FileSource has them, which gives originals their paths.
    urls = {name: mount.url for name, mount in settings.mounts.items()}
    folders = {name: url.absolute() for name, url in urls.items() if isinstance(url, Path)}
    return Accel(settings.accel, folders) if settings.accel else None


async def _close_all(sources: Mapping[Any, Closed]) -> None:
    for source in sources.values():
        await source.close()


def _store(settings: Settings, budget: Budget, metrics: Metrics) -> TieredStore:
    tiers: list[Store] = [MemoryStore(budget.memory_cache // 2)]
    if settings.cache:
        tiers.append(DiskStore(settings.cache / "results", int(settings.cache_bytes)))
    for tier in tiers:
        metrics.watch_store(tier.name, tier.stats)
    return TieredStore(tiers)


def _pools(settings: Settings, budget: Budget, metrics: Metrics, reserve: int) -> dict[str, Pool]:
    scratch = _scratch(settings)
    poison, bad_originals = PoisonList(), PoisonList(strikes=4)

    def pool(name: str, size: int, reserve: int, spare: int = 0) -> Pool:
        made = Pool(
            WORKER,
            size=size,
            scratch=scratch,
            reserve=reserve,
            cheap=CHEAP,
            spare=spare,
            queue_seconds=settings.queue_seconds,
            memory=budget.worker_memory * size,
            worker_memory=budget.worker_limit,
            recycle_rss=budget.recycle_rss,
            recycle_jobs=settings.recycle_jobs,
            poison=poison,
            bad_originals=bad_originals,
        )
        metrics.watch_pool(name, made.stats)
        return made

    return {
        "pictures": pool("pictures", budget.workers, reserve, budget.spare),
        # Drawings, and headers that take a library to read: quick work, kept away from encoders.
        "drawings": pool("drawings", 1, 0),
    }


def _scratch(settings: Settings) -> Path:
    """Where workers put results: beside the cache, which then takes them over by a rename, if that can be written."""
    if settings.cache is not None:
        try:
            (place := settings.cache / "scratch").mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=place):
                return place
        except OSError as error:
            log.warning("the cache cannot be written; results stay in memory alone", folder=str(place), why=str(error))
    return Path(tempfile.gettempdir()) / f"darkroom-{os.getuid()}"


def _refinement(settings: Settings, budget: Budget, renderer: Renderer, flights: Flights, pool: Pool) -> Refinement:
    # To make room, a worker that is alone has to be started anew.
    longest = settings.deadline * 250 if budget.workers + budget.spare > 1 else CHEAP
    return Refinement(
        lambda rendition, tags: renderer.make(rendition, "final", tags, rank=BEHIND),
        lambda rendition: renderer.cost(rendition, "final").milliseconds < longest,
        pool.at_leisure,
        flights,
    )


def _playground(
    settings: Settings, site: Site, dropped: Mapping[str, DroppedSource], records: Records
) -> Playground | None:
    if not dropped:
        return None

    async def look(mounted: Mounted) -> Header:
        return (await records.header(mounted))[1]

    largest = max(settings.limits.jpeg_bytes, settings.limits.picture_bytes)
    drops = Drops(dropped[dropping.MOUNT], look, int(largest), _scratch(settings))
    return Playground(site.tree, site.links, drops)


def _watch(metrics: Metrics) -> Watch:
    def made(rendition: Rendition, grade: str, cost: Cost, reply: Reply, size: int) -> None:
        metrics.count(counted.TRANSFORMS, rendition.format, grade)
        for stage in ("decode", "transform", "encode"):
            if stage in reply.meta:
                metrics.observe(counted.STAGE_SECONDS, float(reply.meta[stage]), stage)
        metrics.observe(counted.STAGE_SECONDS, reply.queued, "queue")
        metrics.observe(counted.COST_RATIO, reply.worked * 1000 / max(cost.milliseconds, 0.1), rendition.format)
        metrics.observe(counted.MEMORY_RATIO, reply.peak / (reply.base + cost.memory), rendition.format)
        if size:
            metrics.count(counted.SAVED_BYTES, rendition.format, by=max(0, rendition.record.size - size))

    return Watch(made, lambda mount, size: metrics.count(counted.ORIGIN_BYTES, mount or "/", by=size))


def _readiness(phase: Phase, pools: Mapping[str, Pool]) -> dict[str, object]:
    """Ready is who has started and is not about to stop; a full queue or a missing cache does not count."""
    crews = {name: vars(pool.stats()) | {"kills": dict(pool.stats().kills)} for name, pool in pools.items()}
    return {"ready": phase.started and not phase.draining, "draining": phase.draining, "pools": crews}
