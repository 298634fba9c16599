"""The film survives us: what becomes of players while a front dies, a release comes, and the film is replaced."""

import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from playwright.sync_api import Browser

from bench.films.audience import Audience, Watching
from bench.trials.fleet import Fleet, changed_tree, upgraded
from bench.trials.fronts import metric
from bench.trials.services import BUCKET
from tests.viewing import Seen, view

NAME = "film.mp4"
LADDERS = {"auto": {"steps": [{"side": 180, "bits": "250k"}], "most": 1}}
RECIPES = "transforms/video/recipes.py"
CURRENT = "CURRENT: Final = max(RECIPES)"
NEXT = f"""import dataclasses

RECIPES = MappingProxyType({{**RECIPES, 2: dataclasses.replace(RECIPES[1], crf=24)}})
{CURRENT}"""
KILLED, BACK, RELEASED, REPLACED = 5.0, 9.0, 13.0, 20.0
"""When it happens at the earliest, in seconds for which the film has played."""
FIRST = {"hls": "master.m3u8", "dash": "manifest.mpd"}
AHEAD = 4.0
"""Seconds of the clock on the wall for which players have something at hand."""
IN_HAND = 6
"""Parts that a front may have in hand when it is killed: two that workers make, and four that are being written."""
FOLLOWS = 30.0
"""Seconds within which a new plan is found by those who begin."""


@dataclass(frozen=True)
class Survived:
    """What came of it."""

    seen: list[Seen]
    """The two players."""
    audience: Audience
    plans: list[str]
    """Those that one found who began: at first, with the new recipe, and of the other film."""
    made: int
    """Parts that fronts have made, but for those of the last moments of a front that ended."""
    kept: int
    """Different parts that there are in the bucket of results."""
    again: tuple[tuple[float, ...], ...]
    """Of each part that was written there more than once, how many seconds after the front was killed."""
    read: list[int]
    """Bytes of the films that each front has read, in all its lives."""
    needed: int
    """Bytes that these films have, each of which was needed."""

    @property
    def ratio(self) -> float:
        """How many times what was needed was read."""
        return sum(self.read) / self.needed

    def said(self) -> str:
        """All of it in a few words."""
        audience = self.audience
        slowest = max(one.seconds for one in audience.parts)
        differ = sum(len(bodies) > 1 for bodies in audience.bodies.values())
        shares = ", ".join(f"{read / self.needed:.2f}" for read in sorted(self.read, reverse=True))
        return (
            f"{sum(seen.ended and len(seen.ranges) == 1 for seen in self.seen)} of {len(self.seen)} players to the end "
            f"in one range, {sum(len(seen.fatal) for seen in self.seen)} fatal errors, they stood still "
            f"{sum(seen.waits for seen in self.seen)} times; {len(audience.parts)} parts to other viewers, "
            f"{sum(one.late for one in audience.parts)} after their URL had expired, {_failures(audience)} failed, "
            f"{len(audience.broken)} broke off and came when asked for again, the slowest after {slowest:.1f} s; "
            f"{differ} of {len(audience.bodies)} with different bytes; {self.made} parts made, {self.kept} different "
            f"ones, {len(self.again)} written twice; {self.ratio:.2f} times the bytes of the films read, by front "
            f"{shares}"
        )


def _failures(audience: Audience) -> str:
    """How many answers no player could use, and what they were asked for."""
    kinds = Counter((one.status, one.rung, one.part) for one in audience.failed)
    told = ", ".join(f"{status} for {rung}/{part}" for (status, rung, part), _ in kinds.most_common(3))
    return f"{len(audience.failed)} ({told})" if told else "0"


