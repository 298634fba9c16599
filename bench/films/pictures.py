"""Pictures of a film: posters over HTTP, and the sheets of a storyboard."""

import asyncio
import random
from pathlib import Path
from statistics import median

from bench.films import raw
from bench.films.asking import another, cinema
from bench.films.encoding import KEPT, SECONDS, timed
from bench.films.film import HEIGHT, WIDTH, film
from bench.load import Http
from bench.trials.bystanders import percentile
from bench.trials.finding import Finding
from bench.trials.ground import Ground

TIMES, SHEETS, ACROSS = 100, 5, 10
SOON, SHARE = 60.0, 0.9
SIZE = (640, 360)


async def posters(ground: Ground) -> Finding:
    """Posters 640 pixels wide of moments that nobody has asked for: the nearest keyframe, and the very frame."""
    path = await asyncio.to_thread(film, ground, SECONDS, KEPT)
    said, passed = [], True
    chance = random.Random(1)
    with cinema(ground, "posters", path) as (front, _):
        connection = await Http.open(front.port)
        for word, keyframe in (("fl_keyframe,", True), ("", False)):
            ours, theirs = [], []
            for _ in range(ground.times(TIMES)):
                at = round(chance.uniform(0, SECONDS - 1), 3)
                answer = await connection.ask(f"/f_jpg,{word}so_{at:.3f},w_{SIZE[0]}/film.mp4")
                assert answer.status == 200, answer.body[:200]
                ours.append(answer.seconds)
                theirs.append(timed(lambda at=at, key=keyframe: raw.poster(path, at, SIZE[0], keyframe=key)).wall)  # type: ignore[misc]
            middle, late = percentile(ours, 0.5) * 1000, percentile(ours, 0.99) * 1000
            ratio = median(theirs) / median(ours)
            passed = passed and (not keyframe or middle <= SOON)
            kind = "keyframe" if keyframe else "exact"
            said.append(f"{kind}: {middle:.0f} ms, {late:.0f} ms at p99, {ratio:.2f} of raw")
        connection.close()
    return Finding(
        f"V4 posters of 1080p, {ground.times(TIMES)} of each",
        f"keyframe: median within {SOON:.0f} ms",
        "; ".join(said),
        passed,
    )


async def sheets(ground: Ground) -> Finding:
    """Sheets of fifty tiles of keyframes, of films that nobody has asked for."""
    path = await asyncio.to_thread(film, ground, SECONDS, KEPT)
    ours, theirs = [], []
    with cinema(ground, "sheets", path) as (front, folder):
        connection = await Http.open(front.port)
        for number in range(max(3, ground.times(SHEETS))):
            name = another(folder, number)
            cues = await connection.ask(f"/f_vtt,fl_keyframe/{name}/~storyboard.vtt")
            assert cues.status == 200, cues.body[:200]
            answer = await connection.ask(f"/f_vtt,fl_keyframe/{name}/~storyboard/0.webp")
            assert answer.status == 200, answer.body[:200]
            ours.append(answer.seconds)
            theirs.append(timed(lambda: raw.sheet(path, 50, ACROSS, _tile(path))).wall)
        connection.close()
    ratio = median(theirs) / median(ours)
    return Finding(
        f"V5 storyboard sheets of 50 tiles, {len(ours)} films",
        f"at least {SHARE} of PyAV and libvips alone",
        f"{median(ours):.2f} s, {ratio:.2f} of raw ({median(theirs):.2f} s)",
        ratio >= SHARE,
    )


def _tile(path: Path) -> tuple[int, int]:
    return 160, 160 * HEIGHT // WIDTH
