"""What the bench asks of a peer: how to install and start it, how a wish is written, what makes it comparable."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.load import Answer, Connection


@dataclass(frozen=True)
class Wish:
    """A rendition: `quality` is on the peer's own scale, its default where it is None."""

    width: int
    format: str
    quality: int | None = None


@dataclass(frozen=True)
class Running:
    """A peer at work over a folder."""

    pid: int
    connect: Callable[[int], Awaitable[Connection]]
    ask_for: Callable[[Wish, str], str]
    most_clients: int = 1_000_000

    async def once(self, wish: Wish, name: str) -> Answer:
        """One answer on a connection of its own; raises RuntimeError when it is none that counts."""
        connection = await self.connect(0)
        try:
            answer = await connection.ask(self.ask_for(wish, name))
        finally:
            connection.close()
        if answer.status != 200:
            raise RuntimeError(f"{name}: {answer.status} {answer.body[:300]!r}")
        return answer


class Peer(Protocol):
    """A server, or a library in a loop, to be measured."""

    name: str
    about: str  # its settings, in a sentence
    measure: str  # unit of its `Wish.quality`, as people write it

    def install(self, out: Path) -> str:
        """Put it into `out` where it is not there yet, and say its version; raises OSError or CalledProcessError."""

    def start(self, out: Path, folder: Path) -> AbstractContextManager[Running]:
        """Run it over a folder of originals."""
