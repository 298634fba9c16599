"""What has failed, for a while."""

import copy
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from proxy.stores.result import Result
from transforms.errors import BadOriginal, Refusal


class Brake:
    """Work that failed fails again from memory for a while, so that insisting clients keep no worker busy."""

    MOST = 10_000

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed: OrderedDict[str, tuple[float, Refusal]] = OrderedDict()

    async def hold(self, key: str, make: Callable[[], Awaitable[Result]]) -> Result:
        """What `make` returns or raises, or what it raised a moment ago."""
        until, refusal = self._failed.get(key, (0.0, None))
        if refusal and self._clock() < until:
            raise copy.copy(refusal)
        try:
            return await make()
        except Refusal as failure:
            if seconds := _held_for(failure):
                self._failed[key] = self._clock() + seconds, copy.copy(failure)
                self._failed.move_to_end(key)
                while len(self._failed) > self.MOST:
                    self._failed.popitem(last=False)
            raise


def _held_for(refusal: Refusal) -> float:
    """Seconds: what is wrong with an original stays wrong, a worker's accident may not, a full queue says itself."""
    if isinstance(refusal, BadOriginal):
        return 60.0
    return 0.0 if hasattr(refusal, "retry_after") else 1.0
