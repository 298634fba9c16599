"""A poster printed in four inks."""

import math
from typing import TypeAlias

import numpy as np
from pyvips import GValue, Image

from transforms.samples.brush import clouds
from transforms.samples.pen import circle, drawn, element, path, polygon, trace

WIDTH, HEIGHT, DOTS_AN_INCH = 1654, 2339, 200  # A4
# How much cyan, magenta, yellow and black, 0..1.
Inks: TypeAlias = tuple[float, float, float, float]
PAPER, SAND, RAY, RED = (0.0, 0.02, 0.08, 0.0), (0.0, 0.12, 0.30, 0.0), (0.0, 0.28, 0.62, 0.0), (0.0, 0.88, 0.85, 0.0)
ROCK, DEEP, PALE = (0.80, 0.55, 0.05, 0.10), (0.92, 0.62, 0.10, 0.12), (0.62, 0.10, 0.16, 0.0)
WOOD, SAIL, BIRD = (0.30, 0.60, 0.60, 0.75), (0.0, 0.30, 0.85, 0.0), (0.30, 0.50, 0.50, 0.85)

RIDGE = "M70 900L300 640L350 690L410 610L620 860L700 790L760 830L930 700V1000H70Z"
SNOW = (
    "M300 640L350 690L410 610L478 690L440 672L415 700L380 668L350 722L318 684L262 700Z"
    "M700 790L760 830L812 790L780 838L742 846L716 818L668 846Z"
)
HULL = "M600 880C650 900 770 900 826 872C812 930 790 948 760 950H662C632 946 612 920 600 880Z"
FRAME = "M-9-9H1009V1424H-9ZM70 70V1344H930V70Z"
# Rings of a wave from the outermost: radius, ink.
WAVE = [(62, PAPER), (57.7, DEEP), (44.6, PAPER), (40.9, PALE), (27.9, PAPER), (24.2, DEEP), (12.4, PAPER)]
BIRDS = ((250, 330, 40), (330, 290, 30), (395, 345, 24), (180, 270, 22))
# How far each plate is out of register, in thousandths of the width.
REGISTER = ((0.9, -0.5), (-0.8, 0.4), (0.3, 0.8), (0.0, 0.0))


def _bird(x: float, y: float, s: float) -> str:
    left = (x, y, x - s * 0.5, y - s * 0.7, x - s, y - s * 0.2, x - s * 0.5, y - s * 0.45, x, y + s * 0.16)
    right = (x + s * 0.5, y - s * 0.5, x + s, y - s * 0.3, x + s * 0.5, y - s * 0.75, x, y)
    return trace("M_ _Q_ _ _ _Q_ _ _ _Q_ _ _ _Q_ _ _ _Z", *left, *right)


def _shapes() -> list[tuple[str, Inks]]:
    """Shapes with a `%s` for their fill, the lowest first, in thousandths of the width, and their inks."""
    shapes = [(path("M-9-9H1009V1424H-9Z", "%s"), PAPER), (path("M70 70H930V1344H70Z", "%s"), SAND)]
    for ray in range(36):
        turns = [math.pi * (2 * ray + side) / 36 for side in (0, 1)]
        points = [(500 + 1100 * math.cos(turn), 640 + 1100 * math.sin(turn)) for turn in turns]
        shapes.append((path(polygon([(500, 640), *points]), "%s"), RAY))
    shapes += [(circle(500, 640, 292, "%s"), PAPER), (circle(500, 640, 270, "%s"), RED)]
    shapes += [(path(RIDGE, "%s"), ROCK), (path(SNOW, "%s"), PAPER)]
    for row in range(18):
        for column in range(-1, 10):
            x, y = 62 * (2 * column + row % 2), 949 + 31 * row
            shapes += [(circle(x, y, radius, "%s"), inks) for radius, inks in WAVE]
    shapes += [(path(HULL, "%s"), WOOD), (path("M704 880V560L596 846Z", "%s"), PAPER)]
    shapes += [(path("M716 868V590C790 660 812 760 806 850Z", "%s"), SAIL), (path("M706 545h7V890h-7z", "%s"), WOOD)]
    shapes += [(path(_bird(*bird), "%s"), BIRD) for bird in BIRDS]
    return [*shapes, (path(FRAME, "%s", fill_rule="evenodd"), PAPER)]


def paint() -> Image:
    """A ship under a red sun, with the grain of the rollers and its plates a little out of register."""
    shapes, plates = _shapes(), []
    for ink, (across, down) in enumerate(REGISTER):
        greys = [(shape, round(255 * inks[ink])) for shape, inks in shapes]
        body = "".join(shape.replace("%s", f"rgb({grey},{grey},{grey})") for shape, grey in greys)
        plate = drawn(element("g", body, transform=f"translate({across} {down})"), WIDTH, HEIGHT)[0]
        wear = 0.90 + 0.14 * clouds(WIDTH, HEIGHT, 221 + ink, (200, 280), 3, 0.8)
        plates.append((plate * Image.new_from_array(np.ascontiguousarray(wear))).cast("uchar"))
    density = DOTS_AN_INCH / 25.4
    image = plates[0].bandjoin(plates[1:]).copy(interpretation="cmyk", xres=density, yres=density)
    image.set_type(GValue.blob_type, "icc-profile-data", Image.profile_load("cmyk"))
    return image
