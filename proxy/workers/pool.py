"""The pool of worker processes: bounded, killable, recycled; whatever happens to one costs one request at most."""

import asyncio
import functools
import itertools
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from proxy.failures import Busy, ClosingDown, OriginTimedOut, Poisoned, Preempted, TimedOut, WorkerLost, WorkFailed
from proxy.workers.crew import Crew
from proxy.workers.poison import PoisonList
from proxy.workers.process import Worker, WorkerEnded, WorkerLied, WorkerUnreached, worker_environment
from proxy.workers.promises import LEAST, Promises
from proxy.workers.rules import BEHIND
from proxy.workers.scratch import Scratch
from proxy.workers.tickets import Job, Reply, Ticket, discard
from proxy.workers.waiting import Line
from transforms.errors import Refusal
from transforms.limits import Cost

__all__ = ["BEHIND", "Job", "Pool", "PoolStats", "Reply"]

# By the reason for which the worker ended. Those from outside count too: the kernel's memory killer is one of them.
THE_JOBS_FAULT = {"crash", "memory", "deadline", "protocol", "outside"}
FOR_BEING_DEAR = {"memory", "deadline", "outside"}
WORTH_A_SECOND_TRY = {"outside", "unreached"}

EASY = 0.25
"""The share of its time and of a worker's memory up to which work is expected to end well, however estimates err."""
BLAME = 0.25
"""What an original is blamed where a worker runs out of time or memory over what is not easy: so much of the usual."""
LET_IN = 0.8
"""The share of the longest wait up to which work is let in: estimates err, and who waits in vain is told late."""
KEPT = 0.5
"""The share of that for those who were refused and come back when told; the rest keeps the workers busy meanwhile."""


@dataclass(frozen=True)
class PoolStats:
    """The pool at this moment, and what it has counted since its start: `kills` by reason, `done` jobs answered."""

    size: int
    idle: int
    busy: int
    starting: int
    queued: int
    queued_ms: float
    done: int
    starts: int
    recycled: int
    kills: Mapping[str, int]


