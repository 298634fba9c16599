"""What is answered when there is no time to make what was asked: something near it, rather than a broken picture."""

from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NamedTuple

from cachetools import LRUCache

from proxy.failures import Busy
from proxy.negotiation import Bucket
from proxy.rendition import Rendition
from proxy.stores.result import Result, Store
from proxy.tags import Numbers
from transforms.formats import FORMATS
from transforms.framing import SCALES
from transforms.operations.geometry import Resize
from transforms.operations.output import Format
from transforms.plan import Plan

REMEMBERED = 5_000
"""Originals whose renditions are known by heart."""

QUICK = ("webp", "jpg", "png")
"""Formats that are quick to make, the ones with fewest bytes first."""

MOST_SIBLINGS = 20
"""Renditions of one original that are known by heart."""

_Original = tuple[str, str, Numbers]
Make = Callable[[Rendition], Awaitable[tuple[Result, bool]]]


class Substitute(NamedTuple):
    """A result in place of the one there is no time for, its format, and a word on what it is."""

    result: Result
    format: str
    word: str


@dataclass(frozen=True)
class _Known:
    key: str
    format: str
    version: str
    family: str
    width: int


class Siblings:
    """The renditions that were made of each original, by their keys."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: LRUCache[_Original, dict[str, _Known]] = LRUCache(REMEMBERED)

    def remember(self, rendition: Rendition) -> None:
        """Note that a rendition is in the store."""
        if not _still(rendition):
            return
        known = _known(rendition)
        siblings = self._known.setdefault(_original(rendition), {})
        siblings.pop(known.key, None)
        siblings[known.key] = known
        if len(siblings) > MOST_SIBLINGS:
            del siblings[next(iter(siblings))]

    async def substitute(
        self, rendition: Rendition, taken: Bucket, allowed: Collection[str] | None, confined: bool, make: Make
    ) -> Substitute | None:
        """What is near a rendition; None: there is nothing.

        In this order: the rendition of an older version of the original, a larger one or another format that the
        client takes, one in a quick format made now. Who is `confined` to some sizes gets none that is larger.
        """
        if not _still(rendition):
            return None
        accepted = _accepted(rendition, taken, allowed)
        for known, word in self._ladder(rendition, accepted):
            if confined and word == "larger":
                continue
            if result := await self._store.get(known.key):
                return Substitute(result, known.format, word)
        for name in QUICK:
            if name != rendition.format and name in accepted:
                quick = replace(rendition, plan=rendition.plan.replaced(added=(Format(name),)), format=name)
                with suppress(Busy):
                    result, _ = await make(quick)
                    self.remember(quick)
                    return Substitute(result, name, "quick-format")
        return None

    def _ladder(self, rendition: Rendition, accepted: Collection[str]) -> Iterator[tuple[_Known, str]]:
        wanted = _known(rendition)
        made = self._known.get(_original(rendition), {}).values()
        family = [known for known in made if known.family == wanted.family and known.format in accepted]
        for known in family:
            if known.version != wanted.version and (known.width, known.format) == (wanted.width, wanted.format):
                yield known, "stale"
        present = [known for known in family if known.version == wanted.version and known.key != wanted.key]
        for known in sorted(present, key=lambda known: known.width):
            if known.width >= wanted.width:
                yield known, "other-format" if known.width == wanted.width else "larger"


def _still(rendition: Rendition) -> bool:
    """Whether it is a picture of a picture: nothing else has anything near it."""
    return rendition.format in FORMATS and rendition.header.medium == FORMATS[rendition.format].medium == "picture"


def _original(rendition: Rendition) -> _Original:
    """What is made of an original; nothing that was purged stands in for what came after."""
    return rendition.mounted.name, rendition.mounted.key, rendition.purged


def _known(rendition: Rendition) -> _Known:
    return _Known(
        rendition.key, rendition.format, rendition.record.version, _family(rendition.plan), rendition.sizes[-1].width
    )


def _family(plan: Plan) -> str:
    """The plan without its format, and without the size where a browser can scale what it gets."""
    steps = plan.steps
    if len(steps) == 1 and len(steps[0]) == 1 and isinstance(steps[0][0], Resize) and steps[0][0].mode in SCALES[1:]:
        steps = ()
    return str(Plan(steps, plan.replaced(without=(Format,)).whole))


def _accepted(rendition: Rendition, taken: Bucket, allowed: Collection[str] | None) -> set[str]:
    """The formats that may stand in for the rendition's."""
    needs_alpha = rendition.plan.transparent(rendition.header.alpha)
    animated = (
        rendition.header.frames > 1 and FORMATS[rendition.header.kind].animation and not rendition.plan.loading.page
    )
    names = {"jpg", "png", rendition.format} | {name for name in ("avif", "webp") if getattr(taken, name)}
    return {
        name
        for name in names
        if (FORMATS[name].alpha or not needs_alpha)
        and (FORMATS[name].animation or not animated)
        and (allowed is None or name in allowed)
    }
