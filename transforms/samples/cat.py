"""A cat by night, with the moon behind it."""

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
    resized,
    sampled,
    screen,
    shade,
    stars,
    step,
)
from transforms.samples.face import EYES, NOSE, face
from transforms.samples.pen import circle, coverage, drawn, glow, path

WIDTH, HEIGHT = 4000, 3000
MOON = (0.245, 0.225, 0.125)  # across, down, radius, in widths

SKY = [(0, "#070c22"), (0.3, "#10204a"), (0.55, "#1d3a63"), (0.75, "#2b4a66")]
LAMPS = {"#ff9f38": 0.35, "#ff6f2c": 0.25, "#ffca60": 0.2, "#ff4f68": 0.1, "#3fa4ff": 0.1}
COAT = [(0, "#0d111c"), (0.3, "#262e42"), (0.6, "#59647d"), (0.85, "#9aa5bb"), (1, "#dde4f2")]
BIB = [(0, "#3c4254"), (0.5, "#a3abbd"), (1, "#f2f4f8")]
SKIN = [(0, "#2a1820"), (1, "#b07a7c")]

# Silhouettes, in thousandths of the width.
HEAD = (
    "M600 238C668 238 722 272 746 326C770 372 790 424 776 464C758 516 692 556 600 556"
    "C508 556 442 516 424 464C410 424 430 372 454 326C478 272 532 238 600 238Z"
)
EARS = (
    "M462 330C446 262 442 196 450 138C494 164 540 206 566 250Z",
    "M738 330C754 262 758 196 750 138C706 164 660 206 634 250Z",
)
INNER = (
    "M474 300C464 250 460 208 464 172C494 194 520 222 538 250Z",
    "M726 300C736 250 740 208 736 172C706 194 680 222 662 250Z",
)
BODY = "M492 500C430 560 380 640 362 760L850 760C832 640 770 560 708 500Z"
MUZZLE = "M600 430C630 430 668 470 664 502C660 528 628 538 600 538C572 538 540 528 536 502C532 470 570 430 600 430Z"


def _night(x: Canvas, y: Canvas) -> Canvas:
    width, height = x.shape[1], y.shape[0]
    sky = np.repeat(shade(SKY, y), width, axis=1)
    sky = screen(sky, stars(width, height, 71, 700) * step(0.6, 0.1, y)[..., None])
    far = np.hypot(x - MOON[0], y - MOON[1])
    veil = clouds(width, height, 72, (4, 5), 7, 0.55)
    lit = np.exp(-5 * np.clip(far - 0.1, 0, None))
    sky = mix(sky, mix(colour("#14224a"), colour("#7f97bd"), lit), 0.6 * step(0.45, 0.95, veil))
    halo = 0.5 * np.exp(-14 * np.clip(far - MOON[2], 0, None)) + 0.2 * lit
    sky = screen(sky, halo[..., None] * colour("#a9c0ee"))
    seas = step(0.35, 0.62, clouds(width, height, 73, (9, 7), 6, 0.6))
    round_ = np.sqrt(np.clip(1 - (far / MOON[2]) ** 2, 0, 1))
    moon = mix(colour("#fffbe6"), colour("#c3c2bd"), 0.75 * seas) * (0.72 + 0.28 * round_)[..., None]
    sky = mix(sky, moon, step(MOON[2] + 0.001, MOON[2] - 0.001, far))
    return screen(sky, blurred(glow(_lamps(), width, height), 2.5))


def _lamps() -> str:
    """The lights of a town, out of focus."""
    rng = np.random.default_rng(74)
    text = ""
    for tint in rng.choice(list(LAMPS), 46, p=list(LAMPS.values())):
        place, low, size, strong = rng.uniform(0, 1000), rng.normal(690, 40), rng.uniform(12, 34), rng.uniform(0.3, 0.7)
        text += circle(place, low, size, tint, fill_opacity=strong, stroke=tint, stroke_opacity=0.5, stroke_width=1.5)
    return text


def _fur(x: Canvas, y: Canvas, seed: int, length: int, coarse: float) -> Canvas:
    """Noise combed away from the nose, 0..1 around a half."""
    width, height = x.shape[1], y.shape[0]
    hairs = blurred(np.random.default_rng(seed).standard_normal((height, width), np.float32), coarse)
    bend = clouds(width, height, seed + 1, (8, 6), 4) - 0.5
    away = np.arctan2(y - NOSE[1] + 0.03, x - NOSE[0]) + 0.9 * bend
    across, down = np.cos(away), np.sin(away)
    columns, rows = np.arange(width, dtype=np.float32)[None, :], np.arange(height, dtype=np.float32)[:, None]
    reach = 1
    while reach <= length:
        hairs = (hairs + sampled(hairs, columns - reach * across, rows - reach * down)) / 2
        reach *= 2
    return np.asarray(0.5 + 0.18 * hairs / hairs.std())


