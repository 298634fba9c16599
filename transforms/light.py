"""Light and how it is encoded: sRGB (IEC 61966-2-1), and Oklab (Ottosson 2020), where distances are what eyes see."""

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Pixels: TypeAlias = NDArray[np.uint8]
"""Rows of pixels with three or four channels of sRGB, the fourth being alpha."""
Values: TypeAlias = NDArray[np.float64]

_STEPS = np.arange(256) / 255
LINEAR: Final[Values] = np.where(_STEPS <= 0.04045, _STEPS / 12.92, ((_STEPS + 0.055) / 1.055) ** 2.4)
"""The light of each encoded value, 0 to 1."""

LUMINANCE: Final[Values] = np.array([0.2126, 0.7152, 0.0722])
"""How bright the light of red, green and blue is (ITU-R BT.709)."""

_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def encoded(light: Values) -> Values:
    """Light (0 to 1) as sRGB values from 0 to 255, not rounded yet."""
    light = light.clip(0, 1)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def oklab(light: Values) -> Values:
    """Light as lightness (0 to 1) and two axes of colour, along the last axis."""
    lab: Values = np.cbrt(light @ _CONES.T) @ _LAB.T
    return lab


def coverage(pixels: Pixels) -> Values:
    """The alpha of each pixel, 0 to 1."""
    return pixels[..., 3] / 255 if pixels.shape[-1] == 4 else np.ones(pixels.shape[:-1])
