"""A faster way from a plain JPEG to its pixels, to a small picture, and from pixels to a JPEG.

Two packages that need not be there do the work: libjpeg-turbo (simplejpeg) and a resize by SIMD (cykooz-resizer). It
takes 0.83 to 0.92 of the time of libvips at the same reduction, and 0.7 to 0.9 of that of `vips thumbnail`. Whatever
they do not do, or complain of, is left to libvips, so that both ways refuse the same originals.
"""

from contextlib import nullcontext
from functools import cache
from importlib import import_module
from typing import Any, Final, NamedTuple

import numpy as np
from pyvips import Image

from transforms import huge_pages
from transforms.headers import Header
from transforms.operation import Size
from transforms.scans import Data, cut

MARGIN: Final = 1.3
"""How much larger than its target a picture stays when it is reduced while it is decoded.

At 1.07 the structural similarity to a full decode falls from .967 to .952; at 1.36 it loses .001.
"""

MOST_PIXELS: Final = 3_300_000
"""Of a decoded picture, which is held: from there on libvips, which holds lines, is as fast, unless it has to be held.
"""

_MOST_RESIZED: Final = 2_250_000
"""Pixels of a picture that is resized here, which is copied: at 3 MP that takes twice as long as libvips."""

_QUICKER: Final = 1_200_000
"""The same where libvips would show as much: at 0.8 MP it takes 1.2 times as long, and starts a thread."""

_LARGE: Final = 8 << 20
"""Bytes that are held while it is decoded from which on huge pages pay."""

_STEPS: Final = (8.0, 4.0, 2.0, 8 / 5, 8 / 6)
"""By how much libjpeg-turbo reduces; between 1/2 and all it takes as long as all of it, and leaves less to do."""


class _Colours(NamedTuple):
    decoded: str
    bands: int
    pixel: str
    interpretation: str


_COLOURS: Final = {"ycc": _Colours("RGB", 3, "U8x3", "srgb"), "grey": _Colours("GRAY", 1, "U8", "b-w")}
_SAMPLINGS: Final = ("", "4:4:4", "4:2:2", "4:2:0", "4:4:0", "4:1:1")
_CODINGS: Final = ("baseline", "progressive")
_JFIF: Final = slice(2, 20)  # libvips leaves it out where no metadata is kept
_HALVED: Final = 90  # libvips halves the colour below this quality
_FINE: Final = range(91, 96)  # qualities whose errors are small enough for those of the transform to show


@cache
def _packages() -> tuple[Any, Any] | None:
    try:
        return import_module("simplejpeg"), import_module("cykooz_resizer")
    except ImportError:
        return None


def available() -> bool:
    """Whether both packages are installed."""
    return _packages() is not None


def reduction(header: Header, target: Size, margin: float = MARGIN) -> int:
    """By how much libvips reduces a JPEG while it is decoded: 8, 4, 2 or 1, `margin` times its target or more."""
    return next((step for step in (8, 4, 2) if _share(header, target) * margin * step <= 1), 1)


def finer(header: Header, target: Size, margin: float = MARGIN) -> float:
    """By how much it is reduced here, where there are steps between 2 and 1."""
    return next((step for step in _STEPS if _share(header, target) * margin * step <= 1), 1.0)


def _share(header: Header, target: Size) -> float:
    return max(target.width / header.width, target.height / header.height)


def suits(header: Header, target: Size, margin: float = MARGIN, most: int = MOST_PIXELS) -> bool:
    """Whether it may be tried: a plain JPEG, lying as stored, to be scaled down, of `most` pixels once decoded."""
    step = finer(header, target, margin)
    return (
        header.kind == "jpg"
        and header.bits == 8
        and header.model in _COLOURS
        and header.subsampling in _SAMPLINGS
        and header.coding in _CODINGS
        # All scans of a progressive one take libjpeg-turbo as long as libvips.
        and (step >= 4 or not header.progressive)
        and header.width * header.height <= most * step * step
        and target.width <= header.width
        and target.height <= header.height
    )


