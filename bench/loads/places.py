"""Originals in S3 beside the same ones in a folder: pictures that nobody has asked for, of originals new each time."""

import asyncio
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from statistics import median

from bench.inputs import photographs
from bench.load import Http, drive
from bench.trials.finding import Finding
from bench.trials.ground import Ground, serving
from bench.trials.services import AWS, BUCKET, bucket_at, s3_server

ORIGINALS, TURNS, CLIENTS = 240, 6, 8
STEPS = "f_jpg,w_600"
SHARE = 0.7
"""S3 server and fronts share the cores here, so some of them is the server's; a copy is written too."""


async def s3_and_folder(ground: Ground) -> Finding:
    """A front over both; each turn takes originals that it has not seen, the same in both."""
    photos, folder = photographs(ground.say), ground.folder / "both"
    each = max(4, round(ORIGINALS * ground.scale / TURNS))
    names = [f"{number}.jpg" for number in range(each * (TURNS + 1))]
    folder.mkdir()
    program, endpoint = s3_server(ground.folder / "s3")
    await asyncio.to_thread(program.start)
    try:
        await asyncio.to_thread(_filled, folder, endpoint, names, photos)
        keys = {"access_key": AWS["AWS_ACCESS_KEY_ID"], "secret_key": AWS["AWS_SECRET_ACCESS_KEY"]}
        mounts = {"folder": str(folder), "s3": {"url": f"s3://{BUCKET}/both", "endpoint": endpoint, **keys}}
        rates: dict[str, list[float]] = {mount: [] for mount in mounts}
        with serving(ground, "front", mounts=mounts, first="final", queue_seconds=60) as front:
            for number in range(TURNS + 1):
                turn = names[number * each : (number + 1) * each]
                for mount in list(mounts)[:: -1 if number % 2 else 1]:
                    counted = await drive(lambda _: Http.open(front.port), _paths(mount, turn), CLIENTS, 1e6)
                    rates[mount].append(counted.rate)
    finally:
        program.kill()
    # The first turn is that of workers and clients that are new.
    ratios = [one / other for one, other in zip(rates["s3"][1:], rates["folder"][1:], strict=True)]
    return Finding(
        f"L3 cold pictures of originals in S3, {TURNS} turns of {each}",
        f"at least {SHARE} of the rate of the same originals in a folder",
        f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}): {median(rates['s3'][1:]):.1f} pictures/s, "
        f"folder {median(rates['folder'][1:]):.1f}",
        median(ratios) >= SHARE,
    )


def _filled(folder: Path, endpoint: str, names: Sequence[str], photos: Sequence[Path]) -> None:
    """Put photographs under these names into the folder and the bucket."""
    bucket = bucket_at(endpoint)
    for name, photo in zip(names, cycle(photos), strict=False):
        body = photo.read_bytes()
        (folder / name).write_bytes(body)
        bucket.put_object(Bucket=BUCKET, Key=f"both/{name}", Body=body)


def _paths(mount: str, names: Sequence[str]) -> Iterator[str]:
    return (f"/{STEPS}/{mount}/{name}" for name in names)
