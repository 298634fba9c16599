"""Northern lights over a hut in the snow."""

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
    screen,
    shade,
    skyline,
    stars,
    step,
)
from transforms.samples.pen import circle, drawn, element, gradient, line, path, polygon, trace

WIDTH, HEIGHT = 2400, 1600
SNOW = 0.53  # the foot of the mountains, in widths
# Height of the lower edge, cells of its waves, reach upwards, strength.
CURTAINS = [(0.30, 2, 0.26, 0.55), (0.36, 3, 0.20, 0.9), (0.24, 2, 0.30, 0.5)]
LIGHT = [(0, "#7dffb0"), (0.12, "#2ff58f"), (0.4, "#16b9a0"), (0.65, "#5a58d0"), (0.85, "#a23fc0"), (1, "#3a1050")]


def _curtain(x: Canvas, y: Canvas, number: int) -> Canvas:
    """Rays that stand on a waving line and fade upwards."""
    width, height = x.shape[1], y.shape[0]
    edge, cells, reach, strength = CURTAINS[number]
    bend = (clouds(width, height, 91 + number, (4, 3), 3, 0.3) - 0.5) * 0.13
    warped = np.clip(x + bend, 0, 1)
    places = np.linspace(0, 1, width)
    foot = np.interp(warped, places, edge + 0.16 * (skyline(width, 95 + number, cells, 3, 0.4, False) - 0.5))
    rays = np.interp(warped, places, skyline(width, 99 + number, 18, 5, 0.75, False))
    drift = np.interp(warped, places, skyline(width, 103 + number, 3, 3, 0.5, False))
    above = ((foot - y) / (reach * (0.5 + 0.9 * rays))).astype(np.float32)
    light = step(-0.10, 0.05, above) * np.exp(-2.6 * np.clip(above, 0, None)) * (0.25 + 1.1 * rays**2) * (0.25 + drift)
    return np.asarray(shade(LIGHT, np.clip(above * 0.9, 0, 1)) * (strength * light)[..., None], np.float32)


def _mountains(sky: Canvas, y: Canvas) -> Canvas:
    height, width = sky.shape[:2]
    for number, (crest, peaks, cells) in enumerate(((0.50, 0.14, 4), (0.525, 0.08, 7))):
        depth = y - (crest - peaks * (skyline(width, 131 + number, cells) - 0.2))
        rock = clouds(width, height, 133 + number, (11, 7), 6, 0.48)
        down, across = np.gradient(rock)
        white = step(-0.012, 0.016, across - 0.5 * down + 0.004 * (rock - 0.3))
        body = mix(colour("#0e2238"), mix(colour("#3f7088"), colour("#63b8a8"), np.exp(-depth * 22)), 0.7 * white)
        body = mix(body, colour("#1d5f6c"), 0.85 * step(0.0, 0.13, depth))
        sky = mix(sky, body, np.clip(depth * width * 0.7 + 0.5, 0, 1))
    return sky


def _snow(y: Canvas, light: Canvas) -> Canvas:
    """Soft drifts in the light of the sky."""
    height, width = y.shape[0], light.shape[1]
    drifts = blurred(clouds(width, height, 111, (3, 10), 5, 0.45), 3)
    slope = np.gradient(drifts, axis=0) * 60
    near = (y - y[0]) / (y[-1] - y[0])
    snow = mix(colour("#24405e"), colour("#5e86a8"), np.clip(0.35 + slope + 0.25 * (1 - near), 0, 1))
    return screen(snow * (1 - 0.45 * near)[..., None], light * (0.55 + 0.9 * np.clip(slope, -0.3, 0.6))[..., None])


