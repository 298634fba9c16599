"""Memory of a front and its workers over many requests of all kinds."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import fmean, median

from bench.load import Http
from bench.memory import look
from bench.results import Point
from bench.trials.finding import Finding
from bench.trials.ground import Ground, serving
from transforms.formats import by_extension

REQUESTS, CLIENTS = 10_000, 8
READ = 12_000
"""URLs that are asked for before: more than a front remembers the meaning of."""
SLOPE, WORKER = 0.5, 150.0
"""MB a minute that a front may grow by in the last half, and MB that a worker may hold in it."""
FORMATS = ("jpg", "jpg", "webp", "webp", "auto", "avif", "json")
ACCEPT = "image/avif,image/webp,*/*"
NEW, MISSING = 0.3, 0.02
"""The share of sizes that nobody has asked for, and of originals that are not there."""


async def mixed(ground: Ground) -> Finding:
    """Ten thousand: hits, new sizes, formats, originals that are missing; caches that are full long before half."""
    curves: dict[str, list[Point]] = {}
    statuses: Counter[str] = Counter()
    shown = (path for path in ground.originals.rglob("*.*") if _is_seen(path))
    names = sorted(path.relative_to(ground.originals).as_posix() for path in shown)
    wishes = _wishes(names, max(200, round(REQUESTS * ground.scale)))
    caches = {"memory_bytes": "4MiB", "cache_bytes": "16MiB"}
    with serving(ground, "front", first="final", queue_seconds=60, **caches) as front:
        unknown = (f"/f_{FORMATS[at % 6]},w_{100 + at % 800}/none/{at}.jpg" for at in range(ground.times(READ)))
        await asyncio.gather(*(_client(front.port, unknown, Counter()) for _ in range(CLIENTS)))
        looking = asyncio.create_task(look(front.pid, curves))
        try:
            await asyncio.gather(*(_client(front.port, wishes, statuses) for _ in range(CLIENTS)))
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking
    seconds = curves["front"][-1][0]
    late = {name: [point for point in points if point[0] >= seconds / 2] for name, points in curves.items()}
    whole = {name: points for name, points in late.items() if len(points) >= 0.9 * len(late["front"])}
    workers = {name: (median(mb for _, mb in points), grown(points)) for name, points in sorted(whole.items())}
    held, slope = workers.pop("front")
    most = max(median(mb for _, mb in points) for name, points in late.items() if name != "front" and points)
    wrong = statuses.total() - statuses["200"] - statuses["404"]
    return Finding(
        f"L8 {statuses.total()} mixed requests, {CLIENTS} clients, {seconds / 60:.1f} min",
        f"none but 200 and 404; in the last half the front +{SLOPE} MB/min, a worker {WORKER:.0f} MB",
        f"{', '.join(f'{count} x {status}' for status, count in statuses.most_common())}; "
        f"front {held:.0f} MB, {slope:+.2f} MB/min; {len(curves) - 1} workers, {most:.0f} MB at most, who stayed "
        + ", ".join(f"{mb:.0f} MB {growth:+.1f}/min" for mb, growth in workers.values()),
        not wrong and slope <= SLOPE and most <= WORKER,
    )


def _is_seen(path: Path) -> bool:
    """Whether a picture can be made of it: of sounds there is none."""
    row = by_extension(path.suffix[1:])
    return row is None or row.medium != "sound"


def grown(points: Sequence[Point]) -> float:
    """MB a minute by the line that is nearest to all points."""
    middle = fmean(at for at, _ in points)
    mean = fmean(mb for _, mb in points)
    spread = sum((at - middle) ** 2 for at, _ in points)
    return 60 * sum((at - middle) * (mb - mean) for at, mb in points) / spread if spread else 0.0


def _wishes(names: Sequence[str], many: int) -> Iterator[str]:
    chance = random.Random(9)
    for _ in range(many):
        form, name = chance.choice(FORMATS), chance.choice(names)
        width = chance.randint(100, 900) if chance.random() < NEW else chance.choice((120, 240, 480))
        if chance.random() < MISSING:
            name = f"none/{chance.randint(1, 50)}.jpg"
        yield f"/f_{form}/{name}" if form == "json" else f"/f_{form},w_{width}/{name}"


async def _client(port: int, wishes: Iterator[str], statuses: Counter[str]) -> None:
    connection = await Http.open(port, ACCEPT)
    for path in wishes:
        answer = await connection.ask(path)
        code = answer.fields.get("x-error", "").partition(";")[0]
        statuses[f"{answer.status} {code}" if code and answer.status != 404 else str(answer.status)] += 1
    connection.close()
