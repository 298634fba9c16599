"""How often what bears a tag was purged: a part of the keys of results, so that the old are not found."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from proxy.coordination.seams import Table, Unreachable
from proxy.purging.journal import Journal, Mark, later, read_number
from proxy.tags import NEVER, Purged, slot, slots

log = logging.getLogger(__name__)

MAP: Final = "generations"
"""The name of the shared map."""


@dataclass(frozen=True)
class Raised:
    """What became of a purge's generations: whether the other fronts and the next process will know."""

    shared: bool
    kept: bool


@dataclass
class Generations:
    """The generations of this front: those of all fronts, as far as it has heard of them.

    A purge while the fronts cannot reach each other counts here alone, under a name that no other front could give it;
    it is counted for all of them later, and the generation rises once more then.
    """

    table: Table
    journal: Journal | None
    clock: Callable[[], float] = time.time
    _marks: dict[str, Mark] = field(default_factory=dict)
    _owed: set[str] = field(default_factory=set)
    """Slots that rose here alone."""

    def of(self, tags: Iterable[str]) -> Purged:
        """What the purges of these tags come to; looks nothing up where there were none."""
        if not self._marks:
            return NEVER
        found = [(name, mark) for name in slots(tuple(tags)) if (mark := self._marks.get(name))]
        if not found:
            return NEVER
        numbers = tuple((name, f"{mark.number}{mark.alone and '.'}{mark.alone}") for name, mark in found)
        return Purged(numbers, max(mark.since for _, mark in found))

    async def start(self) -> None:
        """Know what was purged before; what cannot be read is not known."""
        if self.journal:
            try:
                await asyncio.to_thread(self.journal.tidy)
            except OSError as error:
                log.warning("The file of purges cannot be tidied: %r", error)
        await self.news()
        # Whoever owed them was this front before it was started anew.
        self._owed = {name for name, mark in self._marks.items() if mark.alone}
        await self.catch_up()

    async def rise(self, tags: Collection[str]) -> Raised:
        """Let the generations of tags rise; from now on nothing that was made before is found."""
        shared, risen = True, set()
        for name in dict.fromkeys(map(slot, tags)):
            try:
                if shared:
                    await self._count(name)
            except Unreachable:
                shared = False
            if not shared:
                self._owed.add(name)
                self._marks[name] = Mark(self._number(name) + 1, int(self.clock()), secrets.token_hex(4))
            risen.add(name)
        return Raised(shared, await self.write_down(risen))

    def numbers(self, tags: Iterable[str]) -> dict[str, int]:
        """The generations that other fronts are to hear of."""
        marks = {name: self._marks.get(name) for name in map(slot, tags)}
        return {name: mark.number for name, mark in marks.items() if mark and not mark.alone}

    def heard(self, numbers: Mapping[str, int]) -> set[str]:
        """Take over what another front has raised; returns the slots that rose here."""
        since = int(self.clock())
        return self._take(
            {name: Mark(number, since) for name, number in numbers.items() if read_number(name, str(number))}
        )

    async def news(self) -> set[str]:
        """Take over what another process has written into the same file; returns the slots that rose here."""
        if not self.journal:
            return set()
        try:
            return self._take(await asyncio.to_thread(self.journal.news))
        except OSError as error:
            log.warning("The file of purges cannot be read: %r", error)
            return set()

    @property
    def owing(self) -> bool:
        """Whether something was purged here alone that is still to be counted for all."""
        return bool(self._owed)

    async def catch_up(self) -> set[str]:
        """Share what was purged here alone, and take over what was missed; returns the slots that rose here."""
        risen = set()
        try:
            known = await self._shared()
            if self._owed:
                for name in list(self._owed):
                    await self._count(name)
                    risen.add(name)
                known = await self._shared()
            for name, mark in list(self._marks.items()):
                # A table that was lost has less than this front knows of, and must not count what was there already.
                if (lacking := mark.number - known.get(name, 0)) > 0:
                    # Another front may have added what was lacking as well; then all have more.
                    number = await self.table.add(MAP, name, lacking)
                    risen |= self.heard({name: number})
        except Unreachable:
            return risen
        risen |= self.heard(known)
        await self.write_down(risen)
        return risen

    async def _shared(self) -> dict[str, int]:
        """The numbers that all fronts share. What is none was put there by somebody else: ours takes its place."""
        found = await self.table.read(MAP)
        known = {name: number for name, text in found.items() if (number := read_number(name, text))}
        for name in found.keys() - known.keys():
            if number := self._number(name):
                await self.table.set(MAP, name, str(number))
                known[name] = number
        return known

    async def write_down(self, names: Collection[str]) -> bool:
        """Have the next process know of these slots; whether it will."""
        if not names:
            return True
        if self.journal is None:
            return False
        try:
            await asyncio.to_thread(self.journal.add, {name: self._marks[name] for name in names})
            return True
        except OSError as error:
            log.warning("A purge is not written down: %r", error)
            return False

    def _number(self, name: str) -> int:
        mark = self._marks.get(name)
        return mark.number if mark else 0

    async def _count(self, name: str) -> None:
        """Have one more for all fronts, and more than was known here. Raises Unreachable."""
        before, least = self._marks.get(name), self._number(name) + 1
        number = await self.table.add(MAP, name)
        if number < least:
            number = await self.table.add(MAP, name, least - number)
        if self._marks.get(name) == before:  # else it rose once more while this was counted
            self._owed.discard(name)
        self._take({name: Mark(number, int(self.clock()))})

    def _take(self, marks: Mapping[str, Mark]) -> set[str]:
        risen = set()
        for name, mark in marks.items():
            known = self._marks.get(name)
            if name in self._owed and known:
                mark = mark._replace(alone=known.alone)  # until it is counted for all, it counts here alone
            if later(known, mark) is mark and known != mark._replace(since=known.since if known else 0):
                risen.add(name)
                self._marks[name] = mark
        return risen
