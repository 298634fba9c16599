"""Parts of streams: found in the stores, or made once for all who ask at the same time, on whatever machine."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from proxy.brake import Brake
from proxy.flights import Flights
from proxy.stores.result import Result, received
from proxy.stores.tiered import TieredStore
from proxy.streaming.beside import told
from proxy.streaming.part import Part
from proxy.streaming.plans import Together
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

    store: TieredStore
    flights: Flights
    together: Together
    studio: Studio
    told: Callable[[Part, Cost, Reply, int], None]
    """What was made, what it was expected to cost, what came back, bytes of it."""
    brake: Brake = field(default_factory=Brake)

    async def find(self, part: Part) -> Result | None:
        """The part, where a store has it."""
        return _whole(await self.store.get(part.key))

    def is_made(self, part: Part) -> bool:
        """Whether it is just being made here."""
        return part.key in self.flights

    async def made(self, part: Part, tags: Collection[str], early: "Early") -> tuple[Result, bool]:
        """The part, and whether it was made for this request alone; `early` may have it in the making.

        Raises OriginalChanged where the original of its plan is not to be had, Refusals of the work, Busy and the like.
        """

        async def work() -> tuple[Result, bool]:
            if begun := await early(part):
                return begun, False
            # To look in a store that machines share takes a while, in which somebody else may have made it.
            if found := _whole(await self.store.get_near(part.key)):
                return found, False
            return await self.together(part.key, lambda: self._held(part, tags))

        (result, here), led = await self.flights.share(part.key, work)
        return result, here and led

    async def ahead(self, part: Part, begins: Callable[[], None]) -> Result | None:
        """The part, made when nobody waits for it; None where it is there, or somebody waits for it already.

        Raises like `made`, and whatever `begins` raises.
        """
        if self.is_made(part) or await self.find(part):
            return None
        tags = original_tags(part.mounted)
        return (await self.together(part.key, lambda: self._make(part, tags, BEHIND, begins)))[0]

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
        return await self.store.put(part.key, result, tags)


def _whole(kept: Result | None) -> Result | None:
    """What was kept, where it is a part: others write into shared stores too."""
    return kept if kept and "digest" in kept.meta else None


Early = Callable[[Part], Awaitable[Result | None]]
"""Gives a part that is in the making already."""
