"""How much of a picture is left: structural similarity to a full decode of its original, resized with care.

SSIM as in Wang, Bovik, Sheikh and Simoncelli (2004): luma, a Gaussian window of 11 by 11 with sigma 1.5, K1 .01 and
K2 .03, the mean over every window that lies within the picture. Damage to colour alone is not seen by it.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyvips

Luma = npt.NDArray[np.float64]
"""Brightness, 0 to 255, by row and column."""

WINDOW, SIGMA = 11, 1.5
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
WEIGHTS = (0.299, 0.587, 0.114)
"""Of red, green and blue, as JPEG has them (Rec. 601)."""


def ssim(one: Luma, other: Luma) -> float:
    """Structural similarity of two pictures of one size, 1.0 for equals; 11 pixels are the least side."""
    if one.shape != other.shape or min(one.shape) < WINDOW:
        raise ValueError(f"two pictures of one size, {WINDOW} pixels or more: {one.shape} and {other.shape} came")
    mean, other_mean = _blurred(one), _blurred(other)
    variance = _blurred(one * one) - mean * mean
    other_variance = _blurred(other * other) - other_mean * other_mean
    covariance = _blurred(one * other) - mean * other_mean
    likeness = (2 * mean * other_mean + C1) * (2 * covariance + C2)
    most = (mean * mean + other_mean * other_mean + C1) * (variance + other_variance + C2)
    return float(np.mean(likeness / most))


def luma(image: pyvips.Image) -> Luma:
    """The brightness of a picture; what is transparent is shown on white."""
    if image.hasalpha():
        image = image.flatten(background=[255])
    values: Luma = image.colourspace("srgb").cast("uchar").numpy().astype(np.float64)
    if values.ndim == 3:
        values = values[..., :3] @ np.array(WEIGHTS)
    return values


def decoded(data: bytes) -> Luma:
    """The brightness of an encoded picture, upright."""
    return luma(pyvips.Image.new_from_buffer(data, "").autorot())


def reference(original: Path, width: int, height: int) -> Luma:
    """What a rendition of that size should look like: every pixel decoded, then Lanczos with three lobes, alone."""
    image = pyvips.Image.new_from_file(str(original)).autorot()
    # Without a gap libvips uses the kernel for the whole way down, and no block averages before it.
    small = image.resize(width / image.width, vscale=height / image.height, kernel="lanczos3", gap=0)
    if (small.width, small.height) != (width, height):
        raise ValueError(f"{original.name}: {width}x{height} was expected, {small.width}x{small.height} came")
    return luma(small)


def quality(original: Path, data: bytes) -> float:
    """The structural similarity of a rendition that is cut nowhere to its original at the same size."""
    result = decoded(data)
    height, width = result.shape
    return ssim(reference(original, width, height), result)


def _blurred(values: Luma) -> Luma:
    """The mean of every whole window, weighted by the Gaussian."""
    at = np.arange(WINDOW) - WINDOW // 2
    kernel = np.exp(-(at**2) / (2 * SIGMA**2))
    kernel /= kernel.sum()
    rows, columns = values.shape[0] - WINDOW + 1, values.shape[1] - WINDOW + 1
    down = sum((weight * values[i : i + rows] for i, weight in enumerate(kernel)), np.zeros((rows, values.shape[1])))
    return sum((weight * down[:, i : i + columns] for i, weight in enumerate(kernel)), np.zeros((rows, columns)))
