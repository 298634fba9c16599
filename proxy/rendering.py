"""Renditions made by workers and kept in the store."""

import asyncio
import functools
import json
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from proxy.brake import Brake
from proxy.failures import NoRoom
from proxy.films import Films, Witness, film_cost, made_anew
from proxy.lending import OriginalChanged, lent, opened, opened_in_parts, replaced_told
from proxy.rendition import Rendition
from proxy.shrunk import ShrunkOriginals, Turn
from proxy.sources.source import Original, Parts
from proxy.stores.result import Result, Store, received
from proxy.workers.pool import Job, Reply
from transforms.formats import FORMATS
from transforms.headers import Header
from transforms.limits import Cost, Limits, estimate
from transforms.operation import Size
from transforms.operations.output import DRAWN
from transforms.params import plain
from transforms.shrunk import wanted
from transforms.sniff import HEAD, sniff
from transforms.video.costs import cost as recorded

MOVING = tuple(row.name for row in FORMATS.values() if row.medium != "picture")
"""What the first bytes of a film or a sound are."""
DRAWINGS = (*(row.name for row in FORMATS.values() if row.vector), "xml", "gzip")
"""What the first bytes of a drawing are, as far as they tell."""
PROBE = Cost(milliseconds=20, memory=32 << 20)
"""What it is expected to cost to read a header that takes a library."""
_TOLD = (*DRAWN, "json")
"""What a sound's wave is told in that is no pixels."""
GRADES = ("first", "final")
"""Of results: as well as is quick, and as well as can be."""
LOOK = 256 * 256
"""Pixels that a description is drawn from."""
SLOWLY = 0.006
"""Seconds for each millisecond that work on a long sound should take: a slow machine that is busy takes some times as
long."""


def is_sounding(rendition: Rendition) -> bool:
    """Whether all of a sound is gone through: a sound is made, or its wave is drawn."""
    row = FORMATS.get(rendition.format)
    return rendition.plan.loading.waveform is not None or (row is not None and row.medium == "sound")


class Pool(Protocol):
    """Where work on pixels is done."""

    async def run(self, job: Job) -> Reply: ...

    def standing(self, identity: str, cost: Cost) -> AbstractContextManager[float]: ...


@dataclass(frozen=True)
class Watch:
    """Who is told of what was made: the metrics."""

    made: Callable[[Rendition, str, Cost, Reply, int], None]
    """The rendition, its grade, what it was expected to cost, what came back, bytes of the picture."""
    read: Callable[[str, int, float], None]
    """The mount, bytes of the original, and the seconds that it took to open it."""


