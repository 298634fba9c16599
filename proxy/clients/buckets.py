"""How often somebody may do something: one bucket for each, asked without waiting.

A bucket is one number, the time at which it is full again (the generic cell rate algorithm): asking takes under a
microsecond, which is what a hit can bear, and a client that has been silent for a while takes no room.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

MOST = 100_000
"""Clients that are told apart; about 150 bytes each."""


@dataclass(frozen=True)
class Rate:
    """So many in so many seconds, of which `burst` may come at once."""

    count: int
    seconds: int
    burst: int

    def __str__(self) -> str:
        """As the field RateLimit-Policy has it."""
        return f"q={self.count};w={self.seconds}"


class Buckets:
    """The buckets of all who have the same rate."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic, most: int = MOST) -> None:
        self.rate = rate
        self._clock, self._most = clock, most
        self._each = rate.seconds / rate.count
        self._span = self._each * rate.burst
        self._full_at: dict[str, float] = {}
        self._taken: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, who: str) -> float:
        """Take one out; returns 0, or the seconds until there is one to take. Who is refused loses nothing by it."""
        now = self._clock()
        full_at = self._full_at.get(who, 0.0)
        after = (full_at if full_at > now else now) + self._each
        wait = after - now - self._span
        # The sum of many small numbers is off by a little, which must not cost the last one of a burst.
        if wait > self._each * 1e-6:
            return wait
        self._full_at[who] = after
        self._taken[who] = self._taken.get(who, 0) + 1
        if len(self._full_at) > self._most:
            self._forget(now)
        return 0.0

    def charge(self, who: str, number: int) -> None:
        """Take out what was taken elsewhere; a bucket gets no emptier than empty."""
        now = self._clock()
        full_at = max(self._full_at.get(who, 0.0), now)
        self._full_at[who] = min(full_at + self._each * number, now + self._span)

    def taken(self) -> Iterator[tuple[str, int]]:
        """Who has taken how many since this was last asked; who has taken most comes first."""
        taken, self._taken = self._taken, {}
        yield from sorted(taken.items(), key=lambda item: -item[1])

    def _forget(self, now: float) -> None:
        """Leave out who has a full bucket, and where that is not enough, who came first."""
        self._full_at = {who: full_at for who, full_at in self._full_at.items() if full_at > now}
        if len(self._full_at) > self._most // 2:
            for who in list(self._full_at)[: len(self._full_at) // 2]:
                del self._full_at[who]
        self._taken = {who: number for who, number in self._taken.items() if who in self._full_at}
