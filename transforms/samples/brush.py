"""What the sample pictures are painted with: noise, gradients, glows, shapes and grain.

Canvases are float arrays of light, 0..1, (height, width) or (height, width, 3). The same seed gives the same noise.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from pyvips import Image

Canvas: TypeAlias = npt.NDArray[Any]
Stops: TypeAlias = Sequence[tuple[float, str]]


def colour(code: str) -> Canvas:
    """The colour of a code such as "#ff8800"."""
    return np.array([int(code[i : i + 2], 16) / 255 for i in (1, 3, 5)], np.float32)


def plane(width: int, height: int) -> tuple[Canvas, Canvas]:
    """Places across (0..1, one row) and down (0..height/width, one column), in widths of the picture."""
    across = (np.arange(width, dtype=np.float32) + 0.5) / width
    down = (np.arange(height, dtype=np.float32) + 0.5) / width
    return across[None, :], down[:, None]


def step(low: float, high: float, value: Any) -> Canvas:
    """Zero below `low`, one above `high`, a smooth slope between; `low` may be the higher one."""
    t = np.clip((np.asarray(value, np.float32) - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def shade(stops: Stops, value: Any) -> Canvas:
    """The colours of a gradient at these values."""
    table = np.stack([colour(code) for _, code in stops])
    places = [place for place, _ in stops]
    return np.stack([np.interp(value, places, table[:, i]).astype(np.float32) for i in range(3)], axis=-1)


def mix(under: Canvas, over: Canvas, amount: Any) -> Canvas:
    """`over` laid upon `under`; amounts are one number a pixel."""
    result: Canvas = (over - under) * np.asarray(amount, np.float32)[..., None]
    result += under
    return result


def screen(under: Canvas, light: Canvas) -> Canvas:
    """Light added without burning out."""
    result = np.clip(light, 0, 1)
    result *= 1 - under
    result += under
    return result


def resized(canvas: Canvas, width: int, height: int) -> Canvas:
    """The canvas at another size."""
    image = Image.new_from_array(np.ascontiguousarray(canvas))
    result = image.resize(width / image.width, vscale=height / image.height, kernel="cubic")
    return np.asarray(result.crop(0, 0, width, height).numpy(), np.float32)


def blurred(canvas: Canvas, sigma: float) -> Canvas:
    """The canvas softened by a Gaussian of this many pixels."""
    height, width = canvas.shape[:2]
    shrink = max(1, int(sigma / 2.5))
    if shrink > 1:
        small = resized(canvas, max(8, width // shrink), max(8, height // shrink))
        return resized(blurred(small, sigma / shrink), width, height)
    image = Image.new_from_array(np.ascontiguousarray(canvas))
    return np.asarray(image.gaussblur(sigma, precision="float").numpy(), np.float32)


def sampled(canvas: Canvas, columns: Canvas, rows: Canvas) -> Canvas:
    """The canvas read at these columns and rows, which may be fractions."""
    height, width = canvas.shape[:2]
    index = np.stack([np.clip(columns, 0, width - 1.01), np.clip(rows, 0, height - 1.01)], axis=2)
    image = Image.new_from_array(np.ascontiguousarray(canvas))
    return np.asarray(image.mapim(Image.new_from_array(index.astype(np.float32))).numpy(), np.float32)


def clouds(
    width: int, height: int, seed: int, cells: tuple[float, float] = (4, 3), octaves: int = 7, gain: float = 0.5
) -> Canvas:
    """Fractal noise 0..1: random grids, each twice as fine as the last and `gain` times as strong."""
    rng = np.random.default_rng(seed)
    columns, rows = (max(4, round(count) + 1) for count in cells)
    total: Canvas = rng.random((rows, columns), np.float32)
    weight = 1.0
    for _ in range(octaves - 1):
        if columns * 2 > width or rows * 2 > height:
            break
        columns, rows, weight = columns * 2, rows * 2, weight * gain
        total = resized(total, columns, rows) + weight * rng.random((rows, columns), np.float32)
    low, high = np.percentile(total, (0.5, 99.5))
    even: Canvas = (total - low) / (high - low)
    return resized(even.astype(np.float32), width, height)


def skyline(width: int, seed: int, cells: int = 4, octaves: int = 9, gain: float = 0.5, sharp: bool = True) -> Canvas:
    """A line of fractal noise, 0..1, with the creases of mountains when sharp."""
    rng = np.random.default_rng(seed)
    x = np.linspace(0, 1, width, dtype=np.float32)
    total, weight = np.zeros(width), 1.0
    for octave in range(octaves):
        count = cells * 2**octave
        knots = rng.random(count + 3)
        place = x * count
        low = place.astype(int)
        t = place - low
        t = t * t * (3 - 2 * t)
        line = knots[low] * (1 - t) + knots[low + 1] * t
        total += weight * (1 - np.abs(2 * line - 1) if sharp and octave < 5 else line)
        weight *= gain
    return np.asarray((total - total.min()) / np.ptp(total), np.float32)


def stars(width: int, height: int, seed: int, count: int) -> Canvas:
    """Points of light, a few of them bright, each a little soft."""
    rng = np.random.default_rng(seed)
    sky = np.zeros((height, width, 3), np.float32)
    tints = shade([(0, "#9db8ff"), (0.5, "#ffffff"), (1, "#ffd9a8")], rng.random(count))
    sky[rng.integers(0, height, count), rng.integers(0, width, count)] = tints * (rng.random((count, 1)) ** 4 * 6 + 0.4)
    return blurred(sky, 0.7) + 0.35 * blurred(sky, 2.2)


def photographed(
    canvas: Canvas, width: int, height: int, grain: float, seed: int, shapes: Image | None = None
) -> Image:
    """The canvas enlarged to a picture of 8 bits, shapes laid upon it, and the grain of a film (levels out of 255)."""
    image = Image.new_from_array((np.clip(canvas, 0, 1) * 65535).astype(np.uint16), interpretation="rgb16")
    image = image.resize(width / image.width, vscale=height / image.height, kernel="cubic").crop(0, 0, width, height)
    image = (image / 257).copy(interpretation="srgb")
    if shapes is not None:
        alpha = shapes[3] / 255
        image = image * (1 - alpha) + shapes[:3] * alpha
    tile = np.random.default_rng(seed).normal(0, grain, (750, 1000, 1)).astype(np.float32)
    tint = np.random.default_rng(seed + 1).normal(0, grain / 3, (750, 1000, 3)).astype(np.float32)
    film = Image.new_from_array(tile + tint).gaussblur(0.6, precision="float") * 1.5
    film = film.replicate(-(-width // 1000), -(-height // 750)).crop(0, 0, width, height)
    return (image + film).round("rint").cast("uchar").copy(interpretation="srgb")