@dataclass(frozen=True)
class Renderer:
    """Turns renditions into jobs for the pools, and their replies into results."""

    pictures: Pool
    drawings: Pool
    moving: Pool
    """For films and sounds."""
    store: Store
    limits: Callable[[str], Limits]
    deadline: float
    deadline_svg: float
    deadline_moving: float
    shrunk: ShrunkOriginals
    watch: Watch
    films: Films
    brake: Brake = field(default_factory=Brake)

    async def make(
        self,
        rendition: Rendition,
        grade: str,
        tags: Collection[str] = (),
        *,
        rank: int = 0,
        witness: Witness | None = None,
    ) -> Result:
        """Render and keep; a lower `rank` goes first, and a film's `witness` follows it.

        Raises OriginalChanged, Refusals of the work, Busy, TimedOut and the like of the pool.
        """
        grade = grade if rendition.refined else "final"
        return await self.brake.hold(
            _work(rendition, grade), lambda: self._make(rendition, grade, tuple(tags), rank, witness)
        )

    async def _make(
        self, rendition: Rendition, grade: str, tags: Collection[str], rank: int, witness: Witness | None
    ) -> Result:
        mounted, header = rendition.mounted, rendition.header
        still = rendition.format in FORMATS and header.medium == "picture"
        target = wanted(rendition.plan, header, rendition.focus) if still else None
        name = f"{mounted.name}\n{mounted.key}\n{rendition.record.version}"
        saves = estimate(header, "jpg", LOOK).milliseconds if target else 0.0

        def standing(decoded: Size | None) -> AbstractContextManager[float]:
            return self.pictures.standing(_work(rendition, grade), self.cost(rendition, grade, decoded))

        async with self.shrunk.turn(name, header, target, saves=saves, standing=standing, behind=rank > 0) as turn:
            reply, cost, fetched, unchanged = await self._worked(rendition, grade, rank, turn, witness)
        # The worker reads the file that was opened here, but nothing is kept of one that was written meanwhile.
        if not unchanged:
            if isinstance(reply.body, Path):
                reply.body.unlink(missing_ok=True)
            raise OriginalChanged
        facts = reply.meta.get("facts")
        meta: dict[str, Any] = {
            **{name: value for name, value in reply.meta.items() if name != "facts"},
            "queue": reply.queued,
            "fetch": fetched,
            "grade": grade,
            "format": rendition.format,
        }
        result, size = (Result(meta, _as_json(facts)), 0) if facts is not None else received(meta, reply.body)
        self.watch.made(rendition, grade, cost, reply, size)
        return await self.store.put(rendition.key, result, tags)

    async def _worked(
        self, rendition: Rendition, grade: str, rank: int, turn: Turn, witness: Witness | None
    ) -> tuple[Reply, Cost, float, bool]:
        """Have a worker make it.

        Returns what came back, what it was expected to cost, the seconds of fetching, and whether the original stayed
        as it was.
        """
        started, pool, deadline = time.monotonic(), *self._place(rendition.header)
        cost = self.cost(rendition, grade, turn.layer and Size(turn.layer.width, turn.layer.height))
        if is_sounding(rendition):
            deadline += SLOWLY * cost.milliseconds
        job = Job(
            payload=self._payload(rendition, grade),
            identity=_work(rendition, grade),
            deadline=deadline,
            cost=cost.milliseconds,
            memory=cost.memory,
            rank=rank,
            since=turn.since,
            original=f"{rendition.mounted.name}/{rendition.mounted.key} {rendition.record.version}",
        )
        if made_anew(rendition):
            job = self.films.job(job, cost, witness)
        if held := turn.held:
            shared = {"shared": held.told}
            reply = await self.pictures.run(replace(job, late=lambda: shared, descriptor=held.descriptor))
            return reply, cost, 0.0, True
        if rendition.header.medium != "picture" and (read := await self._read(rendition, job)):
            return read[0], cost, read[1], True
        if lead := turn.lead:
            job = replace(job, late=lead.begin, aside=functools.partial(self.shrunk.keep, lead))
        original = await opened(rendition.mounted, rendition.record.version)
        try:
            fetched = time.monotonic() - started
            self.watch.read(rendition.mounted.name, original.size, fetched)
            reply = await pool.run(lent(job, original))
            return reply, cost, fetched, reply.state == original.state
        finally:
            del original  # or the traceback of a refusal would hold it open for as long as somebody holds the refusal

    async def _read(self, rendition: Rendition, job: Job) -> tuple[Reply, float] | None:
        """Have a worker make it of an original that comes while it works, and so is of one version by itself.

        Returns what came back and the seconds until the work could begin; None where the original comes whole.
        """
        for last in (False, True):
            started = time.monotonic()
            parts = await opened_in_parts(rendition.mounted, rendition.record)
            if parts is None:
                return None
            fetched = time.monotonic() - started
            try:
                with replaced_told():
                    reply = await self.moving.run(lent(job, parts))
                self.watch.read(rendition.mounted.name, 0, fetched)  # what came of it is counted where it comes
                return reply, fetched
            except NoRoom:  # beside the cache; the next time its parts are elsewhere
                if last:
                    raise
            finally:
                del parts
        raise AssertionError("the second time returns or raises")

    async def probe(self, original: Original | Parts) -> Header:
        """The header of an original whose kind takes a library to read."""
        kind = sniff(await asyncio.to_thread(original.head, HEAD))
        pool = self.drawings if kind in DRAWINGS else self.moving if kind in MOVING else self.pictures
        place = original.path if isinstance(original, Original) else f"in parts of {original.size}"
        job = Job(
            payload={"do": "probe"},
            identity=f"probe {place} {original.version}",
            deadline=self.deadline_svg if kind in DRAWINGS else self.deadline,
            cost=PROBE.milliseconds,
            memory=PROBE.memory,
        )
        reply = await pool.run(lent(job, original))
        return Header.from_dict(reply.meta["header"])

    def _place(self, header: Header) -> tuple[Pool, float]:
        """Where work on an original is done, and the seconds that it may take."""
        if header.medium != "picture":
            return self.moving, self.deadline_moving
        return (self.drawings, self.deadline_svg) if FORMATS[header.kind].vector else (self.pictures, self.deadline)

    def cost(self, rendition: Rendition, grade: str, decoded: Size | None = None) -> Cost:
        """What it will take to make a rendition, from the header alone, or from `decoded` pixels."""
        if made_anew(rendition):
            return film_cost(rendition)
        if rendition.header.medium != "picture":
            size = max(rendition.sizes, key=lambda size: size.width * size.height)
            return recorded(rendition.header, rendition.plan, rendition.format, size, grade)
        if rendition.format not in FORMATS:
            return estimate(rendition.header, "jpg", min(LOOK, rendition.header.pixels))
        size = max(rendition.sizes, key=lambda size: size.width * size.height)
        pixels = decoded.width * decoded.height if decoded else None
        saving, area = rendition.plan.saving, size.width * size.height
        return estimate(
            rendition.header,
            rendition.format,
            area,
            grade=grade,
            pixels=pixels,
            measured=saving.level is not None,
            lossless=saving.lossless,
        )

    def _payload(self, rendition: Rendition, grade: str) -> dict[str, Any]:
        common = {
            "header": rendition.header.to_dict(),
            "limits": _fields(self.limits(rendition.mounted.name)),
        }
        if rendition.plan.loading.waveform and rendition.format in _TOLD:
            return {"do": "wave", "plan": str(rendition.plan), "format": rendition.format, **common}
        if rendition.format == "json":
            return {"do": "describe", "gps": rendition.gps, "plan": str(rendition.plan), **common}
        if rendition.sheet is not None:
            plan = str(rendition.plan)
            return {"do": "sheet", "plan": plan, "format": rendition.format, "sheet": rendition.sheet, **common}
        moving = rendition.format in MOVING
        return {
            "do": "encode" if moving else "render",
            "plan": str(rendition.plan),
            "format": rendition.format,
            "grade": grade,
            "focus": list(rendition.focus) if rendition.focus else None,
            **common,
        }


def _work(rendition: Rendition, grade: str) -> str:
    """What names the making of a rendition, wherever one has to know it again."""
    return f"{rendition.key}.{grade}"


@lru_cache(maxsize=64)
def _fields(limits: Limits) -> dict[str, Any]:
    return asdict(limits)


def _as_json(facts: Mapping[str, Any]) -> bytes:
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode()


def is_made_here(result: Result) -> bool:
    """Whether this is a rendition of ours; others write into shared stores too."""
    return result.meta.get("grade") in GRADES


def described(cost: Cost) -> dict[str, float]:
    """A cost in words for people."""
    return {"milliseconds": float(plain(cost.milliseconds)), "memory": cost.memory}
