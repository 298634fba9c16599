"""The composition root: from settings to a server, everything made here, passed in, and closed in reverse."""

import asyncio
import platform
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from proxy import gate as gates
from proxy import metrics as counted
from proxy.accel import Accel
from proxy.budget import Budget, find_machine, plan_budget
from proxy.clients.crowd import Crowd
from proxy.clients.rates import Limiter
from proxy.clients.shared import Sharing
from proxy.delivery import Delivery
from proxy.edge import Edge
from proxy.failures import OriginFailed, OriginTimedOut
from proxy.flights import Flights
from proxy.forgetting import purges_of, tokens_of
from proxy.gate import Gate
from proxy.handlers import pages as ui
from proxy.handlers import purge
from proxy.handlers.media import METHODS, Media
from proxy.handlers.pages import Pages
from proxy.handlers.purge import Purging
from proxy.handlers.status import Status
from proxy.handlers.texts import Texts
from proxy.handlers.verdicts import Verdicts
from proxy.handlers.visitors import Visitors
from proxy.herd import alone
from proxy.known import StoredRecords
from proxy.machinery import (
    films_of,
    ladders_of,
    pools_of,
    refinement_of,
    scratch_of,
    store_of,
    streams_of,
    transcodes_of,
)
from proxy.metrics import Metrics
from proxy.once import Once
from proxy.origins import Origins
from proxy.pages import dropping
from proxy.pages.dropping import Drops
from proxy.pages.playground import Playground
from proxy.pressure import Siblings
from proxy.protocol import room_for_pixels
from proxy.purging.generations import Generations
from proxy.purging.journal import Journal
from proxy.recent import RecentAnswers
from proxy.records import Records
from proxy.rendering import Renderer
from proxy.server import Phase
from proxy.settings import Settings
from proxy.shrunk import ShrunkOriginals
from proxy.site import Site, changed_in_vain
from proxy.sources.blocks.folder import BlockFolder
from proxy.sources.copies import Copies
from proxy.sources.dropped import DroppedSource
from proxy.sources.mounts import Mounted
from proxy.sources.source import Closed
from proxy.stores.notices import Notices
from proxy.stores.traced import TracedStore
from proxy.tags import tags_at
from proxy.telling import dropped_in, parts_in, refused_in, tracing_of, watch_in
from proxy.together import Together
from proxy.tracing import Off
from proxy.workers.pool import Pool
from transforms.headers import Header


