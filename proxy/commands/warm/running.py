"""Work that shows how far it is, and that a signal ends with care."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from proxy.commands.warm.tally import Tally, say

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

INTERRUPTED = 130


class Stoppable(Protocol):
    """What finishes what has begun, once it is told to stop."""

    stopped: bool


@dataclass
class Shown:
    """The bar, and what came of it so far."""

    bar: "Progress"
    task: "TaskID"
    errors: "Console"
    tally: Tally = field(default_factory=Tally)
    started: float = field(default_factory=time.monotonic)

    def total(self, number: int) -> None:
        """There are so many paths."""
        self.bar.update(self.task, total=number)

    def more(self, number: int) -> None:
        """There are so many paths more."""
        self.bar.update(self.task, total=(self.bar.tasks[self.task].total or 0) + number)

    def read(self) -> None:
        """One path is done."""
        self.bar.advance(self.task)

    async def until_stopped(self, work: Stoppable, run: Callable[[], Awaitable[None]]) -> bool:
        """Do it; whether a signal ended it early. The first one waits for what has begun, the second does not."""
        loop, working = asyncio.get_running_loop(), asyncio.current_task()
        assert working

        def stop() -> None:
            if work.stopped:
                working.cancel()
            else:
                self.errors.print("finishing what has begun; once more ends it at once")
                work.stopped = True

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)
        await run()
        return work.stopped

    def end(self, interrupted: bool, evicted: int = 0) -> int:
        """Say what came of it; returns the exit status."""
        from rich.console import Console

        say(Console(), self.tally, time.monotonic() - self.started, evicted)
        return INTERRUPTED if interrupted else 1 if self.tally.failures else 0


@contextmanager
def shown(left_out: int) -> Iterator[Shown]:
    """A bar on a terminal; `left_out` is what is known to be so before anything begins."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    errors = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bar:
        told = Shown(bar, bar.add_task("warming", total=None), errors)
        told.tally.states["skipped"] += left_out
        yield told
