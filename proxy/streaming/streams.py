"""Streams and storyboards: many files that hang under one address."""

from dataclasses import dataclass

from proxy.answer import Answer, Ask
from proxy.reading import Wanted
from proxy.rendition import Rendition
from proxy.streaming.storyboards import Storyboards
from transforms.errors import NotSupported


@dataclass(frozen=True)
class Streams:
    """Answers for the files of a stream."""

    storyboards: Storyboards

    async def answer(self, ask: Ask, wanted: Wanted, base: Rendition) -> Answer:
        """The file that is asked for, or the way to the first of them. Raises Refusals."""
        if base.format == "vtt":
            return await self.storyboards.answer(ask, wanted, base)
        raise NotSupported("streams are not made yet", part=f"f_{base.format}")
