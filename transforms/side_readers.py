"""Readers for formats that this build of libvips cannot decode; each package is optional, imported when needed."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyvips import GValue, Image

from transforms.errors import DamagedOriginal, NoSuchPage, Refusal, UnsupportedFormat
from transforms.formats import FORMATS
from transforms.operation import Size

_ROUNDING = 0.01
"""What sizes in fractions are allowed to be off, in pixels."""

_NONE: Mapping[str, bytes | None] = {}

POINTS = 150 / 72
"""Pixels for each point of a PDF page at its nominal size, which is 150 dots an inch."""


def _package(kind: str) -> Any:
    try:
        return __import__(FORMATS[kind].reader)
    except ImportError as error:
        raise UnsupportedFormat(
            f"{FORMATS[kind].title} is not read here: the package {FORMATS[kind].reader} is missing"
        ) from error


@contextmanager
def _damage_refused(kind: str) -> Iterator[None]:
    """Raise DamagedOriginal where a package cannot go on: they raise ValueError, RuntimeError, EOFError and others."""
    try:
        yield
    except (MemoryError, Refusal):
        raise
    except Exception as error:
        raise DamagedOriginal(f"the original is not a whole {FORMATS[kind].title} picture") from error


def _from_rows(rows: Any, width: int, height: int, bands: int, blocks: Mapping[str, bytes | None] = _NONE) -> Image:
    """A picture of rows of pixels, and the blocks that libvips would have read from its file."""
    image = Image.new_from_memory(rows, width, height, bands, "uchar")
    image = image.copy(interpretation="srgb" if bands > 2 else "b-w")
    for name, block in blocks.items():
        if block:
            image.set_type(GValue.blob_type, name, bytes(block))
    return image


def heic_facts(path: Path) -> tuple[int, int, bool, bool]:
    """Width and height as shown, alpha, and whether there is a colour profile; nothing is decoded."""
    package = _package("heic")
    with _damage_refused("heic"):
        file = package.open_heif(str(path))
        return file.size[0], file.size[1], file.has_alpha, bool(file.info.get("icc_profile"))


def heic(path: Path) -> Image:
    """The primary picture of a HEIC file; its rotation is done already."""
    package = _package("heic")
    with _damage_refused("heic"):
        file = package.open_heif(str(path), convert_hdr_to_8bit=True, bgr_mode=False)
        (width, height), bands = file.size, len(file.mode)
        rows = _packed(bytes(file.data), width, height, bands, file.stride)
        names = {"icc_profile": "icc-profile-data", "exif": "exif-data", "xmp": "xmp-data"}
        return _from_rows(rows, width, height, bands, {name: file.info.get(key) for key, name in names.items()})


def jxl_facts(path: Path) -> dict[str, Any]:
    """Width, height, channels and the like from a JPEG XL header."""
    package = _package("jxl")
    with _damage_refused("jxl"):
        facts: dict[str, Any] = package.probe(path.read_bytes())
        return facts


def jxl(path: Path) -> Image:
    """A JPEG XL picture, the first frame of an animation; its orientation is applied already."""
    package = _package("jxl")
    with _damage_refused("jxl"):
        rows, found = package.decode(path.read_bytes(), metadata=True)
        names = {"icc": "icc-profile-data", "exif": "exif-data", "xmp": "xmp-data"}
        blocks = {name: found.get(key) for key, name in names.items()}
        height, width = rows.shape[:2]
        return _from_rows(rows.tobytes(), width, height, rows.shape[2] if rows.ndim == 3 else 1, blocks)


def pdf_facts(path: Path, page: int = 1) -> tuple[int, int, int]:
    """Nominal width and height of one page in pixels, and how many pages there are."""
    with _document(path) as document:
        pages = len(document)
        if page > pages:
            raise NoSuchPage(f"the original has {pages} pages; pg_{page} came", part=f"pg_{page}")
        width, height = document[page - 1].get_size()
        return _nominal(width), _nominal(height), pages


def pdf(path: Path, page: int, size: Size) -> Image:
    """One page of a PDF on white paper, drawn at a size that has its ratio."""
    with _document(path) as document:
        width, height = document[page - 1].get_size()
        scale = max((size.width - _ROUNDING) / width, (size.height - _ROUNDING) / height)
        drawn = document[page - 1].render(scale=scale, rev_byteorder=True, may_draw_forms=False)
        rows = _packed(bytes(drawn.buffer), drawn.width, drawn.height, drawn.n_channels, drawn.stride)
        image = _from_rows(rows, drawn.width, drawn.height, drawn.n_channels)
        return image.crop(0, 0, min(drawn.width, size.width), min(drawn.height, size.height))


def _nominal(points: float) -> int:
    return max(1, math.ceil(points * POINTS - _ROUNDING))


@contextmanager
def _document(path: Path) -> Iterator[Any]:
    package = _package("pdf")
    # Not by its path: the package follows links before it opens what is then at the end of them.
    with path.open("rb") as file:
        try:
            document = package.PdfDocument(file)
        except package.PdfiumError as error:
            locked = "password" in str(error).lower()
            raise DamagedOriginal(
                "the PDF asks for a password" if locked else "the original is not a whole PDF document"
            ) from error
        try:
            with _damage_refused("pdf"):
                yield document
        finally:
            document.close()


def _packed(rows: bytes, width: int, height: int, bands: int, stride: int) -> bytes:
    """Rows without the bytes that fill each of them up to its stride."""
    if stride == width * bands:
        return rows
    return b"".join(rows[start : start + width * bands] for start in range(0, height * stride, stride))
