"""Drawings without light: an icon, and a clock that runs."""

import math
from itertools import pairwise

import numpy as np
import pyvips
from pyvips import Image

from transforms.samples.brush import Canvas, colour, mix
from transforms.samples.pen import circle, drawn, element, gradient, line, path, trace

FRAMES, DIAL = 24, 320
BLADES = ("#f6c667", "#f08a4b", "#e2504b", "#b03060", "#6d3b84", "#3f5a9e")


def icon() -> bytes:
    """The six blades of an aperture around a red lamp, as SVG."""
    inner, outer = 78, 196
    corner = [(inner * math.cos(a), inner * math.sin(a)) for a in (math.pi * (i / 3 + 0.08) for i in range(7))]
    rim = []
    for (ax, ay), (bx, by) in pairwise(corner):
        # Where the line through two corners, which are as far apart as each is from the middle, leaves the circle.
        dx, dy = (bx - ax) / inner, (by - ay) / inner
        along = ax * dx + ay * dy
        far = math.sqrt(along**2 + outer**2 - inner**2) - along
        rim.append((ax + far * dx, ay + far * dy))
    blades = ""
    for tint, tip, start, end in zip(BLADES, corner[1:], rim, rim[1:] + rim[:1], strict=True):
        blades += path(trace("M_ _L_ _A196 196 0 0 1 _ _Z", *tip, *start, *end), tint)
    edges = "".join(trace("M_ _L_ _", *tip, *end) for tip, end in zip(corner, rim, strict=False))
    gradients = gradient("case", (0, "#2b2233"), (1, "#0f0b14"), x2=1, y2=1)
    gradients += gradient("lamp", (0, "#ffd9c0"), (0.35, "#ff5a3c"), (1, "#8a0f1e"), r=0.5)
    shapes = (
        element("rect", x=-240, y=-240, width=480, height=480, rx=112, fill="url(#case)")
        + circle(0, 0, 208, "#07050a")
        + circle(0, 0, 90, "url(#lamp)")
        + blades
        + line(edges, "#120c18", 7)
        + line("M-148-80a170 170 0 0 1 120-88", "#fff", 10, stroke_opacity=0.35)
    )
    whole = element(
        "svg",
        element("defs", gradients) + shapes,
        xmlns="http://www.w3.org/2000/svg",
        width=512,
        height=512,
        viewBox="-256 -256 512 512",
    )
    return whole.encode() + b"\n"


def _on_ellipse(turns: float, across: float, down: float, x: float = 160, y: float = 190) -> tuple[float, float]:
    """The point of an ellipse so many turns clockwise from its top."""
    return x + across * math.sin(2 * math.pi * turns), y - down * math.cos(2 * math.pi * turns)


def _hour(hour: int) -> Image:
    """The dial at one hour of the day, before a sky that is as bright as it should be."""
    day = (0.5 - 0.5 * math.cos(math.pi * hour / 12)) ** 0.8
    dusk = max(0.0, 1 - abs(hour - 6.5) / 2.5, 1 - abs(hour - 18.5) / 2.5)

    def tint(night: str, noon: str, red: str, much: float) -> str:
        mixed: Canvas = mix(mix(colour(night), colour(noon), day), colour(red), dusk * much)
        return "#" + "".join(f"{round(255 * float(part)):02x}" for part in mixed)

    high, low = tint("#070b24", "#3f8fe0", "#4a3a86", 0.7), tint("#1c2a55", "#bfe6ff", "#ff8a5c", 0.9)
    sky = gradient("sky", (0, high), (0.75, low), x2=0, y2=1)
    rng = np.random.default_rng(211)
    stars = "".join(
        circle(x, y, radius, "#fff", fill_opacity=max(0.0, 1 - 2.2 * day))
        for x, y, radius in rng.uniform((0, 0, 0.5), (320, 215, 1.6), (60, 3))
    )
    (sx, sy), (mx, my) = (_on_ellipse((hour + offset) / 24, 132, 185, y=235) for offset in (12, 0))
    ticks = "".join(
        trace("M_ _L_ _", *_on_ellipse(n / 12, near, near), *_on_ellipse(n / 12, 76, 76))
        for n, near in ((n, 69 if n % 3 else 65) for n in range(12))
    )
    shapes = (
        path("M0 0H320V320H0Z", "url(#sky)")
        + stars
        + circle(sx, sy, 40, "#ffd45e", fill_opacity=0.25)
        + circle(sx, sy, 25, "#ffd75e")
        + circle(mx, my, 19, "#f2f0e4")
        + circle(mx - 6, my - 4, 4, "#d8d5c6")
        + circle(mx + 6, my + 6, 3, "#d8d5c6")
        + path("M0 240Q60 190 130 226T250 214T320 236V320H0Z", tint("#15233f", "#5fa777", "#7a4f74", 0.6))
        + path("M0 276Q80 236 170 262T320 252V320H0Z", tint("#0c1730", "#3c8358", "#4d3557", 0.6))
        + circle(160, 194, 88, "#000", fill_opacity=0.2)
        + circle(160, 190, 86, "#fffaf0")
        + circle(160, 190, 84, "none", stroke="#c8873c", stroke_width=6)
        + line(ticks, "#4a3828", 4)
        + line(trace("M160 190L_ _", *_on_ellipse(hour / 12, 42, 42)), "#2b2118", 8)
        + line("M160 190V130", "#d1483b", 4)
        + circle(160, 190, 8, "#d1483b")
    )
    return drawn(element("defs", sky) + shapes, DIAL, DIAL, (320, 320))[:3]


def clock() -> Image:
    """A day in 24 frames of an hour each."""
    strip = Image.arrayjoin([_hour(hour) for hour in range(FRAMES)], across=1).copy(interpretation="srgb")
    strip.set_type(pyvips.GValue.gint_type, "page-height", DIAL)
    strip.set_type(pyvips.GValue.gint_type, "loop", 0)
    strip.set_type(pyvips.GValue.array_int_type, "delay", [120] * FRAMES)
    return strip
