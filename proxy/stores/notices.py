"""Trouble that fails nobody: counted always, logged at most once a minute."""

import logging
import threading
import time


class Notices:
    """Counts what goes wrong in a store, from any thread, and says so now and then."""

    def __init__(self, name: str, every: float = 60.0) -> None:
        self._log = logging.getLogger(name)
        self._every = every
        self._said = float("-inf")
        self._lock = threading.Lock()
        self.errors = 0

    def trouble(self, what: str, error: BaseException) -> None:
        with self._lock:
            self.errors += 1
            now = time.monotonic()
            if now - self._said < self._every:
                return
            self._said = now
        self._log.warning("%s: %s: %s (%d in all)", what, type(error).__name__, error, self.errors)

    def say(self, text: str, *values: object) -> None:
        """Log something that happens once."""
        self._log.warning(text, *values)
