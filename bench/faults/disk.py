"""Disks that are full, cannot be written, or hold what we did not write."""

import asyncio
import itertools
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.load import Http
from bench.trials.bystanders import bystanders
from bench.trials.finding import Finding
from bench.trials.ground import Ground, cold, serving

SMALL_DISK = "16m"
DAMAGES = ("flip", "truncate", "empty", "foreign", "link", "swap")


@contextmanager
def small_disk(folder: Path, size: str = SMALL_DISK) -> Iterator[Path]:
    """A folder on a small disk of its own; needs root. Raises CalledProcessError."""
    folder.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


async def full(ground: Ground) -> Finding:
    """A disk that fills up while pictures are made, and is freed."""
    numbers = itertools.count()
    with small_disk(ground.folder / "small") as disk, serving(ground, "full", cache=str(disk / "cache")) as front:
        async with bystanders(front.port, lambda: cold(next(numbers)), clients=3) as tally:
            await asyncio.sleep(2)
            filler = disk / "filler"
            await asyncio.to_thread(fill, filler)
            await asyncio.sleep(10 * ground.scale + 2)
            partial = await asyncio.to_thread(_broken, disk / "cache" / "results")
            filler.unlink()
            before = front.count("darkroom_store_entries", tier="disk")
            await asyncio.sleep(5)
            kept = front.count("darkroom_store_entries", tier="disk") - before
    return Finding(
        "F7 the disk of the cache full",
        "pictures go on uncached, nothing half written, kept again within 5 s",
        f"{tally.said()}; {partial} partial entries; {kept:.0f} results kept in the 5 s after there was room",
        not tally.failed and not partial and kept > 0,
    )


async def read_only(ground: Ground) -> Finding:
    """A cache with results in it, on a disk that cannot be written any more."""
    numbers = itertools.count()
    with small_disk(ground.folder / "small") as disk:
        with serving(ground, "before", cache=str(disk / "cache")) as front:
            client = await Http.open(front.port)
            first = await client.ask("/w_100/cats/1.jpg")
            client.close()
        await asyncio.to_thread(_mount, "-o", "remount,ro", str(disk))
        with serving(ground, "after", cache=str(disk / "cache")) as front:
            client = await Http.open(front.port)
            again = await client.ask("/w_100/cats/1.jpg")
            client.close()
            async with bystanders(front.port, lambda: cold(next(numbers)), clients=3) as tally:
                await asyncio.sleep(5 * ground.scale + 2)
    return Finding(
        "F7 the disk of the cache read-only",
        "pictures go on uncached, what is there may be served",
        f"{tally.said()}; what was there: {again.status}, {again.fields.get('cache-status')}",
        not tally.failed and again.body == first.body,
    )


async def damaged(ground: Ground) -> Finding:
    """Results on disk that are changed, cut, emptied, exchanged, or replaced by what is none."""
    count, chance, wrong, statuses = ground.times(40), random.Random(3), 0, set()
    with serving(ground, "damaged", memory_bytes="1") as front:
        client = await Http.open(front.port)
        paths = [cold(number) for number in range(count)]
        truth = {path: (await client.ask(path)).body for path in paths}
        client.close()
    results = ground.folder / "damaged" / "cache" / "results"
    files = [path for path in results.rglob("*") if path.is_file() and len(path.name) >= 32]
    for number, file in enumerate(files):
        _damage(file, DAMAGES[number % len(DAMAGES)], chance, files)
    with serving(ground, "damaged", memory_bytes="1") as front:
        client = await Http.open(front.port)
        for path in paths:
            answer = await client.ask(path)
            statuses.add(answer.status)
            wrong += answer.body != truth[path]
        again = sum([(await client.ask(path)).fields.get("cache-status", "").count("hit") for path in paths])
        client.close()
    return Finding(
        "F8 results on disk damaged",
        "no wrong byte, no 500, made anew and kept",
        f"{len(files)} files in {len(DAMAGES)} ways: {wrong} wrong bodies, statuses {sorted(statuses)}, "
        f"{again} of {count} kept again",
        not wrong and statuses == {200} and again == count,
    )


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def fill(path: Path) -> None:
    """Write until there is no room."""
    with suppress(OSError), path.open("wb") as file:
        while True:
            file.write(os.urandom(1 << 16))
            file.flush()


def _damage(path: Path, how: str, chance: random.Random, files: list[Path]) -> None:
    data = bytearray(path.read_bytes())
    match how:
        case "flip":
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            path.write_bytes(data)
        case "truncate":
            path.write_bytes(data[: chance.randrange(len(data))])
        case "empty":
            path.write_bytes(b"")
        case "foreign":
            path.write_bytes(b"GIF89a I am not one of yours")
        case "link":
            path.unlink()
            path.symlink_to("/etc/hostname")
        case "swap":
            other = chance.choice(files)
            if not other.is_symlink():
                shutil.copyfile(other, path) if other != path else path.write_bytes(b"")


def _broken(results: Path) -> int:
    """Entries that end in the middle: an entry carries its length behind its body."""
    from proxy.stores.disk_entry import Damaged, read

    broken = 0
    for entry in results.rglob("*"):
        if len(entry.name) >= 32 and entry.is_file():
            try:
                read(entry, entry.name, None, "disk")
            except Damaged:
                broken += 1
            except OSError:
                continue
    return broken
