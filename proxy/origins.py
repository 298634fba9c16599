"""The sources that are in use, opened as the settings describe their places, and kept for as long as they are used."""

import asyncio
import hashlib
import sys
import weakref
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from proxy.s3.bucket import Bucket
from proxy.s3.place import S3Place
from proxy.settings import REMOTE, Mount, Settings
from proxy.settings import Remote as Web
from proxy.sources.blocks.fillings import Fillings
from proxy.sources.blocks.folder import BlockFolder
from proxy.sources.copies import Copies
from proxy.sources.file import FileSource
from proxy.sources.http.place import HttpPlace, Patience
from proxy.sources.originals import Outcome, originals_of
from proxy.sources.s3 import S3Source
from proxy.sources.source import Closed, Remote, Source
from transforms.formats import FORMATS
from transforms.limits import Limits
from transforms.sniff import sniff

Place: TypeAlias = Path | S3Place | HttpPlace


def places(settings: Settings) -> dict[str, Place]:
    """Where the originals of each mount are. Raises ValueError, naming the setting."""
    found = {name: _place(settings, name, mount) for name, mount in settings.mounts.items()}
    if settings.remote:
        found[REMOTE] = _web(settings, REMOTE, settings.remote, hosts=settings.remote.hosts)
    return found


def _place(settings: Settings, name: str, mount: Mount) -> Place:
    where = f"mounts.{name or '/'}"
    if isinstance(mount.url, Path):
        return mount.url
    if not mount.url.startswith("s3:"):
        headers = {name: value.get_secret_value() for name, value in mount.headers.items()}
        return _web(settings, where, mount, url=mount.url, hosts=mount.hosts, headers=headers)
    keys = {"access_key": mount.access_key, "secret_key": mount.secret_key}
    asked = {
        "endpoint": mount.endpoint,
        "region": mount.region,
        "path_style": mount.path_style,
        "connect_seconds": mount.connect_seconds,
        "first_byte_seconds": mount.first_byte_seconds,
        "total_seconds": mount.total_seconds,
    }
    try:
        return S3Place.read(
            mount.url,
            {name: value for name, value in asked.items() if value is not None},
            # What is set goes before what the address says, and that before the defaults.
            **{name: value for name, value in asked.items() if name in mount.model_fields_set},
            **{name: secret.get_secret_value() for name, secret in keys.items() if secret},
        )
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _web(
    settings: Settings,
    where: str,
    offer: Mount | Web,
    *,
    url: str = "",
    hosts: tuple[str, ...] = (),
    headers: Mapping[str, str] | None = None,
) -> HttpPlace:
    limits = settings.limits_of(offer)
    try:
        return HttpPlace.read(
            url,
            hosts=hosts,
            headers=headers,
            private_networks=offer.private_networks,
            largest=int(max(limits.jpeg_bytes, limits.picture_bytes, limits.video_bytes, limits.sound_bytes)),
            patience=Patience(offer.connect_seconds, offer.first_byte_seconds, offer.total_seconds),
        )
    except ValueError as error:  # which begins with the name of the setting
        raise ValueError(f"{where}.{error}") from None


def opened(place: S3Place | HttpPlace, most: Callable[[bytes], int] = lambda head: sys.maxsize) -> Remote:
    """A place elsewhere, which is asked nothing yet. Raises ValueError.

    `most` says by the first bytes how many may come, of a web site that cannot be asked for those alone.
    """
    if isinstance(place, S3Place):
        return S3Source(Bucket.open(place))
    # Only where it is needed: it brings a whole HTTP client along.
    from proxy.sources.http.source import HttpSource

    return HttpSource(place, most=most)


