"""Results made ready by asking a server for them, as its clients will, at a rate that leaves it room."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

import httpx

from proxy.warming.crew import each
from proxy.warming.making import ACCEPTS, Warmed, shown
from proxy.warming.streams import Unfolding, Unread

TRIES: Final = 4
"""How often something is asked for while the server is too busy."""
LONGEST_PAUSE: Final = 30.0
SECONDS: Final = 60.0
PLAIN: Final = "%/:@!$&'()*+,;=~-._"
"""What goes out as it is, beside letters and digits; `%` too, for paths come escaped."""


@dataclass
class Pace:
    """At most so many requests a second, spread evenly."""

    rate: float
    clock: Callable[[], float] = time.monotonic
    _next: float = 0.0

    async def turn(self) -> None:
        """Return when the next request may go out."""
        now = self.clock()
        at, self._next = max(now, self._next), max(now, self._next) + 1 / self.rate
        await asyncio.sleep(at - now)


@dataclass
class Asking:
    """Asks for every path in every kind that clients take; `stopped` may be set while it runs."""

    base: str
    parallel: int
    pace: Pace
    sign: Callable[[bytes], bytes]
    """The same path with a signature of today, for those of a log that have expired; the path itself without a key."""
    told: Callable[[Warmed], None]
    read: Callable[[], None]
    """Told of each path when it is done."""
    presets: Mapping[str, str] = field(default_factory=dict)
    segments: int | None = None
    """Segments that are asked for of each rung of a stream; None: all."""
    more: Callable[[int], None] = lambda number: None
    """Told how many paths there are more than were known."""
    stopped: bool = False
    _seen: set[tuple[bytes, bytes]] = field(default_factory=set)

    async def run(self, paths: AsyncIterator[bytes]) -> None:
        """Go through all paths; what goes wrong with one is told, and the next one follows."""
        limits = httpx.Limits(max_connections=self.parallel)
        async with httpx.AsyncClient(timeout=SECONDS, trust_env=False, limits=limits) as client:

            async def one(path: bytes) -> None:
                await self._path(client, path)
                self.read()

            async def playlist(path: bytes) -> str:
                answer = await self._asked(client, path, b"")
                if answer is None or answer.status_code != 200:
                    raise Unread(f"{answer.status_code if answer else ''} no playlist came".strip())
                return answer.text

            def failed(path: bytes, why: str) -> None:
                self.told(Warmed(shown(path), "failed", why))
                self.read()

            unfolding = Unfolding(self.presets, playlist, self.segments, self.more, failed)
            await each(unfolding.each(paths), self.parallel, lambda: self.stopped, one)

    async def _path(self, client: httpx.AsyncClient, path: bytes) -> None:
        for accept in ACCEPTS:
            if (path, accept) in self._seen:
                continue
            self._seen.add((path, accept))
            answer = await self._asked(client, path, accept)
            if answer is not None and answer.status_code == 410 and (signed := self.sign(path)) != path:
                await self._path(client, signed)
                return
            if answer is not None:
                self.told(_warmed(shown(path), answer))
            if answer is None or answer.status_code != 200 or "vary" not in answer.headers:
                return

    async def _asked(self, client: httpx.AsyncClient, path: bytes, accept: bytes) -> httpx.Response | None:
        """The answer; a result that was made fast is asked for once more, so that it is made with care."""
        name = shown(path)
        url = httpx.URL(self.base)
        try:
            url = url.copy_with(raw_path=url.raw_path.rstrip(b"/") + quote(path, safe=PLAIN).encode())
            answer = await self._patiently(client, url, accept)
            if re.search(r'\.first"$', answer.headers.get("etag", "")):
                await self._patiently(client, url, accept)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            self.told(Warmed(name, "failed", str(error) or type(error).__name__))
            return None
        return answer

    async def _patiently(self, client: httpx.AsyncClient, url: httpx.URL, accept: bytes) -> httpx.Response:
        for left in reversed(range(TRIES)):
            await self.pace.turn()
            answer = await client.get(url, headers={b"accept": accept or b"*/*"})
            if answer.status_code not in (429, 503) or not left or self.stopped:
                break
            wait = answer.headers.get("retry-after", "1")
            await asyncio.sleep(min(float(wait) if wait.isdecimal() else 1.0, LONGEST_PAUSE))
        return answer


def _warmed(name: str, answer: httpx.Response) -> Warmed:
    size = len(answer.content)
    if answer.status_code != 200:
        why = answer.headers.get("x-error") or "no picture came"
        return Warmed(name, "failed", f"{answer.status_code} {why}")
    if "x-darkroom-degraded" in answer.headers:
        return Warmed(name, "failed", "the server had no time for it and sent something near it")
    hit = "darkroom; hit" in answer.headers.get("cache-status", "")
    return Warmed(name, "there" if hit else "made", size=size)
