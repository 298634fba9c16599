"""What visitors of a site ask a fleet for: mostly what others have asked for, and often a new size."""

import asyncio
import itertools
import random
from collections.abc import Callable

from bench.trials.fleet import Fleet
from bench.trials.ground import Ground
from bench.trials.services import BUCKET

ORIGINALS, KNOWN, NEW = 6, 30, 0.3
"""Originals in the bucket; sizes that most ask for; the share of those that nobody has asked for."""


async def usual_paths(fleet: Fleet, ground: Ground) -> Callable[[], str]:
    """Put originals into the fleet's bucket, and return what makes the next path to be asked for."""
    body, bucket = ground.small, fleet.bucket()
    names = [f"{number}.jpg" for number in range(ORIGINALS)]
    for name in names:
        await asyncio.to_thread(bucket.put_object, Bucket=BUCKET, Key=f"originals/{name}", Body=body)
    chance, numbers = random.Random(7), itertools.count()
    known = [fleet.signer.url(names[at % ORIGINALS], f"w_{60 + at}") for at in range(KNOWN)]

    def path() -> str:
        if chance.random() >= NEW:
            return chance.choice(known)
        number = next(numbers)
        return fleet.signer.url(names[number % ORIGINALS], f"q_{1 + number // 500 % 90},w_{100 + number % 500}")

    return path
