"""The film that is measured: photographs that move past a window, since drawn patterns cost next to nothing."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyvips

from bench.inputs import photographs
from bench.trials.ground import Ground

WIDTH, HEIGHT, RATE = 1920, 1080, 30
SCENE = 4
"""Seconds of one photograph, until the next one follows."""


def film(ground: Ground, seconds: int, kept: Path) -> Path:
    """An MP4 of 1080p30 with AAC, a keyframe every two seconds; made once and kept in the folder."""
    path = kept / f"film-{seconds}.mp4"
    if not path.exists():
        kept.mkdir(parents=True, exist_ok=True)
        ground.say(f"making a film of {seconds} seconds")
        unready = path.with_suffix(".part")
        _make(unready, seconds, photographs(ground.say))
        unready.rename(path)
    return path


def _make(path: Path, seconds: int, photos: list[Path]) -> None:
    options = {"preset": "superfast", "crf": "21", "g": str(2 * RATE), "keyint_min": str(2 * RATE), "sc_threshold": "0"}
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as out:
        pictures = out.add_stream("libx264", rate=RATE, options=options)
        pictures.width, pictures.height, pictures.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sound = out.add_stream("aac", rate=48_000, layout="stereo", bit_rate=128_000)
        grain = np.random.default_rng(1).integers(-4, 5, (HEIGHT, WIDTH, 1), dtype=np.int16)
        for number in range(seconds * RATE):
            frame = av.VideoFrame.from_ndarray(_shot(photos, number, grain), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            out.mux(pictures.encode(frame))
        out.mux(pictures.encode(None))
        for start in range(0, seconds * 48_000, 1024):
            tone = np.sin(2 * np.pi * 440 * (start + np.arange(1024)) / 48_000).astype(np.float32) * 0.3
            samples = av.AudioFrame.from_ndarray(np.stack([tone, tone]), format="fltp", layout="stereo")
            samples.rate, samples.pts, samples.time_base = 48_000, start, Fraction(1, 48_000)
            out.mux(sound.encode(samples))
        out.mux(sound.encode(None))


_shown: dict[Path, Any] = {}


def _shot(photos: list[Path], number: int, grain: Any) -> Any:
    """The window at one moment, with a little grain that lies still on the picture as dust on a lens does not."""
    scene, moment = divmod(number, SCENE * RATE)
    photo = photos[scene % len(photos)]
    if photo not in _shown:
        _shown.clear()
        image = pyvips.Image.thumbnail(str(photo), WIDTH + 480, height=HEIGHT + 270, crop="centre")
        _shown[photo] = image.colourspace("srgb")[:3].numpy().astype(np.int16)
    picture = _shown[photo]
    left = moment * (picture.shape[1] - WIDTH) // (SCENE * RATE)
    top = moment * (picture.shape[0] - HEIGHT) // (SCENE * RATE)
    window = picture[top : top + HEIGHT, left : left + WIDTH]
    return np.clip(window + np.roll(grain, number * 7, axis=1), 0, 255).astype(np.uint8)
