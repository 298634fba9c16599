"""How soon a film begins, and parts that are sent as they are; over HTTP."""

import asyncio
import itertools
import time
from statistics import median

from bench.films import raw
from bench.films.asking import Player, another, cinema
from bench.films.encoding import KEPT, SECONDS, timed
from bench.films.film import film
from bench.trials.bystanders import percentile
from bench.trials.finding import Finding
from bench.trials.ground import Ground

TIMES = 12
SOON, WARM, REMUXED = 2.0, 20.0, 60.0
CLIENTS = 2
QUICK = {"preset": "superfast", "crf": "23"}


async def first(ground: Ground) -> Finding:
    """From the address of a film to its first segment of 720p, of films that nobody has asked for, and once more."""
    path = await asyncio.to_thread(film, ground, SECONDS, KEPT)
    cold: list[float] = []
    warm: list[float] = []
    plain: list[float] = []
    with cinema(ground, "first", path) as (front, folder):
        for number in range(ground.times(TIMES)):
            name = another(folder, number)
            for times in (cold, warm):
                player = await Player.of(front.port, name)
                asked = time.perf_counter()
                await player.begin()
                head, segment = await player.part("720", "init"), await player.part("720", 0)
                times.append(time.perf_counter() - asked)
                player.close()
                assert (head.status, segment.status) == (200, 200), (head.body[:200], segment.body[:200])
            plain.append(timed(lambda: raw.encoded(path, 0.0, 2.0, (1280, 720), QUICK)).wall)
    ratio = median(cold) / median(plain)
    return Finding(
        f"V2 first segment (2 s of 720p), {len(cold)} films",
        f"cold within {SOON:.0f}x of PyAV encoding it; warm within {WARM:.0f} ms",
        f"cold {median(cold) * 1000:.0f} ms, {ratio:.2f}x of {median(plain) * 1000:.0f} ms; "
        f"warm {median(warm) * 1000:.1f} ms; playlist, head and segment together",
        ratio <= SOON and median(warm) * 1000 <= WARM,
    )


async def remuxed(ground: Ground) -> Finding:
    """Segments of the original's own packets, each asked for once."""
    path = await asyncio.to_thread(film, ground, SECONDS, KEPT)
    times: list[float] = []
    with cinema(ground, "remuxed", path) as (front, folder):
        players = []
        for number in range(CLIENTS):
            player = await Player.of(front.port, another(folder, number))
            await player.begin()
            await player.part("src", "init")
            players.append(player)

        async def watch(player: Player) -> None:
            for number in itertools.count():
                answer = await player.part("src", number)
                if answer.status == 404:
                    break
                assert answer.status == 200, answer.body[:200]
                times.append(answer.seconds)

        begun = time.perf_counter()
        await asyncio.gather(*(watch(player) for player in players))
        rate = len(times) / (time.perf_counter() - begun)
        for player in players:
            player.close()
        plain = [timed(lambda: raw.remuxed(path, 6.0, 6.0)).wall for _ in range(10)]
    middle = percentile(times, 0.5) * 1000
    return Finding(
        f"V3 remuxed segments of 1080p, {CLIENTS} clients, {len(times)} segments",
        f"median within {REMUXED:.0f} ms",
        f"median {middle:.0f} ms, 99th percentile {percentile(times, 0.99) * 1000:.0f} ms; {rate:.0f} segments/s; "
        f"PyAV alone {median(plain) * 1000:.0f} ms",
        middle <= REMUXED,
    )
