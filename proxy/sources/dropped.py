"""Originals that somebody has just handed over, for a while."""

import os
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import BinaryIO

from proxy.failures import NoSuchOriginal
from proxy.sources.source import Original, Stat

_OPENED = Path("/proc/self/fd")


@dataclass(frozen=True)
class Bounds:
    """What is kept at most: originals, bytes of all of them, seconds of each."""

    count: int = 32
    bytes: int = 512 << 20
    seconds: float = 3600.0


@dataclass(frozen=True)
class _Kept:
    descriptor: int
    stat: Stat
    until: float


class DroppedSource:
    """Originals without a name in any folder, held open here: what is forgotten is gone, and so is all with the server.

    The oldest are forgotten when there are more than the bounds allow. Whoever has opened one keeps its bytes.
    """

    def __init__(self, bounds: Bounds | None = None, clock: Callable[[], float] = time.time) -> None:
        self._bounds, self._clock = bounds or Bounds(), clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._numbers = count()

    def keep(self, key: str, file: BinaryIO) -> None:
        """Have an original from now on; the file stays the caller's to close, and must not change any more."""
        self.forget(key)
        descriptor, now = os.dup(file.fileno()), self._clock()
        size = os.fstat(descriptor).st_size
        stat = Stat(f"{int(now * 1000):x}-{next(self._numbers):x}-{size:x}", size, now)
        self._kept[key] = _Kept(descriptor, stat, now + self._bounds.seconds)
        self._tidy()

    def forget(self, key: str) -> None:
        """Have it no longer, if it was there."""
        if kept := self._kept.pop(key, None):
            os.close(kept.descriptor)

    async def stat(self, key: str) -> Stat:
        return self._found(key).stat

    async def open(self, key: str) -> Original:
        kept = self._found(key)
        # Opened anew, not duplicated: each reader has its own place in the file.
        descriptor = os.open(_OPENED / str(kept.descriptor), os.O_RDONLY | os.O_CLOEXEC)
        stat = kept.stat
        return Original(_OPENED / str(descriptor), stat.version, stat.size, stat.modified, descriptor)

    async def close(self) -> None:
        for key in list(self._kept):
            self.forget(key)

    def _found(self, key: str) -> _Kept:
        self._tidy()
        if key not in self._kept:
            raise NoSuchOriginal("There is no such original.")
        return self._kept[key]

    def _tidy(self) -> None:
        """Forget what is too old, then the oldest of what is too much; the newest stays in any case."""
        now, total = self._clock(), sum(kept.stat.size for kept in self._kept.values())
        for key, kept in list(self._kept.items()):
            many = len(self._kept) > self._bounds.count or total > self._bounds.bytes
            if now < kept.until and not (many and len(self._kept) > 1):
                break
            total -= kept.stat.size
            self.forget(key)
