"""The composition root: from settings to a server, everything made here, passed in, and closed in reverse."""

import asyncio
import os
import platform
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from importlib import metadata
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
from proxy.clients.addresses import is_private
from proxy.clients.crowd import Crowd, Dropped
from proxy.clients.rates import Limiter, Refused
from proxy.clients.shared import Sharing
from proxy.coordination.seams import Bus
from proxy.delivery import Delivery
from proxy.edge import Edge
from proxy.failures import OriginFailed, OriginTimedOut
from proxy.flights import Flights
from proxy.gate import Gate
from proxy.handlers import pages as ui
from proxy.handlers import purge
from proxy.handlers.media import METHODS, Media
from proxy.handlers.pages import Pages
from proxy.handlers.purge import Purging
from proxy.handlers.status import Status
from proxy.handlers.texts import Texts
from proxy.handlers.tokens import Token, Tokens
from proxy.handlers.verdicts import Verdicts
from proxy.handlers.visitors import Visitors
from proxy.herd import alone
from proxy.known import StoredRecords
from proxy.log import OnceAMinute
from proxy.metrics import Metrics
from proxy.origins import Origins
from proxy.pages import dropping
from proxy.pages.dropping import Drops
from proxy.pages.playground import Playground
from proxy.pressure import Siblings
from proxy.protocol import room_for_pixels
from proxy.purging.asking import Client
from proxy.purging.caches import Caches
from proxy.purging.delivered import Delivered
from proxy.purging.generations import Generations
from proxy.purging.hooks import Hook, Hooks
from proxy.purging.journal import Journal
from proxy.purging.purge import Purges
from proxy.ready import AtOnce, Fields, Peer
from proxy.recent import RecentAnswers
from proxy.records import Records
from proxy.refinement import Refinement
from proxy.rendering import Renderer, Watch
from proxy.rendition import Rendition
from proxy.server import Phase
from proxy.settings import Settings
from proxy.shrunk import ShrunkOriginals
from proxy.site import Site, changed_in_vain
from proxy.sources.copies import Copies
from proxy.sources.dropped import DroppedSource
from proxy.sources.mounts import Mounted
from proxy.sources.source import Closed
from proxy.stores.disk import DiskStore
from proxy.stores.memory import MemoryStore
from proxy.stores.notices import Notices
from proxy.stores.result import Result, Store
from proxy.stores.tiered import TieredStore
from proxy.stores.traced import TracedStore
from proxy.tags import tags_at
from proxy.together import Together
from proxy.tracing import Off, Tracing, open_telemetry
from proxy.workers.poison import PoisonList
from proxy.workers.pool import BEHIND, Pool, Reply
from transforms.headers import Header
from transforms.limits import Cost

log = structlog.get_logger(__name__)

CHEAP = 250.0
"""Milliseconds below which work may use the worker that is kept free: every usual rendition, but no refined AVIF."""
STAGES = ("decode", "transform", "encode")
"""What a worker does, as it tells of it."""
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
    origins: Origins
    larger_bodies: Mapping[tuple[bytes, bytes], int]
    """Bytes of the bodies that are read, by method and path."""
    replace: Callable[[Settings], list[str]]
    """Go on with what may change of other settings, or raise and go on as before; returns what waits for a start."""
    crowd: Crowd
    """The connections of each client; told of those that are given up."""
    running: Callable[[], AbstractAsyncContextManager[None]]
    """Workers, stores and sources at work, whoever asks."""
    phase: Phase = field(default_factory=Phase)


