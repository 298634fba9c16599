"""Rounds in which those who are compared take turns, so that a slow minute of the machine is everybody's."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.inputs import Fresh
from bench.load import drive
from bench.machine import await_quiet
from bench.peers import Peer, Running, Wish
from bench.processes import watched


@dataclass(frozen=True)
class Setting:
    """How long and how often to measure, with whom, on what; `say` shows a line to whoever waits."""

    rounds: int
    seconds: float
    patience: float  # seconds to wait for a quiet machine before a round
    pictures: int  # of the long run on memory
    out: Path
    inputs: Mapping[str, Path]
    peers: Mapping[str, Peer]
    say: Callable[[str], None]


@dataclass(frozen=True)
class Turn:
    """What one contestant did in one round; `cpu` is seconds of processor time, `peak` bytes of memory."""

    rate: float
    cpu: float
    peak: int
    size: float  # mean bytes of an answer
    foreign: float


WARM = 0.3  # seconds
"""Length of a turn before those that count, so that every process has loaded what it needs."""

Play = Callable[[], Awaitable[Turn]]


async def interleaved(contestants: Mapping[str, Play], setting: Setting, show: str) -> dict[str, list[Turn]]:
    """Every contestant's turns, in rounds whose order is turned round each time, each on a quiet machine."""
    turns: dict[str, list[Turn]] = {name: [] for name in contestants}
    for number in range(setting.rounds):
        await_quiet(setting.patience, setting.say)
        for name in list(contestants)[:: -1 if number % 2 else 1]:
            turns[name].append(await contestants[name]())
        rates = ", ".join(f"{name} {turns[name][-1].rate:.1f}" for name in contestants)
        foreign = max(turn[-1].foreign for turn in turns.values())
        setting.say(f"  {show}, round {number + 1} of {setting.rounds}: {rates} (others {foreign:.2f} cores)")
    return turns


def cold_turn(running: Running, wish: Wish, original: Path, names: Fresh, clients: int, seconds: float) -> Play:
    """A turn of clients who each ask for an original that nobody asked for before."""

    def wishes() -> Iterator[str]:
        while True:
            yield running.ask_for(wish, names.name(original))

    return partial(turn, running, wishes(), clients, seconds)


async def turn(
    running: Running,
    wishes: Iterator[str],
    clients: int,
    seconds: float,
    settle: float = 0.0,
    keep: list[bytes] | None = None,
) -> Turn:
    """Clients who ask for all that is wished, until it ends or the time is over; bodies are added to `keep`."""
    async with watched(running.pid, settle) as spent:
        counted = await drive(running.connect, wishes, min(clients, running.most_clients), seconds, keep)
    return Turn(counted.rate, spent.cpu, spent.peak, counted.size / counted.done, spent.foreign)
