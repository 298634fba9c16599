"""Parts made before they are asked for, while a worker has nothing else to do."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from cachetools import LRUCache

from proxy.failures import Busy, Preempted
from proxy.lending import OriginalChanged
from proxy.stores.result import Result
from proxy.streaming.part import Part
from transforms.errors import Refusal

REACH = 2
"""How many parts behind the one that was asked for."""
WAITS = 2.0
"""Times the length of a part for which it waits for an idle worker: then its player has gone, or has asked itself."""
MOST_WAITING = 200
"""Parts that wait for an idle moment; of more, those that were wished for last."""
REMEMBERED = 10_000
LOOK_EVERY = 0.25
"""Seconds between looks for an idle worker."""

Begins = Callable[[], None]


@dataclass
class _Making:
    """A part that is being made."""

    task: "asyncio.Task[Result | None]"
    unwanted: bool = False
    """Whether somebody has come who makes it himself: nothing that has not begun is begun any more."""
    begun: bool = False


@dataclass
class _Wish:
    part: Part
    until: float
    tried: int = field(default=0)


class Ahead:
    """Makes the parts that a player will ask for next, at a rank that makes room for everybody.

    Whoever asks for one that is being made takes it; one that has not begun is left to him.
    """

    def __init__(
        self,
        make: Callable[[Part, Begins], Awaitable[Result | None]],
        leisure: Callable[[], bool],
        most: int,
        tell: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`make` makes one with the lowest rank, or finds that it is there; it calls what it is given before it begins.

        `most` are made at a time; `tell` is told of each that was `made`, `used` or `dropped`.
        """
        self._make, self._leisure, self._most, self._tell, self._clock = make, leisure, most, tell, clock
        self._wishes: OrderedDict[str, _Wish] = OrderedDict()
        self._making: dict[str, _Making] = {}
        self._made: LRUCache[str, bool] = LRUCache(REMEMBERED)
        self._running: asyncio.Task[None] | None = None

    def asked(self, part: Part) -> None:
        """Somebody was given this part, and will ask for those behind it."""
        if self._made.pop(part.key, None):
            self._tell("used")
        now, following = self._clock(), part
        for _ in range(REACH):
            if (behind := following.next) is None:
                return
            following = behind
            if behind.key in self._making or behind.key in self._made:
                continue
            self._wishes.pop(behind.key, None)
            self._wishes[behind.key] = _Wish(behind, now + WAITS * max(behind.seconds, part.seconds))
        while len(self._wishes) > MOST_WAITING:
            self._wishes.popitem(last=False)
            self._tell("dropped")
        if self._wishes and (self._running is None or self._running.done()):
            self._running = asyncio.create_task(self._work())

    async def take(self, part: Part) -> Result | None:
        """The part where it is being made already, once it is; None where whoever asks has to make it."""
        self._wishes.pop(part.key, None)
        making = self._making.get(part.key)
        if making is None:
            return None
        making.unwanted = not making.begun
        await asyncio.wait((making.task,))
        return None if making.task.cancelled() else making.task.result()

    async def close(self) -> None:
        """Wish for nothing any more."""
        self._wishes.clear()
        tasks = [making.task for making in self._making.values()]
        for task in (*tasks, *((self._running,) if self._running else ())):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _work(self) -> None:
        while self._wishes:
            key, wish = self._wishes.popitem(last=False)
            if self._clock() > wish.until:
                self._tell("dropped")
                continue
            if len(self._making) >= self._most or not self._leisure():
                self._wishes[key] = wish
                self._wishes.move_to_end(key, last=False)
                await self._rest()
                continue
            self._begin(key, wish)
            await asyncio.sleep(0)

    async def _rest(self) -> None:
        """Wait for one to end, or for a while."""
        tasks = [making.task for making in self._making.values()] or [asyncio.create_task(asyncio.sleep(LOOK_EVERY))]
        await asyncio.wait(tasks, timeout=LOOK_EVERY, return_when=asyncio.FIRST_COMPLETED)

    def _begin(self, key: str, wish: _Wish) -> None:
        making = self._making[key] = _Making(asyncio.create_task(self._one(key, wish)))
        making.task.add_done_callback(lambda _: self._making.pop(key, None))

    async def _one(self, key: str, wish: _Wish) -> Result | None:
        def begins() -> None:
            making = self._making[key]
            if making.unwanted or not self._leisure():
                raise Preempted("there is work that somebody waits for")
            making.begun = True

        try:
            made = await self._make(wish.part, begins)
        except Busy:
            unwanted = self._making[key].unwanted
            if not unwanted and self._clock() < wish.until:
                self._wishes.setdefault(key, wish)  # in a better moment
            else:
                self._tell("dropped")
            return None
        except (Refusal, OriginalChanged):
            self._tell("dropped")  # whoever asks for it is told why
            return None
        if made:
            self._made[key] = True
            self._tell("made")
        return made
