"""A dahlia cut out of its background."""

import numpy as np
from pyvips import Image

from transforms.samples.pen import circle, drawn, element, gradient, line, path, trace

SIZE = 1600
# Rings of petals from the outermost: petals, length, width, the colours of the tip and of the foot.
RINGS = [
    (21, 455, 118, "#ff5e98", "#8e1450"),
    (21, 415, 112, "#ff5a90", "#941450"),
    (19, 368, 104, "#ff6088", "#9c1650"),
    (17, 318, 96, "#ff6c80", "#a81a4c"),
    (15, 268, 86, "#ff7f78", "#b32046"),
    (13, 218, 74, "#ff9874", "#c02c40"),
    (11, 168, 60, "#ffbe80", "#cc3c3a"),
    (9, 120, 46, "#ffd27c", "#d65432"),
    (7, 78, 32, "#ffe488", "#e07a30"),
]
LEAF = "M0 0C120-150 330-190 560-40C360 60 150 90 0 0Z"
VEINS = "M10-3Q280-60 540-42M130-28Q190-90 260-118M230-45Q300-105 380-120M180-36Q240 0 300 28M300-48Q360-20 420-4"
LEAVES = ((38, 1.05), (152, 1.0), (262, 0.95))
# Two shadows of one outline: wide for the height above the ground, tight for where it touches.
# Across, down, softness in pixels, strength.
SHADOWS = ((22, 44, 34, 0.34), (8, 14, 10, 0.22))


def _petal(length: float, width: float, angle: float, fill: str) -> str:
    """One petal from the middle upwards, turned by an angle in degrees."""
    sides = (-0.45, -0.625, -0.175, 0.175, 0.625, 0.45)
    a, b, c, d, e, f = (width * side for side in sides)
    low, high, end, tip = (-length * part for part in (0.30, 0.72, 0.94, 1.03))
    outline = trace("M0 0C_ _ _ _ _ _Q0 _ _ _C_ _ _ _ 0 0Z", a, low, b, high, c, end, tip, d, end, e, high, f, low)
    fold = trace(
        "M0 0C_ _ _ _ 0 _C_ _ _ _ 0 0Z",
        *(width * 0.06, -length * 0.4, width * 0.05, -length * 0.7, -length * 0.93),
        *(width * 0.35, -length * 0.86, width * 0.475, -length * 0.5),
    )
    veins = ""
    for side in (-1.1, -0.6, 0.6, 1.1):
        at = width * side / 2
        veins += trace("M_ _Q_ _ _ _", at * 0.1, -length * 0.3, at * 0.62, -length * 0.6, at * 0.32, -length * 0.9)
    petal = (
        path(outline, "#3d0424", fill_opacity=0.42, transform="translate(5 9)")
        + path(outline, fill, stroke="#fff", stroke_opacity=0.3, stroke_width=1.4)
        + path(fold, "#5a0636", fill_opacity=0.17)
        + path(veins, stroke="#fff", stroke_opacity=0.16, stroke_width=1.6)
    )
    return element("g", petal, transform=f"rotate({angle:.2f})")


def paint() -> Image:
    """A dahlia with transparent surroundings and a soft shadow."""
    rng = np.random.default_rng(181)
    gradients = gradient("leaf", (0, "#1d4d33"), (0.55, "#3f8f4f"), (1, "#8cc873"), x2=1, y2=0.6)
    gradients += gradient("heart", (0, "#fff2a8"), (1, "#d8742c"), r=0.5)
    petals = ""
    for number, (count, length, width, tip, foot) in enumerate(RINGS):
        stops = (0.15, foot), (0.68, tip), (1, "#ffd0da")
        gradients += gradient(f"ring{number}", *stops, gradientUnits="userSpaceOnUse", x1=0, y1=0, x2=0, y2=-length)
        for petal in range(count):
            angle = 360 * (petal + 0.5 * (number % 2)) / count + rng.normal(0, 1.6)
            petals += _petal(length * rng.uniform(0.95, 1.04), width, angle, f"url(#ring{number})")
    leaf = path(LEAF, "url(#leaf)") + line(VEINS, "#dff5b8", 4, stroke_opacity=0.4)
    leaves = "".join(
        element("g", leaf, transform=f"rotate({angle}) translate(60 0) scale({size})") for angle, size in LEAVES
    )
    whole = element("g", leaves + petals + circle(0, 0, 30, "url(#heart)"), transform="translate(500 492) scale(.84)")
    cut = drawn(element("defs", gradients) + whole, SIZE, SIZE)
    dark = sum(
        cut[3].embed(across, down, SIZE, SIZE).gaussblur(soft) * strength for across, down, soft, strength in SHADOWS
    )
    shadow = Image.black(SIZE, SIZE, bands=3).bandjoin(dark.cast("uchar")).copy(interpretation="srgb")
    return shadow.composite2(cut, "over").cast("uchar")
