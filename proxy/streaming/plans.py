"""Plans of streams: made once for every version of an original, and kept for those who are in the middle of a film."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from cachetools import LRUCache

from proxy.brake import Brake
from proxy.failures import Busy
from proxy.once import Once
from proxy.rendition import Rendition
from proxy.sources.mounts import Mounted
from proxy.stores.result import Result
from proxy.streaming.beside import Sidecars, told, weight
from proxy.streaming.kept import Kept, key_by_id, key_by_source
from proxy.streaming.studio import Studio
from proxy.tags import original_tags
from transforms.video.beside import Beside
from transforms.video.stream_costs import planning
from transforms.video.stream_plan import StreamPlan

log = structlog.get_logger(__name__)

REMEMBERED = 64 << 20
"""Bytes of plans that are held in memory, about."""
_EACH = 1 << 20
"""What that of a film of four hours takes, without the files that lie beside it."""


class Plans:
    """Finds plans by the original or by their id, and has those made that nobody has made yet."""

    def __init__(
        self,
        once: Once,
        studio: Studio,
        sidecars: Sidecars,
        recipes: Sequence[int],
        brake: Brake | None = None,
    ) -> None:
        """`recipes` are the numbers of those that parts are made by, the current one first."""
        self._once, self._studio = once, studio
        self._sidecars = sidecars
        self._recipes, self._brake = tuple(recipes), brake or Brake()
        self._known: LRUCache[str, Kept] = LRUCache(REMEMBERED, lambda kept: _EACH + weight(kept.beside))

    async def current(self, base: Rendition, ladder: Mapping[str, Any], recipe: int | None = None) -> Kept:
        """The plan by which an original as it is now is streamed.

        Raises OriginalChanged, Refusals of the original, Busy and the like of the pool.
        """
        recipe = self._recipes[0] if recipe is None else recipe
        mounted = base.mounted
        beside = await self._sidecars.of(mounted) if base.header.medium == "motion" else ()
        key = key_by_source(
            mounted, base.record.version, beside, (base.plan.saving.ladder, ladder), recipe, base.purged
        )
        if known := self._known.get(key):
            return known
        kept = await asyncio.to_thread(Kept.read, await self._once.store.get(key))
        if kept is None:

            async def make() -> Result:
                return await self._brake.hold(key, lambda: self._make(base, beside, ladder, recipe, key))

            made, _ = await self._once.made(key, make, lambda found: Kept.read(found) is not None)
            kept = await asyncio.to_thread(Kept.read, made)
            assert kept, "what was just written can be read"
        return await self._remembered(base, key, kept)

    async def named(self, mounted: Mounted, ladder: str, plan: str) -> Kept | None:
        """The plan of an id, if it is kept anywhere and was made with the ladder of this name."""
        key = key_by_id(mounted, ladder, plan)
        if (known := self._known.get(key)) is None:
            known = await asyncio.to_thread(Kept.read, await self._once.store.get(key))
            if known is None or known.plan.id != plan:
                return None
            self._known[key] = known
        return known

    async def derived(self, base: Rendition, ladder: Mapping[str, Any], plan: str) -> Kept | None:
        """The plan of an id where it is what an original as it is now is streamed by, today or by the recipe before.

        Raises as `current` does.
        """
        for recipe in self._recipes:
            kept = await self.current(base, ladder, recipe)
            if kept.plan.id == plan:
                return kept
        return None

    def check_makes(self, plan: StreamPlan) -> None:
        """Raises Busy for a plan by a recipe that only a newer release has: a server of that is about to be asked."""
        if plan.recipe > self._recipes[0]:
            raise Busy("this stream was planned by a newer release, which this server is not of yet")

    async def _remembered(self, base: Rendition, key: str, kept: Kept) -> Kept:
        """The plan, from now on found by its id too."""
        mounted = base.mounted
        named = key_by_id(mounted, base.plan.saving.ladder, kept.plan.id)
        if await self._once.store.get(named) is None:  # where it was made, or lost since
            await self._once.store.put(named, kept.result(), original_tags(mounted))
        # One value for both names, since what is reckoned from it is kept with it.
        self._known[key] = self._known[named] = self._known.get(named, kept)
        return self._known[key]

    async def _make(
        self, base: Rendition, beside: tuple[Beside, ...], ladder: Mapping[str, Any], recipe: int, key: str
    ) -> Result:
        mounted, header, version = base.mounted, base.header, base.record.version
        reply = await self._studio.do(
            mounted,
            version,
            header,
            {"do": "plan", "ladder": dict(ladder), "version": version, "recipe": recipe, "beside": told(beside)},
            name=key,
            cost=planning(header),
        )
        kept = Kept(StreamPlan.from_dict(reply.meta["plan"]), header, beside)
        log.info(
            "a stream was planned",
            mount=mounted.name,
            key=mounted.key,
            plan=kept.plan.id,
            rungs=[rung.name for rung in kept.plan.rungs],
            why=reply.meta.get("why", ""),
            segments=len(kept.plan.cuts) - 1,
            ms=round(reply.worked * 1000, 1),
        )
        return await self._once.store.put(key, kept.result(), original_tags(mounted))
