"""Who may begin next, and when somebody's turn will come: the line's rules as functions of values."""

import heapq
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)

BEHIND = 1
"""The rank from which on nobody waits for work: it makes room at once for work that somebody waits for."""

FORESEEN = 200
"""Pieces of work that are followed one by one to tell when a turn comes; of more, each takes as long as these did."""


@dataclass(order=True)
class Place(Generic[Item]):
    """A piece of work in the line or at a worker: its order, milliseconds and bytes by estimate."""

    order: tuple[int, float, int]
    item: Item = field(compare=False)
    cost: float = field(compare=False)
    memory: int = field(compare=False)
    cheap: bool = field(compare=False)
    started: float = field(compare=False, default=0.0)

    @property
    def rank(self) -> int:
        return self.order[0]


class Load(Generic[Item]):
    """What runs, summed up."""

    def __init__(self, running: Iterable[Place[Item]] = ()) -> None:
        self.running = self.long = self.memory = self.cheap_memory = 0
        for place in running:
            self.add(place)

    def add(self, place: Place[Item], times: int = 1) -> None:
        self.running += times
        self.long += times * (not place.cheap)
        self.memory += times * place.memory
        self.cheap_memory += times * place.memory * place.cheap

    def remove(self, place: Place[Item]) -> None:
        self.add(place, -1)


@dataclass(frozen=True)
class Rules:
    """`size` run at once, of which `reserve` only while they are cheap, within `memory` bytes together."""

    size: int
    reserve: int
    memory: int

    def abreast(self, memory: int, *, cheap: bool) -> int:
        """How many pieces of work of so many bytes run at once where all are alike."""
        lanes = self.size if cheap else self.size - self.reserve
        return max(min(lanes, self.memory // max(memory, 1)), 1)

    def choose(self, load: Load[Item], cheap: Place[Item] | None, long: Place[Item] | None) -> Place[Item] | None:
        """Which of the first cheap and the first long one begins beside what runs; None: neither may."""
        if load.running >= self.size:
            return None
        if long is None or (cheap is not None and cheap < long):
            return cheap if cheap is not None and self._fits(load, cheap) else None
        lane_is_free = load.long < self.size - self.reserve
        if lane_is_free and self._fits(load, long):
            return long
        if cheap is None or not self._fits(load, cheap):
            return None
        # The long one waits for memory: only what leaves room for it may pass, or it would wait for ever.
        beside = load.cheap_memory + cheap.memory + long.memory
        return cheap if not lane_is_free or beside <= self.memory else None

    def turn(
        self, running: Iterable[tuple[float, Place[Item]]], ahead: Sequence[Place[Item]], mine: Place[Item], pace: float
    ) -> float:
        """Milliseconds until `mine` begins, behind what runs (with milliseconds that each has left) and `ahead`.

        The line is played through as it will go if all work takes its estimate times `pace` and nobody else comes.
        """
        ends = [(left, number, place) for number, (left, place) in enumerate(running)]
        heapq.heapify(ends)
        load = Load(place for _, _, place in ends)
        line = [*sorted(ahead), mine]
        cheap, long = ([place for place in reversed(line) if place.cheap == kind] for kind in (True, False))
        now = 0.0
        for number in range(len(ends), len(ends) + FORESEEN):
            while (begins := self.choose(load, cheap[-1] if cheap else None, long[-1] if long else None)) is None:
                now, _, ended = heapq.heappop(ends)
                load.remove(ended)
            if begins is mine:
                return now
            (cheap if begins.cheap else long).pop()
            load.add(begins)
            heapq.heappush(ends, (now + begins.cost * pace, number, begins))
        return now * len(ahead) / FORESEEN

    def _fits(self, load: Load[Item], place: Place[Item]) -> bool:
        return load.memory + place.memory <= self.memory
