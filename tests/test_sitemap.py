"""Sitemaps read with care: what they name, and what of them is refused."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.warming import sitemap
from proxy.warming.sitemap import BadSitemap, Sitemap, read_sitemap, sitemap_urls

NAMES = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
PICTURES = f'{NAMES} xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"'


def document(inner: str, root: str = "urlset", names: str = PICTURES) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} {names}>{inner}</{root}>'.encode()


PAGES = document(
    "<url><loc>https://www.example.com/</loc>"
    "<image:image><image:loc> https://media.example.com/w_60/a.jpg </image:loc>"
    "<image:title>A</image:title></image:image>"
    "<image:image><image:loc>https://media.example.com/w_60/b&amp;c%20d.jpg</image:loc></image:image></url>"
    "<url><loc>https://www.example.com/b</loc><lastmod>2024-01-01</lastmod></url>"
)


def read(data: bytes, size: int = 7) -> Sitemap:
    return read_sitemap(data[start : start + size] for start in range(0, len(data), size))


@pytest.mark.parametrize("packed", [False, True])
def test_pictures_and_pages_are_found_however_the_document_comes(packed: bool) -> None:
    data = gzip.compress(PAGES) if packed else PAGES
    for size in (1 << 20, 64, 7):
        found = read(data, size)
        assert found.images == ["https://media.example.com/w_60/a.jpg", "https://media.example.com/w_60/b&c%20d.jpg"]
        assert found.pages == ["https://www.example.com/", "https://www.example.com/b"]


def test_a_sitemap_without_pictures_gives_its_pages(tmp_path: Path) -> None:
    (tmp_path / "map.xml").write_bytes(document("<url><loc>https://media.example.com/w_60/a.jpg</loc></url>"))
    assert list(sitemap_urls(str(tmp_path / "map.xml"))) == ["https://media.example.com/w_60/a.jpg"]


DOCTYPE = '<!DOCTYPE urlset [<!ENTITY secret SYSTEM "file:///etc/passwd">]>'
LAUGHS = '<!DOCTYPE urlset [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'
REFUSED = {
    "document type": (DOCTYPE + document("<url><loc>&secret;</loc></url>").decode().split("\n")[1]).encode(),
    "no document type": (LAUGHS + document("<url><loc>&b;</loc></url>").decode().split("\n")[1]).encode(),
    "undefined entity": document("<url><loc>&secret;</loc></url>"),
    "no XML": b"https://media.example.com/a.jpg",
    "no XML: unknown encoding": b'<?xml version="1.0" encoding="x"?><urlset/>',
    "no XML: multi-byte encodings": b'<?xml version="1.0" encoding="big5"?><urlset/>',
    "urlset or sitemapindex": b"<html><body/></html>",
    "this is no sitemap": document("", names='xmlns="http://example.com/"'),
    "no element found": b"",
    "mismatched tag": document("<url>"),
    "more than 8192 characters": document(f"<url><loc>https://a/{'a' * 9000}</loc></url>"),
    "not that deep": document("<url>" + "<a>" * 20 + "</a>" * 20 + "</url>"),
    "gzip is damaged": b"\x1f\x8b" + b"\xff" * 40,
    "gzip ends early": gzip.compress(PAGES)[:-20],
    "at most 50 MiB": gzip.compress(document(" " * (51 << 20))),
    "at most 50,000": document("<url><loc>a</loc></url>" * 50_001),
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_is_no_sitemap_is_refused(said: str) -> None:
    with pytest.raises(BadSitemap, match=said):
        read(REFUSED[said], 1 << 16)


def test_a_packed_document_is_unpacked_a_block_at_a_time() -> None:
    def blocks() -> Iterator[bytes]:
        yield gzip.compress(b" " * (40 << 20))

    sizes = [len(block) for block in sitemap._unpacked(blocks())]
    assert (sum(sizes), max(sizes)) == (40 << 20, sitemap.BLOCK)
