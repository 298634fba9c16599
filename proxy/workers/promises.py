"""When those who are refused may come back, and the room that is kept for those of whom it is likely."""

import time
from collections.abc import Callable
from dataclasses import dataclass

LONGEST = 30.0
"""Seconds; who is told to wait longer does not come back."""
LEAST = 1.0
"""Seconds; `Retry-After` has no fractions."""
EARLY = 0.1
"""Seconds by which one may come too early and has still come when told."""
LATE = 3.0
"""Seconds after the moment, of which one is lost to whole numbers, for which room is kept."""
MOST = 1000
"""Promises that are remembered; of a flood those that are due first."""

MEMORY = 0.98  # how much of what is known of those who come back outlives one more promise
BELIEVED = 3.0  # promises after which what was seen counts more than the belief that all come back


@dataclass(frozen=True)
class _Promise:
    when: float
    seconds: float


class Promises:
    """Places in a line that nobody sees: each who is refused is told another moment.

    Told all the same moment, all would come then, and all but a few would be refused again. And if whoever asks in
    between took what room there is, those who come when told would find none. How much is kept for them follows from
    how many have come back lately: browsers that show a page never do, players and builders of caches always.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._taken_until = clock, 0.0
        self._promises: dict[str, _Promise] = {}  # by what was asked for; the first is due first
        self._came = self._over = 0.0

    @property
    def share(self) -> float:
        """Of those who were told when to come, how many do, from 0 to 1."""
        return (self._came + BELIEVED) / (self._over + BELIEVED)

    def next(self, what: str, earliest: float, seconds: float) -> float:
        """Seconds until there is a place, not before `earliest`, for work that keeps all workers busy for `seconds`.

        Who has been told a moment for the same, and asks before, is told that moment again.
        """
        now = self._clock()
        self._forget(now)
        if (promise := self._promises.get(what)) and promise.when >= now + LEAST:
            return promise.when - now
        when = min(max(now + max(earliest, LEAST), self._taken_until), now + LONGEST)
        self._taken_until = when + seconds * self.share
        self._promises.pop(what, None)
        if len(self._promises) < MOST:
            self._promises[what] = _Promise(when, seconds)
        return when - now

    def due(self, what: str) -> bool:
        """Whether who asks for this was told to come now; it is true once."""
        now = self._clock()
        self._forget(now)
        if (promise := self._promises.get(what)) is None or promise.when - EARLY > now:
            return False
        del self._promises[what]
        self._learn(came=True)
        return True

    def taken(self, what: str) -> None:
        """Who was told to come later has found room before."""
        self._promises.pop(what, None)

    def owed(self, seconds: float) -> float:
        """Seconds by which others come too early who take `seconds`, if those who come when told are to find room."""
        now = self._clock()
        self._forget(now)
        most, together, share = 0.0, seconds, self.share
        for promise in self._promises.values():
            together += promise.seconds * share
            left = promise.when - now
            late = together - left if left > 0.0 else together
            if late > most:
                most = late
        return most

    def _forget(self, now: float) -> None:
        while self._promises:
            what = next(iter(self._promises))
            if self._promises[what].when + LATE > now:
                return
            del self._promises[what]
            self._learn(came=False)

    def _learn(self, came: bool) -> None:
        self._came = self._came * MEMORY + came
        self._over = self._over * MEMORY + 1
