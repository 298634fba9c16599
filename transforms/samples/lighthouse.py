"""A lighthouse at dusk whose beam goes round, with the sea and its horn: a film of six seconds that can be repeated."""

import io
import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Final

import av
import numpy as np

from transforms.samples.brush import Canvas, clouds, colour, mix, plane, screen, shade, step
from transforms.samples.tone import RATE, faint, frames, swelling

WIDTH, HEIGHT, FPS, SECONDS = 640, 360, 25, 6
HORIZON, LAMP = 0.39, (0.66, 0.155)  # in widths of the picture, as every length here
SKY = [(0, "#0d1533"), (0.16, "#243a6b"), (0.28, "#7a5a86"), (0.36, "#e08a6a"), (0.39, "#ffc38a")]
SEA = [(0.39, "#c98a78"), (0.42, "#4f5a80"), (0.5, "#1c2b50"), (0.5625, "#0a1330")]
_WARM: Final = colour("#fff0c0")


def film() -> bytes:
    """The film as an MP4, the same bytes on every run of one encoder."""
    made = io.BytesIO()
    with av.open(made, "w", format="mp4", options={"fflags": "+bitexact"}) as out:
        options = {"preset": "veryfast", "crf": "23", "g": str(2 * FPS), "keyint_min": str(2 * FPS)}
        video: Any = out.add_stream("libx264", rate=FPS, options=options | {"sc_threshold": "0"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        context = video.codec_context
        context.thread_count, context.flags = 2, context.flags | av.codec.context.Flags.bitexact
        context.colorspace = context.color_primaries = context.color_trc = context.color_range = 1
        sound: Any = out.add_stream("aac", rate=RATE, layout="stereo")
        sound.codec_context.flags |= av.codec.context.Flags.bitexact
        out.metadata["title"] = "Lighthouse"
        for number, picture in enumerate(_pictures()):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace=1)
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        for block in frames(_heard(), sound.codec_context):
            out.mux(sound.encode(block))
        out.mux(sound.encode(None))
    return made.getvalue()


def _pictures() -> Iterator[Any]:
    """Rows of RGB: what stands still, and three lights on it that change."""
    x, y = plane(WIDTH, HEIGHT)
    tower, sky = _tower(x, y)[..., None], _still(x, y)
    scene = (sky + (colour("#10101c") - sky) * tower).astype(np.float32)
    beam, glint, lamp = ((1 - scene) * one for one in (_WARM * (1 - tower), 0.6 * colour("#ffd9a8"), _WARM))
    glint *= step(HORIZON, HORIZON + 0.004, y)[..., None] * (1 - tower)
    spread, around = _spread(x, y), ((x - LAMP[0]) ** 2 + (y - LAMP[1]) ** 2).astype(np.float32)
    near = 0.25 + 0.6 * np.exp(-np.abs(x - LAMP[0]) * 9)
    ripples = _round(clouds(WIDTH, HEIGHT, 71, (8, 60), 4, 0.6), x)
    for number in range(FPS * SECONDS):
        share = number / (FPS * SECONDS)
        turn = 2 * math.pi * share
        light = spread * _reach(x, turn)
        # Twice the same noise, one against the other, moves like water and comes back to where it was.
        moved = np.roll(ripples, round(share * WIDTH), 1) * np.roll(ripples, -round(share * WIDTH), 1)
        glinting = step(0.24, 0.42, moved) * (near + light)
        shining = np.exp(-around / (0.012 + 0.05 * max(0.0, math.sin(turn)) ** 6) ** 2)
        lit = scene + light[..., None] * beam + glinting[..., None] * glint + shining[..., None] * lamp
        yield np.round(np.clip(lit, 0, 1) * 255).astype(np.uint8)


def _still(x: Canvas, y: Canvas) -> Canvas:
    """What does not move: the sky with its stars, and the sea."""
    sky = np.repeat(shade(SKY, y), x.shape[1], axis=1)
    stars = np.random.default_rng(72).random((y.shape[0], x.shape[1])) > 0.9988
    sky = screen(sky, (stars * step(0.3, 0.05, y) * 0.8)[..., None] * colour("#ffffff"))
    veil = clouds(x.shape[1], y.shape[0], 73, (3, 12), 6, 0.55) * step(0.02, 0.3, y)
    sky = mix(sky, np.broadcast_to(colour("#6a5078"), sky.shape), 0.5 * step(0.45, 0.8, veil))
    sea = np.repeat(shade(SEA, y), x.shape[1], axis=1)
    return mix(sky, sea, np.broadcast_to(step(HORIZON - 0.001, HORIZON + 0.001, y), sky.shape[:2]))


def _tower(x: Canvas, y: Canvas) -> Canvas:
    """How much of each pixel the tower and its rock cover."""
    tall = np.clip((y - LAMP[1]) / (0.44 - LAMP[1]), 0, 1)
    wall = step(0.002, 0, np.abs(x - LAMP[0]) - 0.014 - 0.014 * tall) * step(LAMP[1] + 0.012, LAMP[1] + 0.016, y)
    gallery = step(0.002, 0, np.abs(x - LAMP[0]) - 0.022) * step(0.003, 0, np.abs(y - LAMP[1] - 0.018) - 0.003)
    roof = step(0.002, 0, np.abs(x - LAMP[0]) - 1.2 * (y - LAMP[1] + 0.034)) * step(0.001, 0, y - LAMP[1] + 0.015)
    rock = step(0.004, 0, 0.405 + 1.6 * (x - LAMP[0]) ** 2 + 0.02 * np.sin(x * 60) - y)
    return np.asarray(np.maximum.reduce(np.broadcast_arrays(wall, gallery, roof, rock)))


def _round(noise: Canvas, x: Canvas) -> Canvas:
    """Noise whose left edge goes on where its right one ends: near them it is what stood in the middle."""
    edge = step(0.3, 0, np.minimum(x, 1 - x))
    return np.asarray(noise * (1 - edge) + np.roll(noise, noise.shape[1] // 2, 1) * edge, np.float32)


def _spread(x: Canvas, y: Canvas) -> Canvas:
    """How bright both beams are above and below their middle."""
    far, away = np.abs(x - LAMP[0]), y - LAMP[1]
    return np.exp(-(((away - 0.04 * far) / (0.006 + 0.09 * far)) ** 2)).astype(np.float32)


def _reach(x: Canvas, turn: float) -> Canvas:
    """How bright they are along their way: long where they go across, short where they come near or go away."""
    across, long = x - LAMP[0], abs(math.cos(turn))
    strong = np.where(across * math.cos(turn) > 0, 0.75, 0.35) * long
    return (strong * np.exp(-np.abs(across) * 1.5 / max(long, 0.05))).astype(np.float32)


def _heard() -> Any:
    """The sea, and a horn twice."""
    sea = swelling(SECONDS, seed=74, period=3.0)
    time = np.arange(RATE * SECONDS) / RATE
    horn = np.zeros_like(time)
    for begin in (0.9, 3.9):
        heard = np.clip(np.minimum(time - begin, begin + 1.3 - time) / 0.15, 0, 1)
        horn += heard * sum(np.sin(2 * np.pi * 98 * part * time) / part**1.6 for part in (1, 2, 3, 5))
    return faint(sea + 0.12 * horn)
