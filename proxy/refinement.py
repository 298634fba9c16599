"""What was made fast is made with care later, while a worker has nothing else to do."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from typing import Any

from proxy.failures import Busy
from proxy.flights import Flights
from proxy.log import OnceAMinute
from proxy.rendition import Rendition

log = logging.getLogger(__name__)

Make = Callable[[Rendition, Collection[str]], Awaitable[Any]]

MOST_WANTED = 200
"""Renditions that wait for an idle moment; of more, those that were asked for last."""
LOOK_EVERY = 0.5
"""Seconds between looks for an idle worker."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds of rest after one that had to make room; the rest doubles each time until one is finished."""


class Refinement:
    """Makes final results, one at a time, while a worker is idle; each at most once a minute.

    One that had to make room for a request is tried again sooner. But it has worked for nothing, so the more often that
    happens the rarer are the tries.
    """

    def __init__(
        self, make: Make, worthwhile: Callable[[Rendition], bool], idle: Callable[[], bool], flights: Flights
    ) -> None:
        """`worthwhile` says of a rendition whether it is to be refined, `idle` whether there is a worker to spare."""
        self._make, self._worthwhile, self._idle, self._flights = make, worthwhile, idle, flights
        self._tried = OnceAMinute()
        self._wanted: dict[str, tuple[Rendition, Collection[str]]] = {}
        self._pause = FIRST_PAUSE
        self._running: asyncio.Task[None] | None = None

    def consider(self, rendition: Rendition, tags: Collection[str]) -> None:
        """Make the final result of a rendition behind the back of whoever asked for it, as soon as a worker is idle."""
        key = f"{rendition.key}.final"
        if key in self._wanted or not self._worthwhile(rendition) or not self._tried(key):
            return
        self._wanted[key] = rendition, tags
        if len(self._wanted) > MOST_WANTED:
            del self._wanted[next(iter(self._wanted))]
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._work())

    async def close(self) -> None:
        """Want nothing any more."""
        self._wanted.clear()
        if self._running:
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running

    async def _work(self) -> None:
        while self._wanted:
            key = next(reversed(self._wanted))
            rendition, tags = self._wanted[key]
            if not self._idle():
                await asyncio.sleep(LOOK_EVERY)
                continue
            try:
                await self._flights.share(key, lambda: self._make(rendition, tags))  # noqa: B023 -- awaited here
            except Busy as made_room:
                log.debug("%s is refined later: %r", rendition.key, made_room)
                await asyncio.sleep(self._pause)
                self._pause = min(self._pause * 2, LONGEST_PAUSE)
                continue
            except Exception as error:
                log.info("%s was not refined: %r", rendition.key, error)
            else:
                self._pause = FIRST_PAUSE
            self._wanted.pop(key, None)
