"""A part of the composition root: the workers and stores of this machine, made of the settings."""

import os
import sys
import tempfile
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from proxy import metrics as counted
from proxy.budget import Budget
from proxy.caching import Freshness
from proxy.clients.rates import Limiter
from proxy.films import Films
from proxy.flights import Flights
from proxy.lending import opened_version
from proxy.metrics import Metrics
from proxy.once import Once
from proxy.records import era_of
from proxy.refinement import Refinement
from proxy.rendering import Renderer
from proxy.rendition import Rendition
from proxy.settings import Settings
from proxy.sources.mounts import Mounted
from proxy.sources.source import Original
from proxy.sources.source import Parts as SourceParts
from proxy.stores.disk import DiskStore
from proxy.stores.memory import MemoryStore
from proxy.stores.result import Result, Store
from proxy.stores.tiered import TieredStore
from proxy.streaming.ahead import Ahead
from proxy.streaming.beside import Sidecars
from proxy.streaming.part import Part
from proxy.streaming.parts import Parts
from proxy.streaming.plans import Plans
from proxy.streaming.storyboards import Storyboards
from proxy.streaming.streams import Streams
from proxy.streaming.studio import Studio
from proxy.tags import Purged, tags_at
from proxy.together import Together
from proxy.transcoding import Transcodes
from proxy.workers.poison import PoisonList
from proxy.workers.pool import BEHIND, Pool, Reply
from transforms.limits import Cost
from transforms.video.ladders import LADDERS, Ladder, Step
from transforms.video.recipes import RECIPES

log = structlog.get_logger(__name__)

CHEAP = 250.0
"""Milliseconds below which work may use the worker that is kept free: every usual rendition, but no refined AVIF."""
MOST_THREADS = 4
"""Threads that work on one film: more take more memory than they save time."""
WORKER = (sys.executable, "-m", "transforms.worker")
FILM_WORKER = (sys.executable, "-m", "transforms.film_worker")


def store_of(settings: Settings, budget: Budget, metrics: Metrics, together: Together) -> TieredStore:
    """The stores of results, those that machines share among them; shown to `metrics`."""
    local: dict[str, Callable[[], Store]] = {"memory": lambda: MemoryStore(budget.memory_cache // 2)}
    if folder := settings.cache:
        local["disk"] = lambda: DiskStore(folder / "results", int(settings.cache_bytes))
    store = TieredStore(
        [local[tier.kind]() for tier in settings.results if tier.kind in local], together.tiers(scratch_of(settings))
    )
    for tier in store.tiers:
        metrics.watch_store(tier.name, tier.stats)
    return store


def pools_of(settings: Settings, budget: Budget, metrics: Metrics, reserve: int) -> dict[str, Pool]:
    """The workers by what they do; `reserve` of those for pictures do short work alone."""
    scratch = scratch_of(settings)
    poison, bad_originals = PoisonList(), PoisonList(strikes=4)

    def pool(name: str, size: int, reserve: int, spare: int = 0, films: bool = False) -> Pool:
        made = Pool(
            FILM_WORKER if films else WORKER,
            size=size,
            scratch=scratch,
            reserve=reserve,
            cheap=settings.moving.job_seconds * 1000 if films else CHEAP,
            spare=spare,
            queue_seconds=settings.queue_seconds,
            memory=(budget.mover_memory if films else budget.worker_memory) * size,
            worker_memory=budget.mover_limit if films else budget.worker_limit,
            recycle_rss=min(settings.recycle_rss, budget.mover_memory) if films else budget.recycle_rss,
            recycle_jobs=settings.recycle_jobs,
            poison=poison,
            bad_originals=bad_originals,
        )
        metrics.watch_pool(name, made.stats)
        return made

    pools = {
        "pictures": pool("pictures", budget.workers, reserve, budget.spare),
        # Drawings, and headers that take a library to read: quick work, kept away from encoders.
        "drawings": pool("drawings", 1, 0),
    }
    # Films and sounds: long work, and FFmpeg reads what may be hostile. One worker is kept free of whole films.
    if budget.movers:
        pools["moving"] = pool("moving", budget.movers, 1, films=True)
    return pools


def films_of(settings: Settings, budget: Budget, pools: Mapping[str, Pool]) -> Films:
    """How films are made anew, by these workers."""
    cores = max(1, min(int(budget.machine.cpus), MOST_THREADS))

    def threads() -> int:
        # Who is alone takes what there is; several at once are sooner done with a thread for each.
        return cores if sum(pool.stats().busy for pool in pools.values()) <= 1 else 1

    memory = budget.mover_memory if budget.movers else budget.worker_memory
    return Films(int(settings.moving.result_bytes), memory, threads)


def transcodes_of(settings: Settings, budget: Budget) -> Transcodes:
    """Who has each film made once. Where one worker does all, long films make room for everything else."""
    rank = 0 if budget.movers > 1 else BEHIND
    return Transcodes(settings.moving.job_seconds, settings.moving.longest_seconds, rank)


def streams_of(
    settings: Settings,
    renderer: Renderer,
    pool: Pool,
    once: Once,
    metrics: Metrics,
    told: Callable[[Part, Cost, Reply, int], None],
    *,
    purged: Callable[[Collection[str]], Purged],
    freshness: Callable[[str], Freshness],
    limiter: Limiter,
    clock: Callable[[], float],
    ladders: Callable[[str], Mapping[str, Any] | None],
) -> Streams:
    """What answers for streams and storyboards."""

    async def opened(mounted: Mounted, version: str) -> Original | SourceParts:
        return await opened_version(mounted, version, era_of(purged(tags_at(mounted.name, mounted.key)).numbers))

    studio = Studio(pool, opened, renderer.limits, settings.deadline_moving, lambda: pool.stats().idle)
    # Work on a film takes its time on another machine too.
    once = once.with_patience(settings.deadline_moving)
    parts = Parts(once, studio, told)
    ahead = Ahead(parts.ahead, pool.at_leisure, max(1, pool.stats().size - 1), partial(metrics.count, counted.AHEAD))
    common: dict[str, Any] = {
        "freshness": freshness,
        "limiter": limiter,
        "clock": clock,
        "guarded": settings.behind_nginx,
    }
    return Streams(
        Plans(once, studio, Sidecars(), tuple(sorted(RECIPES, reverse=True))),
        parts,
        ahead,
        Storyboards(once, renderer, purged, **common),
        ladders=ladders,
        **common,
    )


def ladders_of(settings: Settings) -> dict[str, dict[str, Any]]:
    """The rungs of streams by name, as jobs want them: those of the settings, and those that are always there."""
    own = {
        name: Ladder(tuple(Step(step.side, step.bits) for step in ladder.steps), ladder.most, ladder.remux)
        for name, ladder in settings.ladders.items()
    }
    return {name: ladder.to_dict() for name, ladder in {**LADDERS, **own}.items()}


def scratch_of(settings: Settings) -> Path:
    """Where workers put results: beside the cache, which then takes them over by a rename, if that can be written."""
    if settings.cache is not None:
        try:
            (place := settings.cache / "scratch").mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=place):
                return place
        except OSError as error:
            log.warning("the cache cannot be written; results stay in memory alone", folder=str(place), why=str(error))
    return Path(tempfile.gettempdir()) / f"darkroom-{os.getuid()}"


def refinement_of(
    settings: Settings, budget: Budget, renderer: Renderer, store: TieredStore, flights: Flights, pool: Pool
) -> Refinement:
    """What makes results with care, by workers that have nothing else to do."""
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
