"""One request for a rendition, start to finish."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from typing import Protocol

from proxy.answer import Answer, Ask
from proxy.caching import ERROR_AGES, NOW_ONLY, REDIRECT, Freshness, Lifetime, etag, lifetime, not_modified
from proxy.clients.rates import Limiter
from proxy.failures import Busy, ClosingDown, NoSuchOriginal, NoSuchRendition
from proxy.films import Witness, made_anew
from proxy.lending import OriginalChanged, opened
from proxy.negotiation import bucket
from proxy.once import Once
from proxy.passing import passing_body
from proxy.pressure import Siblings
from proxy.reading import Reader, Wanted, hinted
from proxy.record import Record
from proxy.records import Records
from proxy.rendering import Renderer, described, is_made_here
from proxy.rendition import Bounds, Rendition, check_name, explained, filename, resolve, strong_tag
from proxy.stores.result import FileBody, Result
from proxy.tags import Purged, original_tags
from proxy.transcoding import Transcodes
from transforms.errors import Refusal
from transforms.formats import FORMATS
from transforms.headers import Header
from transforms.operations.output import STREAMS, Fallback, Format

REDIRECT_AGE = 60
STAGES = ("queue", "fetch", "decode", "transform", "encode")


class Streams(Protocol):
    """Products of many files: streams and storyboards."""

    async def answer(
        self, ask: Ask, wanted: Wanted, purged: Purged, look: Callable[[], Awaitable[Rendition]]
    ) -> Answer:
        """The file that is asked for, or the way to the first of them.

        `look` makes concrete what is wanted of the original as it is now. Raises OriginalChanged and Refusals.
        """


@dataclass(frozen=True)
class Delivery:
    """Everything that it takes to answer; put together in the composition root."""

    reader: Reader
    records: Records
    once: Once
    renderer: Renderer
    films: Transcodes
    siblings: Siblings
    bounds: Callable[[str], Bounds]
    freshness: Callable[[str], Freshness]
    streams: Streams
    refine: Callable[[Rendition, Collection[str]], None]
    """Told of every result that could be better, when it is asked for again."""
    grade: str
    """The grade in which results are made when they are first asked for."""
    limiter: Limiter
    clock: Callable[[], float]
    purged: Callable[[Collection[str]], Purged]
    """What purges of these tags there were."""
    guarded: bool = False
    """Whether a cache in front has each request verified, so that an answer may outlive the URL it was made for."""

    async def answer(self, ask: Ask) -> Answer:
        """The rendition that a path asks for. Raises SigningError and Refusals."""
        wanted = self.reader.read(ask.path)
        key = wanted.verified.kid if wanted.verified else ""
        self.limiter.signed(key)
        try:
            answer = await self._steadily(ask, wanted)
        except NoSuchOriginal as missing:
            answer = await self._in_its_place(ask, wanted, hinted(missing, wanted.address.source))
        except asyncio.CancelledError:  # by the HTTP server, which has waited long enough
            raise ClosingDown("the server is stopping and did not wait for this") from None
        return replace(answer, mount=wanted.mounted.name, key=key, expires=wanted.expires, name=wanted.answer_name)

    async def _in_its_place(self, ask: Ask, wanted: Wanted, missing: NoSuchOriginal) -> Answer:
        """The picture that `d_` names, with the status of the one that is missing."""
        fallback = wanted.plan.find(Fallback)
        if not fallback:
            raise missing
        try:
            answer = await self._steadily(
                replace(ask, if_none_match=None, if_modified_since=None), self.reader.elsewhere(wanted, fallback.source)
            )
        except Refusal as trouble:
            raise missing from trouble
        answer = replace(answer, tags=tuple(dict.fromkeys((*answer.tags, *original_tags(wanted.mounted)))))
        if answer.location:
            return answer
        age = ERROR_AGES[404] if wanted.expires is None else int(min(ERROR_AGES[404], wanted.expires - self.clock()))
        return replace(answer, status=404, etag="", modified=None, lifetime=Lifetime(age, f"public, max-age={age}"))

    async def _steadily(self, ask: Ask, wanted: Wanted) -> Answer:
        """The rendition of an original that may just be replaced by another, or purged."""
        answer = None
        for _ in range(2):
            purged = self.purged(wanted.tags)
            try:
                answer = await self._render(ask, wanted, purged)
            except OriginalChanged:
                self.records.forget(wanted.mounted)
                continue
            if self.purged(wanted.tags) == purged:
                break
            # A cache in front that has just been purged must not be given the old one now.
        if answer is None:
            raise Busy("the original is just being changed")
        return answer

    async def _render(self, ask: Ask, wanted: Wanted, purged: Purged) -> Answer:
        if wanted.untouched and wanted.place.originals:
            return await self._original(ask, wanted, purged)
        if wanted.plan.saving.format in STREAMS:
            return await self.streams.answer(ask, wanted, purged, lambda: self._looked(ask, wanted, purged))
        record, header = await self.records.header(wanted.mounted)
        rendition = self.resolved(wanted, record, header, ask.accept, purged)
        if wanted.plan.saving.redirect:
            return self._redirect(wanted, rendition)
        if rendition.format == "explain":
            return await self._explained(ask, wanted, rendition)
        key = rendition.key
        if (
            ask.if_none_match
            and not rendition.ranged
            and not_modified(etag(key, "final"), None, ask.if_none_match, None)
        ):
            return replace(self._promised(wanted, rendition, purged, "final"), unchanged=True, outcome="unchanged")
        kept = await self.once.store.get(key)
        if kept and not is_made_here(kept):
            kept = None  # it is made anew, and replaced
        grade = str(kept.meta["grade"]) if kept else self.grade if rendition.refined else "final"
        promised = self._promised(wanted, rendition, purged, grade)
        if rendition.ranged:
            promised = replace(promised, etag=kept.etag if kept else "")
        if kept and grade != "final":
            self.refine(rendition, promised.tags)
        if not_modified(promised.etag, promised.modified, ask.if_none_match, ask.if_modified_since):
            return replace(promised, unchanged=True, outcome="unchanged")
        if kept:
            if kept.tier != "memory":  # a result of an earlier process
                self.siblings.remember(rendition)
            return replace(promised, body=kept.body, outcome=kept.tier)
        if rendition.key not in self.once and rendition.key not in self.films:
            self.limiter.rendered(ask.client, wanted.verified.kid if wanted.verified else "")
        if made_anew(rendition):
            return await self._film(ask, rendition, promised)
        try:
            made, led = await self._made(rendition, promised.tags)
        except Busy as busy:
            return await self._substituted(busy, ask, wanted, rendition, promised)
        self.siblings.remember(rendition)
        if rendition.ranged:
            promised = replace(promised, etag=made.etag)
        timings = {name: float(str(made.meta[name])) for name in STAGES if name in made.meta}
        return replace(promised, body=made.body, outcome="made" if led else "shared", timings=timings)

    async def _film(self, ask: Ask, rendition: Rendition, promised: Answer) -> Answer:
        """A film that is not there yet, as far as it is."""

        def make(witness: Witness | None, rank: int) -> Awaitable[tuple[Result, bool]]:
            return self._made(rendition, promised.tags, witness, rank)

        cost = self.renderer.cost(rendition, self.grade)
        return await self.films.answer(ask.path, ask.head, rendition, promised, cost, make)

    async def _looked(self, ask: Ask, wanted: Wanted, purged: Purged) -> Rendition:
        record, header = await self.records.header(wanted.mounted)
        return self.resolved(wanted, record, header, ask.accept, purged)

    async def _made(
        self, rendition: Rendition, tags: Collection[str], witness: Witness | None = None, rank: int = 0
    ) -> tuple[Result, bool]:
        """A result, and whether it was made for this request alone."""

        async def make() -> Result:
            return await self.renderer.make(rendition, self.grade, tags, rank=rank, witness=witness)

        return await self.once.made(rendition.key, make, is_made_here)

    def resolved(
        self, wanted: Wanted, record: Record, header: Header, accept: bytes, purged: Purged | None = None
    ) -> Rendition:
        """What is wanted, with nothing left to choose. Raises Refusals."""
        purged = self.purged(wanted.tags) if purged is None else purged
        return resolve(wanted, record, header, accept, self.bounds(wanted.mounted.name), purged.numbers)

    def _promised(self, wanted: Wanted, rendition: Rendition, purged: Purged, grade: str) -> Answer:
        """All of the answer that is known before its bytes are."""
        row, saving = FORMATS.get(rendition.format), wanted.plan.saving
        return Answer(
            lifetime=self._lifetime(wanted, final=grade == "final"),
            media_type=row.media_type if row else "application/json",
            etag=etag(rendition.key, grade),
            modified=purged.after(rendition.record.modified),
            negotiated=saving.format == "auto",
            filename=filename(wanted, rendition.format),
            attachment=saving.attachment is not None,
            format=rendition.format,
            tags=wanted.tags,
            original=rendition.record.size,
            provisional=grade != "final",
        )

    def _lifetime(self, wanted: Wanted, **nature: bool) -> Lifetime:
        freshness, versioned = self.freshness(wanted.mounted.name), wanted.plan.saving.version is not None
        expires = None if self.guarded else wanted.expires
        return lifetime(freshness, now=self.clock(), expires=expires, versioned=versioned, **nature)

    async def _substituted(self, busy: Busy, ask: Ask, wanted: Wanted, rendition: Rendition, answer: Answer) -> Answer:
        """What is near the rendition, for there is no time to make it; raises `busy` where there is nothing."""
        found = await self.siblings.substitute(
            rendition,
            # Without negotiation the URL promises its format, and every client of it takes that.
            bucket(ask.accept) if answer.negotiated else bucket(b""),
            wanted.policy.formats if answer.negotiated else (rendition.format,),
            wanted.policy.confined,
            lambda quick: self._made(quick, answer.tags),
        )
        if found is None:
            raise busy
        return replace(
            answer,
            body=found.result.body,
            media_type=FORMATS[found.format].media_type,
            filename=filename(wanted, found.format),
            format=found.format,
            etag="",
            modified=None,
            outcome=found.result.tier or "made",
            degraded=found.word,
            lifetime=self._lifetime(wanted, degraded=True),
        )

    def _redirect(self, wanted: Wanted, rendition: Rendition) -> Answer:
        """From `f_auto:redirect` to the format itself, signed like the request."""
        steps = str(wanted.plan.replaced(added=(Format(rendition.format),))).split("/")
        location = self.reader.signed(wanted, replace(wanted.address, steps=tuple(steps)).write())
        brief = wanted.expires is not None and wanted.expires < self.clock() + REDIRECT_AGE
        age = NOW_ONLY if brief else Lifetime(0, REDIRECT)
        return Answer(age, status=302, location=location, negotiated=True, outcome="redirect")

    async def _explained(self, ask: Ask, wanted: Wanted, asked: Rendition) -> Answer:
        if not ask.inside:
            raise NoSuchRendition("f_explain is for clients on this machine or with the admin token", part="f_explain")
        # What is explained is the plan as it is without the question.
        wanted = replace(wanted, plan=wanted.plan.replaced(without=(Format,)))
        rendition = self.resolved(wanted, asked.record, asked.header, ask.accept)
        kept = await self.once.store.get(rendition.key)
        cost = described(self.renderer.cost(rendition, self.grade))
        facts = explained(wanted, rendition, ask.accept, cost, kept.tier if kept else None)
        body = json.dumps(facts, indent=1).encode()
        return Answer(NOW_ONLY, body, media_type="application/json", outcome="explained")

    async def _original(self, ask: Ask, wanted: Wanted, purged: Purged) -> Answer:
        """The original's own bytes, which may be asked for in ranges and so carry a strong validator."""
        mounted = wanted.mounted
        record, header = await self.records.header(mounted)
        check_name(wanted, header.kind)
        body: FileBody | None = None
        if header.medium != "picture":
            body = await passing_body(mounted, record, self.records.forget)
        if body is None:
            original = await opened(mounted, record.version)
            body = FileBody(original.path, 0, original.size, os.dup(original.descriptor))
        answer = Answer(
            self._lifetime(wanted),
            media_type=FORMATS[header.kind].media_type,
            etag=strong_tag(mounted, record.version, purged.numbers),
            modified=purged.after(record.modified),
            filename=wanted.address.name,
            outcome="original",
            format=header.kind,
            tags=wanted.tags,
        )
        if not_modified(answer.etag, answer.modified, ask.if_none_match, ask.if_modified_since):
            return replace(answer, unchanged=True, outcome="unchanged")
        return replace(answer, body=body)
