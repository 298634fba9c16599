"""How much one picture looks like another: structural similarity, 1 for the same.

SSIM is Wang, Bovik, Sheikh, Simoncelli: Image quality assessment: from error visibility to structural similarity (IEEE
Transactions on Image Processing 13/4, 2004), with their Gaussian of 11 pixels and their constants. The weights of
brightness and colour are those of Wang, Lu, Bovik: Video quality assessment based on structural distortion measurement
(Signal Processing: Image Communication 19/2, 2004).
"""

from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from transforms.light import Pixels

Plane: TypeAlias = NDArray[np.float32]
"""Rows of one channel, 0 to 255, or a stack of such pictures."""

_SIGMA, _REACH = 1.5, 5  # pixels of the Gaussian
_LUMINANCE, _CONTRAST = (0.01 * 255) ** 2, (0.03 * 255) ** 2  # what keeps dark and flat places from counting too much
_YCC: Final[Plane] = np.array(  # ITU-T T.871, as JPEG has it; colours are told apart from grey alone
    [[0.299, -0.168736, 0.5], [0.587, -0.331264, -0.418688], [0.114, 0.5, -0.081312]], np.float32
)
_BRIGHTNESS, _COLOUR = 0.8, 0.1


class _Planes(NamedTuple):
    """Brightness, and the two colour differences, one behind the other, at half the size."""

    brightness: Plane
    colour: Plane


class Reference:
    """A picture, or a stack of equally large ones, that others are compared with again and again."""

    def __init__(self, pixels: Pixels, step: int = 1) -> None:
        """`pixels` are sRGB in three channels; every `step`th window across and down is looked at."""
        self._step = step
        self._planes = _planes(pixels)
        self._means = _Planes(*(_filtered(plane, step) for plane in self._planes))

    def brightness(self, other: Pixels) -> float:
        """The SSIM of luma, -1 to 1, the mean over all windows."""
        return self._mean(0, _planes(other))

    def similarity(self, other: Pixels) -> float:
        """The SSIM of luma (0.8) and of the two differences of colour (0.1 each).

        Colour is compared at half the size, so that halving it, which is hardly seen, is no loss.
        """
        planes = _planes(other)
        return _BRIGHTNESS * self._mean(0, planes) + 2 * _COLOUR * self._mean(1, planes)

    def _mean(self, number: int, planes: _Planes) -> float:
        one, other, mean, step = self._planes[number], planes[number], self._means[number], self._step
        other_mean = _filtered(other, step)
        squares, product = mean**2 + other_mean**2, mean * other_mean
        variances = _filtered(one**2 + other**2, step) - squares
        covariance = _filtered(one * other, step) - product
        alike = (2 * product + _LUMINANCE) * (2 * covariance + _CONTRAST)
        return float(np.mean(alike / ((squares + _LUMINANCE) * (variances + _CONTRAST)), dtype=np.float64))


def _planes(pixels: Pixels) -> _Planes:
    ycc: Plane = (pixels.reshape(-1, 3).astype(np.float32) @ _YCC).reshape(pixels.shape)
    # Products of matrices are quick where each plane lies in one piece.
    colour = np.ascontiguousarray(np.moveaxis(_halved(ycc)[..., 1:], -1, 0))
    return _Planes(np.ascontiguousarray(ycc[..., 0]), colour)


def _halved(values: Plane) -> Plane:
    """Each two by two pixels as their mean; an odd last row or column is left out, unless there is no other."""
    for axis in (-3, -2):
        if values.shape[axis] == 1:
            values = np.repeat(values, 2, axis)
    *stack, height, width, channels = values.shape
    even = values[..., : height // 2 * 2, : width // 2 * 2, :]
    pairs = even.reshape(*stack, height // 2, 2, width // 2, 2, channels)
    sums: Plane = pairs[..., 0, :, 0, :] + pairs[..., 0, :, 1, :] + pairs[..., 1, :, 0, :] + pairs[..., 1, :, 1, :]
    return sums * np.float32(0.25)


def _filtered(planes: Plane, step: int) -> Plane:
    """The Gaussian's mean of each window. As products of matrices this is faster than sums of shifted pictures."""
    height, width = planes.shape[-2:]
    across: Plane = _windows(width, step).T
    return np.asarray(_windows(height, step) @ planes @ across, np.float32)


@lru_cache(maxsize=32)
def _windows(length: int, step: int) -> Plane:
    """The weights of the windows that lie wholly inside; of one in the middle where none does."""
    centres = np.arange(_REACH, length - _REACH, step) if length > 2 * _REACH else np.array([length // 2])
    apart = np.arange(length) - centres[:, None]
    weights = np.where(abs(apart) <= _REACH, np.exp(-(apart**2) / (2 * _SIGMA**2)), 0)
    windows: Plane = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return windows
