"""One of several processes that read the same originals by way of one folder; says what it fetched and dropped."""

import asyncio
import random
import sys
from pathlib import Path

from tests.elsewhere import Elsewhere
from tests.test_originals import BOUND, Cache


async def main(folder: Path, seed: int) -> None:
    remote = Elsewhere({str(number): bytes([number]) * (BOUND // 10) for number in range(40)})
    cache, order = Cache(folder, remote), random.Random(seed)
    for _ in range(200):
        # Some are asked for far more often than others.
        key = str(min(39, int(order.expovariate(0.2))))
        assert await cache.read(key) == remote.originals[key]
    assert cache.troubles == []
    print(remote.fetched, cache.copies.stats().corrupt)
    await cache.close()


asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