class Origins:
    """Sources by place: one for all mounts of a place, kept when settings are read again and still name it.

    One that no settings name any more is closed when the last request that uses it has ended.
    """

    def __init__(
        self,
        copies: Copies,
        told: Callable[[str, Outcome, int], None],
        blocks: BlockFolder | None = None,
        told_parts: Callable[[str, str, int, int], None] = lambda mount, outcome, blocks, size: None,
    ) -> None:
        """`told` is of downloads: the mount, what became of one, and its bytes; `told_parts` of requests for parts.

        Without `blocks` everything comes whole.
        """
        self._copies, self._told = copies, told
        self._blocks, self._told_parts = blocks, told_parts
        self._sources: dict[Place, Source] = {}
        self._unclosed: set[weakref.finalize[[Remote | None], Source]] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def named(self, settings: Settings) -> dict[str, Source]:
        """The sources of these settings by mount; those of others stay open until `keep`.

        Raises ValueError, naming the setting.
        """
        with suppress(RuntimeError):  # the first ones are opened before there is a loop
            self._loop = asyncio.get_running_loop()
        found: dict[str, Source] = {}
        for name, place in places(settings).items():
            found[name] = self._sources.get(place) or self._opened(name, place, _most_of(settings, name))
            self._sources[place] = found[name]
        return found

    def keep(self, sources: Collection[Source]) -> None:
        """Let go of all but these."""
        kept = {id(source) for source in sources}
        self._sources = {place: source for place, source in self._sources.items() if id(source) in kept}

    async def close(self) -> None:
        self._sources.clear()
        while self._unclosed:
            if (found := self._unclosed.pop().detach()) and isinstance(found[0], Closed):
                await found[0].close()
        await asyncio.gather(*self._closing, return_exceptions=True)
        await self._copies.close()
        if self._blocks:
            await self._blocks.close()

    def _opened(self, name: str, place: Place, most: Callable[[bytes], int]) -> Source:
        if isinstance(place, Path):
            return self._watched(_folder(name, place), None)
        remote = opened(place, most)

        def told(outcome: Outcome, size: int) -> None:
            self._told(name, outcome, size)

        def told_parts(outcome: str, blocks: int, size: int) -> None:
            self._told_parts(name, outcome, blocks, size)

        known = identity(place)
        fillings = Fillings(known, self._blocks, told_parts) if self._blocks else None
        return self._watched(originals_of(remote, known, self._copies, told, fillings), remote)

    def _watched(self, source: Source, remote: Remote | None) -> Source:
        """The source; when nobody has it any more, what it asked is closed. A folder then closes by itself."""

        def unused(remote: Remote | None) -> None:
            self._unclosed.discard(finalizer)
            # Whichever thread had it last; where no loop has been seen, or it has ended, its threads end all the same.
            if isinstance(remote, Closed) and self._loop and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._close_behind, remote)

        finalizer = weakref.finalize(source, unused, remote)
        finalizer.atexit = False
        self._unclosed.add(finalizer)
        return source

    def _close_behind(self, remote: Closed) -> None:
        task = asyncio.ensure_future(_close(remote))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _folder(name: str, place: Path) -> FileSource:
    try:
        return FileSource(place)
    except OSError as error:
        why = "there is no such folder" if isinstance(error, FileNotFoundError) else error.strerror
        raise ValueError(f"mounts.{name or '/'}: {place}: {why}") from None


def identity(place: S3Place | HttpPlace) -> str:
    """What tells a place from all others that have other bytes; who asks, and how patiently, is no part of it."""
    if isinstance(place, S3Place):
        return f"s3\n{place.endpoint or ''}\n{place.bucket}\n{place.prefix}"
    # Another field may be another picture: of another tenant, in another language.
    return f"http\n{place.prefix or ''}\n{hashlib.sha256(repr(sorted(place.headers)).encode()).hexdigest()}"


def _most_of(settings: Settings, name: str) -> Callable[[bytes], int]:
    """How many bytes an original of a mount may have that begins so."""
    offer = settings.remote if name == REMOTE and settings.remote else settings.mounts[name]
    limits = Limits(**settings.limits_of(offer).model_dump())

    def most(head: bytes) -> int:
        kind = sniff(head)
        return limits.most_bytes(kind if kind and kind in FORMATS else "svg")

    return most


async def _close(remote: Closed) -> None:
    await remote.close()
