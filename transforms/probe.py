"""Headers of the kinds that take a library to read."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pyvips
from pyvips import Image

from transforms import side_readers
from transforms.errors import DamagedOriginal, NoSuchPage, UnsupportedFormat
from transforms.formats import FORMATS
from transforms.headers import Header, read_header
from transforms.limits import Limits
from transforms.sniff import sniff
from transforms.svg import read_svg

_LOADERS = {"jpg": "jpeg", "png": "png", "webp": "webp", "gif": "gif"}
SPACES = {"b-w": "grey", "grey16": "grey", "cmyk": "cmyk", "lab": "lab", "labs": "lab"}


def probe(path: Path, page: int = 1, limits: Limits | None = None) -> Header:
    """The header of any original that is read here. Raises UnsupportedFormat, DamagedOriginal and TooManyStreams."""
    size = path.stat().st_size
    with path.open("rb") as file:
        header = read_header(file, size)
        if header:
            return header
        file.seek(0)
        kind = sniff(file.read(65_536))
    if kind and kind in FORMATS and FORMATS[kind].medium != "picture":
        from transforms.video.header import read as recorded  # with FFmpeg, which most workers never need

        return recorded(path, kind, size, limits or Limits())
    reader = _READERS.get(kind or "")
    if not kind or not reader:
        raise UnsupportedFormat(f"{kind or 'what the original holds'} is not read here")
    try:
        return reader(path, size, page)
    except pyvips.Error as error:
        raise DamagedOriginal(f"the original is not a whole {FORMATS[kind].title} picture") from error


def _header(kind: str, image: Image, size: int, page: int = 1) -> Header:
    pages = image.get("n-pages") if image.get_typeof("n-pages") else 1
    if page > pages:
        raise NoSuchPage(f"the original has {pages} pages; pg_{page} came", part=f"pg_{page}")
    return Header(
        kind=kind,
        width=image.width,
        height=image.height,
        bytes=size,
        orientation=_orientation(image) if kind != "avif" else 1,  # libheif has turned it already
        alpha=bool(image.hasalpha()),
        frames=pages,
        bits=image.get("bits-per-sample") if image.get_typeof("bits-per-sample") else 8,
        profile=image.get_typeof("icc-profile-data") != 0,
        space=SPACES.get(image.interpretation, "rgb"),
        progressive=image.get_typeof("interlaced") != 0,
    )


def _orientation(image: Image) -> int:
    found = image.get("orientation") if image.get_typeof("orientation") else 1
    return found if 1 <= found <= 8 else 1


def _long(kind: str) -> Callable[[Path, int, int], Header]:
    """A reader of headers that go on for longer than the pure reader follows them."""

    def read(path: Path, size: int, page: int) -> Header:
        return _header(kind, getattr(Image, f"{_LOADERS[kind]}load")(str(path)), size, page)

    return read


def _jpg(path: Path, size: int, page: int) -> Header:
    header = _long("jpg")(path, size, page)
    scans = path.read_bytes().count(b"\xff\xda") if header.progressive else 0
    return dataclasses.replace(header, scans=scans)


def _avif(path: Path, size: int, page: int) -> Header:
    return _header("avif", Image.heifload(str(path)), size, page)


def _tiff(path: Path, size: int, page: int) -> Header:
    first = _header("tiff", Image.tiffload(str(path)), size, page)
    return first if page == 1 else _header("tiff", Image.tiffload(str(path), page=page - 1), size)


def _svg(path: Path, size: int, page: int) -> Header:
    return _header("svg", Image.svgload_buffer(read_svg(path)), size, page)


def _pdf(path: Path, size: int, page: int) -> Header:
    width, height, pages = side_readers.pdf_facts(path, page)
    return Header(kind="pdf", width=width, height=height, bytes=size, frames=pages)


def _heic(path: Path, size: int, page: int) -> Header:
    image = side_readers.heic_facts(path)
    return Header(kind="heic", width=image[0], height=image[1], bytes=size, alpha=image[2], profile=image[3])


def _jxl(path: Path, size: int, page: int) -> Header:
    facts = side_readers.jxl_facts(path)
    return Header(
        kind="jxl",
        width=facts["width"],
        height=facts["height"],
        bytes=size,
        alpha=facts["has_alpha"],
        bits=facts["bits_per_sample"],
        space="grey" if facts["color_channels"] == 1 else "rgb",
    )


_READERS: dict[str, Callable[[Path, int, int], Header]] = {
    "jpg": _jpg,
    "png": _long("png"),
    "webp": _long("webp"),
    "gif": _long("gif"),
    "avif": _avif,
    "tiff": _tiff,
    "svg": _svg,
    "pdf": _pdf,
    "heic": _heic,
    "jxl": _jxl,
}
