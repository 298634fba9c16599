"""Work that has ended workers is remembered for a while, so that it does not end more of them."""

import time
from collections import OrderedDict
from collections.abc import Callable


class PoisonList:
    """What ended a worker, and how often: from the second time on it is refused until `seconds` have passed."""

    def __init__(
        self, *, seconds: float = 600, strikes: int = 2, size: int = 1024, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds, self._strikes, self._size, self._clock = seconds, strikes, size, clock
        self._struck: OrderedDict[str, tuple[float, float]] = OrderedDict()  # how often, and until when it counts

    def strike(self, identity: str, by: float = 1.0) -> None:
        """Note that this work ended a worker; `by` is how much that says."""
        strikes, _ = self._current(identity)
        self._struck[identity] = strikes + by, self._clock() + self._seconds
        self._struck.move_to_end(identity)
        if len(self._struck) > self._size:
            self._struck.popitem(last=False)

    def forgive(self, identity: str) -> None:
        """Note that this work can be done after all."""
        self._struck.pop(identity, None)

    def remaining(self, identity: str) -> float:
        """Seconds for which this work is still refused; 0 when it may be tried."""
        strikes, until = self._current(identity)
        if strikes < self._strikes:
            return 0.0
        self._struck.move_to_end(identity)
        return until - self._clock()

    def _current(self, identity: str) -> tuple[float, float]:
        strikes, until = self._struck.get(identity, (0.0, 0.0))
        if strikes and until <= self._clock():
            del self._struck[identity]
            return 0.0, 0.0
        return strikes, until
