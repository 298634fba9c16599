"""Every kind of place that originals come from, made empty for one test: the contract's suite runs over this table."""

import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from proxy.s3.bucket import Bucket
from proxy.s3.place import S3Place
from proxy.sources.dropped import DroppedSource
from proxy.sources.file import FileSource
from proxy.sources.s3 import S3Source
from proxy.sources.source import Original, Remote, Source, Stat
from tests.conftest import corpus
from tests.seaweed import ACCESS_KEY, SECRET_KEY, Seaweed

HOSTILE = [
    *["", "/", "..", ".", "../cat.jpg", "a/../cat.jpg", "./cat.jpg", "a/./b", "/cat.jpg", "//cat.jpg", "cat.jpg/"],
    *["cat.jpg/x", "a//b/c d+é.png", "cat.jpg\0", "\0", "cat.jpg\n", "cat.jpg ", "CAT.JPG", "cat%2ejpg", "a\\b", "~"],
    *["a", "a/b", "\ud800.jpg", "\udcff.jpg", "x" * 256, "x" * 5000, "é" * 128, "a/" * 3000 + "x", "e\u0301", "…"],
    *["none.jpg", "a/none.jpg", "none/none.jpg", "file:///etc/passwd", "https://host/cat.jpg", "/etc/passwd"],
]
for _names in corpus("hostile", "names.txt"):
    HOSTILE += [line.encode("latin-1").decode("unicode_escape") for line in _names.read_text("latin-1").split("\n")]


@dataclass
class Place:
    """A source, the place elsewhere that it copies from if there is one, and a way to put an original into it."""

    source: Source
    write: Callable[[str, bytes], Awaitable[None]]
    remote: Remote | None = None
    folds_slashes: bool = False
    """Whether the server that stands for the place in tests reads `a//b` as `a/b`, which others do not."""


class Copied:
    """A place elsewhere as a source, in the plainest way: every original is copied each time."""

    def __init__(self, remote: Remote, scratch: Path) -> None:
        self._remote, self._scratch = remote, scratch

    async def stat(self, key: str) -> Stat:
        return await self._remote.stat(key)

    async def open(self, key: str) -> Original:
        descriptor, name = tempfile.mkstemp(dir=self._scratch)
        with os.fdopen(descriptor, "w+b") as file:
            found = await self._remote.fetch(key, file)
            return Original(Path(name), found.version, found.size, found.modified, os.dup(file.fileno()))


@asynccontextmanager
async def file_place(request: pytest.FixtureRequest, scratch: Path) -> AsyncIterator[Place]:
    root = scratch / "originals"
    root.mkdir()

    async def write(key: str, body: bytes) -> None:
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)

    source = FileSource(root)
    yield Place(source, write)
    await source.close()


@asynccontextmanager
async def dropped_place(request: pytest.FixtureRequest, scratch: Path) -> AsyncIterator[Place]:
    source = DroppedSource()

    async def write(key: str, body: bytes) -> None:
        with tempfile.TemporaryFile() as file:
            file.write(body)
            file.flush()
            source.keep(key, file)

    yield Place(source, write)
    await source.close()


def s3_bucket(server: Seaweed, *, fast: bool, url: str = "", **options: object) -> Bucket:
    """A bucket of the server, below a prefix of its own unless the URL says another."""
    keys = {"access_key": ACCESS_KEY, "secret_key": SECRET_KEY}
    return Bucket.open(S3Place.read(url or server.url(server.fresh()), **{**keys, **options}), fast=fast)


def s3_place(fast: bool) -> "Factory":
    @asynccontextmanager
    async def made(request: pytest.FixtureRequest, scratch: Path) -> AsyncIterator[Place]:
        source = S3Source(s3_bucket(request.getfixturevalue("seaweed_server"), fast=fast))

        async def write(key: str, body: bytes) -> None:
            await source.put(key, body)

        yield Place(Copied(source, scratch), write, source, folds_slashes=True)
        await source.close()

    return made


Factory = Callable[[pytest.FixtureRequest, Path], AbstractAsyncContextManager[Place]]

PLACES: dict[str, Factory] = {
    "file": file_place,
    "dropped": dropped_place,
    "s3 by boto3": s3_place(fast=False),
    "s3 by obstore": s3_place(fast=True),
}
"""One line for each kind; a server that it needs is a fixture of the session, asked for by name."""

RANGED = ["s3 by boto3", "s3 by obstore"]
"""Those that can give a part."""
