"""Mountains at sunset behind a lake."""

import numpy as np
from pyvips import Image

from transforms.samples.brush import (
    Canvas,
    blurred,
    clouds,
    colour,
    mix,
    photographed,
    plane,
    sampled,
    screen,
    shade,
    skyline,
    step,
)
from transforms.samples.pen import drawn, element, gradient, line, path, polygon, trace

WIDTH, HEIGHT = 4032, 3024
SHORE = 0.475  # in widths of the picture, as every length here
SUN = (0.635, 0.345)
SKY = [(0, "#141a47"), (0.14, "#3b2f73"), (0.24, "#8a3f7d"), (0.32, "#e0625f"), (0.40, "#ff9f5a"), (0.47, "#ffd08a")]
# Height of the crest, height of its peaks, cells of its noise, colour.
RIDGES = [
    (0.385, 0.100, 3, "#c8686c"),
    (0.405, 0.080, 4, "#995070"),
    (0.430, 0.075, 5, "#6a3c68"),
    (0.452, 0.060, 6, "#432c58"),
    (0.472, 0.045, 9, "#241c3e"),
]
# Across and how tall, in thousandths of the width.
TREES = [(18, 330), (62, 400), (104, 300), (140, 215), (172, 150), (200, 105), (-8, 420), (85, 180)]
TREES += [(984, 235), (946, 165), (915, 115), (1006, 280), (890, 78)]
BIRDS = [(430, 190, 8), (452, 178, 7), (470, 193, 6), (488, 171, 7), (415, 172, 5), (506, 183, 5)]


def _sky(x: Canvas, y: Canvas) -> Canvas:
    width, height = x.shape[1], y.shape[0]
    sky = np.repeat(shade(SKY, y), width, axis=1)
    far = np.hypot(x - SUN[0], (y - SUN[1]) * 1.15)
    streaks = clouds(width, height, 11, (3, 10), 8, 0.55)
    wisps = clouds(width, height, 12, (5, 6), 8, 0.6)
    density = step(0.5, 0.85, 0.7 * streaks + 0.3 * wisps) * step(0.0, 0.1, y) * step(0.46, 0.30, y)
    lit = np.clip(0.5 + 5 * (streaks - np.roll(streaks, -6, axis=0)), 0, 1) * (0.35 + 0.65 * np.exp(-3 * far))
    sky = mix(sky, mix(colour("#54376f"), colour("#ffb070"), lit), 0.85 * density)
    glow = 0.8 * np.exp(-8 * far) + 0.35 * np.exp(-3.2 * far)
    sky = screen(sky, glow[..., None] * colour("#ffb45e"))
    return screen(sky, step(0.0285, 0.0255, far)[..., None] * colour("#fff2c4"))


def _mountains(scene: Canvas, x: Canvas, y: Canvas) -> None:
    """Lay the ridges on the part of the sky where they stand, the farthest first."""
    top = int(0.27 * x.shape[1])
    y = y[top:]
    width, height = x.shape[1], y.shape[0]
    far = np.abs(x - SUN[0])
    haze = mix(colour("#c77a86"), colour("#ffb877"), np.exp(-far * 4))
    veil = clouds(width, height, 21, (4, 4), 6)
    for number, (crest, peaks, cells, code) in enumerate(RIDGES):
        line = crest - peaks * (skyline(width, 31 + number, cells) - 0.35)
        depth = y - line[None, :]
        slopes = clouds(width, height, 41 + number, (cells * 9, cells * 2), 6, 0.7)
        light = 1 + (slopes - 0.5) * (0.15 + 0.12 * number) + 0.5 * np.exp(-np.abs(depth) * 60) * np.exp(-far * 5)
        mist = step(0.0, 0.075, depth) * (0.25 + 0.6 * veil) * (0.9 - 0.12 * number)
        ridge = mix(colour(code) * light[..., None], haze, mist)
        scene[top:] = mix(scene[top:], ridge, np.clip(depth * width * 0.7 + 0.5, 0, 1))


def _lake(above: Canvas, x: Canvas, below: Canvas) -> Canvas:
    """What is above the shore, mirrored in the water; `below` counts from the shore downwards."""
    width, height = x.shape[1], below.shape[0]
    fine = clouds(width, height, 51, (14, 130), 4, 0.6) - 0.5
    broad = clouds(width, height, 52, (5, 18), 4, 0.5) - 0.5
    ripple = fine * (0.001 + 0.045 * below) + broad * (0.001 + 0.05 * below)
    columns = np.arange(width, dtype=np.float32)[None, :] + ripple * width * 0.35
    water = sampled(above, columns, (SHORE - below * 0.95 + ripple) * width)
    water *= (0.97 - 0.75 * below)[..., None] * np.array([1.03, 0.91, 0.86], np.float32)
    path = np.exp(-(((x - SUN[0]) / (0.018 + 0.13 * below)) ** 2))
    glints = path * step(0.02, 0.34, fine + 0.3 * broad) * np.exp(-2.5 * below)
    return screen(water, glints[..., None] * colour("#ffd596"))


