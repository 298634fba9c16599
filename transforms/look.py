"""What a picture looks like, in a few hundred bytes: its colours, and something to show until it is there."""

import base64
import math
from typing import Final

from pyvips import Image

from transforms.colour_management import managed
from transforms.facts import JSON, Facts, known
from transforms.image import scale, turned
from transforms.light import Pixels
from transforms.opening import Opened
from transforms.operation import Size
from transforms.palette import average, luminance, palette
from transforms.placeholders import blurhash, thumbhash

LOOKED_AT: Final = 256
"""Pixels of the longer side of the picture that colours are counted in."""
_HASHED: Final = 100  # more than that is waste, says ThumbHash
_TINY: Final = 24  # of the placeholder
_TINY_SAVING: Final = {"Q": 40, "alpha_q": 20, "effort": 4, "keep": "none"}  # 100 to 300 bytes, 450 with much alpha
_SMALL_TERM: Final = 32  # 32:9 is a screen; larger terms say less than a decimal fraction


def within(size: Size, side: int = LOOKED_AT) -> Size:
    """The size of a picture whose longer side is `side` at most, never enlarged."""
    share = min(1.0, side / max(size))
    return Size(max(1, round(size.width * share)), max(1, round(size.height * share)))


def _within(image: Image, side: int) -> Image:
    return scale(image, within(Size(image.width, image.height), side))


def looked_at(opened: Opened) -> Image:
    """The first frame, small, upright and in sRGB, in memory."""
    small = _within(opened.frames[0], LOOKED_AT).copy_memory()
    return managed(turned(small, opened.orientation), "srgb").copy_memory()


def _pixels(image: Image) -> Pixels:
    pixels: Pixels = image.numpy()
    return pixels


def look(small: Image) -> Facts:
    """Palette, dominant colour, average, luminance and hashes of a small picture in sRGB."""
    pixels = _pixels(small)
    swatches = palette(pixels)
    shown: list[JSON] = [{"colour": swatch.colour, "share": swatch.share} for swatch in swatches]
    return {
        "palette": shown,
        "dominant": swatches[0].colour if swatches else None,
        "average": average(pixels),
        "luminance": luminance(pixels),
        "blurhash": blurhash(pixels),
        "thumbhash": thumbhash(_pixels(_within(small, _HASHED))),
    }


def placeholder(small: Image) -> str:
    """A data: URI of a tiny WebP."""
    data: bytes = _within(small, _TINY).webpsave_buffer(**_TINY_SAVING)
    return f"data:image/webp;base64,{base64.b64encode(data).decode()}"


def aspect_ratio(size: Size) -> Facts:
    """Width by height as a number, and in small whole terms where there are any."""
    common = math.gcd(*size)
    across, down = size.width // common, size.height // common
    terms = f"{across}:{down}" if max(across, down) <= _SMALL_TERM else None
    return known({"decimal": float(f"{size.width / size.height:.5g}"), "terms": terms})
