"""What was made fast is made with care later, while a worker has nothing else to do."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from proxy.flights import Flights
from proxy.log import OnceAMinute
from proxy.rendition import Rendition

log = logging.getLogger(__name__)

Make = Callable[[Rendition, Collection[str]], Awaitable[Any]]


class Refinement:
    """Makes final results, one at a time and each at most once a minute, so that what fails is not insisted on."""

    def __init__(self, make: Make, worthwhile: Callable[[Rendition], bool], flights: Flights) -> None:
        """`worthwhile` says whether there is a worker to spare for a rendition now."""
        self._make, self._worthwhile, self._flights = make, worthwhile, flights
        self._tried = OnceAMinute()
        self._running: asyncio.Task[Any] | None = None

    def consider(self, rendition: Rendition, tags: Collection[str]) -> None:
        """Make the final result of a rendition behind the back of whoever asked for it, if that is worthwhile."""
        if (self._running and not self._running.done()) or not self._worthwhile(rendition):
            return
        key = f"{rendition.key}.final"
        if self._tried(key):
            self._running = asyncio.create_task(self._refine(key, rendition, tags))

    async def _refine(self, key: str, rendition: Rendition, tags: Collection[str]) -> None:
        try:
            await self._flights.share(key, lambda: self._make(rendition, tags))
        except Exception as error:
            log.info("%s was not refined: %r", rendition.key, error)
