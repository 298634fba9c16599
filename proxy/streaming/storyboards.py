"""Storyboards: the cues, written here, and their sheets, drawn by workers and kept like pictures."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from proxy.answer import Answer, Ask
from proxy.caching import Freshness, etag, lifetime, not_modified
from proxy.clients.rates import Limiter
from proxy.failures import NoSuchRendition
from proxy.once import Once
from proxy.reading import Wanted
from proxy.rendering import Renderer, is_made_here
from proxy.rendition import Rendition
from proxy.stores.result import Result
from proxy.tags import Purged
from transforms.formats import FORMATS
from transforms.video.storyboard import Storyboard

CUES = "storyboard.vtt"
_SHEET = re.compile(r"storyboard/(\d+)\.(webp|jpg)")


@dataclass(frozen=True)
class Storyboards:
    """Answers for the files below an address with `f_vtt`."""

    once: Once
    renderer: Renderer
    purged: Callable[[Collection[str]], Purged]
    """What purges of these tags there were."""
    freshness: Callable[[str], Freshness]
    limiter: Limiter
    clock: Callable[[], float]
    guarded: bool = False
    """Whether a cache in front has each request verified, so that an answer may outlive the URL it was made for."""

    async def answer(self, ask: Ask, wanted: Wanted, base: Rendition) -> Answer:
        """The cues or a sheet; nothing is decoded before it is known that there is such a sheet. Raises Refusals."""
        board = Storyboard.of(base.header, base.plan)
        self.renderer.limits(base.mounted.name).check_result(*board.size(0))
        name = wanted.address.name
        if name == CUES:
            return self._cues(ask, wanted, base, board)
        found = _SHEET.fullmatch(name or "")
        if not found:
            raise NoSuchRendition(f"f_vtt has {CUES} and the sheets that it names", part=f"~{name}")
        number = int(found[1])
        if number >= board.sheets:
            raise NoSuchRendition(
                f"the storyboard has {board.sheets} sheets, counted from 0; sheet {number} was asked for",
                part=f"~{name}",
            )
        return await self._sheet(ask, wanted, replace(base, format=found[2], sheet=number))

    def _cues(self, ask: Ask, wanted: Wanted, base: Rendition, board: Storyboard) -> Answer:
        promised = self._promised(wanted, base, "text/vtt; charset=utf-8")
        if not_modified(promised.etag, promised.modified, ask.if_none_match, ask.if_modified_since):
            return replace(promised, unchanged=True, outcome="unchanged")
        return replace(promised, body=board.cues().encode())

    async def _sheet(self, ask: Ask, wanted: Wanted, sheet: Rendition) -> Answer:
        promised = self._promised(wanted, sheet, FORMATS[sheet.format].media_type)
        if not_modified(promised.etag, promised.modified, ask.if_none_match, ask.if_modified_since):
            return replace(promised, unchanged=True, outcome="unchanged")
        if (kept := await self.once.store.get(sheet.key)) and is_made_here(kept):
            return replace(promised, body=kept.body, outcome=kept.tier)
        result, alone = await self._made(ask, wanted, sheet)
        return replace(promised, body=result.body, outcome="made" if alone else "shared")

    async def _made(self, ask: Ask, wanted: Wanted, sheet: Rendition) -> tuple[Result, bool]:
        """A sheet, and whether it was drawn for this request alone."""

        async def make() -> Result:
            return await self.renderer.make(sheet, "final", wanted.tags)

        if sheet.key not in self.once:
            self.limiter.rendered(ask.client, wanted.verified.kid if wanted.verified else "")
        return await self.once.made(sheet.key, make, is_made_here)

    def _promised(self, wanted: Wanted, one: Rendition, media_type: str) -> Answer:
        """All of an answer but its body."""
        freshness, versioned = self.freshness(wanted.mounted.name), wanted.plan.saving.version is not None
        expires = None if self.guarded else wanted.expires
        return Answer(
            lifetime=lifetime(freshness, now=self.clock(), expires=expires, versioned=versioned),
            media_type=media_type,
            etag=etag(one.key, "final"),
            modified=self.purged(wanted.tags).after(one.record.modified),
            format=one.format,
            tags=wanted.tags,
            original=one.record.size,
        )
