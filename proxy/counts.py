"""What a count is: its name and kind, numbers and spreads of them, and their form for Prometheus."""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family

Labels = tuple[str, ...]


@dataclass(frozen=True)
class Metric:
    """One thing that is counted (counter), stands at (gauge) or is spread over (histogram with upper bounds)."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()


class Spread:
    """How values spread over the ranges between bounds; a value belongs to the first bound that it does not exceed."""

    __slots__ = ("_bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self._bounds, value)] += 1
        self.sum += value

    def merge(self, other: "Spread") -> None:
        self.counts = [mine + others for mine, others in zip(self.counts, other.counts, strict=True)]
        self.sum += other.sum


class Answers:
    """The answers of one status class, outcome and format; the hot path keeps one at hand and adds to it."""

    __slots__ = ("bytes", "original_bytes", "spread")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bytes = self.original_bytes = 0
        self.spread = Spread(bounds)

    def sent(self, seconds: float, size: int, original: int = 0) -> None:
        """Count one answer with a body of `size` bytes, made of an original of so many."""
        self.bytes += size
        self.original_bytes += original
        self.spread.add(seconds)


def family(metric: Metric, numbers: Mapping[Labels, float], spreads: Mapping[Labels, Spread]) -> Family:
    """What was counted, as prometheus-client wants it."""
    if metric.kind == "histogram":
        histogram = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        uppers = [*(str(float(bound)) for bound in metric.bounds), "+Inf"]
        for labels, spread in spreads.items():
            histogram.add_metric(labels, list(zip(uppers, accumulate(spread.counts), strict=True)), spread.sum)
        return histogram
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for labels, number in numbers.items():
        family.add_metric(labels, number)
    return family
