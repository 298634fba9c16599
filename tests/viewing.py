"""Viewers for tests: hls.js and dash.js in a real browser, playing what a real server streams."""

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, Request, Route
from playwright.sync_api import TimeoutError as Stuck

ROOT = Path(__file__).parent.parent
INSTALLED = ROOT / ".players" / "node_modules"
SCRIPTS = {"hls": INSTALLED / "hls.js/dist/hls.min.js", "dash": INSTALLED / "dashjs/dist/modern/umd/dash.all.min.js"}
PLACE = "viewing"
PATIENCE = 60_000
"""Milliseconds after which a film that is not over has failed."""
STUCK = PATIENCE + 30_000
"""Milliseconds after which the page is so stuck that it does not even say so."""

Act = tuple[float, str, float | str]


@dataclass(frozen=True)
class Seen:
    """What a viewer has seen of a film when it is over, or when it went wrong."""

    ended: bool
    at: float
    """Where it stands, in seconds."""
    ready: int
    """What of the film is there at that place: `readyState`."""
    length: float
    ranges: list[tuple[float, float]]
    """What is buffered in the end, in seconds."""
    fatal: list[str]
    errors: list[str]
    names: list[str]
    """The rungs that there are."""
    rungs: list[str]
    """Those that were shown, in their order."""
    tracks: dict[str, list[list[str]]]
    frames: int
    dropped: int
    waits: int
    answers: list[tuple[int, str, str]]
    """Status, path and Cache-Status of what was asked for."""
    unanswered: list[str]
    """The paths of what was asked for, and neither came nor was given up."""

    def check(self, seconds: float, begins: float = 0.0) -> None:
        """Raises AssertionError unless a film of this length was played to its end without a gap or a fault.

        What is buffered may begin a little later where a player has thrown something away.
        """
        refused = [answer for answer in self.answers if answer[0] >= 400]
        told = (
            f"{self.fatal}, other errors {self.errors}; it stands at {self.at} of {self.length} "
            f"(readyState {self.ready}) with {self.ranges} buffered; unanswered {self.unanswered}, refused {refused}"
        )
        assert self.ended, told
        assert not self.fatal, told
        assert len(self.ranges) == 1, told
        (start, end), *_ = self.ranges
        assert start <= begins + 0.05, told
        assert abs(end - seconds) < 0.15, told
        assert not refused, told


class _Asked:
    """What a page asks for from now on, and what it is told."""

    def __init__(self, page: Page) -> None:
        self.answers: list[tuple[int, str, str]] = []
        self._waiting: list[Request] = []
        page.on("request", lambda request: self._waiting.append(request))
        page.on(
            "response", lambda answer: self.answers.append((answer.status, _path(answer.url), _tier(answer.headers)))
        )
        for over in ("requestfinished", "requestfailed"):
            page.on(over, self._over)

    @property
    def unanswered(self) -> list[str]:
        return [_path(request.url) for request in self._waiting]

    def _over(self, request: Request) -> None:
        if request in self._waiting:
            self._waiting.remove(request)


def _path(url: str) -> str:
    return url.partition("~")[2]


def _tier(headers: Mapping[str, str]) -> str:
    return headers.get("cache-status", "")


@cache
def scripts() -> dict[str, str]:
    """The players, installed by npm where they are not yet."""
    subprocess.run([ROOT / "proxy/pages/players/install.sh", "--all"], check=True)
    return {name: path.read_text() for name, path in SCRIPTS.items()}


def view(
    browser: Browser,
    port: int,
    player: str,
    path: str,
    rung: str = "",
    acts: Sequence[Act] = (),
    meanwhile: Callable[[Any], None] | None = None,
    speed: float = 4,
    ahead: float = 60,
    begin: float = 0,
    patience: float | None = None,
) -> Seen:
    """Play the stream at `path` of a server with "hls" or "dash".

    `rung` is the one to stay on; without it the player chooses. `acts` are done at moments of the film:
    `(4, "seek", 9)`, `(6, "choose", "src")`. `ahead` is how many seconds are loaded ahead: what is
    chosen is shown after those. `begin` is the moment at which it begins, `patience` how many milliseconds
    it may take. `meanwhile` is called with the page while
    it plays. Raises AssertionError where the page itself is stuck.
    """
    context = browser.new_context(viewport={"width": 400, "height": 300})
    page = context.new_page()
    base = f"http://127.0.0.1:{port}/{PLACE}"
    files = {
        base: (
            "text/html",
            f'<!doctype html><video></video><script src="/{PLACE}/{player}.js"></script>'
            f'<script src="/{PLACE}/viewing.js"></script>',
        ),
        f"{base}/{player}.js": ("text/javascript", scripts()[player]),
        f"{base}/viewing.js": ("text/javascript", (ROOT / "tests/viewing.js").read_text()),
    }

    def own(route: Route) -> None:
        media_type, text = files[route.request.url]
        route.fulfill(body=text, content_type=media_type)

    try:
        patience = PATIENCE if patience is None else patience
        page.set_default_timeout(max(STUCK, patience + 30_000))
        page.route(f"{base}**", own)
        page.goto(base)
        asked = _Asked(page)
        wanted = {
            "player": player,
            "url": path,
            "rung": rung,
            "acts": [list(act) for act in acts],
            "speed": speed,
            "ahead": ahead,
            "begin": begin,
            "patience": patience,
        }
        page.evaluate("wanted => { view(wanted).then(told => (window.over = told)); }", wanted)
        if meanwhile:
            meanwhile(page)
        try:
            page.wait_for_function("window.over")
        except Stuck:
            raise AssertionError(f"the page does not answer; it was not answered {asked.unanswered}") from None
        told = page.evaluate("window.over")
    finally:
        context.close()
    told = {"names": [], "tracks": {}, **told, "length": told["length"] or 0.0}
    told["ranges"] = [tuple(one) for one in told["ranges"]]
    return Seen(**told, answers=asked.answers, unanswered=asked.unanswered)
