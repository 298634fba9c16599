"""Read originals with a cache on a disk that is soon full, and say what becomes of each."""

import asyncio
import sys
from pathlib import Path

from tests.elsewhere import Elsewhere
from tests.test_originals import Cache


async def main(folder: Path) -> None:
    remote = Elsewhere({str(number): bytes([number]) * 40_000 for number in range(2)})
    cache = Cache(folder, remote)
    for key in ("0", "1", "0"):
        assert await cache.read(key) == remote.originals[key]
        kept = list(folder.glob("??/*")), list(folder.glob("tmp/*"))
        assert [len(names) for names in kept] == [1, 0]
        print("used" if key == "1" else "kept")
    assert remote.fetched == 3  # the one that is not kept is tried twice
    assert cache.copies.stats().bytes == 40_000
    await cache.close()


asyncio.run(main(Path(sys.argv[1])))
