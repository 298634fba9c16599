"""Renditions made by workers and kept in the store."""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from proxy.rendition import Rendition
from proxy.sources.source import Original
from proxy.stores.result import Result, Scratch, Store
from proxy.workers import Job, Reply
from transforms.formats import FORMATS
from transforms.headers import Header
from transforms.limits import Cost, Limits, estimate
from transforms.params import plain

PROBE = Cost(milliseconds=20, memory=32 << 20)
"""What it is expected to cost to read a header that takes a library."""


class Pool(Protocol):
    """Where work on pixels is done."""

    async def run(self, job: Job) -> Reply: ...


@dataclass(frozen=True)
class Watch:
    """Who is told of what was made: the metrics."""

    made: Callable[[Rendition, Cost, Reply, int], None]
    read: Callable[[str, int], None]


@dataclass(frozen=True)
class Renderer:
    """Turns renditions into jobs for the pools, and their replies into results."""

    pictures: Pool
    drawings: Pool
    store: Store
    limits: Callable[[str], Limits]
    deadline: float
    deadline_svg: float
    watch: Watch

    async def make(self, rendition: Rendition, grade: str, tags: Collection[str] = ()) -> Result:
        """Render and keep. Raises Refusals of the work, Busy, TimedOut and the like of the pool."""
        mounted = rendition.mounted
        original = await mounted.source.open(mounted.key)
        cost = self.cost(rendition, grade)
        self.watch.read(mounted.name, original.size)
        reply = await self._run(
            rendition.header.kind,
            original,
            self._payload(rendition, original.path, grade),
            f"{rendition.key}.{grade}",
            cost,
        )
        meta: dict[str, Any] = {
            **{name: value for name, value in reply.meta.items() if name != "facts"},
            "queue": reply.queued,
            "grade": grade if rendition.refined else "final",
            "format": rendition.format,
        }
        facts = reply.meta.get("facts")
        size = 0
        if facts is not None:
            result: Result | Scratch = Result(meta, _as_json(facts))
        elif isinstance(reply.body, Path):
            size = reply.body.stat().st_size
            result = Scratch(meta, reply.body)
        else:
            size = len(reply.body)
            result = Result(meta, reply.body)
        self.watch.made(rendition, cost, reply, size)
        return await self.store.put(rendition.key, result, tags)

    async def probe(self, original: Original) -> Header:
        """The header of an original whose kind takes a library to read."""
        identity = f"probe {original.path} {original.version}"
        reply = await self._run("svg", original, {"do": "probe", "path": str(original.path)}, identity, PROBE)
        return Header.from_dict(reply.meta["header"])

    def cost(self, rendition: Rendition, grade: str) -> Cost:
        """What it will take to make a rendition, from the header alone."""
        if rendition.format not in FORMATS:
            return PROBE
        size = max(rendition.sizes, key=lambda size: size.width * size.height)
        return estimate(rendition.header, rendition.format, size.width * size.height, grade=grade)

    async def _run(self, kind: str, original: Original, payload: Mapping[str, Any], identity: str, cost: Cost) -> Reply:
        drawing = FORMATS[kind].vector
        return await (self.drawings if drawing else self.pictures).run(
            Job(
                payload=payload,
                identity=identity,
                deadline=self.deadline_svg if drawing else self.deadline,
                cost=cost.milliseconds,
                memory=cost.memory,
            )
        )

    def _payload(self, rendition: Rendition, path: Path, grade: str) -> dict[str, Any]:
        common = {
            "path": str(path),
            "header": rendition.header.to_dict(),
            "limits": asdict(self.limits(rendition.mounted.name)),
        }
        if rendition.format == "json":
            return {"do": "describe", "gps": rendition.gps, **common}
        return {
            "do": "render",
            "plan": str(rendition.plan),
            "format": rendition.format,
            "grade": grade,
            "focus": list(rendition.focus) if rendition.focus else None,
            **common,
        }


def _as_json(facts: Mapping[str, Any]) -> bytes:
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode()


def described(cost: Cost) -> dict[str, float]:
    """A cost in words for people."""
    return {"milliseconds": float(plain(cost.milliseconds)), "memory": cost.memory}
