"""Read an original in parts with a folder of blocks on a disk that is soon full, and say what becomes of it."""

import asyncio
import os
import sys
from pathlib import Path

from proxy.failures import NoRoom
from proxy.sources.source import Parts
from tests.afar import Afar
from tests.test_blocks import BLOCK, Cache


async def main(folder: Path) -> None:
    film = bytes(range(251)) * 40_000
    remote = Afar({"film": film, "older": film[1:]})
    cache = Cache(folder, remote)
    await cache.parts("older")
    parts: Parts | None = await cache.parts("film")
    assert parts
    for block in range(len(film) // BLOCK):
        try:
            await parts.need(block * BLOCK, 1)
        except NoRoom:
            assert len(list(folder.glob("??/*.map"))) == 1  # the older one has made room before
            print("full", end=" ")
            parts = await cache.parts("film")  # which is no longer on this disk
            await parts.need(block * BLOCK, 1)
        assert os.pread(parts.descriptor, 100, block * BLOCK) == film[block * BLOCK : block * BLOCK + 100]
    print("read")
    del parts
    await cache.close()


asyncio.run(main(Path(sys.argv[1])))
