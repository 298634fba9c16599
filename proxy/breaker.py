"""Whoever fails again and again is left alone for a while, so that nobody waits for the next failure."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

State = Literal["closed", "half-open", "open"]


class BreakerOpen(Exception):
    """Nobody was asked, since too many have failed just now."""


class Breaker:
    """Opens after some failures in a row; open, it lets one attempt through each `seconds`, which may close it again.

    Belongs to one event loop.
    """

    def __init__(self, failures: int = 5, seconds: float = 2.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._seconds, self._clock = failures, seconds, clock
        self._row = 0
        self._until = 0.0
        self._trying = False
        self.failed = self.refused = 0

    @property
    def state(self) -> State:
        """Half-open is when the next attempt is let through, or is on its way."""
        if self._row < self._most:
            return "closed"
        return "half-open" if self._trying or self._clock() >= self._until else "open"

    @property
    def doubtful(self) -> bool:
        """Whether the last attempt has failed, and too few before it to open."""
        return 0 < self._row < self._most

    @contextmanager
    def attempt(self, *failures: type[Exception]) -> Iterator[None]:
        """The block is one attempt. Raises BreakerOpen instead of beginning it while the breaker is open.

        What is among `failures` counts against whoever is asked; any other error is an answer. A block that is
        cancelled says nothing.
        """
        probing = self._row >= self._most
        if probing and (self._trying or self._clock() < self._until):
            self.refused += 1
            raise BreakerOpen
        self._trying = self._trying or probing
        try:
            yield
        except failures:
            self._failed()
            raise
        except Exception:
            self._row = 0
            raise
        else:
            self._row = 0
        finally:
            if probing:
                self._trying = False

    def _failed(self) -> None:
        self.failed += 1
        self._row += 1
        if self._row >= self._most:
            self._until = self._clock() + self._seconds
