"""Who waits for a worker, who has one, and who is next: arithmetic without processes."""

import heapq
import itertools
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic

from proxy.workers.rules import BEHIND, Item, Load, Place, Rules

AGEING = 4.0  # work of a second's cost lets pass what is short and comes up to four seconds later
MEMORY_OF_PACE = 0.98  # how much of what is known of the pace outlives one more piece of work
BELIEVED = 3.0  # pieces of work after which the estimates count no more than what was seen


class Line(Generic[Item]):
    """One line for all workers: by rank, then short work first, but nobody for ever; within a memory budget.

    `size` pieces of work run at once, of which `reserve` only while they cost less than `cheap` milliseconds.
    The memory of those that run stays under `memory` bytes; what needs more than that runs alone.
    `patience` is how many seconds at most one is put behind for being long.
    """

    def __init__(
        self,
        *,
        size: int,
        reserve: int,
        cheap: float,
        memory: int,
        patience: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rules, self._cheap_below = Rules(size, reserve, memory), cheap
        self._patience, self._clock = patience, clock
        self._heaps: dict[bool, list[Place[Item]]] = {True: [], False: []}  # cheap or not; may hold some who have left
        self._waiting: dict[Item, Place[Item]] = {}
        self._expected: dict[int, Place[Any]] = {}
        self._running: dict[Item, Place[Item]] = {}
        self._load: Load[Item] = Load()
        self._queued = 0  # microseconds
        self._numbers = itertools.count()
        self._seen = self._estimated = self._worked = 0.0  # pieces of work that have ended, and their milliseconds

    @property
    def waiting(self) -> int:
        return len(self._waiting) + len(self._expected)

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def milliseconds(self) -> float:
        """The estimated work that waits."""
        return self._queued / 1000

    def join(
        self, item: Item, *, cost: float, memory: int, rank: int, again: bool = False, since: float | None = None
    ) -> None:
        """Let one wait, of `cost` milliseconds; `again` puts it first, as it has waited once.

        It stands where it would if it had come at `since`.
        """
        place = self._place(item, cost, memory, rank, again, since)
        self._waiting[item] = place
        self._queued += round(cost * 1000)
        heapq.heappush(self._heaps[place.cheap], place)

    @contextmanager
    def expecting(self, *, cost: float, memory: int, rank: int) -> Iterator[float]:
        """Count one who waits for something else first, and cannot begin yet; yields when it came."""
        place = self._place(None, cost, memory, rank)
        _, _, number = place.order
        self._expected[number] = place
        self._queued += round(cost * 1000)
        try:
            yield self._clock()
        finally:
            del self._expected[number]
            self._queued -= round(cost * 1000)

    def leave(self, item: Item) -> None:
        """Let one go that waits, or that does not wait any longer."""
        place = self._waiting.pop(item, None)
        if place is not None:
            self._queued -= round(place.cost * 1000)

    def next(self) -> Item | None:
        """The one to start now, which from here on runs; None when nobody may."""
        place = self._eligible(self._load)
        if place is None:
            return None
        self.leave(place.item)
        place.started = self._clock()
        self._running[place.item] = place
        self._load.add(place)
        return place.item

    def finish(self, item: Item) -> None:
        """Take one out that ran, and learn from it how far the estimates are off."""
        if place := self.interrupt(item):
            worked = (self._clock() - place.started) * 1000
            self._seen = self._seen * MEMORY_OF_PACE + 1
            self._estimated = self._estimated * MEMORY_OF_PACE + place.cost
            self._worked = self._worked * MEMORY_OF_PACE + min(worked, 10 * place.cost)

    def interrupt(self, item: Item) -> Place[Item] | None:
        """Take one out that did not run to its end, and so tells nothing; None when it does not run."""
        place = self._running.pop(item, None)
        if place is not None:
            self._load.remove(place)
        return place

    def in_the_way(self) -> Item | None:
        """What nobody waits for and keeps one from beginning that somebody waits for; None when nothing does."""
        if self._eligible(self._load) is not None:
            return None  # it waits for a worker to come, whom others do not keep away
        for place in self._running.values():
            if place.rank >= BEHIND:
                without = Load(other for other in self._running.values() if other is not place)
                freed = self._eligible(without)
                if freed is not None and freed.rank < BEHIND:
                    return place.item
        return None

    def left(self, item: Item) -> float:
        """Seconds that one who runs will go on for, by its estimate."""
        return self._left(self._running[item]) / 1000

    def wait(self, *, cost: float, memory: int, rank: int, ready: bool = True) -> float:
        """Seconds until work would begin if it came now, by the estimates of what goes before it.

        What is `ready` does not wait for those who are only expected where it could begin at once.
        """
        mine = self._place(None, cost, memory, rank)
        cheap, long = (mine, None) if mine.cheap else (None, mine)
        if ready and not self._waiting and self._rules.choose(self._load, cheap, long) is mine:
            return 0.0
        # What nobody waits for is in nobody's way.
        running = [place for place in self._running.values() if place.rank <= max(rank, BEHIND - 1)]
        waiting = itertools.chain(self._waiting.values(), self._expected.values())
        ahead = [place for place in waiting if place.order < mine.order]
        left = [(self._left(place), place) for place in running]
        return self._rules.turn(left, ahead, mine, self._pace) / 1000

    def takes(self, cost: float, memory: int) -> float:
        """Seconds by which work of so many milliseconds, by estimate, puts back all that is like it."""
        return cost * self._pace / self._rules.abreast(memory, cheap=cost < self._cheap_below) / 1000

    @property
    def _pace(self) -> float:
        """How slow this machine is: what work takes as a multiple of its estimate."""
        if not self._estimated:
            return 1.0
        return (self._seen * self._worked / self._estimated + BELIEVED) / (self._seen + BELIEVED)

    def _place(
        self, item: Any, cost: float, memory: int, rank: int, again: bool = False, since: float | None = None
    ) -> Place[Any]:
        put_behind = min(AGEING * cost / 1000, self._patience)
        when = -math.inf if again else (self._clock() if since is None else since) + put_behind
        order = rank, when, next(self._numbers)
        return Place(order, item, cost, min(memory, self._rules.memory), cost < self._cheap_below)

    def _left(self, place: Place[Item]) -> float:
        """Milliseconds; what takes longer than it should is about to end."""
        return max(place.cost * self._pace - (self._clock() - place.started) * 1000, 0.0)

    def _eligible(self, load: Load[Item]) -> Place[Item] | None:
        return self._rules.choose(load, self._first(True), self._first(False))

    def _first(self, cheap: bool) -> Place[Item] | None:
        heap = self._heaps[cheap]
        while heap and self._waiting.get(heap[0].item) is not heap[0]:
            heapq.heappop(heap)
        return heap[0] if heap else None