def decoded(data: Data, header: Header, step: float) -> Any:
    """A JPEG that `suits`, reduced by libjpeg while it is decoded, as numpy's rows of pixels: lying, colours as stored.

    None leaves it to libvips, which is to judge a file of which libjpeg says anything at all. No metadata come along.
    The last column and row may stand for less than a whole one of the original.
    """
    packages = _packages()
    short = cut(data, round(step)) if header.progressive else data
    if not packages or short is None:
        return None
    colours = _COLOURS[header.model]
    width, height = (-(-side * round(8 / step) // 8) for side in (header.width, header.height))
    # A progressive one is held as coefficients of two bytes, all of them.
    held = header.width * header.height * 2 if header.progressive else width * height
    large = held * colours.bands > _LARGE
    try:
        with huge_pages.allowed() if large else nullcontext():
            pixels = packages[0].decode_jpeg(short, colours.decoded, min_width=width, min_height=height, strict=True)
    except ValueError:
        return None
    return pixels if pixels.shape == (height, width, colours.bands) else None


def resized(pixels: Any, target: Size, covered: tuple[float, float]) -> Any:
    """Rows of pixels at exactly this size, by Lanczos with three lobes on one thread; None leaves it to libvips.

    `covered` is how many of its columns and rows count: libvips takes all as whole, which is seen in the SSIM.
    """
    packages = _packages()
    height, width, bands = pixels.shape
    most = _QUICKER if covered == (width, height) else _MOST_RESIZED
    if not packages or width * height > most:
        return None  # libvips is as quick, and copies nothing
    if target.width > width or target.height > height:
        return None  # libvips enlarges by another kernel, and both ways are to show the same
    resizer = packages[1]
    pixel = next(resizer.PixelType[row.pixel] for row in _COLOURS.values() if row.bands == bands)
    flat = pixels.tobytes()
    source = resizer.ImageData(width, height, pixel, flat)
    # Without bytes it would be zeros, for which jemalloc has the kernel take its pages back: dearer than a copy.
    result = resizer.ImageData(target.width, target.height, pixel, flat[: target.width * target.height * bands])
    options = resizer.ResizeOptions(
        resize_alg=resizer.ResizeAlg.convolution(resizer.FilterType.lanczos3),
        crop_box=resizer.CropBox(0, 0, *covered),
    )
    resizer.Resizer().resize(source, result, options)
    return np.frombuffer(result.get_buffer(), np.uint8).reshape(target.height, target.width, bands)


def image_of(pixels: Any, resolution: tuple[float, float] = (1.0, 1.0)) -> Image:
    """Rows of pixels, three or one to each, as libvips' picture, which keeps them; pixels per millimetre."""
    height, width, bands = pixels.shape
    colours = next(row for row in _COLOURS.values() if row.bands == bands)
    image = Image.new_from_memory(pixels, width, height, bands, "uchar")
    return image.copy(interpretation=colours.interpretation, xres=resolution[0], yres=resolution[1])


def encode_jpeg(pixels: Any, quality: int, chroma: str = "") -> bytes | None:
    """Rows of pixels as a baseline JPEG without metadata as libvips writes it; None leaves it to libvips.

    `chroma` is "420", "444", or empty for what the quality asks for. From quality 96 on the files are the same; below,
    libjpeg-turbo has a faster cosine transform, which takes .0002 off the SSIM at 80, .0004 at 90, .001 at 95.
    """
    packages = _packages()
    if not packages or pixels.ndim != 3 or pixels.shape[-1] != 3 or pixels.dtype != np.uint8 or quality in _FINE:
        return None
    chroma = chroma or ("420" if quality < _HALVED else "444")
    file: bytes = packages[0].encode_jpeg(pixels, quality, "RGB", chroma)
    return file[: _JFIF.start] + file[_JFIF.stop :]


def recoded(image: Image, quality: int) -> Any:
    """The pixels (numpy's, three channels) of a picture written as a JPEG and read again; None leaves it to libvips."""
    packages, file = _packages(), encode_jpeg(image.numpy(), quality)
    return packages[0].decode_jpeg(file, "RGB") if packages and file else None
