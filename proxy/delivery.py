"""One request for a rendition, start to finish."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace

from proxy.answer import Answer, Ask
from proxy.caching import ERROR_AGES, REDIRECT, Freshness, Lifetime, error_cache_control, etag, lifetime, not_modified
from proxy.failures import Busy, NoSuchOriginal, NoSuchRendition
from proxy.flights import Flights
from proxy.negotiation import bucket
from proxy.pressure import Siblings
from proxy.reading import Reader, Wanted
from proxy.records import Records, source_tag
from proxy.rendering import Renderer, described
from proxy.rendition import Bounds, Rendition, explained, resolve
from proxy.sources.mounts import Mounted
from proxy.stores.result import FileBody, Result, Store
from transforms.formats import FORMATS
from transforms.operations.output import Fallback, Format

MISSING = Lifetime(ERROR_AGES[404], error_cache_control(404))
NOW_ONLY = Lifetime(0, "no-store")
STAGES = ("queue", "decode", "transform", "encode")


@dataclass(frozen=True)
class Delivery:
    """Everything that it takes to answer; put together in the composition root."""

    reader: Reader
    records: Records
    store: Store
    flights: Flights
    renderer: Renderer
    siblings: Siblings
    bounds: Callable[[str], Bounds]
    freshness: Callable[[str], Freshness]
    sign: Callable[[str, int | None], str]
    grade: str
    """The grade in which results are made when they are first asked for."""
    clock: Callable[[], float]

    async def answer(self, ask: Ask) -> Answer:
        """The rendition that a path asks for. Raises SigningError and Refusals."""
        wanted = self.reader.read(ask.path)
        try:
            answer = await self._render(ask, wanted, wanted.mounted)
        except NoSuchOriginal:
            fallback = wanted.plan.find(Fallback)
            if not fallback:
                raise
            unconditional = replace(ask, if_none_match=None, if_modified_since=None)
            answer = await self._render(unconditional, wanted, self.reader.mounted(fallback.source))
            answer = replace(answer, status=404, etag="", modified=None, lifetime=MISSING)
        return replace(answer, expires=wanted.expires)

    async def _render(self, ask: Ask, wanted: Wanted, mounted: Mounted) -> Answer:
        if wanted.untouched and wanted.place.originals:
            return await self._original(ask, wanted, mounted)
        record, header = await self.records.header(mounted)
        rendition = resolve(wanted, mounted, record, header, ask.accept, self.bounds(mounted.name))
        if wanted.plan.saving.redirect:
            return self._redirect(wanted, rendition)
        if rendition.format == "explain":
            return await self._explained(ask, wanted)
        key, answer = rendition.key, self._promised(wanted, rendition)
        for grade in ("final", self.grade):
            if not_modified(etag(key, grade), record.modified, ask.if_none_match, ask.if_modified_since):
                return replace(answer, unchanged=True, etag=etag(key, grade), outcome="unchanged")
        kept = await self.store.get(key)
        if kept:
            return self._filled(answer, key, kept, kept.tier)
        try:
            made, led = await self.flights.share(key, lambda: self.renderer.make(rendition, self.grade, answer.tags))
        except Busy as busy:
            return await self._substituted(busy, ask, wanted, rendition, answer)
        self.siblings.remember(rendition)
        return self._filled(answer, key, made, "made" if led else "shared")

    def _promised(self, wanted: Wanted, rendition: Rendition) -> Answer:
        """All of the answer that is known before its bytes are."""
        mounted, saving = rendition.mounted, wanted.plan.saving
        row = FORMATS.get(rendition.format)
        filename = wanted.address.name
        if saving.attachment is not None and not filename:
            last = mounted.key.rpartition("/")[2]
            extension = row.extensions[0] if row else rendition.format
            filename = f"{saving.attachment or last.rpartition('.')[0] or last}.{extension}"
        return Answer(
            lifetime=self._lifetime(wanted, mounted, final=self.grade == "final" or not rendition.refined),
            media_type=row.media_type if row else "application/json",
            modified=rendition.record.modified,
            negotiated=saving.format == "auto",
            filename=filename,
            attachment=saving.attachment is not None,
            format=rendition.format,
            tags=_tags(wanted, mounted),
        )

    def _lifetime(self, wanted: Wanted, mounted: Mounted, *, final: bool = True, degraded: bool = False) -> Lifetime:
        return lifetime(
            self.freshness(mounted.name),
            now=self.clock(),
            expires=wanted.expires,
            versioned=wanted.plan.saving.version is not None,
            final=final,
            degraded=degraded,
        )

    def _filled(self, answer: Answer, key: str, result: Result, outcome: str) -> Answer:
        timings = {name: float(str(result.meta[name])) for name in STAGES if name in result.meta}
        return replace(
            answer,
            body=result.body,
            etag=etag(key, str(result.meta["grade"])),
            outcome=outcome,
            timings=timings if outcome == "made" else {},
        )

    async def _substituted(self, busy: Busy, ask: Ask, wanted: Wanted, rendition: Rendition, answer: Answer) -> Answer:
        """What is near the rendition, for there is no time to make it; raises `busy` where there is nothing."""
        found = await self.siblings.substitute(
            rendition,
            # Without negotiation the URL promises its format, and every client of it takes that.
            bucket(ask.accept) if answer.negotiated else bucket(b""),
            wanted.policy.formats if answer.negotiated else (rendition.format,),
            self.renderer.make,
        )
        if found is None:
            raise busy
        result, name, word = found
        return replace(
            self._filled(answer, rendition.key, result, result.tier or "made"),
            media_type=FORMATS[name].media_type,
            format=name,
            etag="",
            modified=None,
            degraded=word,
            lifetime=self._lifetime(wanted, rendition.mounted, degraded=True),
        )

    def _redirect(self, wanted: Wanted, rendition: Rendition) -> Answer:
        """From `f_auto:redirect` to the format itself, signed like the request."""
        plan = wanted.plan.replaced(added=(Format(rendition.format),))
        rest = replace(wanted.address, steps=tuple(str(plan).split("/"))).write()
        return Answer(
            Lifetime(0, REDIRECT),
            status=302,
            location=self.sign(rest, wanted.expires),
            negotiated=True,
            outcome="redirect",
        )

    async def _explained(self, ask: Ask, wanted: Wanted) -> Answer:
        if not ask.inside:
            raise NoSuchRendition("f_explain is for clients on this machine or with the admin token", part="f_explain")
        # What is explained is the plan as it is without the question.
        plan = wanted.plan.replaced(without=(Format,))
        record, header = await self.records.header(wanted.mounted)
        rendition = resolve(
            replace(wanted, plan=plan), wanted.mounted, record, header, ask.accept, self.bounds(wanted.mounted.name)
        )
        kept = await self.store.get(rendition.key)
        cost = described(self.renderer.cost(rendition, self.grade))
        facts = explained(replace(wanted, plan=plan), rendition, cost, kept.tier if kept else None)
        return Answer(NOW_ONLY, json.dumps(facts, indent=1).encode(), "application/json", outcome="explained")

    async def _original(self, ask: Ask, wanted: Wanted, mounted: Mounted) -> Answer:
        """The original's own bytes, which may be asked for in ranges and so carry a strong validator."""
        _, header = await self.records.header(mounted)
        original = await mounted.source.open(mounted.key)
        answer = Answer(
            self._lifetime(wanted, mounted),
            media_type=FORMATS[header.kind].media_type,
            etag=f'"{hashlib.sha256(original.version.encode()).hexdigest()[:32]}"',
            modified=original.modified,
            filename=wanted.address.name,
            outcome="original",
            format=header.kind,
            tags=_tags(wanted, mounted),
        )
        if not_modified(answer.etag, original.modified, ask.if_none_match, ask.if_modified_since):
            return replace(answer, unchanged=True, outcome="unchanged")
        return replace(answer, body=FileBody(original.path, 0, original.size, os.dup(original.descriptor)))


def _tags(wanted: Wanted, mounted: Mounted) -> tuple[str, ...]:
    presets = sorted({f"preset:{step[2:]}" for step in wanted.address.steps if step.startswith("t_")})
    return (source_tag(mounted), f"mount:{mounted.name or '/'}", *presets)