def build(settings: Settings, budget: Budget | None = None, *, reserve: int = 1) -> Application:
    """A server, `reserve` of whose workers do short work alone. Raises BudgetError, BadKey, OSError and ValueError."""
    budget = budget or plan_budget(settings, find_machine())
    metrics, phase, flights = Metrics(), Phase(), Flights()
    origins = _origins(settings, metrics)
    dropped = {dropping.MOUNT: DroppedSource()} if settings.playground else {}
    site = Site.of(settings, origins, dropped)
    tracing = _tracing(settings)
    limiter = Limiter(site.rates, _refused(metrics))
    crowd = Crowd(settings.connections, site.addresses, _dropped(metrics))
    # Requests that are on their way may still ask for a mount that is gone.
    bounds, freshness, rechecks = dict(site.bounds), dict(site.freshness), dict(site.rechecks)
    together = Together(settings, metrics)
    generations = Generations(together.table, Journal(settings.cache / "purges") if settings.cache else None)
    store = _store(settings, budget, metrics, together)
    herd = together.herd(store)
    pools = _pools(settings, budget, metrics, reserve)
    shrunk = ShrunkOriginals(budget.pixels, room_for_pixels())
    metrics.watch_store("pixels", shrunk.stats)
    renderer = Renderer(
        pictures=pools["pictures"],
        drawings=pools["drawings"],
        store=store if isinstance(tracing, Off) else TracedStore(store, lambda: tracing.span("store put")),
        limits=lambda mount: bounds[mount].limits,
        deadline=settings.deadline,
        deadline_svg=settings.deadline_svg,
        shrunk=shrunk,
        watch=_watch(metrics, tracing),
    )
    refinement = _refinement(settings, budget, renderer, store, flights, pools["pictures"])
    records = Records(
        store,
        flights,
        renderer.probe,
        lambda mount: bounds[mount].limits,
        passing=(OriginFailed, OriginTimedOut),
        clock=time.time,
        purged=lambda mount, key: generations.of(tags_at(mount, key)).numbers,
        recheck=rechecks.__getitem__,
        outliving=StoredRecords(store),
        tell=together.tell_of_records,
    )
    together.hear_of_records(records.hear)
    delivery = Delivery(
        reader=site.reader,
        records=records,
        store=store,
        flights=flights,
        together=herd.share if herd else alone,
        renderer=renderer,
        siblings=Siblings(store),
        bounds=bounds.__getitem__,
        freshness=freshness.__getitem__,
        refine=refinement.consider,
        grade="final" if settings.first == "final" else "first",
        limiter=limiter,
        clock=time.time,
        purged=generations.of,
        guarded=settings.behind_nginx,
    )
    gate = Gate(site.reader, freshness.__getitem__, time.time)
    recent = RecentAnswers(budget.memory_cache // 2, metrics)
    visitors, texts = _visitors(settings), Texts()
    purges = _purges(settings, generations, together.bus, store, recent, metrics)
    purging = Purging(purges, site.targets, _tokens(settings))
    media = Media(
        delivery,
        recent,
        metrics,
        site.manners,
        visitors,
        settings.error_pictures,
        texts,
        tracing,
        accel=_accel(settings),
    )
    if purges.telling:
        media.delivered = purges.delivered.remember
    status = Status(metrics, visitors, site.manners, lambda: _readiness(phase, pools))
    pages = Pages(_playground(settings, site, dropped, records), visitors)
    metrics.watch(lambda: [(counted.COALESCED, (), flights.joined), (counted.CONNECTIONS, (), crowd.total)])
    metrics.watch(lambda: [(counted.BUILD, (version(), platform.python_version()), 1)])

    def replace_site(others: Settings) -> list[str]:
        site = Site.of(others, origins, dropped)
        # Nothing from here on can fail, so that all of it holds or nothing.
        bounds.update(site.bounds)
        freshness.update(site.freshness)
        rechecks.update(site.rechecks)
        media.delivery = replace(media.delivery, reader=site.reader)
        media.accel = _accel(others)
        gate.reader = site.reader
        if pages.playground:
            pages.playground = replace(pages.playground, tree=site.tree, links=site.links)
        purging.targets, purging.tokens = site.targets, _tokens(others)
        limiter.use(site.rates)
        crowd.most, crowd.addresses, edge.addresses = others.connections, site.addresses, site.addresses
        media.manners = status.manners = edge.manners = site.manners
        media.visitors = status.visitors = pages.visitors = _visitors(others)
        recent.forget()
        return changed_in_vain(settings, others)

    @asynccontextmanager
    async def running() -> AsyncIterator[None]:
        async with AsyncExitStack() as closing:
            closing.callback(tracing.close)
            await closing.enter_async_context(together.running())
            closing.push_async_callback(store.close)
            closing.push_async_callback(origins.close)
            closing.callback(shrunk.close)
            closing.push_async_callback(purges.close)
            await purges.start()
            closing.push_async_callback(_close_all, dropped)
            for pool in pools.values():
                closing.push_async_callback(pool.close, settings.stop_seconds)
            if together.redis:
                sharing = asyncio.create_task(Sharing(limiter, together.redis, settings.redis_prefix).run())
                closing.push_async_callback(asyncio.wait, (sharing,))
                closing.callback(sharing.cancel)
            await asyncio.gather(*(pool.start() for pool in pools.values()))
            if herd:
                closing.push_async_callback(herd.close)
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
    routes = [*(Route(path, endpoint) for path, endpoint in own.items()), *pages.routes(), *purging.routes()]
    starlette = Starlette(routes=routes, lifespan=lambda _: running())
    paths = {path.encode() for path in own}

    async def routed(scope: Scope, receive: Receive, send: Send) -> None:
        # The framework's router would answer by itself what its patterns do not match, such as a line's end.
        ours = (
            scope["type"] != "http"
            or (scope["raw_path"] in paths and scope["method"] in METHODS)
            or ui.is_below(scope["raw_path"])
            or purge.is_ours(scope["raw_path"])
        )
        if ours and scope["type"] == "http":
            await texts(scope, receive, send, starlette)
        else:
            await (starlette if ours else media)(scope, receive, send)

    def at_once(method: str, path: bytes, fields: Fields, peer: Peer) -> tuple[bytes, bytes] | None:
        return gate.at_once(fields) if path == gates.PLACE else edge.at_once(method, path, fields, peer)

    edge = Edge(routed, recent, media.renew, metrics=metrics, limiter=limiter, unlimited=paths, compressed=texts)
    edge.addresses, edge.manners = site.addresses, site.manners
    larger = {(b"POST", purge.PLACE.encode()): purge.LARGEST_BODY}
    if pages.playground:
        larger[b"PUT", ui.DROPPED.encode()] = pages.playground.drops.most_bytes
    return Application(
        edge, at_once, media, metrics, recent, pools, budget, origins, larger, replace_site, crowd, running, phase
    )


def _accel(settings: Settings) -> Accel | None:
    # As FileSource has them, which gives originals their paths.
    urls = {name: mount.url for name, mount in settings.mounts.items()}
    folders = {name: url.absolute() for name, url in urls.items() if isinstance(url, Path)}
    return Accel(settings.accel, folders) if settings.accel else None


def version() -> str:
    """The version of Darkroom that is installed."""
    try:
        return metadata.version("darkroom")
    except metadata.PackageNotFoundError:  # from a copy of the files alone
        return "unknown"


async def _close_all(sources: Mapping[Any, Closed]) -> None:
    for source in sources.values():
        await source.close()


def _origins(settings: Settings, metrics: Metrics) -> Origins:
    trouble = Notices("proxy.sources.copies").trouble
    copies = Copies(settings.cache / "originals" if settings.cache else None, int(settings.originals_bytes), trouble)
    metrics.watch_store("originals", copies.stats)

    def told(mount: str, outcome: str, size: int) -> None:
        metrics.count(counted.FETCHES, mount or "/", outcome)
        metrics.count(counted.FETCHED_BYTES, mount or "/", by=size)

    return Origins(copies, told)


def _store(settings: Settings, budget: Budget, metrics: Metrics, together: Together) -> TieredStore:
    local: dict[str, Callable[[], Store]] = {"memory": lambda: MemoryStore(budget.memory_cache // 2)}
    if folder := settings.cache:
        local["disk"] = lambda: DiskStore(folder / "results", int(settings.cache_bytes))
    store = TieredStore(
        [local[tier.kind]() for tier in settings.results if tier.kind in local], together.tiers(_scratch(settings))
    )
    for tier in store.tiers:
        metrics.watch_store(tier.name, tier.stats)
    return store


def _purges(
    settings: Settings,
    generations: Generations,
    bus: Bus,
    store: TieredStore,
    recent: RecentAnswers,
    metrics: Metrics,
) -> Purges:
    client, delivered = Client(), Delivered()
    hooks = [
        Hook(hook.url, hook.header.lower().encode(), hook.secret.get_secret_value().encode() if hook.secret else None)
        for hook in settings.purge_hooks
    ]

    def counts(to: str) -> Callable[[str], None]:
        return lambda outcome: metrics.count(counted.PURGE_REQUESTS, to, outcome)

    metrics.watch(
        lambda: [
            (counted.DELIVERED, (), len(delivered)),
            (counted.DELIVERED_FORGOTTEN, (), delivered.forgotten),
        ]
    )
    return Purges(
        generations=generations,
        bus=bus,
        store=store,
        forget=recent.forget_tagged,
        forget_all=recent.forget,
        delivered=delivered,
        delivered_file=settings.cache / "delivered" if settings.cache else None,
        caches=Caches(client, settings.purge_urls, counts("cache")),
        hooks=Hooks(client, hooks, counts("hook")),
        told=lambda by: metrics.count(counted.PURGES, by),
    )


def _tokens(settings: Settings) -> Tokens:
    return Tokens(
        [
            Token(
                token.name,
                token.secret.get_secret_value(),
                frozenset(token.scopes),
                None if token.mounts is None else frozenset(token.mounts),
            )
            for token in settings.tokens
        ]
    )


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


def _refinement(
    settings: Settings, budget: Budget, renderer: Renderer, store: TieredStore, flights: Flights, pool: Pool
) -> Refinement:
    # To make room, a worker that is alone has to be started anew.
    longest = settings.deadline * 250 if budget.workers + budget.spare > 1 else CHEAP

    async def refine(rendition: Rendition, tags: Collection[str]) -> Result:
        # Another machine may have done it.
        if (kept := await store.get_anew(rendition.key)) and kept.meta.get("grade") == "final":
            return kept
        return await renderer.make(rendition, "final", tags, rank=BEHIND)

    return Refinement(
        refine,
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


def _visitors(settings: Settings) -> Visitors:
    return Visitors(settings.admin_token.get_secret_value() if settings.admin_token else None)


def _tracing(settings: Settings) -> Tracing:
    """Raises ValueError where spans are wanted and cannot be made."""
    if settings.otel_endpoint is None:
        return Off()
    try:
        return open_telemetry(settings.otel_endpoint, version())
    except ImportError:
        raise ValueError("otel_endpoint: spans take the extra `otel`: install darkroom[server,otel]") from None


def _refused(metrics: Metrics) -> Refused:
    once = OnceAMinute()

    def refused(what: str, whose: str, who: str) -> None:
        metrics.count(counted.RATE_REFUSED, what, whose)
        if once((what, whose, who)):
            log.warning("somebody asks too often", limit=what, **{whose: who}, **_hint(who))

    return refused


def _dropped(metrics: Metrics) -> Dropped:
    def dropped(reason: str, client: str) -> None:
        metrics.count(counted.CLIENTS_DROPPED, reason)
        tell = log.debug if reason == "left" else log.info
        tell("a client was dropped", reason=reason, client=client, **_hint(client if reason == "connections" else ""))

    return dropped


def _hint(client: str) -> dict[str, str]:
    """What to do where a proxy is taken for a client."""
    return {"hint": "if this is a proxy of yours, name it in trusted_proxies"} if is_private(client) else {}


def _watch(metrics: Metrics, tracing: Tracing) -> Watch:
    def made(rendition: Rendition, grade: str, cost: Cost, reply: Reply, size: int) -> None:
        metrics.count(counted.TRANSFORMS, rendition.format, grade)
        for stage in STAGES:
            if stage in reply.meta:
                metrics.observe(counted.STAGE_SECONDS, float(reply.meta[stage]), stage)
        metrics.observe(counted.STAGE_SECONDS, reply.queued, "queue")
        metrics.observe(counted.COST_RATIO, reply.worked * 1000 / max(cost.milliseconds, 0.1), rendition.format)
        metrics.observe(counted.MEMORY_RATIO, reply.peak / (reply.base + cost.memory), rendition.format)
        metrics.count(counted.WORK_SECONDS, rendition.format, by=reply.worked)
        metrics.count(counted.ESTIMATED_SECONDS, rendition.format, by=cost.milliseconds / 1000)
        tracing.was("queue", reply.queued, reply.worked)
        steps = {f"darkroom.{stage}": float(reply.meta[stage]) for stage in STAGES if stage in reply.meta}
        tracing.was("work", reply.worked, 0.0, {**steps, "darkroom.format": rendition.format, "darkroom.grade": grade})
        if size:
            metrics.count(counted.SAVED_BYTES, rendition.format, by=max(0, rendition.record.size - size))

    def read(mount: str, size: int, seconds: float) -> None:
        metrics.count(counted.ORIGIN_REQUESTS, mount or "/")
        metrics.count(counted.ORIGIN_BYTES, mount or "/", by=size)
        tracing.was("fetch", seconds, 0.0, {"darkroom.mount": mount or "/", "darkroom.original.size": size})

    return Watch(made, read)


def _readiness(phase: Phase, pools: Mapping[str, Pool]) -> dict[str, object]:
    """Ready is who has started and is not about to stop; a full queue or a missing cache does not count."""
    crews = {name: vars(pool.stats()) | {"kills": dict(pool.stats().kills)} for name, pool in pools.items()}
    return {"ready": phase.started and not phase.draining, "draining": phase.draining, "pools": crews}
