"""Crowds who ask for what nobody has made, all at once: through nginx, and at the doors of three fronts."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.load import Http
from bench.trials.bystanders import ERRORS, percentile
from bench.trials.finding import Finding
from bench.trials.fleet import Fleet
from bench.trials.ground import Ground
from bench.trials.services import BUCKET

CROWD = 500
EACH, KEYS = 50, 100
ALLOWED = 150.0
"""Milliseconds between the first who has the picture and the last."""


@dataclass(frozen=True)
class Came:
    """What a crowd got."""

    statuses: Counter[int]
    bodies: int
    """Different bodies by path."""
    spread: float
    """Milliseconds between the first answer and the last."""
    slowest: float


async def through_nginx(ground: Ground) -> Finding:
    """All of them at nginx."""
    return await _tried(ground, "through nginx", lambda fleet: [fleet.port])


async def at_fronts(ground: Ground) -> Finding:
    """A third of them at each front."""
    return await _tried(ground, "at three fronts", lambda fleet: fleet.ports)


async def _tried(ground: Ground, where: str, ports: Callable[[Fleet], Sequence[int]]) -> Finding:
    crowd, each, keys = ground.times(CROWD), ground.times(EACH), ground.times(KEYS)
    async with Fleet.of(ground.folder, first="final", queue_seconds=60) as fleet:
        original = ground.small
        for name in ("warm.jpg", "one.jpg", "many.jpg"):
            await asyncio.to_thread(fleet.bucket().put_object, Bucket=BUCKET, Key=f"originals/{name}", Body=original)
        doors = ports(fleet)
        await _crowd(doors, [fleet.signer.url("warm.jpg", "w_100")] * len(fleet.ports))
        before = fleet.count("darkroom_transforms_total")
        one = await _crowd(doors, [fleet.signer.url("one.jpg", "w_500")] * crowd)
        made_one = fleet.count("darkroom_transforms_total") - before
        paths = [fleet.signer.url("many.jpg", f"w_{200 + key}") for key in range(keys)] * each
        random.Random(2).shuffle(paths)
        many = await _crowd(doors, paths, at_once=crowd)
        made_many = fleet.count("darkroom_transforms_total") - before - made_one
    return Finding(
        f"L4 herd {where}: {crowd} at one, {each} at each of {keys}",
        f"all 200, 1 and {keys} made, all of one within {ALLOWED:.0f} ms of the first",
        f"{_said(one.statuses)}, {made_one:.0f} made, the last {one.spread:.0f} ms after the first; "
        f"{_said(many.statuses)}, {made_many:.0f} made, {many.bodies} different bodies, "
        f"the slowest after {many.slowest:.1f} s",
        {*one.statuses, *many.statuses} == {200}
        and (made_one, made_many) == (1, keys)
        and (one.bodies, many.bodies) == (1, keys)
        and one.spread <= ALLOWED,
    )


async def _crowd(doors: Sequence[int], paths: Sequence[str], at_once: int | None = None) -> Came:
    """Every path once, on a connection that is there already, by as many as there are or `at_once`."""
    clients = min(at_once or len(paths), len(paths))
    connections = [await Http.open(doors[number % len(doors)]) for number in range(clients)]
    loop, left = asyncio.get_running_loop(), iter(paths)
    answers: list[tuple[int, str, int, float, float]] = []

    async def client(number: int) -> None:
        for path in left:
            asked = loop.time()
            try:
                answer = await connections[number].ask(path)
            except ERRORS:
                answers.append((0, path, 0, asked, loop.time()))
                connections[number] = await Http.open(doors[number % len(doors)])
                continue
            answers.append((answer.status, path, hash(answer.body), asked, loop.time()))

    await asyncio.gather(*(client(number) for number in range(clients)))
    for connection in connections:
        connection.close()
    times = [at for _, _, _, _, at in answers]
    return Came(
        Counter(status for status, *_ in answers),
        len({(path, body) for _, path, body, _, _ in answers}),
        (max(times) - min(times)) * 1000,
        percentile([at - asked for _, _, _, asked, at in answers], 1.0),
    )


def _said(statuses: Counter[int]) -> str:
    return ", ".join(f"{count} x {status or 'broken'}" for status, count in sorted(statuses.items()))
