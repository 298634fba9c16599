"""A job on its way through the pool: what goes in, what comes out, and what is told to who waits for it."""

import asyncio
import os
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from proxy.failures import WorkFailed
from proxy.workers.process import Worker, WorkerLied
from transforms.carried import refusal_from_fields
from transforms.errors import Refusal
from transforms.worker import as_json, aside_of, frame, framed, joined

MOST_NEEDS: Final = 50_000
"""How often a worker may ask for bytes of one original: of twenty gigabytes for each half megabyte."""


class Parts(Protocol):
    """An original whose bytes come when they are needed."""

    @property
    def size(self) -> int: ...

    async def need(self, start: int, length: int) -> tuple[int, int]:
        """Have them in its file; returns where what is there around them begins and ends. Raises Refusals."""


@dataclass(frozen=True)
class Job:
    """What a worker is asked to do.

    `payload` is what JSON can carry; `identity` names the work in the poison list, and `original` the version of what
    it is done to. `deadline` is seconds of working; `cost` the milliseconds and `memory` the bytes that it will take by
    estimate; a lower `rank` goes first, and from BEHIND on it makes room, with Preempted, for what goes before it.
    `descriptor` is the original, which the worker finds under "path"; it has to be open only when `run` is called.
    `late` is what more goes into the payload, asked for when the work begins. `aside` takes the file that a worker
    leaves beside the result before that is done: what it says of it, and an open descriptor; it has no name any more.
    With `parts` the original's file has holes: the worker asks for what it reads, and waiting for it counts as working.
    A film's is told of when it begins, and grows; `progress` is told how much of the work is done, from 0 to 1.
    What was let in before, while it waited for something else, has its place in the line of what came at `since`.
    When `run` is cancelled, a job that waits leaves the line; one that runs is left to finish, which mostly costs less
    than a new process, and its result is dropped; `stop_if_unwanted` ends the worker instead.
    """

    payload: Mapping[str, object]
    identity: str
    deadline: float
    cost: float
    memory: int
    rank: int = 0
    stop_if_unwanted: bool = False
    descriptor: int | None = None
    original: str = ""
    late: Callable[[], Mapping[str, object]] | None = None
    aside: Callable[[Mapping[str, Any], int], None] | None = None
    parts: Parts | None = None
    progress: Callable[[float], None] | None = None
    since: float | None = None


@dataclass(frozen=True)
class Reply:
    """What became of a job: seconds `queued`, `worked` and of `cpu`; bytes of the worker's memory.

    `rss` is what it holds now, of its own; `peak` all that it had in memory at most during the job, files that it maps
    included; `base` the same when it began.

    A body that is a path is a file that now belongs to the receiver, who renames or removes it.
    """

    meta: dict[str, Any]
    body: bytes | Path
    queued: float
    worked: float
    cpu: float
    rss: int
    peak: int
    base: int = 0
    state: tuple[int, int] | None = None
    """Of the original when the work was done: nanoseconds of its last change, and its size."""


