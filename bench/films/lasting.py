"""A long film that outlives a front, its release and its own original."""

import asyncio

from playwright.sync_api import sync_playwright

from bench.films.survival import IN_HAND, Survived, survived
from bench.trials.finding import Finding
from bench.trials.ground import Ground
from docs.browsing import chromium
from tests import clips
from tests.long_films import looped
from tests.viewing import scripts

ONCE, TIMES, LEAST, SPEED = 8, 75, 12, 4.0
"""Seconds of the film that is repeated, how often, how often at least, and how much faster than usual it plays."""
READ = 1.2


async def survives(ground: Ground) -> Finding:
    """Two players and ten other viewers, while a front is killed, the next release begins, and the film is replaced."""
    times = max(LEAST, round(TIMES * ground.scale))
    came = await asyncio.to_thread(_watched, ground, times)
    audience = came.audience
    well = (
        all(seen.ended and len(seen.ranges) == 1 and not seen.fatal for seen in came.seen)
        and not audience.troubles
        and not audience.failed
        and all(len(bodies) == 1 for bodies in audience.bodies.values())
        and len(set(came.plans)) == 3
    )
    return Finding(
        f"V7 a film of {times * ONCE} s at {SPEED:.0f} times its speed: a front is killed, a release begins, the film "
        "is replaced",
        "both players to the end in one range, every part 200 and the same for all, none made twice but what a front "
        f"had in hand ({IN_HAND}), at most {READ} times the bytes of the films read",
        came.said(),
        well and len(came.again) <= IN_HAND and came.made <= came.kept + IN_HAND and came.ratio <= READ,
    )


def _watched(ground: Ground, times: int) -> Survived:
    scripts()
    rich, poor = ({**clips.H264, "qp": quality} for quality in ("2", "20"))
    film = looped(ground.folder / "film.mp4", clips.Film((480, 270), 24, ONCE, 48, sound="aac", options=rich), times)
    short = clips.Film((480, 270), 12, ONCE, 24, sound="aac", options=poor)
    other = clips.film(ground.folder / "other.mp4", short)
    with sync_playwright() as playwright:
        browser = chromium(playwright)
        try:
            return survived(ground.folder / "fleet", browser, film, other, ONCE * times, SPEED, ground.say)
        finally:
            browser.close()
