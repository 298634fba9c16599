"""Several stores as one: the nearest first."""

from collections.abc import Collection, Sequence

from proxy.stats import Stats
from proxy.stores.behind import Behind
from proxy.stores.notices import Notices
from proxy.stores.result import Closed, Result, Scratch, Store, Tagged, Touched, checked, held


class TieredStore:
    """Results read from the first store that has them and written to all; a store that fails is passed over.

    Writing and deleting go from the last store to the first, so that nothing old can climb up behind them. Those that
    machines share come last in looking, and last in writing too, for they write behind what was answered.
    """

    name = "tiered"

    def __init__(self, tiers: Sequence[Store], shared: Sequence[Behind] = ()) -> None:
        self.tiers: tuple[Store, ...] = (*tiers, *shared)
        self.shared = tuple(shared)
        self._own = tuple(tiers)
        tiers = self.tiers
        # For each store those below it that want to know; asked once, since asking costs more than a hit.
        self._below = [
            [tier for tier in tiers[depth + 1 :] if isinstance(tier, Touched)] for depth in range(len(tiers))
        ]
        self._notices = Notices(__name__)
        self._changes = self._hits = self._misses = 0

    async def get(self, key: str) -> Result | None:
        checked(key)
        changes = self._changes
        for depth, tier in enumerate(self.tiers):
            try:
                result = await tier.get(key)
            except Exception as error:
                self._notices.trouble(f"The {tier.name} store does not answer", error)
                continue
            if result is None:
                continue
            self._hits += 1
            for below in self._below[depth]:
                below.touch(key)
            if depth:
                await self._promote(key, result, depth, changes)
            return result
        self._misses += 1
        return None

    async def get_near(self, key: str) -> Result | None:
        """The same from the stores of this machine alone, for one who has just looked in vain: counts no miss."""
        checked(key)
        for tier in self._own:
            try:
                if result := await tier.get(key):
                    return result
            except Exception as error:
                self._notices.trouble(f"The {tier.name} store does not answer", error)
        return None

    async def get_anew(self, key: str) -> Result | None:
        """The same, when another machine has just written: nobody's question of before is good enough."""
        for depth, behind in enumerate(self.shared, len(self._own)):
            changes = self._changes
            if result := await behind.get_anew(key):
                await self._promote(key, result, depth, changes)
                return result
        return None

    async def put(self, key: str, result: Result | Scratch, tags: Collection[str] = ()) -> Result:
        checked(key)
        for tier in reversed(self._own):
            try:
                result = await tier.put(key, result, tags)
            except Exception as error:
                self._notices.trouble(f"The {tier.name} store keeps nothing", error)
            self._changes += 1
        kept = await held(result, tags)
        for behind in reversed(self.shared):
            await behind.put(key, kept)
            self._changes += 1
        return kept

    async def keep_near(self, key: str, result: Result) -> Result:
        """Keep what another machine has made, and shares, in the stores of this one alone."""
        for tier in reversed(self._own):
            try:
                result = await tier.put(checked(key), result)
            except Exception as error:
                self._notices.trouble(f"The {tier.name} store keeps nothing", error)
            self._changes += 1
        return result

    async def settled(self, key: str) -> None:
        """Return when what was put under this key is where other machines look for it, or is given up."""
        for behind in self.shared:
            await behind.settled(key)

    async def delete(self, key: str) -> None:
        """Forget a result everywhere; tries every store, then raises what the first of them raised."""
        checked(key)
        errors = []
        for tier in reversed(self.tiers):
            try:
                await tier.delete(key)
            except Exception as error:
                errors.append(error)
            self._changes += 1
        if errors:
            raise errors[0]

    async def delete_tagged(self, tag: str) -> int:
        """Forget every result that bears the tag; the most that one store forgot. Raises like `delete`."""
        most = 0
        errors = []
        for tier in reversed(self.tiers):
            if isinstance(tier, Tagged):
                try:
                    most = max(most, await self.delete_tagged_in(tier, tag))
                except Exception as error:
                    errors.append(error)
        if errors:
            raise errors[0]
        return most

    async def delete_tagged_in(self, tier: Tagged, tag: str) -> int:
        """Forget every result of one of the stores that bears the tag; how many. Raises what the store raises."""
        try:
            return await tier.delete_tagged(tag)
        finally:
            self._changes += 1

    def stats(self) -> Stats:
        """Hits, misses and failures of all together; each of `tiers` has its own."""
        return Stats(hits=self._hits, misses=self._misses, errors=self._notices.errors)

    async def close(self) -> None:
        for tier in self.tiers:
            if isinstance(tier, Closed):
                await tier.close()

    async def _promote(self, key: str, result: Result, depth: int, changes: int) -> None:
        """Copy a result into the stores above, unless something was written or purged since it was looked up."""
        for tier in reversed(self.tiers[:depth]):
            if self._changes != changes:
                return
            try:
                await tier.put(key, result)
                if self._changes != changes:
                    # A purge or a newer result passed this one on its way up.
                    await tier.delete(key)
            except Exception as error:
                self._notices.trouble(f"The {tier.name} store keeps nothing", error)
