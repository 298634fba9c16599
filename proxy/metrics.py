"""What the server counts, declared in one table, and its text for Prometheus.

Counts are plain numbers, because on the path of a hit the objects of prometheus-client cost several times as much. They
belong to the front's event loop, which alone writes them.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from proxy.counts import Answers, Labels, Metric, Spread, family
from proxy.stats import Stats

_ANSWER: Final = ("status", "outcome", "format")
_LATENCIES: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_RATIOS: Final = (0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 4, 10)

REQUESTS: Final = Metric("darkroom_requests_total", "counter", "Answers sent.", _ANSWER)
RESPONSE_BYTES: Final = Metric("darkroom_response_bytes_total", "counter", "Bytes of bodies sent.", _ANSWER)
ORIGINAL_BYTES: Final = Metric(
    "darkroom_original_bytes_total", "counter", "Bytes of the originals of the results sent.", _ANSWER
)
REQUEST_SECONDS: Final = Metric(
    "darkroom_request_seconds", "histogram", "Time from a request to its answer.", ("outcome",), _LATENCIES
)
COALESCED: Final = Metric("darkroom_coalesced_total", "counter", "Requests that shared the work of another.")
TRANSFORMS: Final = Metric("darkroom_transforms_total", "counter", "Results made.", ("format", "grade"))
STAGE_SECONDS: Final = Metric(
    "darkroom_stage_seconds", "histogram", "Time of each stage of making a result.", ("stage",), _LATENCIES
)
COST_RATIO: Final = Metric(
    "darkroom_cost_ratio", "histogram", "Time that work took, as a share of its estimate.", ("format",), _RATIOS
)
MEMORY_RATIO: Final = Metric(
    "darkroom_memory_ratio",
    "histogram",
    "Memory that a worker had at most, as a share of its estimate.",
    ("format",),
    _RATIOS,
)
WORK_SECONDS: Final = Metric("darkroom_work_seconds_total", "counter", "Time that workers worked.", ("format",))
ESTIMATED_SECONDS: Final = Metric(
    "darkroom_work_estimated_seconds_total", "counter", "Time that this work was estimated to take.", ("format",)
)
PARTS: Final = Metric("darkroom_parts_total", "counter", "Parts of streams made, by what it took.", ("work",))
AHEAD: Final = Metric(
    "darkroom_parts_ahead_total",
    "counter",
    "Parts of streams made before they were asked for: made, used since, or dropped before.",
    ("outcome",),
)
ORIGIN_REQUESTS: Final = Metric("darkroom_origin_requests_total", "counter", "Originals read.", ("mount",))
ORIGIN_BYTES: Final = Metric("darkroom_origin_bytes_total", "counter", "Bytes of originals read.", ("mount",))
FETCHES: Final = Metric(
    "darkroom_fetches_total", "counter", "Originals fetched from elsewhere, by what became of it.", ("mount", "outcome")
)
FETCHED_BYTES: Final = Metric(
    "darkroom_fetched_bytes_total", "counter", "Bytes of originals fetched from elsewhere.", ("mount",)
)
RANGES: Final = Metric(
    "darkroom_ranges_total",
    "counter",
    "Parts of originals asked for elsewhere, by what became of it.",
    ("mount", "outcome"),
)
BLOCKS: Final = Metric("darkroom_blocks_total", "counter", "Blocks of originals fetched from elsewhere.", ("mount",))
SAVED_BYTES: Final = Metric(
    "darkroom_saved_bytes_total", "counter", "Bytes that results are smaller than their originals.", ("format",)
)
WORKERS: Final = Metric("darkroom_workers", "gauge", "Worker processes, by what they do.", ("pool", "state"))
WORKER_STARTS: Final = Metric("darkroom_worker_starts_total", "counter", "Workers started.", ("pool",))
WORKER_ENDS: Final = Metric("darkroom_worker_ends_total", "counter", "Workers ended, by why.", ("pool", "reason"))
QUEUE_LENGTH: Final = Metric(
    "darkroom_queue_length", "gauge", "Pieces of work that wait, for a worker or for what one makes.", ("pool",)
)
QUEUE_SECONDS: Final = Metric("darkroom_queue_seconds", "gauge", "Estimated work that waits.", ("pool",))
PURGES: Final = Metric("darkroom_purges_total", "counter", "Purges, by who said so.", ("by",))
PURGE_REQUESTS: Final = Metric(
    "darkroom_purge_requests_total", "counter", "Requests of purges to caches in front and to hooks.", ("to", "outcome")
)
DELIVERED: Final = Metric("darkroom_delivered_paths", "gauge", "Paths that caches in front may have.")
DELIVERED_FORGOTTEN: Final = Metric(
    "darkroom_delivered_forgotten_total", "counter", "Paths that were forgotten for want of room before any purge."
)
RATE_REFUSED: Final = Metric(
    "darkroom_rate_refused_total", "counter", "Refusals of who asks too often.", ("limit", "whose")
)
CLIENTS_DROPPED: Final = Metric(
    "darkroom_dropped_total", "counter", "Connections that were given up, by why.", ("reason",)
)
CONNECTIONS: Final = Metric("darkroom_connections", "gauge", "Connections of clients that are open.")
BUILD: Final = Metric("darkroom_build_info", "gauge", "Always 1; what is running.", ("version", "python"))
BREAKER: Final = Metric(
    "darkroom_breaker_state",
    "gauge",
    "Whether somebody is left alone after failures: 0 no, 1 for all but one attempt, 2 yes.",
    ("of",),
)
REDIS_COMMANDS: Final = Metric("darkroom_redis_commands_total", "counter", "Commands for Redis.", ("address",))
REDIS_FAILURES: Final = Metric(
    "darkroom_redis_failures_total", "counter", "Commands that Redis did not answer, or was spared.", ("address",)
)
HEARD: Final = Metric("darkroom_bus_connected", "gauge", "Whether words of other servers are heard.")
LOCK_WAITS: Final = Metric("darkroom_lock_waits_total", "counter", "Waits for the work of another server.")
RECEIVED: Final = Metric("darkroom_results_received_total", "counter", "Results taken from another server.")
DROPPED: Final = Metric(
    "darkroom_store_dropped_total",
    "counter",
    "Results that waited in vain to be written.",
    ("tier",),
)
LOG_DROPPED: Final = Metric("darkroom_log_dropped_total", "counter", "Lines of the log that nobody read in time.")

# By the names of a store's own statistics.
STORE: Final = {
    "hits": Metric("darkroom_store_hits_total", "counter", "Results found.", ("tier",)),
    "misses": Metric("darkroom_store_misses_total", "counter", "Results not found.", ("tier",)),
    "evictions": Metric("darkroom_store_evictions_total", "counter", "Results that had to make room.", ("tier",)),
    "corrupt": Metric("darkroom_store_corrupt_total", "counter", "Results that were damaged, and not used.", ("tier",)),
    "errors": Metric("darkroom_store_errors_total", "counter", "Failures of the store.", ("tier",)),
    "entries": Metric("darkroom_store_entries", "gauge", "Results kept.", ("tier",)),
    "bytes": Metric("darkroom_store_bytes", "gauge", "Bytes kept.", ("tier",)),
}

METRICS: Final = (
    REQUESTS,
    RESPONSE_BYTES,
    ORIGINAL_BYTES,
    REQUEST_SECONDS,
    COALESCED,
    TRANSFORMS,
    STAGE_SECONDS,
    COST_RATIO,
    MEMORY_RATIO,
    WORK_SECONDS,
    ESTIMATED_SECONDS,
    PARTS,
    AHEAD,
    ORIGIN_REQUESTS,
    ORIGIN_BYTES,
    FETCHES,
    FETCHED_BYTES,
    RANGES,
    BLOCKS,
    SAVED_BYTES,
    WORKERS,
    WORKER_STARTS,
    WORKER_ENDS,
    QUEUE_LENGTH,
    QUEUE_SECONDS,
    PURGES,
    PURGE_REQUESTS,
    DELIVERED,
    DELIVERED_FORGOTTEN,
    RATE_REFUSED,
    CLIENTS_DROPPED,
    CONNECTIONS,
    BUILD,
    BREAKER,
    REDIS_COMMANDS,
    REDIS_FAILURES,
    HEARD,
    LOCK_WAITS,
    RECEIVED,
    DROPPED,
    LOG_DROPPED,
    *STORE.values(),
)

Read = Callable[[], Iterable[tuple[Metric, Labels, float]]]


class Metrics(Collector):
    """Everything that one server has counted since it started; made in the composition root, and global nowhere."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._answers: dict[Labels, Answers] = {}
        self._counts: dict[Metric, dict[Labels, float]] = {}
        self._spreads: dict[Metric, dict[Labels, Spread]] = {}
        self._watched: list[Read] = []
        ProcessCollector(registry=self.registry)
        self.registry.register(self)

    def answers(self, status: int, outcome: str, format_name: str = "") -> Answers:
        """Return the count of one kind of answer, to be kept and added to.

        `outcome` is that of the answer (the tier that had the result, `made`, `unchanged`...) or the code of an error.
        """
        labels = (f"{status // 100}xx", outcome, format_name)
        return self._answers.get(labels) or self._answers.setdefault(labels, Answers(_LATENCIES))

    def count(self, metric: Metric, *labels: str, by: float = 1) -> None:
        """Add to a counter; `labels` are values in the order of its labels."""
        _check(metric, labels)
        counts = self._counts.setdefault(metric, {})
        counts[labels] = counts.get(labels, 0) + by

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Add one value to a histogram; `labels` are values in the order of its labels."""
        _check(metric, labels)
        spreads = self._spreads.setdefault(metric, {})
        (spreads.get(labels) or spreads.setdefault(labels, Spread(metric.bounds))).add(value)

    def watch(self, read: Read) -> None:
        """Show numbers that somebody else keeps; they are read whenever they are shown.

        A `read` that fails is left out, so that the rest can still be seen.
        """
        self._watched.append(read)

    def watch_store(self, tier: str, stats: Callable[[], Stats]) -> None:
        """Show the statistics of a store."""

        def read() -> list[tuple[Metric, Labels, float]]:
            now = stats()
            return [(metric, (tier,), getattr(now, name)) for name, metric in STORE.items()]

        self.watch(read)

    def watch_pool(self, pool: str, stats: Callable[[], Any]) -> None:
        """Show the statistics of a pool of workers (`proxy.workers.pool.PoolStats`)."""

        def read() -> list[tuple[Metric, Labels, float]]:
            now = stats()
            return [
                *((WORKERS, (pool, state), getattr(now, state)) for state in ("idle", "busy", "starting")),
                (WORKER_STARTS, (pool,), now.starts),
                (WORKER_ENDS, (pool, "recycled"), now.recycled),
                *((WORKER_ENDS, (pool, reason), number) for reason, number in now.kills.items()),
                (QUEUE_LENGTH, (pool,), now.queued),
                (QUEUE_SECONDS, (pool,), now.queued_ms / 1000),
            ]

        self.watch(read)

    def render(self) -> tuple[bytes, str]:
        """Return everything in the text format of Prometheus, and its media type."""
        return generate_latest(self.registry), CONTENT_TYPE_PLAIN_0_0_4

    def collect(self) -> Iterator[Family]:
        """Yield everything as prometheus-client wants it."""
        numbers = {metric: dict(counts) for metric, counts in self._counts.items()}
        numbers[REQUESTS] = {labels: sum(answers.spread.counts) for labels, answers in self._answers.items()}
        numbers[RESPONSE_BYTES] = {labels: answers.bytes for labels, answers in self._answers.items()}
        numbers[ORIGINAL_BYTES] = {
            labels: answers.original_bytes for labels, answers in self._answers.items() if answers.original_bytes
        }
        for read in self._watched:
            with suppress(Exception):
                for metric, labels, value in read():
                    _check(metric, labels)
                    numbers.setdefault(metric, {})[labels] = value
        spreads = self._spreads | {REQUEST_SECONDS: self._latencies()}
        for metric in METRICS:
            yield family(metric, numbers.get(metric, {}), spreads.get(metric, {}))

    def _latencies(self) -> dict[Labels, Spread]:
        latencies: dict[Labels, Spread] = {}
        for (status, outcome, _), answers in self._answers.items():
            # Errors share one spread: a code each would be hundreds of lines.
            labels = (outcome if status in ("2xx", "3xx") else "error",)
            latencies.setdefault(labels, Spread(_LATENCIES)).merge(answers.spread)
        return latencies


def _check(metric: Metric, labels: Labels) -> None:
    if len(labels) != len(metric.labels):
        raise ValueError(f"{metric.name} has the labels {metric.labels}, not {labels}")
