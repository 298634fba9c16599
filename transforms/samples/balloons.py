"""Balloons over hills in the morning."""

import numpy as np
from pyvips import Image

from transforms.samples.brush import Canvas, clouds, colour, mix, photographed, plane, screen, shade, skyline, step
from transforms.samples.pen import circle, drawn, element, gradient, line, path, polygon, trace

WIDTH, HEIGHT = 3024, 4032
SUN = (0.30, 0.80)
SKY = [(0, "#5b8fc7"), (0.35, "#9cc0dd"), (0.62, "#f0d9cf"), (0.8, "#ffd7a3"), (0.95, "#ffbf86")]
# Height of the crest, height of its rise, cells of its noise, colour.
HILLS = [
    (0.860, 0.100, 4, "#b98ea0"),
    (0.920, 0.080, 4, "#93708f"),
    (0.985, 0.080, 3, "#66598a"),
    (1.065, 0.075, 3, "#42517f"),
    (1.160, 0.070, 2, "#25466b"),
    (1.250, 0.060, 2, "#163450"),
]
# Across, down and radius in thousandths of the width, lean in degrees, the colours of the gores.
BALLOONS = [
    (560, 905, 30, -4, ("#264653", "#e9c46a", "#2a9d8f", "#f4a261")),
    (120, 300, 26, 3, ("#ef476f", "#ffd166", "#06d6a0", "#118ab2")),
    (420, 250, 44, -2, ("#3d348b", "#f7b801", "#7678ed", "#f18701")),
    (835, 790, 58, 4, ("#5f0f40", "#fb8b24", "#9a031e", "#e36414")),
    (235, 640, 92, 2, ("#1b998b", "#fef9ef", "#17c3b2", "#227c9d")),
    (640, 420, 215, -3, ("#d7263d", "#f9c74f", "#f46036", "#fff1d0")),
]
GORES = 14


def _balloon(x: float, y: float, radius: float, lean: float, tints: tuple[str, ...]) -> str:
    """A striped envelope, its belt, flame and ropes, and a basket with two travellers."""
    # From the crown to the mouth: a sphere down to two radians, then straight on.
    round_, straight = np.linspace(0, 2, 22), np.linspace(0, 1.75, 8)[1:]
    half = np.concatenate([np.sin(round_), np.sin(2) + straight * np.cos(2)])
    down = np.concatenate([-np.cos(round_), -np.cos(2) + straight * np.sin(2)])

    def between(left: float, right: float) -> str:
        return polygon([*zip(half * left, down, strict=True), *zip(half[::-1] * right, down[::-1], strict=True)])

    seams = np.sin(np.pi * (np.arange(GORES + 1) / GORES - 0.5))
    envelope = ""
    for gore in range(GORES):
        tint = tints[gore % len(tints)]
        envelope += path(between(seams[gore], seams[gore + 1]), tint, stroke=tint, stroke_width=0.002)
    (w1, d1), (w2, d2) = ((half[turn], down[turn]) for turn in (15, 17))
    belt = trace("M_ _Q0 _ _ _L_ _Q0 _ _ _Z", -w1, d1, d1 + 0.22, w1, d1, w2, d2, d2 + 0.22, -w2, d2)
    envelope += path(belt, tints[-1]) + path(between(-1, 1), "url(#side)") + path(between(-1, 1), "url(#gleam)")
    mouth, ring, basket = float(down[-1]), float(half[-1]), float(down[-1]) + 0.42
    ropes = "".join(trace("M_ _L_ _", s * ring, mouth, s * 0.13, basket) for s in (-1, -0.4, 0.4, 1))
    crew = "".join(
        circle(s, basket - 0.06, 0.03, "#2b1b18") + path(trace("M_ _q.03-.06 .06 0z", s - 0.03, basket), "#2b1b18")
        for s in (-0.05, 0.05)
    )
    gondola = (
        element("ellipse", cx=0, cy=mouth, rx=ring, ry=0.05, fill="#3a1d12")
        + element("ellipse", cx=0, cy=mouth + 0.03, rx=0.05, ry=0.13, fill="#ffd36b", fill_opacity=0.9)
        + line(ropes, "#3b2a24", 0.012)
        + crew
        + path(trace("M-.13 _h.26l-.02 .19h-.22z", basket), "#6b4226")
        + path(trace("M-.14 _h.28v.04h-.28z", basket), "#8a5a34")
    )
    return element("g", envelope + gondola, transform=f"translate({x} {y}) rotate({lean}) scale({radius})")


def _scene(x: Canvas, y: Canvas) -> Canvas:
    width, height = x.shape[1], y.shape[0]
    far = np.hypot(x - SUN[0], y - SUN[1])
    scene = np.repeat(shade(SKY, y), width, axis=1)
    feathers = step(0.5, 0.95, clouds(width, height, 141, (3, 12), 8, 0.55)) * step(0.75, 0.3, y)
    scene = mix(scene, mix(colour("#fff6ee"), colour("#ffd9c2"), step(0.2, 0.7, y)), 0.75 * feathers)
    scene = screen(scene, (0.75 * np.exp(-5.5 * far) + 0.25 * np.exp(-2 * far))[..., None] * colour("#ffcf87"))
    scene = screen(scene, step(0.047, 0.043, far)[..., None] * colour("#fffbe8"))
    top = int(0.70 * width)
    y, height = y[top:], height - top
    veil = clouds(width, height, 142, (4, 7), 6)
    aside = np.abs(x - SUN[0])
    haze = mix(colour("#c3b4d6"), colour("#ffdcae"), np.exp(-3 * aside))
    for number, (crest, rise, cells, code) in enumerate(HILLS):
        depth = y - (crest - rise * (skyline(width, 151 + number, cells, 6, 0.42, number < 3) - 0.4))
        grove = clouds(width, height, 161 + number, (40, 24), 5, 0.7)
        light = 1 + 0.30 * (grove - 0.5) + 0.55 * np.exp(-np.abs(depth) * 45) * np.exp(-3.5 * aside)
        mist = step(-0.005, 0.085, depth) * (0.30 + 0.65 * veil) * (0.92 - 0.09 * number)
        hill = mix(colour(code) * light[..., None], haze, mist)
        scene[top:] = mix(scene[top:], hill, np.clip(depth * width * 0.7 + 0.5, 0, 1))
    return scene


def paint() -> Image:
    """Hot-air balloons at sunrise, upright, 12 megapixels."""
    x, y = plane(WIDTH // 2, HEIGHT // 2)
    side = gradient("side", (0, "#ffdf9e", 0.38), (0.35, "#fff", 0), (0.55, "#200830", 0), (1, "#200830", 0.62))
    gleam = gradient("gleam", (0, "#fff", 0.42), (1, "#fff", 0), cx=0.32, cy=0.27, r=0.42)
    shapes = element("defs", side + gleam) + "".join(_balloon(*balloon) for balloon in BALLOONS)
    return photographed(_scene(x, y), WIDTH, HEIGHT, 3.0, 171, drawn(shapes, WIDTH, HEIGHT))
