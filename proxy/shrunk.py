"""Shrunk originals: which are there to go on from, who is just making one, and which have to make room."""

import asyncio
import os
import weakref
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from proxy.failures import WorkerLost, WorkFailed
from proxy.stats import Stats
from transforms.errors import DamagedOriginal
from transforms.headers import Header
from transforms.operation import Size
from transforms.shrunk import LEAST, Layer, Shrunk, at_least, both

log = structlog.get_logger(__name__)

LEAST_BYTES = 1 << 20
"""What a file counts for at least, since each is held open."""

_SUSPECT = (WorkFailed, WorkerLost, DamagedOriginal)
"""What may be the fault of the pixels that a result was made from, on a bad disk or by a worker that was taken over."""


LONG = 30.0
"""Milliseconds of decoding from which on it is worth to wait for others who want the same original."""
GATHERING = 0.003
"""Seconds of it: the pictures of a `srcset` come within so long, and the largest should be known when that begins."""


@dataclass(eq=False)
class Held:
    """One shrunk original: a file without a name, held open, that workers map; the descriptor is closed with it."""

    shrunk: Shrunk
    descriptor: int = field(repr=False)
    size: int
    saves: float
    """Milliseconds that it takes to decode the original again."""
    uses: int = 0
    worth: float = 0.0
    told: Mapping[str, Any] = field(init=False, repr=False)
    """What the file holds, as workers are told of it."""

    @property
    def counts(self) -> int:
        """Bytes that it counts for."""
        return max(self.size, LEAST_BYTES)

    def __post_init__(self) -> None:
        self.told = self.shrunk.to_dict()
        weakref.finalize(self, os.close, self.descriptor).atexit = False


@dataclass(eq=False)
class Lead:
    """Somebody who decodes an original, and leaves its pixels for results up to `reach` if they can be shared."""

    original: str
    reach: Size
    saves: float
    begun: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self) -> dict[str, object]:
        """What the worker is told when it begins; from here on the reach is settled."""
        self.begun = True
        return {"reach": list(self.reach)}


@dataclass(frozen=True)
class Turn:
    """What a rendition is to be made from: pixels that are there (`held`), or the original, as the `lead` or alone."""

    held: Held | None = None
    layer: Layer | None = None
    lead: Lead | None = None
    since: float | None = None
    """When whoever has waited, and was let in for what it is to be made from, came into the workers' line."""


Standing = Callable[[Size | None], AbstractContextManager[float]]
"""Keeps a place in the workers' line for what will be made from pixels of a size, or the original; may refuse it."""


class ShrunkOriginals:
    """The pixels of originals that were decoded lately, bounded in bytes and, as each is held open, in number.

    One file at most is kept of an original. Whoever needs pixels that somebody is just decoding waits for them. What
    makes room is what saves least time for its bytes, counted by uses and fading with age (GreedyDual-Size-Frequency;
    Cherkasova, HPL-98-69R1).
    """

    def __init__(self, most_bytes: int, most_files: int = 256) -> None:
        """With 0 bytes nothing is shared."""
        self._most, self._most_files = most_bytes, most_files
        self._held: dict[str, Held] = {}
        self._bytes = 0
        self._leads: dict[str, list[Lead]] = {}
        self._age = 0.0
        self._counted: Counter[str] = Counter()

    def stats(self) -> Stats:
        """What was found and what not, and what is held."""
        return Stats(bytes=self._bytes, entries=len(self._held), **self._counted)

    def close(self) -> None:
        """Let go of all of it."""
        self._held.clear()
        self._bytes = 0

    def find(self, original: str, header: Header, target: Size) -> Turn | None:
        """The pixels of an original that suffice for a result of this size, lying, if they are there."""
        held = self._held.get(original)
        layer = held.shrunk.layer(target, header) if held else None
        return Turn(held, layer) if layer else None

    @asynccontextmanager
    async def turn(
        self,
        original: str,
        header: Header,
        target: Size | None,
        *,
        saves: float,
        standing: Standing,
        behind: bool = False,
    ) -> AsyncIterator[Turn]:
        """What to make a result from that an original is scaled to `target` for; None can share nothing.

        Waits, `standing` in line, for others who want the same, or while another decodes what suffices. To decode it
        again would take `saves` milliseconds. Who is `behind` others takes what is there, but lets nobody wait for him.
        """
        if target is None or not self._most:
            yield Turn()
            return
        found = self.find(original, header, target)
        if not found and not behind and (lead := self._leading(original, target)):
            reach = both(lead.reach, target)
            with standing(reach) as since:
                lead.reach = reach
                await lead.ended.wait()
            # Where nothing was left, each goes on alone: to wait in turns for what fails would take for ever.
            left = self.find(original, header, target)
            found = replace(left, since=since) if left else Turn()
        self._counted["hits" if found and found.held else "misses"] += 1
        if found and found.held:
            self._use(found.held)
            try:
                yield found
            except _SUSPECT:
                if self._held.get(original) is found.held:
                    self._drop(original)
                raise
            return
        if found or behind:
            yield found or Turn()
            return
        lead = Lead(original, at_least(target, header, LEAST), saves)
        leads = self._leads.setdefault(original, [])
        leads.append(lead)
        try:
            # It is let in before anybody waits for it, or those who do would be in its way.
            with standing(None) as since:
                if saves >= LONG:
                    await asyncio.sleep(GATHERING)
            yield Turn(lead=lead, since=since)
        finally:
            leads.remove(lead)
            if not leads:
                del self._leads[original]
            lead.ended.set()

    def keep(self, lead: Lead, facts: Mapping[str, Any], descriptor: int) -> None:
        """Take the file that a worker has left; what it says of it is looked through first."""
        size = os.fstat(descriptor).st_size
        try:
            held = Held(Shrunk.from_dict(facts, size), descriptor, size, lead.saves)
        except ValueError as error:
            os.close(descriptor)
            log.warning("a worker left pixels that cannot be shared", why=str(error))
        else:
            self._keep(lead.original, held)
        lead.ended.set()

    def _leading(self, original: str, target: Size) -> Lead | None:
        """Somebody whose pixels will suffice, or who has not begun yet and can still be asked for more."""
        for lead in self._leads.get(original, ()):
            suffices = not lead.begun or both(lead.reach, target) == lead.reach
            if suffices and not lead.ended.is_set():
                return lead
        return None

    def _keep(self, original: str, held: Held) -> None:
        there = self._held.get(original)
        if there and there.shrunk.layers[0].width > held.shrunk.layers[0].width:
            return
        if there:
            held.uses = there.uses
        if held.counts > self._most:
            return
        if there:
            self._drop(original)
        self._held[original] = held
        self._bytes += held.counts
        self._use(held)
        while self._bytes > self._most or len(self._held) > self._most_files:
            name, least = min(self._held.items(), key=lambda item: item[1].worth)
            self._age = least.worth
            self._drop(name)
            self._counted["evictions"] += 1

    def _use(self, held: Held) -> None:
        held.uses += 1
        held.worth = self._age + held.uses * held.saves / held.counts

    def _drop(self, original: str) -> None:
        self._bytes -= self._held.pop(original).counts