def _fir(x: float, foot: float, tall: float) -> str:
    dark, white = ("#0d2233", "#7fb6c4") if foot < 560 else ("#071420", "#9cd3d6")
    text = ""
    for tier in reversed(range(6)):
        half, top = tall * (0.07 + 0.17 * tier / 6), foot - tall * (1 - tier / 6 * 0.82)
        low = top + tall * 0.30
        text += path(trace("M_ _L_ _Q_ _ _ _Z", x, top, x + half, low, x, low - tall * 0.05, x - half, low), dark)
        edge = (x - half, low, x - half * 0.42, top + tall * 0.125, x - half * 0.12, top + tall * 0.17)
        fold = (x - half * 0.5, top + tall * 0.19, x - half, low)
        text += path(trace("M_ _L_ _L_ _Q_ _ _ _Z", *edge, *fold), white, fill_opacity=0.5)
    return text


def _hut() -> str:
    """A hut with lit windows, its door at the origin."""
    roof = [(-50, -2), (-2, -44), (48, -2), (44, 2), (-2, -36), (-46, 2)]
    cover = "M-52-3L-2-50L50-3Q44-5 40-7L-2-41L-42-7Q-46-5 -52-3Z"
    return (
        path("M27-52c-6-14 9-20 3-36c-5-14 8-22 4-38c6 16-3 24 2 38c6 16-8 22-3 36z", "#cfe8ea", fill_opacity=0.28)
        + circle(-8, 4, 105, "url(#warm)")
        + path("M-38-6h76v36h-76z", "#2a1c18")
        + line("M-38 2h76M-38 10h76M-38 18h76", "#1a100e", 1.4)
        + path("M22-50h10v26h-10z", "#231815")
        + path(polygon(roof), "#16202c")
        + path(cover, "#d5eef0")
        + path("M-37-6L-2-36L37-6Z", "#33221c")
        + path("M-28 3h22v16h-22z", "#ffd27a")
        + line("M-17 3v16M-28 11h22", "#7a4a18", 1.6)
        + path("M8 2h15v28h-15z", "#5a3520")
        + circle(19, 17, 1.3, "#ffd27a")
        + circle(-2, -18, 5, "#ffcf70")
        + path("M-46 30q46-5 92 0q22 4 40 9h-170q20-6 38-9z", "#9ec4d2", fill_opacity=0.75)
    )


def _shapes() -> str:
    """Firs and the hut, in thousandths of the width."""
    rng = np.random.default_rng(121)
    firs = [(rng.uniform(0, 1000), rng.uniform(535, 548), rng.uniform(22, 50)) for _ in range(90)]
    firs = [fir for fir in firs if not 560 < fir[0] < 700]
    firs += [(x, 600 + rng.uniform(0, 30), rng.uniform(90, 190)) for x in (20, 62, 105, 150, 842, 884, 930, 975)]
    forest = "".join(_fir(*fir) for fir in sorted(firs, key=lambda fir: fir[1]))
    warm = gradient("warm", (0, "#ffb347", 0.55), (1, "#ff9a2e", 0), r=0.5)
    return element("defs", warm) + forest + element("g", _hut(), transform="translate(628 575)")


def paint() -> Image:
    """Curtains of light over snow."""
    x, y = plane(WIDTH // 2, HEIGHT // 2)
    foot = int(SNOW * x.shape[1])
    above, below = y[:foot], y[foot:]
    sky = np.repeat(shade([(0, "#050a1e"), (0.3, "#0a1c3a"), (SNOW, "#12405a")], above), x.shape[1], axis=1)
    sky = screen(sky, stars(x.shape[1], foot, 90, 900))
    light = 1 - np.exp(-sum(_curtain(x, above, number) for number in range(len(CURTAINS))))
    sky = _mountains(screen(sky, 1.15 * light + 0.5 * blurred(light, 25)), above)
    mirrored = blurred(light, 30)[::-1][: len(below)]
    scene = np.concatenate([sky, _snow(below, mirrored)])
    return photographed(scene, WIDTH, HEIGHT, 2.0, 135, drawn(_shapes(), WIDTH, HEIGHT))
