"""What is counted of anything that keeps things: stores of results, copies of originals, shared pixels."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Stats:
    """What a store has done since it was opened, and what it holds."""

    hits: int = 0
    misses: int = 0
    bytes: int = 0
    entries: int = 0
    evictions: int = 0
    corrupt: int = 0
    errors: int = 0
