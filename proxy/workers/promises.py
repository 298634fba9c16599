"""When those who are refused may come back: one after the other, as if they stood in a line outside."""

import time
from collections.abc import Callable

LONGEST = 30.0
"""Seconds; who is told to wait longer does not come back."""
LEAST = 1.0
"""Seconds; `Retry-After` has no fractions."""


class Promises:
    """Places in a line that nobody sees: each who is refused is told another moment.

    Told all the same moment, all would come then, and all but a few would be refused again. A promise is none that is
    kept for somebody: who does not come leaves a place to whoever asks then.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._taken_until = clock, 0.0

    def next(self, earliest: float, seconds: float) -> float:
        """Seconds until there is a place, not before `earliest`, for work that keeps all workers busy for `seconds`."""
        now = self._clock()
        when = min(max(now + max(earliest, LEAST), self._taken_until), now + LONGEST)
        self._taken_until = when + seconds
        return when - now
