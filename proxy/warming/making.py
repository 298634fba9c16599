"""Results made before anybody asks for them, in their final grade, by the pipeline that requests go through."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Literal

from proxy.answer import Answer, Ask
from proxy.delivery import Delivery
from proxy.failures import Busy, RateLimited
from proxy.lending import OriginalChanged
from proxy.reading import Wanted
from proxy.rendition import Rendition
from proxy.stores.growing import Growing
from proxy.warming.crew import each
from proxy.warming.streams import Unfolding
from signing import Expired, SigningError
from transforms.errors import NoSuchStream, Refusal, UnsupportedFormat
from transforms.operations.output import STREAMS

ACCEPTS = (b"image/avif,image/webp", b"image/webp", b"")
"""The kinds of client that there are for `f_auto`, each with an answer of its own."""

TRIES = 4
"""How often a part is asked for while too much else is."""

_signature = re.compile(r"\bsig_[^,/]*")


@dataclass(frozen=True)
class Warmed:
    """What became of one rendition: `wanted` is what a rehearsal would make."""

    path: str
    """As it was asked for, without its signature."""
    state: Literal["made", "there", "wanted", "skipped", "failed"]
    why: str = ""
    size: int = 0
    """Bytes of the result."""
    milliseconds: float = 0.0
    """What it is expected to cost, where it is wanted."""


@dataclass
class Warming:
    """Makes what paths ask for, `parallel` at a time; `stopped` may be set while it runs, and nothing new is begun."""

    delivery: Delivery
    parallel: int
    rehearsal: bool
    listed: bool
    """Whether originals were listed, not named: what has not what is made of it is left out, such as sounds without a
    picture."""
    sign: Callable[[bytes], bytes]
    """The same path with a signature of today, for those of a log that have expired."""
    told: Callable[[Warmed], None]
    read: Callable[[], None]
    """Told of each path when it is done."""
    unfolding: Unfolding | None = None
    """What knows the parts of streams; None where there are none."""
    stopped: bool = False
    _seen: set[str] = field(default_factory=set)

    async def run(self, paths: AsyncIterator[bytes]) -> None:
        """Go through all paths; what goes wrong with one is told, and the next one follows."""
        unfolded = self.unfolding.each(paths) if self.unfolding else paths
        await each(unfolded, self.parallel, lambda: self.stopped, self._path)

    async def _path(self, path: bytes) -> None:
        await self._warmed(path)
        self.read()

    async def _warmed(self, path: bytes) -> None:
        name = shown(path)
        try:
            wanted = self._read(path)
            await self.delivery.records.header(wanted.mounted)
        except (SigningError, Refusal) as error:
            strange = self.listed and isinstance(error, UnsupportedFormat)
            self.told(Warmed(name, "skipped" if strange else "failed", str(error)))
            return
        if wanted.plan.saving.format in STREAMS:
            self.told(await self._part(name, path, wanted))
            return
        said = set()
        for accept in ACCEPTS if wanted.plan.saving.format == "auto" else (b"",):
            warmed = await self._steadily(name, wanted, accept)
            # What is wrong with the original is the same for every kind of client.
            if warmed and warmed.why not in said:
                self.told(warmed)
            if warmed and warmed.why:
                said.add(warmed.why)

    async def playlist(self, path: bytes) -> str:
        """The text of a playlist of a stream. Raises Refusals and SigningError."""
        answer = await self._answered(path, self._read(path))
        assert isinstance(answer.body, bytes), "playlists are written, not kept"
        return answer.body.decode()

    async def _part(self, shown: str, path: bytes, wanted: Wanted) -> Warmed:
        """One part of a stream."""
        if not wanted.request.part:
            why = "the parts of f_dash are those of f_hls" if wanted.plan.saving.format == "dash" else "it is not kept"
            return Warmed(shown, "skipped", why)
        if self.rehearsal:
            return Warmed(shown, "wanted")
        try:
            for left in reversed(range(TRIES)):
                try:
                    answer = await self._answered(path, wanted)
                    break
                except (Busy, RateLimited) as later:
                    if not left or self.stopped:
                        raise
                    await asyncio.sleep(later.promised() if isinstance(later, Busy) else later.retry_after)
        except (Refusal, OriginalChanged) as error:
            return Warmed(shown, "failed", str(error) or "the original is just being changed")
        assert not isinstance(answer.body, Growing), "parts are sent when they are made"
        size = len(answer.body) if isinstance(answer.body, bytes) else answer.body.length
        return Warmed(shown, "made" if answer.outcome in ("made", "shared") else "there", size=size)

    async def _answered(self, path: bytes, wanted: Wanted) -> Answer:
        delivery = self.delivery
        purged = delivery.purged(wanted.tags)

        async def look() -> Rendition:
            record, header = await delivery.records.header(wanted.mounted)
            return delivery.resolved(wanted, record, header, b"", purged)

        return await delivery.streams.answer(Ask(path), wanted, purged, look)

    def _read(self, path: bytes) -> Wanted:
        try:
            return self.delivery.reader.read(path)
        except Expired:
            return self.delivery.reader.read(self.sign(path))

    async def _steadily(self, shown: str, wanted: Wanted, accept: bytes) -> Warmed | None:
        """One rendition of an original that may just be replaced; None for one that was there already in this run."""
        try:
            for _ in range(2):
                try:
                    return await self._rendition(shown, wanted, accept)
                except OriginalChanged:
                    self.delivery.records.forget(wanted.mounted)
            return Warmed(shown, "failed", "the original is just being changed")
        except Refusal as refusal:
            strange = self.listed and isinstance(refusal, NoSuchStream)
            return Warmed(shown, "skipped" if strange else "failed", str(refusal))

    async def _rendition(self, shown: str, wanted: Wanted, accept: bytes) -> Warmed | None:
        delivery = self.delivery
        if wanted.untouched and wanted.place.originals:
            return Warmed(shown, "skipped", "the original itself is not kept")
        record, header = await delivery.records.header(wanted.mounted)
        rendition = delivery.resolved(wanted, record, header, accept)
        if rendition.format == "explain":
            return Warmed(shown, "skipped", "an explanation is not kept")
        if rendition.key in self._seen:
            return None
        self._seen.add(rendition.key)
        kept = await delivery.once.store.get(rendition.key)
        if kept is not None and kept.meta.get("grade") == "final":
            return Warmed(shown, "there", size=kept.length)
        if self.rehearsal:
            cost = delivery.renderer.cost(rendition, "final")
            return Warmed(shown, "wanted", milliseconds=cost.milliseconds)
        await delivery.renderer.make(rendition, "final", wanted.tags)
        kept = await delivery.once.store.get(rendition.key)
        if kept is None:
            return Warmed(shown, "failed", "the cache did not keep it: is it too small, full, or not to be written?")
        return Warmed(shown, "made", size=kept.length)


def shown(path: bytes) -> str:
    """A path as people and logs may see it: without its signature."""
    return _signature.sub("sig_***", path.decode("utf-8", "replace"))