class Pool:
    """`size` worker processes with one job each.

    `command` starts one. `scratch` is a folder on the cache's file system; other pools may use it too. `reserve` of the
    workers take only jobs below `cheap` milliseconds. What may not begin within `queue_seconds` is refused at once, and
    what has not begun by then is given up. Running jobs take `memory` bytes together, and no worker more than
    `worker_memory`; above `recycle_rss` bytes, or after `recycle_jobs`, one is replaced between jobs. `spare` more
    processes stand by to take the place of one that ends.
    `poison` and `bad_originals`, which pools may share, know what has ended workers: the work, and what it was done to.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        size: int,
        scratch: Path,
        reserve: int = 0,
        cheap: float = 60.0,
        spare: int = 0,
        queue_seconds: float,
        memory: int,
        worker_memory: int,
        recycle_rss: int,
        recycle_jobs: int,
        largest_body: int = 32 << 20,
        start_seconds: float = 30.0,
        environment: Mapping[str, str] | None = None,
        poison: PoisonList | None = None,
        bad_originals: PoisonList | None = None,
    ) -> None:
        self._hire = functools.partial(
            Worker,
            command,
            memory=worker_memory,
            largest_body=largest_body,
            environment=worker_environment(os.environ) if environment is None else environment,
        )
        self._crew = Crew(self._new_worker, self._employ, size=size + spare, start_seconds=start_seconds)
        self._line: Line[Ticket] = Line(
            size=size, reserve=min(reserve, size - 1), cheap=cheap, memory=memory, patience=queue_seconds / 2
        )
        self._size, self._place, self._queue_seconds = size, scratch, queue_seconds
        self._worker_memory = worker_memory
        self._recycle_rss, self._recycle_jobs = recycle_rss, recycle_jobs
        self._poison = PoisonList() if poison is None else poison
        self._bad_originals = PoisonList(strikes=4) if bad_originals is None else bad_originals
        self._numbers = itertools.count(1)
        self._tickets: set[Ticket] = set()
        self._idle: dict[Worker, asyncio.Future[Ticket | None]] = {}  # the last has worked last: its caches are warm
        self._promises = Promises()
        self._draining = False
        self._done = 0

    async def start(self) -> None:
        """Start the workers and wait until each is ready or has failed to start once; those go on trying."""
        self._scratch = Scratch(self._place)
        await self._crew.start()

    async def close(self, grace: float) -> None:
        """Take nothing new, give what waits and runs `grace` seconds to finish, then end every worker."""
        self._draining = True
        if pending := [ticket.done for ticket in self._tickets]:
            await asyncio.wait(pending, timeout=grace)
        for ticket in self._tickets:
            self._leave(ticket, ClosingDown("the server is stopping and did not wait for this"))
        await self._crew.close()
        self._scratch.close()

    async def run(self, job: Job) -> Reply:
        """Have a job done.

        Raises the refusal in which it ends, or Busy, TimedOut, WorkerLost, Poisoned, ClosingDown or WorkFailed.
        """
        if self._draining:
            raise ClosingDown("the server is stopping")
        if seconds := self._poison.remaining(job.identity):
            raise _poisoned("this has ended workers before", seconds)
        if job.original and (seconds := self._bad_originals.remaining(job.original)):
            raise _poisoned("the original has ended several workers", seconds)
        if job.since is None:
            self._let_in(job.identity, job.cost, job.memory, job.rank)
        ticket = self._ticket(job)
        self._join(ticket, self._queue_seconds)
        try:
            return await ticket.done
        except asyncio.CancelledError:
            self._abandon(ticket)
            raise
        finally:
            self._tickets.discard(ticket)
            if ticket.worker is None:  # else the original may be about to be sent
                ticket.release()

    @contextmanager
    def standing(self, identity: str, cost: Cost) -> Iterator[float]:
        """Stand in the line while something else is waited for that a job needs; yields its `since`. Raises Busy."""
        self._let_in(identity, cost.milliseconds, cost.memory, rank=0, ready=False)
        with self._line.expecting(cost=cost.milliseconds, memory=cost.memory, rank=0) as since:
            yield since

    def at_leisure(self) -> bool:
        """Whether there is a worker for what nobody waits for."""
        return bool(self._idle) and self._line.running < self._size and not self._line.waiting

    def stats(self) -> PoolStats:
        """Count what is there; costs microseconds."""
        return PoolStats(
            size=self._size,
            idle=len(self._idle),
            busy=self._line.running,
            starting=self._crew.starting,
            queued=self._line.waiting,
            queued_ms=self._line.milliseconds,
            done=self._done,
            starts=self._crew.starts,
            recycled=self._crew.recycled,
            kills=dict(self._crew.kills),
        )

    # A ticket's way: it joins the line, is dealt to an idle worker, is performed, and its future is done.

    def _ticket(self, job: Job) -> Ticket:
        number = next(self._numbers)
        result = self._scratch.folder / f"result-{number}"
        done: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        ticket = Ticket(number, job, result, done, time.monotonic())
        ticket.original = None if job.descriptor is None else os.dup(job.descriptor)
        self._tickets.add(ticket)
        return ticket

    def _join(self, ticket: Ticket, patience: float) -> None:
        job = ticket.job
        again = bool(ticket.finish_by)
        self._line.join(ticket, cost=job.cost, memory=job.memory, rank=job.rank, again=again, since=job.since)
        self._deal()
        if ticket.worker is None:
            ticket.patience = ticket.done.get_loop().call_later(patience, self._give_up, ticket)

    def _deal(self) -> None:
        while self._idle and (ticket := self._line.next()):
            if ticket.patience is not None:
                ticket.patience.cancel()
            ticket.worker, turn = self._idle.popitem()
            turn.set_result(ticket)
        behind = self._line.in_the_way()
        # Without a spare the next worker has to start first, and what is about to end is sooner out of the way.
        if behind and (self._idle or self._line.left(behind) > self._crew.start_took):
            self._preempt(behind)

    def _preempt(self, ticket: Ticket) -> None:
        """End work that nobody waits for, for the sake of work that somebody waits for."""
        assert ticket.worker
        ticket.worker.kill("preempted")
        ticket.settle(Preempted("this made room for work that somebody waits for"))
        self._line.interrupt(ticket)
        self._deal()

    def _let_in(self, identity: str, cost: float, memory: int, rank: int, ready: bool = True) -> None:
        """Raise Busy for what may not begin in time, or would take the room of those who come back when told."""
        wait, longest = self._line.wait(cost=cost, memory=memory, rank=rank, ready=ready), LET_IN * self._queue_seconds
        kept = 0.0
        if not self._promises.due(identity) and wait > (1 - KEPT) * longest:
            kept = min(self._promises.owed(self._line.takes(cost, memory)), KEPT * longest)
        if wait + kept > longest:
            raise self._busy(identity, wait, self._line.takes(cost, memory))
        self._promises.taken(identity)

    def _give_up(self, ticket: Ticket) -> None:
        if ticket.finish_by:
            self._leave(ticket, WorkerLost("the worker ended in the middle of this, and no other was free in time"))
        else:
            job = ticket.job
            wait = self._line.wait(cost=job.cost, memory=job.memory, rank=job.rank)
            self._leave(ticket, self._busy(job.identity, wait, self._line.takes(job.cost, job.memory)))

    def _abandon(self, ticket: Ticket) -> None:
        if ticket.worker is not None and ticket.job.stop_if_unwanted:
            ticket.worker.kill("unwanted")
        if not ticket.done.cancel() and not ticket.done.cancelled() and ticket.done.exception() is None:
            discard(ticket.done.result().body)  # it came at the moment in which nobody waited any longer
        self._leave(ticket)

    def _leave(self, ticket: Ticket, failure: Refusal | None = None) -> None:
        if ticket.patience is not None:
            ticket.patience.cancel()
        if failure is not None and not ticket.done.done():
            ticket.done.set_exception(failure)
        self._line.leave(ticket)
        self._deal()  # who stood behind it may have been waiting for it alone

    def _busy(self, identity: str, wait: float, takes: float) -> Busy:
        earliest = wait - LET_IN * self._queue_seconds
        return Busy(
            "more work waits than can be done in time",
            retry_after=max(earliest, LEAST),
            promise=lambda: self._promises.next(identity, earliest, takes),
        )

    def _new_worker(self) -> Worker:
        # Folders are used again, since on a full disk there may be no room for a new one.
        taken = {worker.folder for worker in self._crew.present}
        folders = (self._scratch.folder / f"worker-{number}" for number in itertools.count())
        return self._hire(folder=next(folder for folder in folders if folder not in taken))

    async def _employ(self, worker: Worker) -> None:
        """Give a worker one job after the other until it leaves."""
        worker.leaving.add_done_callback(lambda _: self._release(worker))
        jobs = 0
        while ticket := await self._turn(worker):
            rss = await self._perform(worker, ticket)
            jobs += 1
            if rss > self._recycle_rss or jobs >= self._recycle_jobs:
                self._crew.replace(worker)

    async def _turn(self, worker: Worker) -> Ticket | None:
        if worker.leaving.done():
            return None
        turn: asyncio.Future[Ticket | None] = asyncio.get_running_loop().create_future()
        self._idle[worker] = turn
        self._deal()
        return await turn

    def _release(self, worker: Worker) -> None:
        if turn := self._idle.pop(worker, None):
            turn.set_result(None)

    async def _perform(self, worker: Worker, ticket: Ticket) -> int:
        """Have a worker do a job; returns the bytes of memory that it holds afterwards."""
        started, rss, why = time.monotonic(), 0, ""
        if ticket.done.done():  # the client left in between
            self._line.finish(ticket)
            ticket.worker = None
            ticket.release()
            return rss
        if not ticket.finish_by:
            ticket.queued, ticket.finish_by = started - ticket.joined, started + ticket.job.deadline
        worker.doing = ticket.job.identity
        outcome: Reply | Refusal
        try:
            async with asyncio.timeout(ticket.finish_by - started):
                header, body = await worker.ask(ticket.order(), ticket.original, ticket.hear, ticket.answer)
            outcome, rss = ticket.read(header, body, time.monotonic() - started, worker.base)
            outcome = ticket.unreached or outcome  # whatever it has made of what did not come
            self._done += 1
            self._poison.forgive(ticket.job.identity)
            self._bad_originals.forgive(ticket.job.original)
            worker.doing = ""
        except TimeoutError:
            worker.kill(why := "origin" if ticket.waiting else "deadline")
            outcome = _late(ticket)
        except WorkerLied as lie:
            worker.kill(why := "protocol")
            outcome = WorkerLost(f"the worker sent {lie}")
        except WorkerEnded as end:
            cause = await worker.cause()
            why = "unreached" if isinstance(end, WorkerUnreached) else cause
            outcome = WorkerLost(f"the worker ended in the middle of this ({cause})")
        except Exception as mistake:  # of ours: whoever waits is told, and the pool goes on
            worker.kill("mistake")
            outcome = WorkFailed(f"the work could not be handed over ({type(mistake).__name__})")
        self._line.finish(ticket)
        ticket.worker = None
        ticket.drop_aside()
        if why in THE_JOBS_FAULT:
            ticket.lost += 1
            self._poison.strike(ticket.job.identity)
            if ticket.job.original:
                blame = 1.0 if why not in FOR_BEING_DEAR or self._is_easy(ticket.job) else BLAME
                self._bad_originals.strike(ticket.job.original, by=blame)
        if why not in WORTH_A_SECOND_TRY or not self._try_again(ticket):
            ticket.settle(outcome)
            ticket.release()
        return rss

    def _is_easy(self, job: Job) -> bool:
        """Whether a worker that ends in this speaks against the original more than against what is made of it."""
        return job.cost <= EASY * job.deadline * 1000 and job.memory <= EASY * self._worker_memory

    def _try_again(self, ticket: Ticket) -> bool:
        left = ticket.finish_by - time.monotonic()
        if ticket.lost > 1 or ticket.done.done() or left <= 0:
            return False
        discard(ticket.result)
        ticket.told, ticket.needs = False, 0
        self._join(ticket, min(left, self._queue_seconds))
        return True


def _poisoned(why: str, seconds: float) -> Poisoned:
    return Poisoned(f"{why}; it may be tried again in {ceil(seconds)} seconds", retry_after=seconds)


def _late(ticket: Ticket) -> Refusal:
    """Why work is not done in its time."""
    if ticket.waiting:
        return OriginTimedOut("The place of the original did not give all that was needed in time.")
    return TimedOut(f"this took more than its {ticket.job.deadline:g} seconds")
