"""A folder for the results of workers on their way, removed with what is in it when its owner is gone."""

import fcntl
import os
import shutil
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path

TRIES, PAUSE = 100, 0.05  # seconds between tries; who else has the lock, starts just now and tidies up


class Scratch:
    """One owner's folder inside a place that several may use: a lock that ends with the owner's process marks it.

    Making one removes the folders whose owners were killed. Raises OSError, as for a place that is not this user's
    alone: in a folder for everybody, another user may have put one there, or a link.
    """

    def __init__(self, place: Path) -> None:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_own(place)
        # A folder is not yet locked when it is made: one owner at a time, by a lock on the place.
        turn = _wait_for_lock(place)
        try:
            for abandoned in place.glob("pool-*"):
                with suppress(OSError):
                    os.close(_lock(abandoned))
                    shutil.rmtree(abandoned)
            self.folder = Path(tempfile.mkdtemp(prefix="pool-", dir=place.resolve()))
            self._lock = _lock(self.folder)
        finally:
            os.close(turn)

    def close(self) -> None:
        """Remove it; a second time does nothing."""
        if self._lock >= 0:
            shutil.rmtree(self.folder, ignore_errors=True)
            os.close(self._lock)
            self._lock = -1


def _check_own(place: Path) -> None:
    status = place.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(f"{place}, for the results of workers, is not a folder but a link or a file")
    if status.st_uid != os.geteuid():
        raise PermissionError(f"{place}, for the results of workers, belongs to the user {status.st_uid}")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(f"{place}, for the results of workers, can be written by others: chmod go-w helps")


def _wait_for_lock(place: Path) -> int:
    for _ in range(TRIES):
        with suppress(BlockingIOError):
            return _lock(place)
        time.sleep(PAUSE)
    raise TimeoutError(f"{place}, for the results of workers, has been locked for {TRIES * PAUSE:g} seconds")


def _lock(folder: Path) -> int:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
