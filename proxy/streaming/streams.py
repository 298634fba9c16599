"""Streams and storyboards: many files that hang under one address."""

from dataclasses import dataclass

from proxy.answer import Answer, Ask
from proxy.reading import Wanted
from proxy.rendition import Rendition
from transforms.errors import NotSupported


@dataclass(frozen=True)
class Streams:
    """Answers for the files of a stream."""

    async def answer(self, ask: Ask, wanted: Wanted, base: Rendition) -> Answer:
        """The file that is asked for, or the way to the first of them. Raises Refusals."""
        raise NotSupported("streams are not made yet", part=f"f_{base.format}")
