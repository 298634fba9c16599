"""Many who watch one film, and more than can be."""

import asyncio
import random
import time
from collections.abc import Sequence
from statistics import median

from bench.films.asking import Player, another, cinema
from bench.films.encoding import KEPT, SECONDS
from bench.films.film import film
from bench.trials.bystanders import percentile
from bench.trials.finding import Finding
from bench.trials.ground import Ground

VIEWERS, WATCHED = 200, 60.0
CROWD = 12
"""Cold viewers at once, many times what two cores carry."""
LENGTH = 6.0
"""Seconds of one segment."""


async def warm(ground: Ground) -> Finding:
    """Two hundred viewers of one film whose parts are there, each at its own place, some of whom seek."""
    path = await asyncio.to_thread(film, ground, SECONDS, KEPT)
    watched, late, failed = max(12.0, WATCHED * ground.scale), [], 0
    with cinema(ground, "warm", path) as (front, _):
        parts = await _warmed(front.port, "720")

        async def viewer(seed: int) -> None:
            nonlocal failed
            chance = random.Random(seed)
            await asyncio.sleep(chance.uniform(0, LENGTH))
            player = await Player.of(front.port, "film.mp4")
            await player.begin()
            sound = next(folder for folder in player.folders() if "/a0" in folder).rpartition("/")[2]
            number, begun = chance.randrange(parts), time.monotonic()
            while time.monotonic() - begun < watched:
                asked = time.monotonic()
                for rung in ("720", sound):
                    answer = await player.part(rung, number)
                    failed += answer.status != 200
                late.append(time.monotonic() - asked)
                number = chance.randrange(parts) if chance.random() < 0.2 or number + 1 >= parts else number + 1
                # A player asks for the next segment while this one plays; who has just sought asks at once.
                await asyncio.sleep(max(0.0, chance.uniform(1, LENGTH) - (time.monotonic() - asked)))
            player.close()

        await asyncio.gather(*(viewer(seed) for seed in range(VIEWERS)))
    longest = max(late)
    return Finding(
        f"V6 {VIEWERS} viewers of warm segments, seeking, {watched:.0f} s",
        f"no failure, no wait longer than a segment ({LENGTH:.0f} s)",
        f"{len(late)} segments with their sound, {failed} failed; median {percentile(late, 0.5) * 1000:.1f} ms, "
        f"99th percentile {percentile(late, 0.99) * 1000:.0f} ms, longest {longest * 1000:.0f} ms",
        not failed and longest <= LENGTH,
    )


async def cold(ground: Ground) -> Finding:
    """Two viewers at once, each of a film that nobody has seen, from its beginning, as fast as they play."""
    path = await asyncio.to_thread(film, ground, SECONDS, KEPT)
    with cinema(ground, "cold", path) as (front, folder):
        stalls = await asyncio.gather(*(_watched(front.port, another(folder, number), "720") for number in range(2)))
    begun, waits = [start for start, _ in stalls], [wait for _, waits in stalls for wait in waits]
    worst = max(waits, default=0.0)
    return Finding(
        "V6 two cold viewers of 720p",
        f"no stall longer than a segment ({LENGTH:.0f} s)",
        f"first pictures after {max(begun):.2f} s; {sum(wait > 0.05 for wait in waits)} of {len(waits)} segments late, "
        f"by {worst:.2f} s at most",
        worst <= LENGTH,
    )


async def beyond(ground: Ground) -> Finding:
    """More cold viewers than can be served: who is refused is told when to come back, and is served then."""
    path = await asyncio.to_thread(film, ground, SECONDS, KEPT)
    told: list[float] = []
    took: list[float] = []
    statuses: list[int] = []
    with cinema(ground, "beyond", path, queue_seconds=4) as (front, folder):

        async def viewer(number: int) -> None:
            player = await Player.of(front.port, another(folder, number))

            def refused(waits: list[float], begun: float, working: float) -> None:
                if waits:
                    told.append(waits[0])
                    took.append(time.monotonic() - begun - working)

            begun = time.monotonic()
            refused(await player.begin(), begun, 0)
            begun = time.monotonic()
            answer, waits = await player.patient_part("720", 4)
            refused(waits, begun, answer.seconds)
            statuses.append(answer.status)
            player.close()

        await asyncio.gather(*(viewer(number) for number in range(CROWD)), return_exceptions=False)
    ratios = [after / said for after, said in zip(took, told, strict=True)]
    served = statuses.count(200)
    middle = median(ratios) if ratios else 0.0
    return Finding(
        f"V6 {CROWD} cold viewers at once of segments of 6 s at 720p",
        "who is refused is told the wait within a factor of two, and all are served in the end",
        f"{served} of {CROWD} served, {len(told)} were refused first; they waited {middle:.2f} times what they were "
        f"told ({_range(ratios)}), told {_range(told)} s",
        served == CROWD and bool(told) and 0.5 <= middle <= 2.0,
    )


def _range(values: Sequence[float]) -> str:
    return f"{min(values):.1f} to {max(values):.1f}" if values else "none"


async def _warmed(port: int, rung: str) -> int:
    """Have all parts of a rung and of the sound made; returns how many there are."""
    player, number = await Player.of(port, "film.mp4"), 0
    await player.begin()
    sound = next(folder for folder in player.folders() if "/a0" in folder).rpartition("/")[2]
    while True:
        answer, _ = await player.patient_part(rung, number)
        if answer.status == 404:
            break
        await player.patient_part(sound, number)
        number += 1
    player.close()
    return number


async def _watched(port: int, name: str, rung: str) -> tuple[float, list[float]]:
    """Watch a film to its end; seconds until it began, and for how long it stood still before each segment."""
    player, waits = await Player.of(port, name), []
    asked = time.monotonic()
    await player.begin()
    playlist = (await player.ask(f"{player.folder(rung)}/index.m3u8")).body.decode()
    lengths = [float(line[8:].rstrip(",")) for line in playlist.splitlines() if line.startswith("#EXTINF:")]
    due = None
    for number, length in enumerate(lengths):
        answer, _ = await player.patient_part(rung, number)
        assert answer.status == 200, answer.body[:200]
        now = time.monotonic()
        if due is None:
            begun, due = now - asked, now
        waits.append(max(0.0, now - due))
        due = max(now, due) + length
        # A player has some seconds ahead of what it shows, and no more.
        await asyncio.sleep(max(0.0, due - now - 12))
    player.close()
    return begun, waits[1:]
