"""Films made anew: sent while they grow, or promised as a job where that takes long."""

import asyncio
import copy
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any

from proxy.answer import Answer
from proxy.caching import NOW_ONLY
from proxy.failures import Busy, ClosingDown
from proxy.films import Witness
from proxy.rendition import Rendition
from proxy.stores.growing import Growing
from proxy.stores.result import Result
from transforms.errors import Refusal, TooLong
from transforms.limits import Cost

PROMPT = 1.0
"""Seconds of estimated work up to which it is waited for: who gets all of it at once can seek in it."""
REMEMBERED = 60.0
"""Seconds for which a job that failed says so to who asks, before it is tried again."""
FORGOTTEN = 900.0
"""Seconds after which a job that waits for a worker is given up where nobody has asked for it."""
LONGEST_PAUSE = 30.0
MOST_FAILED = 1000
MOST_WORKS = 200
"""Films that are made or wait for it at a time; more of them would wait for longer than anybody asks again."""

Make = Callable[[Witness | None, int], Awaitable[tuple[Result, bool]]]
"""Has the work done at a rank, and told of to a witness; the result, and whether it was made for this call."""


@dataclass(eq=False)
class Work(Witness):
    """One film on its way: what it was expected to cost, how far it is, what there is of it."""

    estimate: float
    """Seconds of one core."""
    job: bool
    asked: float
    clock: Callable[[], float]
    begun: float | None = None
    share: float = 0.0
    growing: Growing | None = None
    known: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when there is something to send, or nothing more to come."""

    def begins(self) -> None:
        self.begun, self.share = self.clock(), 0.0

    def grows(self, facts: Mapping[str, Any], descriptor: int) -> None:
        if self.growing:  # a second worker tries again: who reads what the first one left cannot go on
            self.growing.failed()
        self.growing = Growing(descriptor)
        self.known.set()

    def progresses(self, share: float) -> None:
        self.share = max(self.share, share)
        if self.growing:
            self.growing.grown()

    def ended(self, well: bool) -> None:
        if self.growing:
            (self.growing.finished if well else self.growing.failed)()
        self.known.set()

    def left(self) -> float:
        """Seconds that it will go on for, by its own pace where that is known."""
        if self.begun is None or self.share < 0.02:
            return self.estimate
        return (self.clock() - self.begun) * (1 - self.share) / self.share


class Transcodes:
    """Has each film made once, however many ask for it; the work goes on when all of them have left."""

    def __init__(
        self, job_seconds: float, longest: float, rank: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """From `job_seconds` of estimated work on it is a job, done at a `rank`; more than `longest` is refused."""
        self._rank = rank
        self._job_seconds, self._longest, self._clock = job_seconds, longest, clock
        self._works: dict[str, tuple[Work, asyncio.Task[Result]]] = {}
        self._failed: dict[str, tuple[float, Refusal]] = {}

    def __contains__(self, key: str) -> bool:
        """Whether this is just being made."""
        return key in self._works

    async def answer(
        self, path: bytes, head: bool, rendition: Rendition, promised: Answer, cost: Cost, make: Make
    ) -> Answer:
        """The film as far as it is, a job's state, or all of it where it is small. Raises Refusals."""
        key, estimate = rendition.key, cost.milliseconds / 1000
        until, failure = self._failed.get(key, (0.0, None))
        if failure and self._clock() < until:
            raise copy.copy(failure)
        work, task = self._works.get(key, (None, None))
        led = work is None
        if work is None or task is None:
            if estimate > self._longest:
                raise TooLong(
                    f"the film would take about {estimate:.0f} seconds of work; up to {self._longest:g} are done",
                    expected="a shorter du_, or a smaller w_",
                )
            work = Work(estimate, estimate > self._job_seconds, self._clock(), self._clock)
            if len(self._works) >= MOST_WORKS:
                raise Busy("too many films wait already to be made anew", retry_after=LONGEST_PAUSE)
            if head:  # nothing is begun for who wants nothing of it
                return self._described(path, work, promised) if work.job else _growing(promised, b"")
            task = self._begin(key, work, make)
        work.asked = self._clock()
        if work.job:
            return self._described(path, work, promised)
        if head:
            return _growing(promised, b"")
        await work.known.wait()
        if work.growing and not task.done():
            return _growing(promised, work.growing)
        result = await _outcome(task)
        return replace(promised, body=result.body, etag=result.etag, outcome="made" if led else "shared")

    async def close(self) -> None:
        """Stop what is in work; who reads it is told by the end of the connection."""
        tasks = [task for _, task in self._works.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _begin(self, key: str, work: Work, make: Make) -> asyncio.Task[Result]:
        task = asyncio.create_task(self._made(work, make))
        self._works[key] = work, task

        def ended(task: asyncio.Task[Result]) -> None:
            del self._works[key]
            failure = None if task.cancelled() else task.exception()  # asked for even when nobody waits
            work.ended(well=not task.cancelled() and failure is None)
            if work.job and isinstance(failure, Refusal):
                self._failed[key] = self._clock() + REMEMBERED, failure
                if len(self._failed) > MOST_FAILED:
                    del self._failed[next(iter(self._failed))]

        task.add_done_callback(ended)
        self._failed.pop(key, None)
        return task

    async def _made(self, work: Work, make: Make) -> Result:
        pause = 1.0
        while True:
            try:
                return (
                    await make(work if work.job or work.estimate > PROMPT else None, self._rank if work.job else 0)
                )[0]
            except Busy:
                # A job waits for its turn for as long as somebody wants it.
                if not work.job or self._clock() - work.asked > FORGOTTEN:
                    raise
            work.begun, work.share = None, 0.0
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _described(self, path: bytes, work: Work, promised: Answer) -> Answer:
        """Word of a job: how far it is, and when to ask again."""
        seconds = max(1, ceil(work.left()))
        told = {
            "status": "waiting" if work.begun is None else "working",
            "progress": round(work.share, 3),
            "retry_after": seconds,
            "url": path.decode("latin-1"),
        }
        return replace(
            promised,
            status=202,
            lifetime=NOW_ONLY,
            body=json.dumps(told).encode(),
            media_type="application/json",
            etag="",
            modified=None,
            filename=None,
            outcome="job",
            retry_after=seconds,
        )


def _growing(promised: Answer, body: Growing | bytes) -> Answer:
    return replace(promised, body=body, etag="", modified=None, lifetime=NOW_ONLY, outcome="growing", whole=False)


async def _outcome(task: asyncio.Task[Result]) -> Result:
    """What became of work that several wait for; each is told of a failure by an exception of its own."""
    await asyncio.wait((task,))
    if task.cancelled():
        raise ClosingDown("The work was stopped.")
    if error := task.exception():
        raise copy.copy(error) if isinstance(error, Refusal) else error
    return task.result()
