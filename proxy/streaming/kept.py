"""A plan with all that it takes to make its parts, as it is kept in a store."""

import asyncio
import hashlib
import json
import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from proxy.sources.mounts import Mounted
from proxy.stores.result import Result
from proxy.streaming.beside import heard, told
from proxy.streaming.leaf import Place
from proxy.tags import Numbers
from transforms.headers import Header
from transforms.video.beside import Beside
from transforms.video.stream_plan import Rung, StreamPlan

T = TypeVar("T")

MARK_DIGITS = 8
_NAME = re.compile(r"([0-9a-f]{16})(?:-[0-9a-f]{8})?")

LARGEST = 64 << 20
"""Bytes of a plan as JSON, with all that lies beside its film."""

WORDS = ("words", "text")
"""Kinds of rungs that are subtitles, in parts or in one piece."""


@dataclass(frozen=True)
class Kept:
    """A plan, the header of the very original that it was made for, and the files that lay beside that."""

    plan: StreamPlan
    header: Header
    beside: tuple[Beside, ...] = ()
    _reckoned: dict[object, Any] = field(default_factory=dict, compare=False, repr=False)
    """What was reckoned from the plan: of a long film that takes a while."""

    @property
    def version(self) -> str:
        """Of the original that its parts are made of."""
        return self.plan.version

    async def once(self, what: object, reckon: Callable[[], T]) -> T:
        """What `reckon` returns, off the event loop and only the first time that it is asked for by this name."""
        if what not in self._reckoned:
            self._reckoned[what] = await asyncio.to_thread(reckon)
        found: T = self._reckoned[what]
        return found

    def lengths(self, rung: Rung) -> tuple[float, ...]:
        """Seconds of each segment of a rung; who waits for nothing has called `measured` before."""
        name = ("lengths", rung.name)
        if name not in self._reckoned:
            self._reckoned[name] = tuple(float(end - start) for start, end in self.plan.segments(rung))
        found: tuple[float, ...] = self._reckoned[name]
        return found

    async def measured(self, rung: Rung) -> None:
        """Have the lengths of the segments of a rung at hand."""
        if ("lengths", rung.name) not in self._reckoned:
            await asyncio.to_thread(self.lengths, rung)

    def has(self, rung: Rung, place: Place) -> bool:
        """Whether a rung has such a part."""
        if place == "init":
            return rung.kind not in WORDS
        return place < len(self.lengths(rung))

    def beside_of(self, rung: Rung) -> tuple[Beside, ...]:
        """The file that a rung is made of, where that is not the original."""
        return tuple(file for file in self.beside if file.source == rung.source)

    def result(self) -> Result:
        """As a store keeps it."""
        facts = {"plan": self.plan.to_dict(), "header": self.header.to_dict(), "beside": told(self.beside)}
        text = json.dumps(facts, separators=(",", ":"))
        return Result({"grade": "final", "format": "plan"}, zlib.compress(text.encode()))

    @classmethod
    def read(cls, result: Result | None) -> Self | None:
        """What a store has kept; None where that is nothing, or of a version with other ideas of a plan."""
        if result is None:
            return None
        body = result.body if isinstance(result.body, bytes) else result.body.read()
        with suppress(KeyError, TypeError, ValueError, ZeroDivisionError, zlib.error):
            # Others may write into a store that is shared, and a little can become very much.
            facts: dict[str, Any] = json.loads(zlib.decompressobj().decompress(body, LARGEST))
            plan, header = StreamPlan.from_dict(facts["plan"]), Header.from_dict(facts["header"])
            return cls(plan, header, heard(facts["beside"]))
        return None


def key_by_id(mounted: Mounted, ladder: str, plan: str) -> str:
    """Under which a plan is kept for those who have heard of it and may ask for its ladder, by the name of that."""
    return _key("darkroom.plan.2", mounted.name, mounted.key, ladder, plan)


def key_by_source(
    mounted: Mounted,
    version: str,
    beside: Iterable[Beside],
    ladder: tuple[str, Mapping[str, Any]],
    recipe: int,
    purges: Numbers,
) -> str:
    """Under which a plan is kept for those who begin; one from before a purge is not found any more."""
    files = [file.source for file in beside]
    return _key("darkroom.plan.of.2", mounted.name, mounted.key, version, files, ladder, recipe, purges)


def named(plan: str, purges: Numbers) -> str:
    """How URLs name a plan: by its id, and by a mark for the purges since which it is to be made of new parts.

    Browsers keep parts for ever, so what was purged has other names than what comes after.
    """
    return f"{plan}-{_key('darkroom.purged.1', purges)[:MARK_DIGITS]}" if purges else plan


def id_of(name: str) -> str | None:
    """The plan's id in its name; None for what can be no name: one part is not to be had under any number of them."""
    found = _NAME.fullmatch(name)
    return found[1] if found else None


def _key(*facts: object) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:40]
