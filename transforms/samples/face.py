"""The face of the sample cat: what is too sharp for paint."""

import numpy as np

from transforms.samples.pen import circle, element, gradient, line, path, trace

# Where nose and eyes are, in widths of the picture.
NOSE = (0.600, 0.455)
EYES = (0.535, 0.375), (0.667, 0.375)


def _eye(x: float, y: float, side: int) -> str:
    """An eye, `side` -1 for the one at the left of the picture; its middle is at (x, y)."""
    lens = trace(
        "M_ -4C_ 27 _ 34 _ -16C_ -40 _ -40 _ -4Z",
        *(side * across for across in (-44, -26, 12, 42, 22, -22, -44)),
    )
    rng = np.random.default_rng(80 + side)
    rays = ""
    for angle in np.linspace(0, 2 * np.pi, 90, endpoint=False) + rng.normal(0, 0.03, 90):
        near, far = rng.uniform(12, 18), rng.uniform(22, 33)
        across, down = np.cos(angle), np.sin(angle)
        rays += trace("M_ _L_ _", near * across, near * down - 4, far * across, far * down - 4)
    name = f"eye{side + 1}"
    ball = (
        path("M-60-60h120v120h-120z", "#2a1505")
        + circle(0, -4, 36, "url(#iris)")
        + path(rays, stroke="#fff3b0", stroke_opacity=0.35, stroke_width=0.7)
        + circle(0, -4, 36, "none", stroke="#3a1a02", stroke_width=3, stroke_opacity=0.8)
        + element("ellipse", cx=0, cy=-4, rx=17, ry=28, fill="url(#pupil)")
        + path("M-60-60h120v42q-60-30-120 6z", "#000", fill_opacity=0.33)
    )
    whole = (
        element("clipPath", path(lens, "#000"), id=name)
        + path(lens, "#05060a", stroke="#05060a", stroke_width=11, stroke_linejoin="round")
        + element("g", ball, clip_path=f"url(#{name})")
        + element("ellipse", cx=-12, cy=-17, rx=6.5, ry=7.5, fill="#f4f8ff", fill_opacity=0.95)
        + circle(13, 9, 3, "#cfe0ff", fill_opacity=0.5)
    )
    return element("g", whole, transform=f"translate({x} {y})")


def _hair(root: tuple[float, float], bend: tuple[float, float], tip: tuple[float, float], thick: float) -> str:
    """A hair that is `thick` at its root and ends in a point."""
    (x, y), (mx, my), (ex, ey) = root, bend, tip
    return trace("M_ _Q_ _ _ _Q_ _ _ _Z", x, y - thick, mx, my, ex, ey, mx, my + 2.4 * thick, x, y + thick)


def _muzzle() -> str:
    """Nose, mouth and whiskers, with the tip of the nose at the origin."""
    rng = np.random.default_rng(81)
    dots, whiskers, brows = "", "", ""
    for side in (-1, 1):
        for row, column in np.ndindex(3, 3):
            x, y = side * (26 + 8 * column), 17 + 9 * row + 2 * column
            dots += circle(x, y, 1.5, "#141824")
            tip = (x + side * rng.uniform(150, 235), y + (row - 1) * 52 + (column - 1) * 13 + rng.uniform(-16, 0))
            whiskers += _hair((x, y), (x + side * 95, y + (row - 1) * 12 - 24), tip, 0.7)
        for row in range(2):
            x, y = side * (70 + 7 * row), -122 + 3 * row
            brows += _hair((x, y), (x + side * 6, y - 45), (x + side * (50 + 26 * row), y - 74 + 20 * row), 0.7)
    nose = "M-21-10C-12-17 12-17 21-10C20 2 8 12 0 14C-8 12-20 2-21-10Z"
    nostrils = "M-13-2q6-3 8 4q-6 2-8-4zM13-2q-6-3-8 4q6 2 8-4z"
    mouth = "M0 13V30M0 30C-6 46-34 48-42 34M0 30C6 46 34 48 42 34"
    return (
        element("g", dots, fill_opacity=0.7)
        + line(mouth, "#1a1520", 3.4, stroke_opacity=0.85)
        + path(nose, "url(#nose)", stroke="#2a151c", stroke_width=2)
        + path(nostrils, "#2a1018")
        + path(whiskers + brows, "#f3f6ff", fill_opacity=0.82)
    )


def face() -> str:
    """Eyes, nose, mouth and whiskers, in thousandths of the width."""
    iris = [(0.2, "#fff08a"), (0.5, "#ffc02e"), (0.8, "#e8801a"), (1, "#7a3606")]
    gradients = (
        gradient("iris", *iris, r=0.5)
        + gradient("pupil", (0.85, "#000"), (1, "#000", 0.55), r=0.5)
        + gradient("nose", (0, "#e6a7a4"), (1, "#8d4c55"), x2=0, y2=1)
    )
    eyes = "".join(_eye(1000 * x, 1000 * y, side) for (x, y), side in zip(EYES, (-1, 1), strict=True))
    muzzle = element("g", _muzzle(), transform=f"translate({1000 * NOSE[0]} {1000 * NOSE[1]})")
    return element("defs", gradients) + eyes + muzzle
