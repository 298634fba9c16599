"""Parts of streams: found in the stores, or made once for all who ask at the same time, on whatever machine."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from proxy.brake import Brake
from proxy.once import Once
from proxy.stores.result import Result, received
from proxy.streaming.beside import told
from proxy.streaming.part import Part
from proxy.streaming.studio import Studio
from proxy.tags import original_tags
from proxy.workers.pool import BEHIND, Reply
from transforms.limits import Cost
from transforms.video.stream_costs import segment


def _at_once() -> None:
    pass


@dataclass(frozen=True)
class Parts:
    """Looks for parts, and has them made by the studio."""

    once: Once
    studio: Studio
    told: Callable[[Part, Cost, Reply, int], None]
    """What was made, what it was expected to cost, what came back, bytes of it."""
    brake: Brake = field(default_factory=Brake)

    async def find(self, part: Part) -> Result | None:
        """The part, where a store has it."""
        kept = await self.once.store.get(part.key)
        return kept if kept and _whole(kept) else None

    def is_made(self, part: Part) -> bool:
        """Whether it is just being made here."""
        return part.key in self.once

    async def made(self, part: Part, tags: Collection[str], early: "Early") -> tuple[Result, bool]:
        """The part, and whether it was made for this request alone; `early` may have it in the making.

        Raises OriginalChanged where the original of its plan is not to be had, Refusals of the work, Busy and the like.
        """
        return await self.once.made(part.key, lambda: self._held(part, tags), _whole, lambda: early(part))

    async def ahead(self, part: Part, begins: Callable[[], None]) -> Result | None:
        """The part, made when nobody waits for it; None where it is there, or somebody waits for it already.

        Raises like `made`, and whatever `begins` raises.
        """
        if self.is_made(part) or await self.find(part):
            return None
        tags = original_tags(part.mounted)
        return (await self.once.shared(part.key, lambda: self._make(part, tags, BEHIND, begins)))[0]

    async def _held(self, part: Part, tags: Collection[str]) -> Result:
        return await self.brake.hold(part.key, lambda: self._make(part, tags))

    async def _make(
        self, part: Part, tags: Collection[str], rank: int = 0, begins: Callable[[], None] = _at_once
    ) -> Result:
        kept, rung = part.kept, part.rung
        cost = segment(kept.plan, rung, kept.header, part.seconds)
        reply = await self.studio.do(
            part.mounted,
            kept.version,
            kept.header,
            {
                "do": "part",
                "plan": kept.plan.to_dict(),
                "rung": rung.name,
                "part": part.place,
                "beside": told(kept.beside_of(rung)),
            },
            name=part.key,
            cost=cost,
            rank=rank,
            begins=begins,
        )
        meta: dict[str, Any] = {**reply.meta, "queue": reply.queued, "grade": "final", "format": part.form}
        result, size = received(meta, reply.body)
        self.told(part, cost, reply, size)
        return await self.once.store.put(part.key, result, tags)


def _whole(kept: Result) -> bool:
    """Whether what was kept is a part."""
    return "digest" in kept.meta


Early = Callable[[Part], Awaitable[Result | None]]
"""Gives a part that is in the making already."""
