"""HDR films on screens that are not: PQ and HLG (ITU-R BT.2100) brought to sRGB.

FFmpeg can do it too, by a table that takes a process three and a half seconds to work out before the first frame.
"""

from functools import cache
from typing import Any, Final

import numpy as np
from av.video.reformatter import ColorTrc

_WHITE: Final = 203.0
"""Candelas of a square metre that paper in a scene has: ITU-R BT.2408."""
_BRIGHTEST: Final = 1000.0
"""Of the screens that films are usually graded on; what is brighter still is white."""
_KNEE: Final = 0.6
"""Of paper's light, up to which nothing changes; what is above makes room for light that is brighter than paper."""
_TO_709: Final = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], dtype=np.float32
)
"""Primaries of BT.2020 in those of BT.709 and sRGB: ITU-R BT.2087."""
_LUMINANCE: Final = np.array([0.2627, 0.6780, 0.0593], dtype=np.float32)


def is_bright(transfer: int) -> bool:
    """Whether values of this transfer characteristic stand for light that is brighter than white."""
    return transfer in (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67)


def shown(values: Any, transfer: int) -> Any:
    """Rows of RGB of sixteen bits in BT.2020, by PQ or HLG, as sRGB of eight: colours keep their hue."""
    if transfer == ColorTrc.ARIB_STD_B67:
        scene = _hlg()[values]
        light = scene * (scene @ _LUMINANCE)[..., None] ** 0.2 * (_BRIGHTEST / _WHITE)  # gamma 1.2 at 1000 cd/m2
    else:
        light = _pq()[values]
    light = np.maximum(light @ _TO_709.T, 0.0)
    most = light.max(axis=-1, keepdims=True)
    light *= _less(most) / np.maximum(most, 1e-6)
    return _srgb()[np.minimum(light * 4095 + 0.5, 4095).astype(np.uint16)]


def _less(light: Any) -> Any:
    """Light from 0 to that of the brightest screen as light up to white: straight, then a curve by Reinhard."""
    above = np.maximum(light - _KNEE, 0) / (1 - _KNEE)
    most = (_BRIGHTEST / _WHITE - _KNEE) / (1 - _KNEE)
    return np.minimum(light, _KNEE) + (1 - _KNEE) * above * (1 + above / most**2) / (1 + above)


@cache
def _pq() -> Any:
    """Light in units of paper's, by a value of sixteen bits: SMPTE ST 2084."""
    root = np.linspace(0, 1, 65_536) ** (32 / 2523)
    light = 10_000 * (np.maximum(root - 3424 / 4096, 0) / (2413 / 128 - 2392 / 128 * root)) ** (8192 / 1305)
    return (light / _WHITE).astype(np.float32)


@cache
def _hlg() -> Any:
    """Light of the scene from 0 to 1, by a value of sixteen bits: ARIB STD-B67."""
    value, a = np.linspace(0, 1, 65_536), 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * np.log(4 * a)
    return np.where(value <= 0.5, value**2 / 3, (np.exp((value - c) / a) + b) / 12).astype(np.float32)


@cache
def _srgb() -> Any:
    light = np.linspace(0, 1, 4096)
    value = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(value * 255).astype(np.uint8)