def _conifer(x: float, foot: float, tall: float, rng: np.random.Generator) -> str:
    tiers = int(14 + tall / 40)
    sides: list[list[tuple[float, float]]] = [[], []]
    for tier in range(1, tiers + 1):
        y = foot - tall * (1 - 0.94 * tier / tiers)
        for side, points in zip((-1, 1), sides, strict=True):
            reach = side * tall * (0.02 + 0.17 * (tier / tiers) ** 0.9) * rng.uniform(0.7, 1.15)
            points += [(x + reach, y + tall * rng.uniform(0.017, 0.035)), (x + reach * 0.35, y - tall * 0.004)]
    trunk = [(x - tall * 0.012, foot), (x + tall * 0.012, foot)]
    return path(polygon([(x, foot - tall), *sides[0], *trunk, *sides[1][::-1]]), "#0e0c1c")


def _foreground() -> str:
    """The near shore with its trees and reeds, a boat and some birds, in thousandths of the width."""
    rng = np.random.default_rng(61)
    across = np.linspace(0, 1000, 120)
    edge = 690 + 42 * skyline(120, 62, 3, 6, 0.5, False) - 45 * np.abs(across / 500 - 1.1) ** 3

    def ground(x: float) -> float:
        return float(np.interp(x, across, edge))

    trees = ""
    for x, tall in TREES:
        trees += _conifer(x, ground(x) + 8, tall * rng.uniform(0.95, 1.05), rng)
    reeds = ""
    for x in rng.uniform(150, 960, 260):
        lean, tall = rng.normal(0, 5), rng.uniform(6, 30) * (0.4 + 0.6 * abs(x - 560) / 400)
        reeds += trace("M_ _q_ _ _ _", x, ground(x) + 3, lean * 0.2, -tall * 0.6, lean, -tall)
    birds = ""
    for x, y, s in BIRDS:
        birds += trace("M_ _q_ _ _ _", x, y, -s * 0.5, -s * 0.7, -s, -s * 0.25)
        birds += trace("M_ _q_ _ _ _", x, y, s * 0.5, -s * 0.8, s, -s * 0.4)
    boat = "M512 556q26 9 56 0q-4 9-12 10h-32q-9-1-12-10z"
    sailor = "M534 558q-1-14 4-16a3.6 3.6 0 1 1 5 0q5 2 5 16z"
    return (
        element("defs", gradient("bank", (0, "#15122b"), (1, "#07070f"), x2=0, y2=1))
        + path(boat + sailor, "#120f22")
        + path("M546 549l26 14", stroke="#120f22", stroke_width=1.3)
        + path("M514 566.5q26 4 52 0q-3 8-12 9h-29q-8-1-11-9z", "#120f22", fill_opacity=0.55)
        + line(birds, "#2a1c3e", 1.2)
        + line(reeds, "#0c0b18", 1)
        + path(polygon([(0, 760), *zip(across, edge, strict=True), (1000, 760)]), "url(#bank)")
        + trees
    )


def paint() -> Image:
    """A lake before mountains at sunset, 12 megapixels."""
    x, y = plane(WIDTH // 2, HEIGHT // 2)
    shore = int(SHORE * x.shape[1])
    above = _sky(x, y[:shore])
    _mountains(above, x, y[:shore])
    scene = np.concatenate([above, _lake(above, x, y[shore:] - SHORE)])
    near = slice(int(0.44 * x.shape[1]), int(0.51 * x.shape[1]))
    patches = 0.1 + 0.7 * clouds(x.shape[1], near.stop - near.start, 53, (6, 4))
    fog = 0.75 * patches * np.exp(-(((y[near] - SHORE) / 0.012) ** 2))
    scene[near] = mix(scene[near], colour("#f3a07e"), fog)
    scene = screen(scene, 0.25 * blurred(np.clip(scene - 0.6, 0, 1), 40))
    shapes = drawn(_foreground(), WIDTH, HEIGHT)
    return photographed(scene, WIDTH, HEIGHT, 3.2, 63, shapes)
