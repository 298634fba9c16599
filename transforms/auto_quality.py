"""The quality that one picture needs to look as good as others: tried on a few of its tiles before it is written."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pyvips import Image

from transforms.image import shown_on
from transforms.light import Pixels
from transforms.similarity import Reference

Codec: TypeAlias = Callable[[Image, int], Image]
"""Writes a picture at a `q_`, and reads it again."""


@dataclass(frozen=True)
class Level:
    """What `q_auto` aims at: to look as photographs do at a quality, and the qualities that it keeps to."""

    like: int
    least: int
    most: int


# The least keep blocks and rings from showing in flat places, which SSIM makes little of; the most keep grain, which it
# makes much of, from costing several times the bytes, and "good" below the quality at which a JPEG's colour is whole.
LEVELS: Final = {
    "best": Level(90, 75, 95),
    "good": Level(80, 55, 88),
    "eco": Level(65, 40, 78),
    "low": Level(50, 25, 65),
}

# How similar to itself a photograph is at a `q_`: tiles of 20 photographs as JPEG, 600 pixels a side, the mean.
_USUAL: Final = ((20, 0.852), (35, 0.896), (50, 0.917), (65, 0.936), (80, 0.959), (90, 0.983), (96, 0.9945))

TILE: Final = 64  # pixels a side; a whole number of all encoders' blocks
_TILES: Final = 12
_LONGEST: Final = _TILES * TILE  # pixels a side of what is tried of a picture that is narrower than a tile
_BANDS: Final = 8  # rows of tiles that are looked at
_FAVOUR: Final = 1.5  # above 1, more of the tiles have much detail
_TRIES, _TRIES_LEFT = 3, 2
_NEAR: Final = -0.5, 1.5  # of the quality that is aimed at
_STEP: Final = 2  # every second window of a tile tells as much as all
_GREY: Final = (128.0, 128.0, 128.0)  # where transparency is, for an eye that sees both black and white on it


def chosen(frames: Sequence[Image], level: Level, coded: Codec, hint: Codec | None = None) -> int:
    """The lowest `q_` at which the picture is as similar to itself as the level asks for, within its bounds.

    `coded` writes a picture as the whole will be written; `hint` is a quicker way whose answer is near. Of an
    animation the first and the middle frame are looked at.
    """
    tiles = _sample([frames[0], frames[len(frames) // 2]] if len(frames) > 1 else frames[:1])
    # Side by side, since libvips and decoders take their time for each line.
    strip = _image(np.concatenate(tiles, axis=1))
    seen = shown_on(strip, _GREY) if strip.hasalpha() else strip
    reference = Reference(_apart(seen, len(tiles)), _STEP)

    def looks_like(codec: Codec, part: Image, quality: int) -> float:
        decoded = codec(part, quality)
        decoded = shown_on(decoded, _GREY) if decoded.hasalpha() else decoded
        return _quality_of(reference.similarity(_apart(decoded, len(tiles))))

    start = _least(partial(looks_like, hint, seen), level, level.like, _TRIES) if hint else level.like
    return _least(partial(looks_like, coded, strip), level, start, _TRIES_LEFT if hint else _TRIES)


def _least(looks_like: Callable[[int], float], level: Level, quality: int, tries: int) -> int:
    """The lowest quality that looks like the level's or better, found by secants from one that is near."""
    low, high = (level.least - 1, -math.inf), (level.most, math.inf)  # too little; and enough, or all there is
    for _ in range(tries):
        looks = looks_like(quality) - level.like
        if _NEAR[0] <= looks < _NEAR[1]:
            return quality
        low, high = ((quality, looks), high) if looks < 0 else (low, (quality, looks))
        if high[0] - low[0] <= 1:
            return high[0]
        guess = quality - looks
        if math.isfinite(high[1] - low[1]):
            guess = high[0] - (high[0] - low[0]) * high[1] / (high[1] - low[1])
        quality = min(max(math.ceil(guess), low[0] + 1), high[0] - math.isfinite(high[1]))
    return quality


def _quality_of(similarity: float) -> float:
    """The `q_` at which photographs usually have this similarity. Errors fall by halves, so they are told in bits."""
    qualities, similarities = zip(*_USUAL, strict=True)
    return float(np.interp(_bits(similarity), [_bits(one) for one in similarities], qualities))


def _bits(similarity: float) -> float:
    return -math.log2(max(1 - similarity, 1e-6))


def _sample(frames: Sequence[Image]) -> list[Pixels]:
    """Tiles of one size that stand for the pictures, from the flattest, where artefacts show, to the most detailed."""
    first = frames[0]
    if min(first.width, first.height) < TILE or first.width * first.height <= _TILES * TILE**2:
        width, height = min(first.width, _LONGEST), min(first.height, _LONGEST)
        left, top = (first.width - width) // 2, (first.height - height) // 2
        return [frame.crop(left, top, width, height).numpy() for frame in frames]
    return [tile for frame in frames for tile in _spread(frame, _TILES // len(frames))]


def _spread(frame: Image, count: int) -> list[Pixels]:
    """At most so many of a frame's tiles, evenly spread in the order of their detail but for `_FAVOUR`."""
    columns, rows = frame.width // TILE, frame.height // TILE
    left, top = frame.width % TILE // 2, frame.height % TILE // 2
    if rows <= _BANDS:
        bands = [frame.crop(left, top, columns * TILE, rows * TILE).numpy()]
    else:
        some = np.linspace(0, rows - 1, _BANDS).round().astype(int)
        bands = [frame.crop(left, top + int(row) * TILE, columns * TILE, TILE).numpy() for row in some]
    tiles = np.concatenate(bands).reshape(-1, TILE, columns, TILE, frame.bands).swapaxes(1, 2)
    tiles = tiles.reshape(-1, TILE, TILE, frame.bands)
    detail = _detail(tiles)
    order = np.argsort(detail, kind="stable")
    order = order[min(np.count_nonzero(detail == 0), len(order) - 1) :]  # one colour all over comes out at any quality
    ranks = 1 - (1 - (np.arange(count) + 0.5) / count) ** _FAVOUR
    return list(tiles[order[np.unique((ranks * len(order)).astype(int))]])


def _detail(tiles: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The mean difference between every other line and column of each tile, of green, as far as it is seen."""
    green = tiles[:, ::2, ::2, 1].astype(np.int32)
    if tiles.shape[-1] == 4:
        green = green * tiles[:, ::2, ::2, 3] // 255
    across, down = (np.abs(np.diff(green, axis=axis)).mean(axis=(1, 2)) for axis in (1, 2))
    return np.asarray(across + down, np.float64)


def _image(pixels: Pixels) -> Image:
    height, width, bands = pixels.shape
    return Image.new_from_memory(pixels.tobytes(), width, height, bands, "uchar").copy(interpretation="srgb")


def _apart(strip: Image, count: int) -> Pixels:
    """The tiles of a strip, one behind the other."""
    tiles: Pixels = strip.numpy().reshape(strip.height, count, -1, 3).swapaxes(0, 1)
    return tiles
