"""What came of it, for people."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proxy.warming.making import Warmed

REASONS = 20
"""Failures that are told one by one."""

WORDS = {
    "made": "made",
    "wanted": "would be made",
    "there": "there already",
    "skipped": "left out",
    "failed": "failed",
}


@dataclass
class Tally:
    """What became of everything, summed up."""

    states: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    milliseconds: float = 0.0
    failures: list[tuple[str, str]] = field(default_factory=list)

    def add(self, warmed: "Warmed") -> None:
        """Count one rendition."""
        self.states[warmed.state] += 1
        self.bytes[warmed.state] += warmed.size
        self.milliseconds += warmed.milliseconds
        if warmed.state == "failed":
            self.failures.append((warmed.path, warmed.why))


def say(console: Any, tally: Tally, seconds: float, evicted: int) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table("", "results", "bytes", box=None)
    for state, words in WORDS.items():
        if tally.states[state] or state in ("made", "failed"):
            table.add_row(words, f"{tally.states[state]:,}", f"{tally.bytes[state]:,}" if tally.bytes[state] else "")
    console.print(table)
    console.print(f"in {seconds:.1f} seconds")
    if tally.milliseconds:
        console.print(f"to be made in about {tally.milliseconds / 1000:.1f} seconds of one core")
    for path, why in tally.failures[:REASONS]:
        console.print(f"[red]✗[/] {escape(path)}: {escape(why)}")
    if len(tally.failures) > REASONS:
        console.print(f"and {len(tally.failures) - REASONS} more that failed")
    if evicted:
        console.print(f"[yellow]![/] the cache is full: {evicted} older results had to make room; raise cache_bytes")
