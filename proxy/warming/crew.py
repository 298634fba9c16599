"""Several at a time, each taking the next when it is done with one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable


async def each(
    paths: AsyncIterator[bytes], parallel: int, stopped: Callable[[], bool], do: Callable[[bytes], Awaitable[None]]
) -> None:
    """Do it for every path, `parallel` at a time; once `stopped`, what has begun is finished and nothing is begun."""
    lock = asyncio.Lock()

    async def work() -> None:
        while True:
            async with lock:
                path = None if stopped() else await anext(paths, None)
            if path is None:
                return
            await do(path)

    async with asyncio.TaskGroup() as group:
        for _ in range(parallel):
            group.create_task(work())
