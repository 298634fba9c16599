"""How much of a picture is left: structural similarity to a full decode of its original, resized with care.

SSIM of luma as `q_auto` has it, over every window that lies within the picture. Damage to colour alone is not seen.
"""

from pathlib import Path

import pyvips

from transforms.light import Pixels
from transforms.similarity import Reference

LEAST = 11
"""Pixels of a side: the window that is compared."""


def ssim(one: Pixels, other: Pixels) -> float:
    """Structural similarity of the brightness of two pictures of one size, 1.0 for equals."""
    if one.shape != other.shape or min(one.shape[:2]) < LEAST:
        raise ValueError(f"two pictures of one size, {LEAST} pixels or more: {one.shape} and {other.shape} came")
    return Reference(one).brightness(other)


def shown(image: pyvips.Image) -> Pixels:
    """The colours of a picture; what is transparent is shown on white."""
    if image.hasalpha():
        image = image.flatten(background=[255])
    pixels: Pixels = image.colourspace("srgb").cast("uchar").numpy()
    return pixels


def decoded(data: bytes) -> Pixels:
    """The colours of an encoded picture, upright."""
    return shown(pyvips.Image.new_from_buffer(data, "").autorot())


def reference(original: Path, width: int, height: int) -> Pixels:
    """What a rendition of that size should look like: every pixel decoded, then Lanczos with three lobes, alone."""
    image = pyvips.Image.new_from_file(str(original)).autorot()
    # Without a gap libvips uses the kernel for the whole way down, and no block averages before it.
    small = image.resize(width / image.width, vscale=height / image.height, kernel="lanczos3", gap=0)
    if (small.width, small.height) != (width, height):
        raise ValueError(f"{original.name}: {width}x{height} was expected, {small.width}x{small.height} came")
    return shown(small)


def quality(original: Path, data: bytes) -> float:
    """The structural similarity of a rendition that is cut nowhere to its original at the same size."""
    result = decoded(data)
    height, width = result.shape[:2]
    return ssim(reference(original, width, height), result)
