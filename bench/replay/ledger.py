"""What was written and purged when, and so what an answer may show."""

from collections import defaultdict
from dataclasses import dataclass, field

from bench.replay.codes import Said


@dataclass(frozen=True)
class Span:
    """From when to when something took place, in seconds of one clock."""

    start: float
    end: float


@dataclass
class Ledger:
    """The history of every original, kept by whoever writes and purges them.

    An answer must show the very original that was asked for, in a version that was there, and none that had been
    replaced for longer than `promise` seconds before the question, or that was purged since it was replaced. Time in
    which the originals' place was down does not count.
    """

    promise: float
    written: dict[int, dict[int, Span]] = field(default_factory=lambda: defaultdict(dict))
    purged: dict[int, list[Span]] = field(default_factory=lambda: defaultdict(list))
    outages: list[Span] = field(default_factory=list)
    untold: list[Span] = field(default_factory=list)
    """When a purge may not reach nginx, since a front has died that knew what was there."""

    def write(self, said: Said, span: Span) -> None:
        """A version was written; it may have been seen from the span's start on, and must have been from its end."""
        self.written[said.id][said.version] = span

    def purge(self, identity: int, span: Span) -> None:
        """All that was made of an original was purged, through every tier."""
        self.purged[identity].append(span)

    def fault(self, identity: int, said: Said, asked: Span) -> str:
        """What is wrong with an answer to a question that was asked and answered in a span; empty if nothing is."""
        if said.id != identity:
            return f"asked for {identity}, got {said.id}"
        known = self.written[identity]
        if said.version not in known or known[said.version].start > asked.end:
            return f"{identity}: version {said.version} was not there yet"
        oldest = self.oldest(identity, asked.start)
        if said.version < oldest:
            age = asked.start - known[oldest].end
            return f"{identity}: version {said.version} though {oldest} was there for {age:.1f} s or was purged for"
        return ""

    def oldest(self, identity: int, now: float) -> int:
        """The oldest version that may still be shown."""
        allowed = 0
        for version, span in self.written[identity].items():
            aged = now - span.end - self._down(span.end, now) > self.promise
            purged = any(span.end <= purge.start and purge.end <= now for purge in self._strict(identity))
            if aged or purged:
                allowed = max(allowed, version)
        return allowed

    def _strict(self, identity: int) -> list[Span]:
        """Purges of an original that have reached everybody."""
        return [
            purge
            for purge in self.purged[identity]
            if not any(purge.start < span.end and span.start < purge.end for span in self.untold)
        ]

    def _down(self, start: float, end: float) -> float:
        """Seconds of outages within a span."""
        return sum(max(0.0, min(end, outage.end) - max(start, outage.start)) for outage in self.outages)
