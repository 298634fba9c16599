"""Equal work in flight is done once."""

import asyncio
import copy
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeVar

from proxy.failures import ClosingDown

T = TypeVar("T")


@dataclass(eq=False)
class _Flight:
    task: asyncio.Task[Any]
    waiting: int = 0
    trace: TracebackType | None = None


class Flights:
    """Work in progress by key; who asks for what is being made waits for it.

    The work runs in a task of its own, so a client that leaves takes nothing from the others. When all have left it
    goes on, since its result will be kept, and is counted in `abandoned` when it ends.
    """

    def __init__(self) -> None:
        self._flights: dict[str, _Flight] = {}
        self.led = self.joined = self.abandoned = 0

    def __len__(self) -> int:
        return len(self._flights)

    def __contains__(self, key: str) -> bool:
        """Whether this is just being done."""
        return key in self._flights

    async def share(self, key: str, make: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
        """What `make` returns or raises, and whether it was called for this caller."""
        flight = self._flights.get(key)
        led = flight is None
        if flight is None:
            flight = self._start(key, make)
            self.led += 1
        else:
            self.joined += 1
        flight.waiting += 1
        try:
            await asyncio.wait((flight.task,))
        finally:
            flight.waiting -= 1
        if flight.task.cancelled():
            raise ClosingDown("The work was stopped.")
        error = flight.task.exception()
        if error is not None:
            raise _own(error, flight.trace)
        return flight.task.result(), led

    async def close(self) -> None:
        """Stop what is in flight; who waits for it gets ClosingDown."""
        tasks = [flight.task for flight in self._flights.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _start(self, key: str, make: Callable[[], Awaitable[T]]) -> _Flight:
        async def work() -> T:
            return await make()

        flight = _Flight(asyncio.create_task(work()))
        self._flights[key] = flight

        def ended(task: asyncio.Task[T]) -> None:
            del self._flights[key]
            self.abandoned += flight.waiting == 0
            # Asked for even when nobody waits, or asyncio would complain.
            if not task.cancelled() and (error := task.exception()):
                flight.trace = error.__traceback__

        flight.task.add_done_callback(ended)
        return flight


def _own(error: BaseException, trace: TracebackType | None) -> BaseException:
    """A copy to raise: one exception raised by many tasks would gather all their tracebacks."""
    mine = error
    with suppress(Exception):
        twin = copy.copy(error)
        if type(twin) is type(error):
            twin.__cause__, twin.__context__ = error.__cause__, error.__context__
            twin.__suppress_context__ = error.__suppress_context__
            mine = twin
    return mine.with_traceback(trace)
