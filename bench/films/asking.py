"""A front with films that are new each time, and a player that knows nothing but addresses."""

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.load import Answer, Http
from bench.trials.ground import Front, Ground, serving


@contextmanager
def cinema(ground: Ground, name: str, film: Path, **settings: object) -> Iterator[tuple[Front, Path]]:
    """A front over a folder in which films can be put."""
    folder = ground.folder / f"{name}-films"
    folder.mkdir()
    os.link(film, folder / "film.mp4")
    with serving(ground, name, mounts=str(folder), **{"queue_seconds": 30, **settings}) as front:  # type: ignore[arg-type]
        yield front, folder


def another(folder: Path, number: int) -> str:
    """The same film under a name that nobody has asked for."""
    name = f"film-{number}.mp4"
    os.link(folder / "film.mp4", folder / name)
    return name


class Player:
    """One viewer: asks for playlists and parts over one connection."""

    def __init__(self, connection: Http, name: str) -> None:
        self._connection, self._base = connection, f"/f_hls/{name}/"
        self.master = ""

    @classmethod
    async def of(cls, port: int, name: str) -> "Player":
        return cls(await Http.open(port), name)

    async def begin(self) -> list[float]:
        """Read the playlist of playlists; returns the seconds after which it was told to come back."""
        answer, told = await patiently(lambda: self.ask("~master.m3u8"))
        if answer.status != 200:
            raise RuntimeError(f"{answer.status} {answer.body[:200]!r}")
        self.master = answer.body.decode()
        return told

    def folders(self) -> list[str]:
        """The folders of all rungs, pictures and sound."""
        return [f"~{path}" for path in re.findall(r"~(hls/[^\s\"]+?)/index\.m3u8", self.master)]

    def folder(self, rung: str) -> str:
        """The folder of a rung. Raises StopIteration where there is none."""
        return next(folder for folder in self.folders() if folder.endswith(f"/{rung}"))

    async def ask(self, leaf: str) -> Answer:
        """One file below the base."""
        return await self._connection.ask(self._base + leaf)

    async def part(self, rung: str, part: int | str) -> Answer:
        """A segment or a head."""
        return await self.ask(f"{self.folder(rung)}/{part}.{'mp4' if part == 'init' else 'm4s'}")

    async def patient_part(self, rung: str, part: int | str) -> tuple[Answer, list[float]]:
        """The same, patiently."""
        return await patiently(lambda: self.part(rung, part))

    def close(self) -> None:
        self._connection.close()


async def patiently(ask: Callable[[], Awaitable[Answer]], most: float = 120.0) -> tuple[Answer, list[float]]:
    """A file as a polite player gets it: whoever is refused comes back when told. Returns what it was told."""
    told: list[float] = []
    while True:
        answer = await ask()
        if answer.status != 503 or sum(told) > most:
            return answer, told
        told.append(float(answer.fields.get("retry-after", "1")))
        await asyncio.sleep(told[-1])
