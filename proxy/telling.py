"""A part of the composition root: what is counted, logged and traced of what happens elsewhere."""

from collections.abc import Callable

import structlog

from proxy import metrics as counted
from proxy.clients.addresses import is_private
from proxy.clients.crowd import Dropped
from proxy.clients.rates import Refused
from proxy.log import OnceAMinute
from proxy.metrics import Metrics
from proxy.rendering import Watch
from proxy.rendition import Rendition
from proxy.settings import Settings
from proxy.streaming.part import Part
from proxy.tracing import Off, Tracing, open_telemetry
from proxy.workers.pool import Reply
from transforms.limits import Cost

log = structlog.get_logger(__name__)

STAGES = ("decode", "transform", "encode")
"""What a worker does, as it tells of it."""


def tracing_of(settings: Settings, version: str) -> Tracing:
    """Raises ValueError where spans are wanted and cannot be made."""
    if settings.otel_endpoint is None:
        return Off()
    try:
        return open_telemetry(settings.otel_endpoint, version)
    except ImportError:
        raise ValueError("otel_endpoint: spans take the extra `otel`: install darkroom[server,otel]") from None


def refused_in(metrics: Metrics) -> Refused:
    """Tells of refusals of who asks too often; a line in the log once a minute for each."""
    once = OnceAMinute()

    def refused(what: str, whose: str, who: str) -> None:
        metrics.count(counted.RATE_REFUSED, what, whose)
        if once((what, whose, who)):
            log.warning("somebody asks too often", limit=what, **{whose: who}, **_hint(who))

    return refused


def dropped_in(metrics: Metrics) -> Dropped:
    """Tells of clients that are given up; one that went away by itself is no news."""

    def dropped(reason: str, client: str) -> None:
        metrics.count(counted.CLIENTS_DROPPED, reason)
        tell = log.debug if reason == "left" else log.info
        tell("a client was dropped", reason=reason, client=client, **_hint(client if reason == "connections" else ""))

    return dropped


def _hint(client: str) -> dict[str, str]:
    """What to do where a proxy is taken for a client."""
    return {"hint": "if this is a proxy of yours, name it in trusted_proxies"} if is_private(client) else {}


def parts_in(metrics: Metrics, tracing: Tracing) -> Callable[[Part, Cost, Reply, int], None]:
    """Tells of parts of streams that are made."""

    def told(part: Part, cost: Cost, reply: Reply, size: int) -> None:
        metrics.count(counted.PARTS, part.work)
        metrics.observe(counted.STAGE_SECONDS, reply.queued, "queue")
        metrics.observe(counted.COST_RATIO, reply.worked * 1000 / max(cost.milliseconds, 0.1), part.form)
        metrics.observe(counted.MEMORY_RATIO, reply.peak / (reply.base + cost.memory), part.form)
        metrics.count(counted.WORK_SECONDS, part.form, by=reply.worked)
        metrics.count(counted.ESTIMATED_SECONDS, part.form, by=cost.milliseconds / 1000)
        tracing.was("queue", reply.queued, reply.worked)
        log.debug(
            "a part was made",
            plan=part.kept.plan.id,
            rung=part.rung.name,
            part=part.place,
            bytes=size,
            ms=round(reply.worked * 1000, 1),
            estimate=round(cost.milliseconds, 1),
        )

    return told


def watch_in(metrics: Metrics, tracing: Tracing) -> Watch:
    """Tells of results that are made and of originals that are read."""

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
