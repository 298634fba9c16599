"""Originals in a bucket of S3, or of whatever speaks like it."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import BinaryIO

from proxy.failures import AlreadyExists, NoSuchOriginal, OriginalReplaced, OriginFailed, OriginTimedOut
from proxy.s3.bucket import Bucket
from proxy.s3.errors import Changed, Damaged, Denied, Exists, Missing, PastEnd, S3Error, TimedOut
from proxy.s3.found import Found
from proxy.sources.keeping import About, Keys
from proxy.sources.source import Listing, Stat

LONGEST_KEY = 1024
"""Bytes of a key in UTF-8, what is before it in the bucket included."""

_MOST_LOOKED_AT = 20_000
"""Names of a folder that are looked at for a list of it."""
_PAGE = 1000
_NOWHERE = ("", ".", "..")
_DOTS = re.compile(r"(?:^|/)\.{1,2}(?:/|$)")
_METADATA = re.compile(r"[a-z0-9-]+=[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?|[a-z0-9-]+=")


class S3Source:
    """Originals by what is behind the prefix of a bucket, to the letter: spaces, `+`, `%`, `//` and dots in front too.

    No original are: a key that ends in a slash, which marks a folder; one with a segment `.` or `..`, which servers
    and clients on the way would take out; one that is empty, too long, or no text.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def stat(self, key: str) -> Stat:
        self._check(key)
        with _said():
            return _stat(await self._bucket.head(key))

    async def fetch(self, key: str, file: BinaryIO) -> Stat:
        self._check(key)

        def begin(_: Found) -> Callable[[bytes], object]:
            file.seek(0)
            file.truncate()
            return file.write

        with _said():
            found = await self._bucket.get(key, begin)
        file.flush()
        return _stat(found)

    async def read(self, key: str, version: str, start: int, length: int) -> bytes:
        self._check(key)
        blocks: list[bytes] = []

        def begin(_: Found) -> Callable[[bytes], object]:
            blocks.clear()
            return blocks.append

        if length <= 0:
            return b""
        with _said(), suppress(PastEnd):
            await self._bucket.get(key, begin, version, (start, start + length))
        return b"".join(blocks)

    async def stat_version(self, key: str, version: str) -> Stat:
        self._check(key)
        with _said():
            found = await self._bucket.head(key, version)
        if found.version != version:
            raise OriginalReplaced("The original has changed meanwhile.")
        return _stat(found)

    async def listing(self, prefix: str, most: int, wanted: Callable[[str], bool]) -> Listing:
        above = prefix[: prefix.rfind("/") + 1]
        folders: list[str] = []
        originals: list[str] = []
        after, looked_at = "", 0
        with _said():
            while True:
                page = await self._bucket.page(prefix, after, _PAGE, "/")
                looked_at += len(page.keys) + len(page.folders)
                folders += [name for whole in page.folders if (name := whole.removeprefix(above)[:-1]) not in _NOWHERE]
                names = [key.removeprefix(above) for key in page.keys if self._fault(key) is None]
                originals += [name for name in names if wanted(name)]
                after = page.after
                if not after or looked_at >= _MOST_LOOKED_AT or len(folders) + len(originals) > most:
                    break
        if above and not looked_at:
            raise _no_such_original()
        shown = sorted([*((name, True) for name in folders), *((name, False) for name in originals)])[:most]
        return Listing(
            tuple(name for name, is_folder in shown if is_folder),
            tuple(name for name, is_folder in shown if not is_folder),
            whole=not after and len(folders) + len(originals) <= most,
        )

    async def names(self, prefix: str, most: int) -> list[str]:
        """The first `most` keys, sorted, that begin with a prefix. Raises OriginFailed and OriginTimedOut."""
        found: list[str] = []
        after = ""
        while True:
            page = await self.keys(prefix, after)
            found += page.keys
            after = page.after
            if not after or len(found) >= most:
                return sorted(found)[:most]

    async def keys(self, prefix: str, after: str = "", most: int = _PAGE) -> Keys:
        with _said():
            page = await self._bucket.page(prefix, after, min(most, _PAGE))
        return Keys(tuple(key for key in page.keys if self._fault(key) is None), page.after)

    async def about(self, key: str) -> About:
        self._check(key)
        with _said():
            found = await self._bucket.describe(key)
        return About(_stat(found), found.content_type, found.metadata)

    async def exists(self, key: str) -> bool:
        try:
            await self.stat(key)
        except NoSuchOriginal:
            return False
        return True

    async def put(
        self,
        key: str,
        body: bytes | BinaryIO,
        *,
        content_type: str = "",
        metadata: Mapping[str, str] | None = None,
        new: bool = False,
    ) -> Stat:
        self._name(key)
        for name, text in (metadata or {}).items():
            if not _METADATA.fullmatch(f"{name}={text}"):
                raise ValueError(f"metadata {name!r}: a name of a-z, 0-9 and hyphens, and a text of visible ASCII")
        with _said():
            found = await self._bucket.put(key, body, content_type=content_type, metadata=metadata, new=new)
        return _stat(found)

    async def copy(self, key: str, to: str, *, version: str = "") -> Stat:
        self._check(key)
        self._name(to)
        with _said():
            await self._bucket.copy(key, to, version)
        return await self.stat(to)

    async def delete(self, key: str) -> None:
        if self._fault(key) is None:
            with _said():
                await self._bucket.delete(key)

    async def read_url(self, key: str, seconds: int) -> str:
        self._name(key)
        with _said():
            return await self._bucket.presigned_get(key, seconds)

    async def write_url(self, key: str, seconds: int, content_type: str = "") -> str:
        self._name(key)
        with _said():
            return await self._bucket.presigned_put(key, seconds, content_type)

    async def close(self) -> None:
        await self._bucket.close()

    def _fault(self, key: str) -> str | None:
        """Why a key can name nothing here, if it cannot."""
        if not key or key.endswith("/"):
            return "it is empty or ends in a slash, as folders do"
        if _DOTS.search(key):
            return "it has a segment of one or two dots"
        if "\0" in key:
            return "it holds a zero byte"
        try:
            length = len((self._bucket.place.prefix + key).encode())
        except UnicodeEncodeError:
            return "it is no text"
        return f"it takes {length} bytes of {LONGEST_KEY}" if length > LONGEST_KEY else None

    def _check(self, key: str) -> None:
        if self._fault(key):
            raise _no_such_original()

    def _name(self, key: str) -> None:
        if fault := self._fault(key):
            raise ValueError(f"a key cannot name an original: {fault}")


def _stat(found: Found) -> Stat:
    return Stat(found.version, found.size, found.modified)


def _no_such_original() -> NoSuchOriginal:
    return NoSuchOriginal("There is no such original.")


_SENTENCES: dict[type[S3Error], str] = {
    Damaged: "The original did not come whole, or not as it was promised.",
    Denied: "The place of the originals does not let us have this one.",
}


@contextmanager
def _said() -> Iterator[None]:
    """Say as a refusal what a bucket raises; of its own words nothing goes on."""
    try:
        yield
    except Missing as error:
        raise _no_such_original() from error
    except TimedOut as error:
        raise OriginTimedOut("The place of the original did not answer in time.") from error
    except Exists as error:
        raise AlreadyExists("There is an original under this key already.") from error
    except Changed as error:
        raise OriginalReplaced("The original has changed meanwhile.") from error
    except S3Error as error:
        raise OriginFailed(_SENTENCES.get(type(error), "The place of the original failed.")) from error