def _stripes(x: Canvas, y: Canvas) -> Canvas:
    """A tabby's marks: lines over the forehead, rings on cheeks and chest."""
    across, down = np.abs(x - NOSE[0]), y - NOSE[1]
    wobble = clouds(x.shape[1], y.shape[0], 75, (9, 8), 5) - 0.5
    forehead = np.sin(across * 150 - down * 22 + 6 * wobble + 1.2)
    forehead *= step(-0.095, -0.14, down) * step(0.12, 0.03, across)
    cheeks = np.sin(down * 120 - across * 45 + 7 * wobble) * step(0.085, 0.12, across) * step(-0.06, 0.0, down)
    chest = np.sin(down * 60 + across * 40 + 8 * wobble) * step(0.12, 0.2, down) * step(0.05, 0.12, across)
    return step(0.15, 0.9, np.maximum(np.maximum(forehead, cheeks), chest))


def _cat(scene: Canvas, x: Canvas, y: Canvas) -> None:
    """Lay the cat upon the scene."""
    width, height = x.shape[1], y.shape[0]
    left, right, top = int(0.33 * width), int(0.88 * width), int(0.11 * width)
    x, y = x[:, left:right], y[top:]

    def mask(soft: float, *paths: str) -> Canvas:
        shapes = "".join(path(data, "#000") for data in paths)
        return blurred(coverage(shapes, width, height)[top:, left:right], soft)

    fine = _fur(x, y, 76, 16, 0.6) - 0.5
    tufts = resized(_fur(x[:, ::2], y[::2], 78, 16, 1.2), x.shape[1], y.shape[0]) - 0.5
    hair = 0.6 * fine + 0.4 * tufts
    # Hairs stick out of the outline where its soft edge and the noise together are dense enough.
    soft = mask(9, HEAD, *EARS, BODY)
    inside = step(0.35, 0.6, soft + (1.3 * tufts + 0.5 * fine) * (1 - np.abs(2 * soft - 1)))

    # The blurred silhouette is a height; its slope towards the moon is the light.
    form = mask(45, HEAD) + 0.6 * mask(60, BODY) + 0.25 * mask(12, *EARS)
    down, across = np.gradient(blurred(form, 3))
    light = 0.56 + 0.58 * np.tanh(104 * (0.85 * across + 0.5 * down))
    fur = shade(COAT, np.clip(0.62 * light + 1.1 * hair, 0, 1))
    fur = mix(fur, fur * 0.25, 0.85 * _stripes(x, y))
    for place, low in EYES:
        ring = np.exp(-(((x - place) / 0.058) ** 4) - ((y - low + 0.002) / 0.047) ** 4)
        fur = mix(fur, fur * 0.5 + 0.30 * (1 + hair)[..., None], 0.7 * ring)
    chest = 0.9 * step(0.10, 0.23, y - NOSE[1]) * np.exp(-(((x - NOSE[0]) / 0.055) ** 2))
    pale = np.clip(mask(10, MUZZLE) + chest, 0, 1)
    fur = mix(fur, shade(BIB, np.clip(0.25 + 0.5 * light + 1.3 * hair, 0, 1)), 0.85 * pale)
    hollow = step(0.2, 0.9, mask(8, *INNER) + 0.5 * tufts)
    fur = mix(fur, shade(SKIN, np.clip(0.25 + 0.4 * light + hair, 0, 1)), 0.85 * hollow)

    under_chin = step(0.12, 0.02, np.abs(y - 0.565)) * step(0.16, 0.05, np.abs(x - NOSE[0])) * (1 - mask(8, HEAD))
    fur *= (1 - 0.5 * under_chin)[..., None]
    edge = np.clip(1 - np.abs(4 * mask(14, HEAD, *EARS, BODY).clip(0, 0.5) - 1.25) * 1.4, 0, 1)
    rim = 1.1 * edge * step(-0.0002, 0.02, across + 0.5 * down) * (1.1 + 1.6 * hair)
    fur = screen(fur, rim[..., None] * colour("#b9cdf5"))
    fur = screen(fur, (0.16 * step(0.66, 0.76, y) * (0.9 + hair))[..., None] * colour("#ff9a50"))
    scene[top:, left:right] = mix(scene[top:, left:right], fur, inside)


def paint() -> Image:
    """A tabby looking into the camera by moonlight, 12 megapixels."""
    x, y = plane(WIDTH * 2 // 5, HEIGHT * 2 // 5)
    scene = _night(x, y)
    _cat(scene, x, y)
    return photographed(scene, WIDTH, HEIGHT, 4.0, 82, drawn(face(), WIDTH, HEIGHT))
