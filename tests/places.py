"""Every kind of place that originals come from, made empty for one test: the contract's suite runs over this table."""

import hashlib
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from proxy.s3.bucket import Bucket
from proxy.s3.place import S3Place
from proxy.sources.blocks.fillings import Fillings
from proxy.sources.blocks.folder import BlockFolder
from proxy.sources.copies import Copies
from proxy.sources.dropped import DroppedSource
from proxy.sources.file import FileSource
from proxy.sources.http.place import HttpPlace
from proxy.sources.http.source import HttpSource
from proxy.sources.originals import originals_of
from proxy.sources.s3 import S3Source
from proxy.sources.source import Remote, Source
from tests.conftest import corpus
from tests.origin_stub import Script, origin
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


@asynccontextmanager
async def copied(remote: Remote, scratch: Path) -> AsyncIterator[Source]:
    """A place elsewhere as the server uses it: by way of copies on this machine."""
    copies = Copies(scratch / "copies", 64 << 20, lambda what, error: pytest.fail(f"{what}: {error}"))
    blocks = BlockFolder(scratch / "blocks", 64 << 20, lambda what, error: pytest.fail(f"{what}: {error}"))
    source = originals_of(remote, "one", copies, lambda *_: None, Fillings("one", blocks, lambda *_: None))
    yield source
    await source.close()
    await copies.close()
    await blocks.close()


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

        async with copied(source, scratch) as known:
            yield Place(known, write, source, folds_slashes=True)

    return made


def http_place(validators: bool) -> "Factory":
    @asynccontextmanager
    async def made(request: pytest.FixtureRequest, scratch: Path) -> AsyncIterator[Place]:
        with origin() as site:

            async def write(key: str, body: bytes) -> None:
                fields = {"ETag": f'"{hashlib.sha256(body).hexdigest()}"'} if validators else {}
                site.scripts[f"/originals/{quote(key)}"] = Script(body, fields=fields)

            url = f"http://127.0.0.1:{site.port}/originals/"
            source = HttpSource(HttpPlace.read(url, private_networks=["127.0.0.1"]))
            async with copied(source, scratch) as known:
                yield Place(known, write, source)

    return made


Factory = Callable[[pytest.FixtureRequest, Path], AbstractAsyncContextManager[Place]]

PLACES: dict[str, Factory] = {
    "file": file_place,
    "dropped": dropped_place,
    "s3 by boto3": s3_place(fast=False),
    "s3 by obstore": s3_place(fast=True),
    "http": http_place(validators=True),
    "http without validators": http_place(validators=False),
}
"""One line for each kind; a server that it needs is a fixture that all tests share, asked for by name."""

RANGED = ["s3 by boto3", "s3 by obstore", "http"]
"""Those that can give a part."""