@dataclass(frozen=True)
class Application:
    """A server in one value: the ASGI application and what a test or a command may want of it."""

    asgi: Edge
    """Has answers that are ready for the connection's protocol too."""
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
    tracing = tracing_of(settings, version())
    limiter = Limiter(site.rates, refused_in(metrics))
    crowd = Crowd(settings.connections, site.addresses, dropped_in(metrics))
    # Requests that are on their way may still ask for a mount that is gone.
    bounds, freshness, rechecks = dict(site.bounds), dict(site.freshness), dict(site.rechecks)
    together = Together(settings, metrics)
    generations = Generations(together.table, Journal(settings.cache / "purges") if settings.cache else None)
    store = store_of(settings, budget, metrics, together)
    herd = together.herd(store)
    pools = pools_of(settings, budget, metrics, reserve)
    shrunk = ShrunkOriginals(budget.pixels, room_for_pixels())
    metrics.watch_store("pixels", shrunk.stats)
    renderer = Renderer(
        pictures=pools["pictures"],
        drawings=pools["drawings"],
        moving=pools.get("moving", pools["drawings"]),
        store=store if isinstance(tracing, Off) else TracedStore(store, lambda: tracing.span("store put")),
        limits=lambda mount: bounds[mount].limits,
        deadline=settings.deadline,
        deadline_svg=settings.deadline_svg,
        deadline_moving=settings.deadline_moving,
        shrunk=shrunk,
        watch=watch_in(metrics, tracing),
        films=films_of(settings, budget, pools),
    )
    films = transcodes_of(settings, budget)
    refinement = refinement_of(settings, budget, renderer, store, flights, pools["pictures"])
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
    once = Once(store, flights, herd.share if herd else alone)
    ladders = ladders_of(settings)
    streams = streams_of(
        settings,
        renderer,
        pools.get("moving", pools["drawings"]),
        once,
        metrics,
        parts_in(metrics, tracing),
        purged=generations.of,
        ladders=ladders.get,
        freshness=freshness.__getitem__,
        limiter=limiter,
        clock=time.time,
    )
    delivery = Delivery(
        reader=site.reader,
        records=records,
        once=once,
        renderer=renderer,
        films=films,
        siblings=Siblings(store),
        bounds=bounds.__getitem__,
        freshness=freshness.__getitem__,
        streams=streams,
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
    purges = purges_of(settings, generations, together.bus, store, recent, metrics)
    purging = Purging(purges, site.targets, tokens_of(settings))
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
        ladders.clear()
        ladders.update(ladders_of(others))
        media.delivery = replace(media.delivery, reader=site.reader)
        media.accel = _accel(others)
        gate.reader = site.reader
        if pages.playground:
            pages.playground = replace(pages.playground, tree=site.tree, links=site.links)
        purging.targets, purging.tokens = site.targets, tokens_of(others)
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
            closing.push_async_callback(films.close)
            closing.push_async_callback(refinement.close)
            closing.push_async_callback(streams.ahead.close)
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
            or pages.lead(scope)
            or purge.is_ours(scope["raw_path"])
        )
        if ours and scope["type"] == "http":
            await texts(scope, receive, send, starlette)
        else:
            await (starlette if ours else media)(scope, receive, send)

    edge = Edge(
        routed,
        recent,
        media.renew,
        metrics=metrics,
        limiter=limiter,
        unlimited=paths,
        compressed=texts,
        verdicts={gates.PLACE: gate.at_once},
    )
    edge.addresses, edge.manners = site.addresses, site.manners
    larger = {(b"POST", purge.PLACE.encode()): purge.LARGEST_BODY}
    if pages.playground:
        larger[b"PUT", ui.DROPPED.encode()] = pages.playground.drops.most_bytes
    return Application(
        edge, media, metrics, recent, pools, budget, origins, larger, replace_site, crowd, running, phase
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
    blocks = BlockFolder(settings.cache / "blocks" if settings.cache else None, int(settings.blocks_bytes), trouble)
    metrics.watch_store("blocks", blocks.stats)

    def told(mount: str, outcome: str, size: int) -> None:
        metrics.count(counted.FETCHES, mount or "/", outcome)
        metrics.count(counted.FETCHED_BYTES, mount or "/", by=size)

    def told_parts(mount: str, outcome: str, number: int, size: int) -> None:
        metrics.count(counted.RANGES, mount or "/", outcome)
        metrics.count(counted.BLOCKS, mount or "/", by=number)
        metrics.count(counted.FETCHED_BYTES, mount or "/", by=size)

    return Origins(copies, told, blocks, told_parts)


def _playground(
    settings: Settings, site: Site, dropped: Mapping[str, DroppedSource], records: Records
) -> Playground | None:
    if not dropped:
        return None

    async def look(mounted: Mounted) -> Header:
        return (await records.header(mounted))[1]

    limits = settings.limits
    largest = max(limits.jpeg_bytes, limits.picture_bytes, limits.video_bytes, limits.sound_bytes)
    drops = Drops(dropped[dropping.MOUNT], look, min(dropping.LARGEST, int(largest)), scratch_of(settings))
    return Playground(site.tree, site.links, drops)


def _visitors(settings: Settings) -> Visitors:
    return Visitors(settings.admin_token.get_secret_value() if settings.admin_token else None)


def _readiness(phase: Phase, pools: Mapping[str, Pool]) -> dict[str, object]:
    """Ready is who has started and is not about to stop; a full queue or a missing cache does not count."""
    crews = {name: vars(pool.stats()) | {"kills": dict(pool.stats().kills)} for name, pool in pools.items()}
    return {"ready": phase.started and not phase.draining, "draining": phase.draining, "pools": crews}
