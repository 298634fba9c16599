"""Streams: playlists and parts that hang under one address."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from proxy.answer import Answer, Ask
from proxy.caching import REDIRECT, Freshness, Lifetime, lifetime, not_modified
from proxy.clients.rates import Limiter
from proxy.failures import NoSuchOriginal, NoSuchPlan, NoSuchRendition, OriginalGone
from proxy.lending import OriginalChanged
from proxy.reading import Wanted
from proxy.rendition import Rendition
from proxy.streaming.ahead import Ahead
from proxy.streaming.kept import WORDS, Kept, id_of, named
from proxy.streaming.leaf import Leaf
from proxy.streaming.part import Part
from proxy.streaming.parts import Parts
from proxy.streaming.permitted import check_whole, left_out, permitted
from proxy.streaming.plans import Plans
from proxy.tags import Purged
from signing import is_leaf
from transforms.errors import InvalidOption, Refusal
from transforms.operations.output import STREAMS
from transforms.video import dash, hls
from transforms.video.stream_plan import StreamPlan

Look = Callable[[], Awaitable[Rendition]]

HLS: Final = "application/vnd.apple.mpegurl"
DASH: Final = "application/dash+xml"
FIRST = {"hls": (hls.master, HLS), "dash": (dash.manifest, DASH)}
"""By the word of `f_`: what writes the playlist that a player begins with, and its media type."""

SHORT: Final = 10
"""Seconds for which the first playlist may be kept: whoever begins a film is to have what the original is now."""
REDIRECT_AGE: Final = 60


class Storyboards(Protocol):
    """The cues and sheets of `f_vtt`."""

    async def answer(self, ask: Ask, wanted: Wanted, base: Rendition) -> Answer: ...


@dataclass(frozen=True)
class Streams:
    """Answers for the files of streams and storyboards."""

    plans: Plans
    parts: Parts
    ahead: Ahead
    storyboards: Storyboards
    ladders: Callable[[str], Mapping[str, Any] | None]
    """The rungs that a ladder of this name has, as a job wants them; None where there is none of it."""
    freshness: Callable[[str], Freshness]
    limiter: Limiter
    clock: Callable[[], float]
    guarded: bool = False

    async def answer(self, ask: Ask, wanted: Wanted, purged: Purged, look: Look) -> Answer:
        """The file that is asked for, or the way to the first of them.

        `look` makes concrete what is wanted of the original as it is now. Raises OriginalChanged and Refusals.
        """
        form, name = str(wanted.plan.saving.format), wanted.address.name
        if form != "vtt":
            check_whole(wanted)
            self._ladder(wanted)
        if name is None:
            await look()
            return self._first(ask, wanted, form)
        if form == "vtt":
            return await self.storyboards.answer(ask, wanted, await look())
        if leaf := Leaf.read(name):
            return await self._leaf(ask, wanted, purged, look, leaf)
        if name != STREAMS[form]:
            if is_leaf(name):
                raise NoSuchRendition(f"f_{form} has no such file", part=f"~{name}", expected=f"~{STREAMS[form]}")
            raise NoSuchRendition("a stream begins with its playlist", part=f"~{name}", expected=f"~{STREAMS[form]}")
        base = await look()
        kept = await self.plans.current(base, self._ladder(wanted))
        write, media_type = FIRST[form]
        shown = await self._permitted(kept, wanted)
        text = await kept.once((form, shown.id), lambda: write(shown))
        text = text.replace(f"hls/{shown.id}/", f"hls/{named(kept.plan.id, purged.numbers)}/")
        usual = self.freshness(wanted.mounted.name)
        brief = {name: min(getattr(usual, name), SHORT) for name in ("max_age", "shared_max_age")}
        return self._text(ask, wanted, text, media_type, replace(usual, **brief, stale_while_revalidate=SHORT))

    def _first(self, ask: Ask, wanted: Wanted, form: str) -> Answer:
        """The way to the file that a player begins with; relative, so that it bears the signature that led here."""
        last = ask.path.rpartition(b"/")[2].decode("latin-1")
        brief = wanted.expires is not None and wanted.expires < self.clock() + REDIRECT_AGE
        age = Lifetime(0, "no-store" if brief else REDIRECT)
        # Behind a dot and a slash, a colon in it is no scheme's (RFC 3986, 4.2).
        return Answer(age, status=303, location=f"./{last}/~{STREAMS[form]}", outcome="redirect")

    async def _leaf(self, ask: Ask, wanted: Wanted, purged: Purged, look: Look, leaf: Leaf) -> Answer:
        kept = await self._kept(wanted, look, leaf)
        plan = await self._permitted(kept, wanted)
        rung, place = plan.rung(leaf.rung), leaf.place
        part = f"~hls/{leaf.plan}/{leaf.rung}/{leaf.file}"
        if rung is None:
            listed = ", ".join(rung.name for rung in plan.rungs)
            raise NoSuchRendition(f"the stream has no rung {leaf.rung}", part=part, expected=f"one of {listed}")
        if place is None:
            text = await kept.once(("media", rung.name), lambda: hls.media(kept.plan, rung))
            return self._text(ask, wanted, text, HLS, self.freshness(wanted.mounted.name))
        await kept.measured(rung)
        if leaf.words != (rung.kind in WORDS and place != "init") or not kept.has(rung, place):
            most = len(kept.lengths(rung))
            raise NoSuchRendition("the rung has no such part", part=part, expected=f"parts 0 to {most - 1}")
        return await self._part(ask, wanted, Part(wanted.mounted, kept, rung, place, purged.numbers))

    async def _kept(self, wanted: Wanted, look: Look, leaf: Leaf) -> Kept:
        """The plan that a leaf speaks of, whatever the original is now: a player cannot go on by another one."""
        if (plan := id_of(leaf.plan)) is None:
            raise NoSuchRendition("no plan has such a name", part=f"hls/{leaf.plan}")
        # Whoever has heard of a plan may not have its larger rungs by an address with another ladder.
        kept = await self.plans.named(wanted.mounted, wanted.plan.saving.ladder, plan)
        try:
            base = await look()
        except NoSuchOriginal as missing:
            if kept is None:
                raise
            raise OriginalGone("the original of this stream is not there any more", part=f"hls/{plan}") from missing
        except Refusal:
            if kept is None:
                raise
            return kept  # its place is down, or has something else there that cannot be used
        kept = kept or await self.plans.derived(base, self._ladder(wanted), plan)
        if kept is None:
            raise NoSuchPlan("this plan is not known, or not any more", part=f"hls/{plan}")
        return kept

    async def _part(self, ask: Ask, wanted: Wanted, part: Part) -> Answer:
        answer = Answer(
            self._lifetime(wanted, self.freshness(wanted.mounted.name), lasting=True),
            media_type=part.media_type,
            format=part.form,
            tags=wanted.tags,
        )
        result, outcome, timings = await self.parts.find(part), "", {}
        if result is None:
            self.plans.check_makes(part.kept.plan)
            if not self.parts.is_made(part):  # who shares the work of another costs none
                self.limiter.rendered(ask.client, wanted.verified.kid if wanted.verified else "")
            try:
                result, led = await self.parts.made(part, wanted.tags, self.ahead.take)
            except OriginalChanged:
                raise OriginalGone("the original that this stream was planned for was replaced") from None
            outcome = "made" if led else "shared"
            timings = {name: float(str(result.meta[name])) for name in ("queue",) if name in result.meta}
        self.ahead.asked(part)
        tag = result.etag
        # Text goes out compressed too, and two different bodies never share a strong tag.
        answer = replace(answer, etag=f"W/{tag}" if part.form == "vtt" else tag, outcome=outcome or result.tier)
        if not_modified(answer.etag, None, ask.if_none_match, None):
            return replace(answer, unchanged=True, outcome="unchanged")
        return replace(answer, body=result.body, timings=timings)

    def _text(self, ask: Ask, wanted: Wanted, text: str, media_type: str, freshness: Freshness) -> Answer:
        body = text.encode()
        answer = Answer(
            self._lifetime(wanted, freshness),
            body,
            media_type,
            etag=f'W/"{hashlib.sha256(body).hexdigest()[:32]}"',
            format="mpd" if media_type == DASH else "m3u8",
            outcome="written",
            tags=wanted.tags,
        )
        if not_modified(answer.etag, None, ask.if_none_match, None):
            return replace(answer, body=b"", unchanged=True, outcome="unchanged")
        return answer

    def _lifetime(self, wanted: Wanted, freshness: Freshness, *, lasting: bool = False) -> Lifetime:
        expires = None if self.guarded else wanted.expires
        return lifetime(freshness, now=self.clock(), expires=expires, versioned=lasting)

    async def _permitted(self, kept: Kept, wanted: Wanted) -> StreamPlan:
        what = ("permitted", *left_out(wanted))
        return await kept.once(what, lambda: permitted(kept.plan, *left_out(wanted)))

    def _ladder(self, wanted: Wanted) -> Mapping[str, Any]:
        name = wanted.plan.saving.ladder
        if (ladder := self.ladders(name)) is None:
            raise InvalidOption(
                f"there is no ladder {name}", part=f"sp_{name}", expected="auto, or one of the settings"
            )
        return ladder
