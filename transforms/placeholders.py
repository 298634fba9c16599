"""Hashes that a browser draws a blurred picture from before the picture comes: BlurHash and ThumbHash.

BlurHash as in Wolt's C encoder (`blurhash_encode`), ThumbHash as in Evan Wallace's JavaScript (`rgbaToThumbHash`).
"""

import base64
import math
from typing import Final

import numpy as np

from transforms.light import LINEAR, Pixels, Values, coverage, encoded

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"
_NOTHING: Final = 1e-9  # a wave that is smaller is rounding, and must not be blown up to full scale


def blurhash(pixels: Pixels, across: int | None = None, down: int | None = None) -> str:
    """The BlurHash of a picture of `across` x `down` waves (1 to 9 each), by default four along its longer side.

    BlurHash knows no alpha: what is transparent takes the average colour of the rest, as in ThumbHash.
    """
    height, width = pixels.shape[:2]
    across, down = across or (4 if width >= height else 3), down or (3 if width >= height else 4)
    # Unlike a cosine transform's, these waves begin at the edge of the first pixel, not at its middle.
    waves = (
        np.cos(np.pi * np.outer(np.arange(down), np.arange(height)) / height),
        np.cos(np.pi * np.outer(np.arange(across), np.arange(width)) / width),
    )
    factors = _transformed(LINEAR[_filled(pixels)], *waves).reshape(-1, 3)
    factors[1:] *= 2
    steps, peak = 0, 1.0
    if len(factors) > 1:
        steps = int(np.clip(np.floor(np.abs(factors[1:]).max() * 166 - 0.5), 0, 82))
        peak = (steps + 1) / 166
    red, green, blue = (int(value + 0.5) for value in encoded(factors[0]))
    shares = factors[1:] / peak
    levels = np.floor(np.sign(shares) * np.abs(shares) ** 0.5 * 9 + 9.5).clip(0, 18).astype(int)
    return "".join(
        (
            _base83(across - 1 + 9 * (down - 1), 1),
            _base83(steps, 1),
            _base83(red << 16 | green << 8 | blue, 4),
            *(_base83(int(level), 2) for level in levels @ (19 * 19, 19, 1)),
        )
    )


def thumbhash(pixels: Pixels) -> str:
    """The ThumbHash of a picture of at most 100 x 100 pixels, in Base64: colours, alpha and about the aspect ratio."""
    height, width = pixels.shape[:2]
    alpha = coverage(pixels)
    transparent = bool((alpha < 1).any())
    colours = _on_average(pixels / 255, alpha)
    red, green, blue = colours[..., 0], colours[..., 1], colours[..., 2]
    most = 5 if transparent else 7
    across, down = (max(1, _round(most * side / max(width, height))) for side in (width, height))
    light, light_waves, light_scale = _channel((red + green + blue) / 3, max(3, across), max(3, down))
    yellow, yellow_waves, yellow_scale = _channel((red + green) / 2 - blue, 3, 3)
    reddish, reddish_waves, reddish_scale = _channel(red - green, 3, 3)
    head = (
        _round(63 * light)
        | _round(31.5 + 31.5 * yellow) << 6
        | _round(31.5 + 31.5 * reddish) << 12
        | _round(31 * light_scale) << 18
        | transparent << 23
        | (down if width > height else across) << 24
        | _round(63 * yellow_scale) << 27
        | _round(63 * reddish_scale) << 33
        | (width > height) << 39
    ).to_bytes(5, "little")
    waves = [*light_waves, *yellow_waves, *reddish_waves]
    if transparent:
        opacity, opacity_waves, opacity_scale = _channel(alpha, 5, 5)
        head += bytes([_round(15 * opacity) | _round(15 * opacity_scale) << 4])
        waves += opacity_waves
    halves = [_round(15 * wave) for wave in waves] + [0] * (len(waves) % 2)
    tail = bytes(low | high << 4 for low, high in zip(halves[::2], halves[1::2], strict=True))
    return base64.b64encode(head + tail).decode()


def _channel(values: Values, across: int, down: int) -> tuple[float, list[float], float]:
    """The mean of a channel, its lower waves from 0 to 1 with 0.5 for none, and the largest of them."""
    height, width = values.shape
    waves = (
        np.cos(np.pi * np.outer(np.arange(down), np.arange(height) + 0.5) / height),
        np.cos(np.pi * np.outer(np.arange(across), np.arange(width) + 0.5) / width),
    )
    factors = _transformed(values[..., None], *waves)[..., 0]
    # Of the square of waves the triangle of the lower ones.
    mean, *rest = (float(factors[y, x]) for y in range(down) for x in range(across) if x * down < across * (down - y))
    scale = max(map(abs, rest))
    if scale < _NOTHING:
        return mean, [0.0] * len(rest), 0.0
    return mean, [0.5 + 0.5 / scale * wave for wave in rest], scale


def _transformed(channels: Values, down: Values, across: Values) -> Values:
    """How much of each product of two waves is in the picture: waves down, waves across, channels."""
    height, width = channels.shape[:2]
    factors: Values = across @ np.tensordot(down, channels, 1) / (height * width)
    return factors


def _on_average(colours: Values, alpha: Values) -> Values:
    """The picture without alpha, on the average of what is seen of it; channels as they came."""
    colours, alpha = colours[..., :3], alpha[..., None]
    seen = alpha.sum()
    average = (colours * alpha).sum(axis=(0, 1)) / seen if seen else np.zeros(3)
    return average * (1 - alpha) + colours * alpha


def _filled(pixels: Pixels) -> Pixels:
    if pixels.shape[-1] == 3:
        return pixels
    return _on_average(pixels.astype(np.float64), coverage(pixels)).round().astype(np.uint8)


def _round(value: float) -> int:
    """Halves upwards, as in JavaScript."""
    return math.floor(value + 0.5)


def _base83(value: int, length: int) -> str:
    return "".join(_DIGITS[value // 83**power % 83] for power in reversed(range(length)))
