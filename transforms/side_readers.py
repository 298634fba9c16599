"""Readers for formats that this build of libvips cannot decode; each package is optional, imported when needed."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyvips import GValue, Image

from transforms.errors import DamagedOriginal, NoSuchPage, UnsupportedFormat
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


def _broken(kind: str) -> DamagedOriginal:
    return DamagedOriginal(f"the original is not a whole {FORMATS[kind].title} picture")


def _from_rows(rows: Any, width: int, height: int, bands: int, blocks: Mapping[str, bytes | None] = _NONE) -> Image:
    """A picture of rows of pixels, and the blocks that libvips would have read from its file."""
    image = Image.new_from_memory(rows, width, height, bands, "uchar")
    image = image.copy(interpretation="srgb" if bands > 2 else "b-w")
    for name, block in blocks.items():
        if block:
            image.set_type(GValue.blob_type, name, bytes(block))
    return image


def _heif(path: Path) -> Any:
    package = _package("heic")
    try:
        return package.open_heif(str(path), convert_hdr_to_8bit=True, bgr_mode=False)
    except Exception as error:  # the package raises ValueError, RuntimeError, EOFError and others on broken files
        raise _broken("heic") from error


def heic_facts(path: Path) -> tuple[int, int, bool, bool]:
    """Width and height as shown, alpha, and whether there is a colour profile; nothing is decoded."""
    file = _heif(path)
    return file.size[0], file.size[1], file.has_alpha, bool(file.info.get("icc_profile"))


def heic(path: Path) -> Image:
    """The primary picture of a HEIC file; its rotation is done already."""
    file = _heif(path)
    try:
        bands = len(file.mode)
        width, height = file.size
        rows, stride = bytes(file.data), file.stride
    except Exception as error:
        raise _broken("heic") from error
    if stride != width * bands:
        rows = b"".join(rows[top * stride : top * stride + width * bands] for top in range(height))
    names = {"icc_profile": "icc-profile-data", "exif": "exif-data", "xmp": "xmp-data"}
    return _from_rows(rows, width, height, bands, {name: file.info.get(key) for key, name in names.items()})


def jxl(path: Path) -> Image:
    """A JPEG XL picture, the first frame of an animation; its orientation is applied already."""
    package = _package("jxl")
    try:
        rows, metadata = package.decode(path.read_bytes(), metadata=True)
    except Exception as error:  # the package raises RuntimeError and ValueError on broken files
        raise _broken("jxl") from error
    height, width = rows.shape[:2]
    names = {"icc": "icc-profile-data", "exif": "exif-data", "xmp": "xmp-data"}
    blocks = {name: metadata.get(key) for key, name in names.items()}
    return _from_rows(rows, width, height, rows.shape[2] if rows.ndim == 3 else 1, blocks)


def jxl_facts(path: Path) -> dict[str, Any]:
    """Width, height, channels and the like from a JPEG XL header."""
    try:
        facts: dict[str, Any] = _package("jxl").probe(path.read_bytes())
    except UnsupportedFormat:
        raise
    except Exception as error:
        raise _broken("jxl") from error
    return facts


def pdf(path: Path, page: int, size: Size) -> Image:
    """One page of a PDF on white paper, drawn at a size that has its ratio."""
    document = _pdf(path)
    try:
        width, height = document[page - 1].get_size()
        scale = max((size.width - _ROUNDING) / width, (size.height - _ROUNDING) / height)
        bitmap = document[page - 1].render(scale=scale, rev_byteorder=True, may_draw_forms=False)
        width, height, bands, stride = bitmap.width, bitmap.height, bitmap.n_channels, bitmap.stride
        rows = bytes(bitmap.buffer)
    except Exception as error:
        raise _broken("pdf") from error
    finally:
        document.close()
    if stride != width * bands:
        rows = b"".join(rows[top * stride : top * stride + width * bands] for top in range(height))
    return _from_rows(rows, width, height, bands).crop(0, 0, min(width, size.width), min(height, size.height))


def pdf_facts(path: Path, page: int = 1) -> tuple[int, int, int]:
    """Nominal width and height of one page in pixels, and how many pages there are."""
    document = _pdf(path)
    try:
        pages = len(document)
        if page > pages:
            raise NoSuchPage(f"the original has {pages} pages; pg_{page} came", part=f"pg_{page}")
        width, height = document[page - 1].get_size()
    except NoSuchPage:
        raise
    except Exception as error:
        raise _broken("pdf") from error
    finally:
        document.close()
    return _nominal(width), _nominal(height), pages


def _nominal(points: float) -> int:
    return max(1, math.ceil(points * POINTS - _ROUNDING))


def _pdf(path: Path) -> Any:
    package = _package("pdf")
    try:
        return package.PdfDocument(str(path))
    except package.PdfiumError as error:
        locked = "password" in str(error).lower()
        raise DamagedOriginal(
            "the PDF asks for a password" if locked else "the original is not a whole PDF document"
        ) from error
