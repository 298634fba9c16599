"""Clients who have nothing to do with a fault, and must not notice it."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bench.load import Answer, Http

ERRORS = (OSError, asyncio.IncompleteReadError, ValueError)


@dataclass
class Tally:
    """What they got: when, with which status, after how many seconds; status 0 is a connection that broke."""

    answers: list[tuple[float, int, float]] = field(default_factory=list)
    again: int = 0
    """How often somebody asked once more, since a connection that was kept had been closed before."""

    @property
    def statuses(self) -> Counter[int]:
        """How often each status came."""
        return Counter(status for _, status, _ in self.answers)

    @property
    def failed(self) -> int:
        """Answers that no browser could show."""
        return sum(status != 200 for _, status, _ in self.answers)

    def latency(self, share: float, start: float = 0.0, end: float = float("inf")) -> float:
        """Milliseconds within which a share of the answers came that were asked for in a time."""
        return self.within(share, [(start, end)])

    def within(self, share: float, spans: Sequence[tuple[float, float]]) -> float:
        """The same of several times together."""
        seconds = [took for at, _, took in self.answers if any(start <= at < end for start, end in spans)]
        return percentile(seconds, share) * 1000 if seconds else 0.0

    def said(self) -> str:
        """All of it in a few words."""
        others = {status: count for status, count in self.statuses.items() if status != 200}
        return f"{self.statuses[200]} answered" + (f", {others} others" if others else ", none failed")


@asynccontextmanager
async def bystanders(
    port: int, paths: Sequence[str] | Callable[[], str], clients: int = 4, pause: float = 0.02, again: bool = False
) -> AsyncIterator[Tally]:
    """Clients who ask while the block lasts, a while after each other; `paths` are asked for in turn, or made.

    With `again` they do as browsers do where a connection that was kept ends before anything has come: whoever keeps
    one may close it at any time, so they ask once more, on a new one.
    """
    tally, over = Tally(), asyncio.Event()

    async def client(seed: int) -> None:
        chance, connection = random.Random(seed), None
        while not over.is_set():
            path = paths() if callable(paths) else chance.choice(paths)
            asked = time.monotonic()
            try:
                answer = await _unless_closed(connection, path) if connection and again else None
                if answer is None:
                    if connection and again:
                        connection.close()
                        tally.again, connection = tally.again + 1, None
                    connection = connection or await Http.open(port)
                    answer = await connection.ask(path)
                tally.answers.append((asked, answer.status, time.monotonic() - asked))
                if connection and answer.fields.get("connection") == "close":
                    connection.close()
                    connection = None
            except ERRORS:
                tally.answers.append((asked, 0, time.monotonic() - asked))
                if connection:
                    connection.close()
                connection = None
                await asyncio.sleep(0.05)
            await asyncio.sleep(pause * (0.5 + chance.random()))
        if connection:
            connection.close()

    tasks = [asyncio.create_task(client(seed)) for seed in range(clients)]
    try:
        yield tally
    finally:
        over.set()
        await asyncio.gather(*tasks)


async def _unless_closed(connection: Http, path: str) -> Answer | None:
    """The answer, or none where the connection was closed before it began."""
    try:
        return await connection.ask(path)
    except (ConnectionError, asyncio.IncompleteReadError) as error:
        if connection.begun or (isinstance(error, asyncio.IncompleteReadError) and error.partial):
            raise
        return None


def percentile(seconds: list[float], share: float) -> float:
    """The value that a share of them does not exceed."""
    return sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * share))]