@dataclass(eq=False)
class Ticket:
    """A job on its way through the pool."""

    number: int
    job: Job
    result: Path
    done: asyncio.Future[Reply]
    joined: float
    original: int | None = None  # a descriptor of its own
    patience: asyncio.TimerHandle | None = None
    queued: float = 0.0
    finish_by: float = 0.0  # set when work begins; a second try has what the first one left
    lost: int = 0  # workers
    worker: Worker | None = None  # while it runs
    told: bool = False  # of a file beside the result
    needs: int = 0  # times that bytes of the original were asked for
    waiting: bool = False  # for the place of the original
    unreached: Refusal | None = None  # why it did not give what was needed

    def __post_init__(self) -> None:
        self._payload = as_json(self.job.payload)  # what JSON cannot carry is told to the caller

    def order(self) -> bytes:
        """What the worker is told, as it goes over the socket."""
        order = {"id": self.number, "result": str(self.result)}
        more = dict(self.job.late()) if self.job.late else {}
        if self.job.parts:
            more["parts"] = self.job.parts.size
        return framed(joined(as_json(order), b'{"job":' + joined(self._payload, as_json(more)) + b"}"))

    async def answer(self, header: Mapping[str, Any]) -> bytes:
        """What a worker is told that asks for bytes of the original; raises WorkerLied where that cannot be."""
        parts = self.job.parts
        match header:
            case {"id": self.number, "need": [int(start), int(length)]} if (
                parts and 0 <= start < start + length <= parts.size and self.needs < MOST_NEEDS and not self.unreached
            ):
                self.needs, self.waiting = self.needs + 1, True
                try:
                    there = list(await parts.need(start, length))
                except Refusal as refusal:
                    self.unreached, there = refusal, None
                self.waiting = False
                return frame({"there": there})
        raise WorkerLied("that it needs what it cannot need")

    def hear(self, header: Mapping[str, Any]) -> None:
        """Pass on what a worker says before it is done; raises WorkerLied where that cannot be."""
        match header:
            case {"id": self.number, "progress": int() | float() as share} if 0 <= share <= 1 and self.job.progress:
                self.job.progress(float(share))
            case _:
                self._put_aside(header)

    def _put_aside(self, header: Mapping[str, Any]) -> None:
        """Pass on a file that the worker has left beside the result; raises WorkerLied where that cannot be."""
        facts, take = header.get("aside"), self.job.aside
        if header.get("id") != self.number or not isinstance(facts, dict) or take is None or self.told:
            raise WorkerLied("what nobody asked for")
        self.told = True
        path = aside_of(self.result)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise WorkerLied("of a file that is not there") from error
        try:
            path.unlink()  # which a folder withstands
        except OSError as error:
            os.close(descriptor)
            raise WorkerLied("of a file that is none") from error
        take(facts, descriptor)

    def drop_aside(self) -> None:
        """Remove a file beside the result that was begun and not told of."""
        if self.job.aside and not self.told:
            discard(aside_of(self.result))

    def release(self) -> None:
        """Close the original; a second time does nothing."""
        if self.original is not None:
            os.close(self.original)
            self.original = None

    def settle(self, outcome: Reply | Refusal) -> None:
        """Tell who waits what became of the job, and leave no file behind that nobody takes."""
        if isinstance(outcome, Refusal):
            discard(self.result)
            if not self.done.done():
                self.done.set_exception(outcome)
        elif self.done.done():
            discard(outcome.body)
        else:
            self.done.set_result(outcome)

    def read(self, header: Mapping[str, Any], body: bytes, worked: float, base: int) -> tuple[Reply | Refusal, int]:
        """What a worker says, and the bytes of memory that it holds; raises WorkerLied for what is no reply to this."""
        match header:
            case {"id": self.number, "cpu": float(cpu), "rss": int(rss), "peak": int(peak), **said}:
                state = _state(said)
                match said:
                    case {"meta": dict(meta), "file": int(size)} if _is_file(self.result, size):
                        return Reply(meta, self.result, self.queued, worked, cpu, rss, peak, base, state), rss
                    case {"meta": dict(meta)} if "file" not in said:
                        return Reply(meta, body, self.queued, worked, cpu, rss, peak, base, state), rss
                    case {"refusal": dict(carried)} if refusal := refusal_from_fields(carried):
                        return refusal, rss
                    case {"failure": str(kind)}:
                        return WorkFailed(f"the work failed ({kind[:100]})"), rss
        raise WorkerLied("what is no reply to this")


def _state(said: Mapping[str, Any]) -> tuple[int, int] | None:
    match said:
        case {"state": [int(changed), int(size)]}:
            return changed, size
    return None


def _is_file(path: Path, size: int) -> bool:
    with suppress(OSError):
        status = path.lstat()
        return stat.S_ISREG(status.st_mode) and status.st_size == size
    return False


def discard(body: bytes | Path) -> None:
    """Remove a result that nobody takes."""
    if isinstance(body, Path):
        with suppress(OSError):  # not there, or on a disk that has become read-only
            body.unlink()
