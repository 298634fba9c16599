"""What is known of one original, and for how long it is believed."""

from dataclasses import dataclass

from transforms.errors import Refusal
from transforms.headers import Header


@dataclass(frozen=True)
class Record:
    """An original's version, header and file; `refusal` says why it cannot be used, whatever is asked of it."""

    version: str
    size: int
    modified: float | None
    checked: float
    """When its source last said that it is so."""
    asked: float
    """When its source was last asked."""
    header: Header | None = None
    refusal: Refusal | None = None
    fresh: float = 0.0
    """Seconds from `checked` on for which its source said that it stays so."""
    kept: float = 0.0
    """When it was last written down where it outlives the process."""
    era: str = ""
    """What tells the time since the last purge of the original from the time before; empty before the first."""


@dataclass(frozen=True)
class Recheck:
    """When a source is asked again, in seconds."""

    every: float = 2.0
    """For how long an original is believed to be the same."""
    obeys: bool = False
    """Whether what the source says of that goes before."""
    missing: float = 0.0
    """For how long an original is believed to be missing."""
    meanwhile: float = 60.0
    """For how long beyond that it is believed to be the same while its source takes its time to say so."""

    def holds(self, known: Record, now: float) -> bool:
        """Whether a source need not be asked again: by what it said last, or since it was asked just now."""
        fresh = known.fresh if self.obeys else 0.0
        return now - known.checked < fresh or now - known.asked < (min(self.every, fresh) if fresh else self.every)
