"""What is counted can be read by Prometheus, and counting costs a hit next to nothing."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields

import pytest
from prometheus_client.parser import text_string_to_metric_families

from proxy.counts import Metric
from proxy.metrics import (
    COALESCED,
    COST_RATIO,
    LOG_DROPPED,
    METRICS,
    ORIGIN_BYTES,
    QUEUE_LENGTH,
    REQUEST_SECONDS,
    STAGE_SECONDS,
    STORE,
    TRANSFORMS,
    WORKER_ENDS,
    Metrics,
)
from proxy.stats import Stats
from proxy.workers.pool import PoolStats


def read(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample, by name and labels."""
    text, media_type = metrics.render()
    assert media_type == "text/plain; version=0.0.4; charset=utf-8"
    families = text_string_to_metric_families(text.decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def sample(metrics: Metrics, name: str, **labels: str) -> float | None:
    return read(metrics).get((name, tuple(sorted(labels.items()))))


def test_answers_are_counted_by_status_class_outcome_and_format() -> None:
    metrics = Metrics()
    metrics.answers(200, "memory", "webp").sent(0.0002, 1000)
    metrics.answers(200, "memory", "webp").sent(0.0002, 500)
    metrics.answers(304, "not_modified").sent(0.0001, 0)
    metrics.answers(404, "no_such_original").sent(0.001, 200)
    metrics.answers(400, "invalid_option").sent(0.001, 200)

    def requests(status: str, outcome: str, format_name: str) -> float | None:
        return sample(metrics, "darkroom_requests_total", status=status, outcome=outcome, format=format_name)

    assert requests("2xx", "memory", "webp") == 2
    assert requests("3xx", "not_modified", "") == 1
    assert requests("4xx", "no_such_original", "") == 1
    labels = {"status": "2xx", "outcome": "memory", "format": "webp"}
    assert sample(metrics, "darkroom_response_bytes_total", **labels) == 1500


def test_what_is_saved_is_told_by_the_bytes_of_originals() -> None:
    metrics = Metrics()
    metrics.answers(200, "memory", "webp").sent(0.0002, 1000, 9000)
    metrics.answers(200, "memory", "webp").sent(0.0002, 1000, 9000)
    metrics.answers(304, "memory", "webp").sent(0.0002, 0)
    labels = {"status": "2xx", "outcome": "memory", "format": "webp"}
    assert sample(metrics, "darkroom_original_bytes_total", **labels) == 18000
    assert sample(metrics, "darkroom_original_bytes_total", **{**labels, "status": "3xx"}) is None


def test_one_kind_of_answer_has_one_count_that_can_be_kept() -> None:
    metrics = Metrics()
    kept = metrics.answers(200, "memory", "webp")
    assert metrics.answers(206, "memory", "webp") is kept
    assert metrics.answers(200, "memory", "avif") is not kept


def test_latencies_are_spread_by_outcome_and_all_errors_together() -> None:
    metrics = Metrics()
    metrics.answers(200, "memory", "webp").sent(0.0001, 1)
    metrics.answers(200, "memory", "jpg").sent(0.2, 1)
    metrics.answers(400, "invalid_option").sent(0.003, 1)
    metrics.answers(503, "busy").sent(20.0, 1)
    name = "darkroom_request_seconds"
    assert sample(metrics, f"{name}_bucket", outcome="memory", le="0.0001") == 1
    assert sample(metrics, f"{name}_bucket", outcome="memory", le="0.1") == 1
    assert sample(metrics, f"{name}_bucket", outcome="memory", le="0.25") == 2
    assert sample(metrics, f"{name}_count", outcome="memory") == 2
    assert sample(metrics, f"{name}_sum", outcome="memory") == pytest.approx(0.2001)
    assert sample(metrics, f"{name}_bucket", outcome="error", le="10.0") == 1
    assert sample(metrics, f"{name}_bucket", outcome="error", le="+Inf") == 2
    assert sample(metrics, f"{name}_count", outcome="error") == 2


def test_counters_and_histograms_take_their_labels_in_order() -> None:
    metrics = Metrics()
    metrics.count(COALESCED)
    metrics.count(COALESCED)
    metrics.count(TRANSFORMS, "avif", "first")
    metrics.count(ORIGIN_BYTES, "photos", by=2048)
    metrics.count(WORKER_ENDS, "pictures", "memory")
    metrics.observe(STAGE_SECONDS, 0.3, "encode")
    metrics.observe(STAGE_SECONDS, 0.0, "queue")
    metrics.observe(COST_RATIO, 1.0, "avif")
    assert sample(metrics, "darkroom_coalesced_total") == 2
    assert sample(metrics, "darkroom_transforms_total", format="avif", grade="first") == 1
    assert sample(metrics, "darkroom_origin_bytes_total", mount="photos") == 2048
    assert sample(metrics, "darkroom_worker_ends_total", pool="pictures", reason="memory") == 1
    assert sample(metrics, "darkroom_stage_seconds_bucket", stage="encode", le="0.25") == 0
    assert sample(metrics, "darkroom_stage_seconds_bucket", stage="encode", le="0.5") == 1
    assert sample(metrics, "darkroom_cost_ratio_bucket", format="avif", le="1.0") == 1


@pytest.mark.parametrize("labels", [(), ("a",), ("a", "b", "c")])
def test_too_few_and_too_many_labels_are_refused(labels: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="darkroom_transforms_total has the labels"):
        Metrics().count(TRANSFORMS, *labels)


def test_numbers_kept_elsewhere_are_read_when_they_are_shown() -> None:
    metrics = Metrics()
    waiting = [3]
    metrics.watch(lambda: [(QUEUE_LENGTH, ("pictures",), waiting[0]), (ORIGIN_BYTES, ("photos",), waiting[0] * 0.5)])
    assert sample(metrics, "darkroom_queue_length", pool="pictures") == 3
    waiting[0] = 5
    assert sample(metrics, "darkroom_queue_length", pool="pictures") == 5
    assert sample(metrics, "darkroom_origin_bytes_total", mount="photos") == 2.5


def test_a_store_shows_its_statistics() -> None:
    metrics = Metrics()
    metrics.watch_store("disk", lambda: Stats(hits=7, misses=2, bytes=1 << 30, entries=12, evictions=1, corrupt=3))
    assert sample(metrics, "darkroom_store_hits_total", tier="disk") == 7
    assert sample(metrics, "darkroom_store_bytes", tier="disk") == 1 << 30
    assert sample(metrics, "darkroom_store_corrupt_total", tier="disk") == 3


def test_every_statistic_of_a_store_is_shown() -> None:
    assert {field.name for field in fields(Stats)} == set(STORE)


def test_a_pool_shows_its_workers_and_its_queue() -> None:
    metrics = Metrics()
    stats = PoolStats(
        size=4,
        idle=1,
        busy=2,
        starting=1,
        queued=5,
        queued_ms=1500.0,
        done=90,
        starts=9,
        recycled=2,
        kills={"deadline": 2, "memory": 1},
    )
    metrics.watch_pool("pictures", lambda: stats)
    for state, number in (("idle", 1), ("busy", 2), ("starting", 1)):
        assert sample(metrics, "darkroom_workers", pool="pictures", state=state) == number
    assert sample(metrics, "darkroom_worker_starts_total", pool="pictures") == 9
    for reason, number in (("recycled", 2), ("deadline", 2), ("memory", 1)):
        assert sample(metrics, "darkroom_worker_ends_total", pool="pictures", reason=reason) == number
    assert sample(metrics, "darkroom_queue_length", pool="pictures") == 5
    assert sample(metrics, "darkroom_queue_seconds", pool="pictures") == 1.5


def test_what_cannot_be_read_hides_nothing_else() -> None:
    @dataclass
    class Broken:
        hits: int = 1

    metrics = Metrics()
    metrics.watch_store("redis", Broken)
    metrics.watch(lambda: [(LOG_DROPPED, (), 1 / 0)])
    metrics.watch(lambda: [(QUEUE_LENGTH, (), 1)])
    metrics.watch(lambda: [(LOG_DROPPED, (), 4)])
    assert sample(metrics, "darkroom_log_dropped_total") == 4
    assert sample(metrics, "darkroom_store_hits_total", tier="redis") is None


def test_every_metric_is_declared_once_and_shown_with_its_meaning() -> None:
    names = [metric.name for metric in METRICS]
    assert len(names) == len(set(names))
    text = Metrics().render()[0].decode()
    for metric in METRICS:
        assert f"# HELP {metric.name} {metric.help}\n" in text
        assert f"# TYPE {metric.name} {metric.kind}\n" in text


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_is_named_as_prometheus_wants(metric: Metric) -> None:
    assert re.fullmatch(r"darkroom_[a-z_]+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert metric.help.endswith(".")
    assert bool(metric.bounds) == (metric.kind == "histogram")
    assert sorted(metric.bounds) == list(metric.bounds)


def test_the_process_itself_is_shown() -> None:
    assert sample(Metrics(), "process_resident_memory_bytes")


def test_no_two_servers_share_a_count() -> None:
    one, other = Metrics(), Metrics()
    one.count(COALESCED)
    assert sample(other, "darkroom_coalesced_total") is None


def test_the_text_stays_small_whatever_was_counted() -> None:
    metrics = Metrics()
    outcomes: Iterable[str] = ("memory", "disk", "redis", "s3", "made", "not_modified")
    for outcome in outcomes:
        for format_name in ("avif", "webp", "jpg", "png", "gif"):
            metrics.answers(200, outcome, format_name).sent(0.01, 1)
    for number in range(40):
        metrics.answers(400, f"code_{number}").sent(0.01, 1)
    assert len(metrics.render()[0].splitlines()) < 500
    assert REQUEST_SECONDS.labels == ("outcome",)
