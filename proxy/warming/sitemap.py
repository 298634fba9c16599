"""The pictures that a sitemap names: sitemaps and their indexes, packed or not, from a file or a web server."""

import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from xml.parsers import expat

import httpx

MOST_BYTES: Final = 50 << 20
"""Bytes of a sitemap, unpacked; so says the protocol (sitemaps.org)."""
MOST: Final = 50_000
"""Pages of a sitemap, and sitemaps of an index."""
MOST_IMAGES: Final = 1000
"""Pictures of a page."""
LONGEST: Final = 8192
SECONDS: Final = 20.0
BLOCK: Final = 1 << 16

SITEMAPS: Final = "http://www.sitemaps.org/schemas/sitemap/0.9"
IMAGES: Final = "http://www.google.com/schemas/sitemap-image/1.1"


class BadSitemap(Exception):
    """What came is no sitemap, or more than one may be."""


@dataclass
class Sitemap:
    """What one document names."""

    pages: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    """Further sitemaps, where it is an index."""


def sitemap_urls(place: str) -> Iterator[str]:
    """The pictures of a sitemap; of one that names none, its pages. Raises BadSitemap, OSError and httpx.HTTPError.

    The sitemaps of an index are read one after the other; those of one from the web are of its own host.
    """
    whole = read_sitemap(_blocks(place))
    yield from whole.images or whole.pages
    for part in whole.parts:
        if _host(part) is None or _host(place) not in (None, _host(part)):
            raise BadSitemap(f"{part}: a sitemap of an index is on the same host")
        inner = read_sitemap(_blocks(part))
        if inner.parts:
            raise BadSitemap(f"{part}: an index has no index in it")
        yield from inner.images or inner.pages


def read_sitemap(blocks: Iterable[bytes]) -> Sitemap:
    """Read a document, packed by gzip or not. Raises BadSitemap."""
    reading = _Reading()
    try:
        for block in _bounded(_unpacked(blocks)):
            reading.parser.Parse(block, False)
        reading.parser.Parse(b"", True)
    except (expat.ExpatError, LookupError, ValueError) as error:  # the last two for encodings that it cannot read
        raise BadSitemap(f"this is no XML: {error}") from None
    if not reading.root:
        raise BadSitemap("this is no sitemap: urlset or sitemapindex was expected")
    return reading.found


class _Reading:
    """The way through a document."""

    def __init__(self) -> None:
        self.found = Sitemap()
        self.root = False
        self._path: list[str] = []
        self._text: list[str] | None = None
        self._size = 0
        self.parser = parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._begin
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._said
        # With a DTD a document could name files of this machine, or grow without end.
        parser.StartDoctypeDeclHandler = self._doctype
        self._places: dict[tuple[str, ...], Callable[[str], None]] = {
            (f"{SITEMAPS} urlset", f"{SITEMAPS} url", f"{SITEMAPS} loc"): self._page,
            (f"{SITEMAPS} urlset", f"{SITEMAPS} url", f"{IMAGES} image", f"{IMAGES} loc"): self._image,
            (f"{SITEMAPS} sitemapindex", f"{SITEMAPS} sitemap", f"{SITEMAPS} loc"): self._part,
        }

    def _doctype(self, *_: object) -> None:
        raise BadSitemap("a sitemap has no document type")

    def _begin(self, name: str, _: object) -> None:
        if not self._path:
            if name not in (f"{SITEMAPS} urlset", f"{SITEMAPS} sitemapindex"):
                raise BadSitemap("this is no sitemap: urlset or sitemapindex was expected")
            self.root = True
        if len(self._path) > 10:
            raise BadSitemap("a sitemap is not that deep")
        self._path.append(name)
        self._text, self._size = ([], 0) if tuple(self._path) in self._places else (None, 0)

    def _said(self, text: str) -> None:
        if self._text is not None:
            self._size += len(text)
            if self._size > LONGEST:
                raise BadSitemap(f"a URL has more than {LONGEST} characters")
            self._text.append(text)

    def _end(self, _: str) -> None:
        if self._text is not None and (text := "".join(self._text).strip()):
            self._places[tuple(self._path)](text)
        self._text = None
        self._path.pop()

    def _page(self, text: str) -> None:
        self._add(self.found.pages, text, MOST)

    def _image(self, text: str) -> None:
        self._add(self.found.images, text, MOST * MOST_IMAGES)

    def _part(self, text: str) -> None:
        self._add(self.found.parts, text, MOST)

    def _add(self, among: list[str], text: str, most: int) -> None:
        if len(among) >= most:
            raise BadSitemap(f"a sitemap has at most {most:,} of them")
        among.append(text)


def _host(place: str) -> str | None:
    """The host of an address on the web; None for anything else."""
    parts = urlsplit(place)
    return parts.netloc if parts.scheme in ("http", "https") and parts.netloc else None


def _blocks(place: str) -> Iterator[bytes]:
    if _host(place) is None:
        with Path(place).open("rb") as file:
            while block := file.read(BLOCK):
                yield block
        return
    with (
        httpx.Client(timeout=SECONDS, follow_redirects=True, max_redirects=3) as client,
        client.stream("GET", place, headers={"accept-encoding": "identity"}) as answer,
    ):
        answer.raise_for_status()
        yield from answer.iter_raw(BLOCK)


def _unpacked(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The same, unpacked where it is a gzip, never more than a block at a time."""
    packed = None
    for number, block in enumerate(blocks):
        if number == 0 and block.startswith(b"\x1f\x8b"):
            packed = zlib.decompressobj(wbits=31)
        if packed is None:
            yield block
            continue
        try:
            while block and not packed.eof:
                yield packed.decompress(block, BLOCK)
                block = packed.unconsumed_tail
        except zlib.error:
            raise BadSitemap("this gzip is damaged") from None
    if packed is not None and not packed.eof:
        raise BadSitemap("this gzip ends early")


def _bounded(blocks: Iterable[bytes]) -> Iterator[bytes]:
    size = 0
    for block in blocks:
        size += len(block)
        if size > MOST_BYTES:
            raise BadSitemap(f"a sitemap has at most {MOST_BYTES >> 20} MiB")
        yield block
