"""A folder for the results of workers on their way, removed with what is in it when its owner is gone."""

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path


class Scratch:
    """One owner's folder inside a place that several may use: a lock that ends with the owner's process marks it.

    Making one removes the folders whose owners were killed.
    """

    def __init__(self, place: Path) -> None:
        place.mkdir(parents=True, exist_ok=True)
        # A folder is not yet locked when it is made: one owner at a time, by a lock on the place.
        turn = _lock(place, fcntl.LOCK_EX)
        try:
            for abandoned in place.glob("pool-*"):
                with suppress(OSError):
                    os.close(_lock(abandoned, fcntl.LOCK_EX | fcntl.LOCK_NB))
                    shutil.rmtree(abandoned)
            self.folder = Path(tempfile.mkdtemp(prefix="pool-", dir=place.resolve()))
            self._lock = _lock(self.folder, fcntl.LOCK_EX)
        finally:
            os.close(turn)

    def close(self) -> None:
        """Remove it; a second time does nothing."""
        if self._lock >= 0:
            shutil.rmtree(self.folder, ignore_errors=True)
            os.close(self._lock)
            self._lock = -1


def _lock(folder: Path, kind: int) -> int:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, kind)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
