"""Browsers that ask for pictures through nginx, and look at every one that comes."""

import asyncio
import hashlib
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.load import Answer, Http
from bench.replay.codes import Unreadable, read
from bench.replay.ledger import Ledger, Span

ACCEPTS = ("image/avif,image/webp,*/*", "image/webp,*/*", "*/*")
SIZES = (64, 96, 128, 192, 256)
FORMATS = ("auto", "auto", "jpg", "webp")
BEHIND_TIMES = 1.0
"""The exponent of Zipf's law: the n-th original is asked for 1/n as often as the first."""


@dataclass
class Seen:
    """What all clients saw together."""

    statuses: Counter[int] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    bodies: dict[str, str] = field(default_factory=dict)
    """Digest of the body by path and strong ETag."""

    def look(self, path: str, identity: int, answer: Answer, asked: Span, ledger: Ledger) -> None:
        """Judge one answer."""
        self.statuses[answer.status] += 1
        self.seconds.append(answer.seconds)
        self.outcomes[answer.fields.get("cache-status", "none")] += 1
        if answer.status != 200:
            self.failed.append(f"{asked.start - self.began:.1f} s: {answer.status} for {path}: {answer.body[:160]!r}")
            return
        try:
            if fault := ledger.fault(identity, read(answer.body), asked):
                self.wrong.append(f"{asked.start - self.began:.1f} s: {fault} ({path}, {answer.fields})")
        except Unreadable as error:
            self.wrong.append(f"{asked.start - self.began:.1f} s: {error} ({path})")
        etag = answer.fields.get("etag", "")
        if etag and not etag.startswith("W/"):
            digest = hashlib.sha256(answer.body).hexdigest()
            if self.bodies.setdefault(etag, digest) != digest:
                self.wrong.append(f"two bodies under {etag} ({path})")


async def browse(
    port: int, path: Callable[[int, str], str], many: int, seen: Seen, ledger: Ledger, until: asyncio.Event, seed: int
) -> None:
    """Ask for one picture after the other, popular ones more often, until told to stop."""
    chance = random.Random(seed)
    weights = [1 / (rank + 1) ** BEHIND_TIMES for rank in range(many)]
    connection, accept = None, chance.choice(ACCEPTS)
    while not until.is_set():
        identity = chance.choices(range(many), weights)[0]
        steps = f"f_{chance.choice(FORMATS)},w_{chance.choice(SIZES)}"
        asked_for, start = path(identity, steps), time.monotonic()
        try:
            if connection is None:
                accept = chance.choice(ACCEPTS)
                connection = await Http.open(port, accept)
            answer = await connection.ask(asked_for)
        except (OSError, asyncio.IncompleteReadError) as error:
            seen.failed.append(f"{start - seen.began:.1f} s: {error!r} for {asked_for}")
            connection = None
            continue
        seen.look(asked_for, identity, answer, Span(start, time.monotonic()), ledger)
        if answer.fields.get("connection") == "close" or chance.random() < 0.02:
            connection.close()
            connection = None
        await asyncio.sleep(chance.random() * 0.1)
    if connection:
        connection.close()
