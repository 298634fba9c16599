"""Parts of streams: each is made once, however slowly a store says that it has none."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from proxy.flights import Flights
from proxy.herd import alone
from proxy.once import Once
from proxy.sources.file import FileSource
from proxy.sources.mounts import Mounted
from proxy.stats import Stats
from proxy.stores.behind import Behind
from proxy.stores.memory import MemoryStore
from proxy.stores.result import Result, Scratch
from proxy.stores.tiered import TieredStore
from proxy.streaming.kept import Kept
from proxy.streaming.part import Part
from proxy.streaming.parts import Parts
from proxy.streaming.studio import Studio
from proxy.workers.pool import Job, Reply
from transforms.headers import Header
from transforms.limits import Limits
from transforms.video.stream_plan import Rung, StreamPlan

pytestmark = pytest.mark.anyio

RUNG = Rung(
    *("90", "picture", False, "avc1.42c01e", 100_000, 80_000), end=Fraction(4), width=160, height=90, rate=Fraction(25)
)
PLAN = StreamPlan(1, "v", (Fraction(0), Fraction(2), Fraction(4)), (RUNG,))


@dataclass
class Far:
    """A store that is asked over a line, which holds an answer back, and keeps nothing."""

    name: str = "far"
    held: bool = False
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def get(self, key: str) -> Result | None:
        if self.held:
            self.asked.set()
            await self.go.wait()
        return None

    async def put(self, key: str, result: Result | Scratch, tags: Collection[str] = ()) -> Result:
        assert isinstance(result, Result)
        return result

    async def delete(self, key: str) -> None: ...

    def stats(self) -> Stats:
        return Stats()


@dataclass
class Crew:
    """Workers who make a part at once, and count."""

    made: int = 0
    state: tuple[int, int] | None = None
    """Of the original."""

    async def run(self, job: Job) -> Reply:
        self.made += 1
        return Reply({"digest": "1" * 32}, b"part", 0.0, 0.0, 0.0, 0, 0, state=self.state)


async def never(_: Part) -> None:
    """Nothing is made ahead."""


async def test_who_heard_late_that_there_is_none_takes_what_was_made_meanwhile(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"film")
    mounted = Mounted("", source := FileSource(tmp_path), "film.mp4")
    header = Header("mp4", 160, 90, 4, seconds=4.0, rate=25.0)

    async def opened(mounted: Mounted, version: str) -> Any:
        original = await source.open(mounted.key)
        crew.state = original.state
        return original

    far, crew = Far(), Crew()
    studio = Studio(crew, opened, lambda _: Limits(), 10.0, lambda: 0)
    store = TieredStore([MemoryStore(1 << 20)], [Behind(far, 60.0)])
    parts = Parts(Once(store, Flights(), alone), studio, lambda *_: None)
    part = Part(mounted, Kept(PLAN, header), RUNG, 0)
    far.held = True
    late = asyncio.create_task(parts.find(part))
    await far.asked.wait()
    made, _ = await parts.made(part, (), never)
    far.go.set()
    assert await late is None
    found, here = await parts.made(part, (), never)
    assert (made.body, found.body, here) == (b"part", b"part", False)
    assert crew.made == 1
    await store.close()
