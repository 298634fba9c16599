"""Who waits for a worker, who has one, and who is next: arithmetic without processes."""

import heapq
import itertools
import time
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)

AGEING = 4.0  # work of a second's cost lets pass what is short and comes up to four seconds later
MEMORY_OF_PACE = 0.98  # how much of what is known of the pace outlives one more piece of work


@dataclass(order=True)
class _Place(Generic[Item]):
    order: tuple[int, float, int]
    item: Item = field(compare=False)
    cost: float = field(compare=False)
    memory: int = field(compare=False)
    cheap: bool = field(compare=False)
    started: float = field(compare=False, default=0.0)


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
        self._size, self._reserve, self._cheap_below, self._memory = size, reserve, cheap, memory
        self._patience, self._clock = patience, clock
        self._heaps: dict[bool, list[_Place[Item]]] = {True: [], False: []}  # cheap or not; may hold some who have left
        self._waiting: dict[Item, _Place[Item]] = {}
        self._queued: Counter[tuple[int, bool]] = Counter()  # microseconds by rank and cheapness
        self._running: dict[Item, _Place[Item]] = {}
        self._numbers = itertools.count()
        self._estimated = self._worked = 10_000.0  # milliseconds; their quotient is the pace of this machine

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def milliseconds(self) -> float:
        """The estimated work that waits."""
        return self._queued.total() / 1000

    def join(self, item: Item, *, cost: float, memory: int, rank: int, again: bool = False) -> None:
        """Let one wait, of `cost` milliseconds; `again` puts it first, as it has waited once."""
        put_behind = min(AGEING * cost / 1000, self._patience)
        when = float("-inf") if again else self._clock() + put_behind
        order = rank, when, next(self._numbers)
        place = _Place(order, item, cost, min(memory, self._memory), cost < self._cheap_below)
        self._waiting[item] = place
        self._queued[rank, place.cheap] += round(cost * 1000)
        heapq.heappush(self._heaps[place.cheap], place)

    def leave(self, item: Item) -> None:
        """Let one go that waits, or that does not wait any longer."""
        place = self._waiting.pop(item, None)
        if place is not None:
            self._queued[place.order[0], place.cheap] -= round(place.cost * 1000)

    def next(self) -> Item | None:
        """The one to start now, which from here on runs; None when nobody may."""
        place = self._eligible()
        if place is None:
            return None
        self.leave(place.item)
        place.started = self._clock()
        self._running[place.item] = place
        return place.item

    def finish(self, item: Item) -> None:
        """Take one out that ran, and learn from it how far the estimates are off."""
        place = self._running.pop(item)
        worked = (self._clock() - place.started) * 1000
        self._estimated = self._estimated * MEMORY_OF_PACE + place.cost
        self._worked = self._worked * MEMORY_OF_PACE + min(worked, 10 * place.cost)

    def wait(self, *, cost: float, rank: int) -> float:
        """Seconds until work of this cost and rank would begin, by the estimates of what is ahead of it."""
        cheap, long_lanes = cost < self._cheap_below, self._size - self._reserve
        if not self._waiting and self.running < self._size and (cheap or self._long_running() < long_lanes):
            return 0.0
        ahead = {kind: self._ahead(kind, rank) for kind in (True, False)}
        shared = ahead[True] + ahead[False]
        if cheap:
            return min(shared / self._size, ahead[True] / self._reserve) if self._reserve else shared / self._size
        return max(shared / self._size, ahead[False] / long_lanes)

    def _ahead(self, cheap: bool, rank: int) -> float:
        pace, now = self._worked / self._estimated, self._clock()
        queued = sum(micro for (other, kind), micro in self._queued.items() if kind == cheap and other <= rank) / 1000
        rest = (p.cost * pace - (now - p.started) * 1000 for p in self._running.values() if p.cheap == cheap)
        return (queued * pace + sum(max(left, 0.0) for left in rest)) / 1000

    def _eligible(self) -> _Place[Item] | None:
        if self.running >= self._size:
            return None
        cheap, long = self._first(True), self._first(False)
        if long is None or (cheap is not None and cheap < long):
            return cheap if cheap is not None and self._fits(cheap) else None
        lane_is_free = self._long_running() < self._size - self._reserve
        if lane_is_free and self._fits(long):
            return long
        if cheap is None or not self._fits(cheap):
            return None
        # The long one waits for memory: only what leaves room for it may pass, or it would wait for ever.
        beside = sum(place.memory for place in self._running.values() if place.cheap) + cheap.memory + long.memory
        return cheap if not lane_is_free or beside <= self._memory else None

    def _first(self, cheap: bool) -> _Place[Item] | None:
        heap = self._heaps[cheap]
        while heap and self._waiting.get(heap[0].item) is not heap[0]:
            heapq.heappop(heap)
        return heap[0] if heap else None

    def _fits(self, place: _Place[Item]) -> bool:
        return sum(other.memory for other in self._running.values()) + place.memory <= self._memory

    def _long_running(self) -> int:
        return sum(not place.cheap for place in self._running.values())
