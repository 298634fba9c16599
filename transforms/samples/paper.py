"""Sheets of cut paper, one above the other."""

import numpy as np
from pyvips import Image

from transforms.samples.brush import Canvas, blurred, clouds, mix, plane, shade

WIDTH, HEIGHT = 1280, 960
SHEETS = [
    (0, "#0b1d3a"),
    (0.16, "#123a63"),
    (0.32, "#1b6a86"),
    (0.48, "#3aa6a0"),
    (0.62, "#9fd8b4"),
    (0.76, "#f4e7c3"),
    (0.88, "#f7b98b"),
    (1, "#ee7b66"),
]
LAYERS = 12
# How far away each of a sheet's two shadows falls, how soft and how dark it is.
SHADOWS = ((22, 14, 0.42), (7, 4, 0.30))


def _shifted(sheet: Canvas, far: int) -> Canvas:
    """The sheet moved down by so many pixels, and to the right by a little less; its borders go on for ever."""
    down, across = far, round(far * 0.6)
    pad = abs(far)
    wide = np.pad(sheet, pad, mode="edge")
    return wide[pad - down : pad - down + HEIGHT, pad - across : pad - across + WIDTH]


def paint() -> Image:
    """A valley of cut paper, 16 bits a channel, so that its soft shadows have no steps."""
    x, y = plane(WIDTH, HEIGHT)
    bumps = clouds(WIDTH, HEIGHT, 201, (4, 3), 3, 0.35) - 0.5
    ground = 1.55 * np.hypot((x - 0.46) * 0.95, y - 0.40) + 0.42 * bumps
    ground = blurred(ground.astype(np.float32), 6)
    fibre = clouds(WIDTH, HEIGHT, 202, (300, 220), 3, 0.8)
    down, across = np.gradient(fibre)
    tooth = 1 + 0.20 * (across + down)
    slope = np.hypot(*np.gradient(ground)) + 1e-6
    scene = np.zeros((HEIGHT, WIDTH, 3), np.float32) + shade(SHEETS, 0.0)
    for layer in range(1, LAYERS + 1):
        level = np.interp(layer, [1, LAYERS], [0.09, 0.83])
        sheet = np.clip((ground - level) / slope + 0.5, 0, 1).astype(np.float32)
        shadows = [strength * blurred(_shifted(sheet, far), soft) for far, soft, strength in SHADOWS]
        scene *= (1 - np.maximum(*shadows))[..., None]
        bevel = 0.35 * np.clip(_shifted(sheet, -2) - _shifted(sheet, 2), 0, 1)
        lit = (tooth * (1 - bevel))[..., None] * shade(SHEETS, layer / LAYERS) + bevel[..., None]
        scene = mix(scene, lit, sheet)
    scene *= (1 - 0.22 * np.clip(np.hypot(x - 0.5, y - 0.375) - 0.35, 0, 1))[..., None]
    array = (np.clip(scene, 0, 1) * 65535).round().astype(np.uint16)
    return Image.new_from_array(array, interpretation="rgb16")
