"""Viewers without a browser, each by a URL of its own that expires, who ask for what a player would, when it would."""

import asyncio
import hashlib
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from bench.load import Answer, Http
from bench.trials.bystanders import ERRORS

AGAIN = 2
"""How often a viewer asks again for what has broken off."""


@dataclass(frozen=True)
class Watching:
    """One viewer: when it begins, by which URL, and what of the stream's pictures it takes."""

    cue: str
    """What it waits for."""
    begins: float
    """Seconds after its cue."""
    expires: float
    """Seconds, from its beginning on, after which its URL is no good for beginners."""
    encoded: bool
    """Whether it takes pictures that are encoded rather than the original's own."""
    hurry: float = 1.0
    """How much faster than the others it watches."""


@dataclass(frozen=True)
class Got:
    """What one viewer got for one question; status 0 is a connection that broke."""

    viewer: int
    asked: float
    """In seconds since 1970."""
    status: int
    plan: str
    rung: str
    part: str
    """Empty for what is no part."""
    digest: str
    seconds: float
    late: bool
    """Whether the URL had expired by then."""


class Audience:
    """Viewers in a thread of their own, so that nobody waits for them."""

    def __init__(
        self, port: int, signed: Callable[[int], str], viewers: Sequence[Watching], speed: float, ahead: float
    ) -> None:
        """`signed` makes a URL that expires after so many seconds; `speed` is how much faster than usual they watch.

        `ahead` is how many seconds of the film they load before they are shown.
        """
        self._loop = asyncio.new_event_loop()
        self._cues = {viewer.cue: asyncio.Event() for viewer in viewers}
        self._port, self._signed, self._viewers = port, signed, viewers
        self._speed, self._ahead = speed, ahead
        self.got: list[Got] = []
        self.troubles: list[str] = []
        self._thread = threading.Thread(target=self._run, name="audience")

    def __enter__(self) -> "Audience":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for name in self._cues:
            with suppress(RuntimeError):  # all have gone
                self.cue(name)  # whoever still waits would wait for ever
        self._thread.join()

    def cue(self, name: str) -> None:
        """Let those begin who wait for this."""
        self._loop.call_soon_threadsafe(self._cues[name].set)

    @property
    def parts(self) -> list[Got]:
        """Parts that came."""
        return [one for one in self.got if one.part and one.status == 200]

    @property
    def broken(self) -> list[Got]:
        """Answers that broke off in their middle, as those do that come from a front while it dies."""
        return [one for one in self.got if not one.status]

    @property
    def failed(self) -> list[Got]:
        """Answers that no player could use."""
        return [one for one in self.got if one.status not in (0, 200)]

    @property
    def plans(self) -> dict[int, set[str]]:
        """The plans by which each viewer has watched."""
        found: dict[int, set[str]] = defaultdict(set)
        for one in self.parts:
            found[one.viewer].add(one.plan)
        return dict(found)

    @property
    def bodies(self) -> dict[tuple[str, str, str], set[str]]:
        """Digests of what came for each part."""
        found: dict[tuple[str, str, str], set[str]] = defaultdict(set)
        for one in self.parts:
            found[one.plan, one.rung, one.part].add(one.digest)
        return dict(found)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._all())

    async def _all(self) -> None:
        told = await asyncio.gather(
            *(self._watch(number, viewer) for number, viewer in enumerate(self._viewers)), return_exceptions=True
        )
        self.troubles += [repr(one) for one in told if isinstance(one, BaseException)]

    async def _watch(self, number: int, viewer: Watching) -> None:
        await self._cues[viewer.cue].wait()
        await asyncio.sleep(viewer.begins)
        url, connection = self._signed(max(1, round(viewer.expires))), await Http.open(self._port)
        until = time.time() + viewer.expires

        async def ask(leaf: str) -> Answer:
            nonlocal connection
            _, plan, rung, file = leaf.split("/") if leaf.startswith("~hls/") else ("", "", "", "")
            part = "" if file.endswith(".m3u8") else file
            # What breaks off is asked for again, as players do.
            for _ in range(AGAIN + 1):
                asked = time.time()
                try:
                    answer = await connection.ask(f"{url}/{leaf}")
                except ERRORS:
                    connection.close()
                    connection, answer = await Http.open(self._port), Answer(0, {}, b"", 0.0)
                took, digest = time.time() - asked, hashlib.sha256(answer.body).hexdigest()
                late = time.time() > until
                self.got.append(Got(number, asked, answer.status, plan, rung, part, digest, took, late))
                if answer.status:
                    return answer
            raise ConnectionError(f"{leaf} broke off again and again")

        try:
            folders = re.findall(r"~?(hls/[^\s\"]+?)/index\.m3u8", (await ask("~master.m3u8")).body.decode())
            sound = next(f"~{folder}" for folder in folders if "/a0" in folder)
            names = [folder for folder in folders if "/a0" not in folder]
            pictures = next(f"~{folder}" for folder in names if folder.endswith("/src") is not viewer.encoded)
            playlist = (await ask(f"{pictures}/index.m3u8")).body.decode()
            lengths = [float(line[8:].rstrip(",")) for line in playlist.splitlines() if line.startswith("#EXTINF:")]
            await ask(f"{sound}/index.m3u8")
            for rung in (pictures, sound):
                await ask(f"{rung}/init.mp4")
            begun, shown = time.monotonic(), 0.0
            for place, length in enumerate(lengths):
                await asyncio.sleep(
                    max(0.0, begun + (shown - self._ahead) / self._speed / viewer.hurry - time.monotonic())
                )
                for rung in (pictures, sound):
                    await ask(f"{rung}/{place}.m4s")
                shown += length
        finally:
            connection.close()