@dataclass
class Drama:
    """A fleet, and what happens to it while a film plays."""

    fleet: Fleet
    tree: Path
    film: Path
    other: Path
    seconds: float
    """How long the film is."""
    speed: float
    say: Callable[[str], None]
    made: float = 0.0
    """Parts that were made by fronts that have ended."""
    killed: float = 0.0
    """When a front was killed, in seconds since 1970."""
    ended: dict[int, float] = field(default_factory=dict)
    """Bytes that fronts have read before they ended."""
    plans: list[str] = field(default_factory=list)

    def signed(self, expires: int, kind: str = "hls") -> str:
        """A URL of the film that expires after so many seconds."""
        return self.fleet.signer.url(NAME, f=kind, expires=expires, round_expiry=1)

    def put(self, film: Path) -> None:
        """Have a film be the original."""
        self.fleet.bucket().put_object(Bucket=BUCKET, Key=f"originals/{NAME}", Body=film.read_bytes())

    def happen(self, audience: Audience, page: Any) -> None:
        """Let it happen at its moments of the film that plays in the page."""

        def until(played: float) -> None:
            page.wait_for_function(f"document.querySelector('video').currentTime > {played * self.speed}")

        self.plans.append(self._plan())
        until(KILLED)
        parts = [metric(port, "darkroom_parts_total") for port in self.fleet.ports]
        busy = parts.index(max(parts))
        self.say(f"front {busy + 1} is killed; parts by front: {parts}")
        self._ends(busy)
        self.killed = time.time()
        self.fleet.fronts[busy].kill()
        until(BACK)
        self.fleet.fronts[busy].start()
        until(RELEASED)
        self.say("it is back, and will be the next release")
        upgraded(self.fleet, busy, self.tree)
        self._ends(busy)
        self.fleet.fronts[busy].stop()
        self.fleet.fronts[busy].start()
        self._replanned()
        audience.cue("released")
        until(REPLACED)
        self.say("who begins has the new recipe; the film is replaced")
        self.put(self.other)
        self._replanned()
        audience.cue("replaced")
        self.say("who begins has the other film")

    def _ends(self, number: int) -> None:
        port = self.fleet.ports[number]
        self.ended[number] = self.ended.get(number, 0.0) + metric(port, "darkroom_fetched_bytes_total")
        self.made += metric(port, "darkroom_parts_total")

    def read(self) -> list[int]:
        """Bytes that each front has read, all its lives together."""
        last = (metric(port, "darkroom_fetched_bytes_total") for port in self.fleet.ports)
        return [int(self.ended.get(number, 0.0) + read) for number, read in enumerate(last)]

    def _plan(self) -> str:
        """The plan that somebody finds who begins now."""
        with urlopen(f"http://127.0.0.1:{self.fleet.port}{self.signed(60)}/~master.m3u8", timeout=30) as answer:
            found = re.search(r"hls/([^/]+)/", answer.read().decode())
        assert found
        return found[1]

    def _replanned(self) -> None:
        """Return when those who begin find a plan that nobody has found before. Raises TimeoutError."""
        end = time.monotonic() + FOLLOWS
        while (plan := self._plan()) in self.plans:
            if time.monotonic() > end:
                raise TimeoutError("nobody finds another plan")
            time.sleep(0.25)
        self.plans.append(plan)


def survived(
    folder: Path,
    browser: Browser,
    film: Path,
    other: Path,
    seconds: float,
    speed: float,
    say: Callable[[str], None] = print,
) -> Survived:
    """Have a film of so many seconds played, so much faster than usual, and let `other` take its place.

    Raises what programs raise that do not start.
    """
    folder.mkdir(exist_ok=True)
    tree = changed_tree(folder / "next", RECIPES, CURRENT, NEXT)
    fleet = Fleet.of(folder, ladders=LADDERS, first="final", queue_seconds=60)
    drama = Drama(fleet, tree, film, other, seconds, speed, say)
    try:
        fleet.start()
        fleet.bucket().put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        drama.put(film)
        return _played(drama, browser)
    finally:
        fleet.stop()


def _played(drama: Drama, browser: Browser) -> Survived:
    fleet, lasts, seen = drama.fleet, drama.seconds / drama.speed, []
    # Of the first ones most have URLs that expire while they watch.
    first = [
        Watching("first", lasts * 0.02 * number, lasts * (0.2 + 0.2 * number), number % 2 == 0) for number in range(6)
    ]
    late = [
        Watching(cue, number, lasts * 0.2, number == 0, hurry=3)
        for cue in ("released", "replaced")
        for number in (0, 1)
    ]
    more: dict[str, Any] = {
        "speed": drama.speed,
        "ahead": AHEAD * drama.speed,
        "patience": 60_000 + lasts * 4000,
    }
    # The manifest of one is read once, and expires soon.
    urls = {
        "hls": f"{drama.signed(round(lasts * 10))}/~master.m3u8",
        "dash": f"{drama.signed(round(lasts * 0.5), 'dash')}/~manifest.mpd",
    }

    def other(happen: Callable[[Any], None], _: Any) -> None:
        seen.append(view(browser, fleet.port, "dash", urls["dash"], meanwhile=happen, **more))

    with Audience(fleet.port, drama.signed, [*first, *late], drama.speed, AHEAD * drama.speed) as audience:
        audience.cue("first")
        meanwhile = partial(other, partial(drama.happen, audience))
        seen.append(view(browser, fleet.port, "hls", urls["hls"], meanwhile=meanwhile, **more))
    kept, again = _written(fleet.bucket(), drama.killed)
    return Survived(
        seen,
        audience,
        drama.plans,
        int(drama.made + fleet.count("darkroom_parts_total")),
        kept,
        again,
        drama.read(),
        drama.film.stat().st_size + drama.other.stat().st_size,
    )


def _written(bucket: Any, killed: float) -> tuple[int, tuple[tuple[float, ...], ...]]:
    """How many different parts there are among the results, and when those were written that were written again.

    The bucket keeps versions, so that nothing is lost that is written a second time.
    """
    written: dict[str, list[float]] = {}
    for page in bucket.get_paginator("list_object_versions").paginate(Bucket=BUCKET, Prefix="results/"):
        for one in page.get("Versions", []):
            written.setdefault(one["Key"], []).append(one["LastModified"].timestamp() - killed)
    parts = [tuple(sorted(times)) for key, times in written.items() if _is_part(bucket, key)]
    return len(parts), tuple(times for times in parts if len(times) > 1)


def _is_part(bucket: Any, key: str) -> bool:
    """Whether a result is a part of a stream, by what is told of it behind its body."""
    end = bucket.get_object(Bucket=BUCKET, Key=key, Range="bytes=-4096")["Body"].read()
    return re.search(rb'"format": ?"(?:m4s|init)"', end) is not None
