"""Where plans and parts are made: originals of one version, opened and given to the workers for films."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from proxy.lending import OriginalChanged, lent, replaced_told
from proxy.sources.mounts import Mounted
from proxy.sources.source import Original, Parts
from proxy.workers.pool import Job, Reply
from transforms.headers import Header
from transforms.limits import Cost, Limits

MOST_THREADS = 4
"""Threads that decode one film; more of them wait for each other."""


class Pool(Protocol):
    """Where work on films is done."""

    async def run(self, job: Job) -> Reply: ...


@dataclass(frozen=True)
class Studio:
    """Has the workers for films do what streams are made of."""

    pool: Pool
    opened: Callable[[Mounted, str], Awaitable[Original | Parts]]
    """The original of this very version; raises OriginalChanged."""
    limits: Callable[[str], Limits]
    deadline: float
    spare: Callable[[], int]
    """How many workers have nothing to do."""

    async def do(
        self,
        mounted: Mounted,
        version: str,
        header: Header,
        payload: Mapping[str, Any],
        *,
        name: str,
        cost: Cost,
        rank: int = 0,
        begins: Callable[[], None] = lambda: None,
    ) -> Reply:
        """What a worker says to a job with an original of a version; a lower `rank` goes first.

        `name` is that of the work in the poison list; `begins` is called just before it joins the line. Raises
        OriginalChanged where there is another original by now, Refusals of the work, Busy and the like of the pool.
        """
        job = Job(
            payload={**payload, "header": header.to_dict(), "limits": _fields(self.limits(mounted.name))},
            identity=name,
            deadline=self.deadline,
            cost=cost.milliseconds,
            memory=cost.memory,
            rank=rank,
            # Frames are the same however many threads decode them.
            late=lambda: {"threads": min(1 + self.spare(), MOST_THREADS)},
            original=f"{mounted.name}/{mounted.key} {version}",
        )
        original = await self.opened(mounted, version)
        try:
            begins()
            with replaced_told():
                reply = await self.pool.run(lent(job, original))
            # What comes in parts is of one version by itself.
            unchanged = not isinstance(original, Original) or reply.state == original.state
        finally:
            del original  # or the traceback of a refusal would hold it open for as long as somebody holds the refusal
        if not unchanged:
            if isinstance(reply.body, Path):
                reply.body.unlink(missing_ok=True)
            raise OriginalChanged
        return reply


@lru_cache(maxsize=64)
def _fields(limits: Limits) -> dict[str, Any]:
    return asdict(limits)
