"""Folds of silk in colours that sRGB does not have."""

import numpy as np
from pyvips import GValue, Image

from transforms.samples.brush import blurred, clouds, colour, mix, photographed, plane, screen, shade, step

WIDTH, HEIGHT = 2880, 1920
# Values of Display P3; the reds, oranges and greens lie outside sRGB.
DYE = [
    (0, "#1b0096"),
    (0.2, "#7a00d2"),
    (0.38, "#e6008c"),
    (0.54, "#ff0a1e"),
    (0.72, "#ff5a00"),
    (0.88, "#ffae00"),
    (1, "#fff000"),
]


def paint() -> Image:
    """Waves of dyed silk with a Display P3 profile."""
    width, height = WIDTH // 2, HEIGHT // 2
    x, y = plane(width, height)
    sway = np.sin(2.3 * x + 3.9 * y + 0.6) + 0.6 * np.sin(4.7 * x - 3.1 * y + 2.0) + 0.3 * np.sin(9.1 * x + 5.3 * y)
    phase = 15 * (0.80 * x + 0.50 * y) + 2.6 * sway + 0.8 * (clouds(width, height, 191, (5, 4), 2, 0.3) - 0.5)
    # Round backs and narrow creases, two sizes of them.
    cloth = np.abs(np.sin(phase)) ** 0.8 + 0.45 * np.abs(np.sin(1.63 * phase + 1.5 * sway)) ** 0.9
    cloth += 0.07 * np.sin(5.3 * phase - 4 * sway)
    cloth = blurred(cloth.astype(np.float32), 5)
    down, across = np.gradient(cloth * width / 1440)
    light = 0.60 - 24 * (0.8 * across + 0.6 * down)
    hollow = 0.5 + 0.5 * step(0.25, 1.1, cloth)
    dye = 0.47 + 0.75 * (0.9 * (x - 0.5) - 0.75 * (y - 0.33)) + 0.05 * np.sin(phase * 0.5 + 1) + 0.09 * sway
    dyed = shade(DYE, np.clip(dye, 0, 1))
    body = dyed * ((0.10 + 0.95 * np.clip(light, 0, 1)) * hollow)[..., None]
    body *= (1 + 0.02 * np.sin(1700 * (x * 0.5 - y) + 3 * cloth))[..., None]
    gleam = step(0.78, 1.15, light) * hollow**2
    scene = screen(body, mix(dyed, colour("#ffffff"), np.full_like(gleam, 0.5)) * 0.75 * gleam[..., None])
    image = photographed(scene, WIDTH, HEIGHT, 2.2, 193).copy()
    image.set_type(GValue.blob_type, "icc-profile-data", Image.profile_load("p3"))
    return image
