"""What sample sounds are made of: bells, the sea, frames for encoders. Sounds are rows: left and right."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Final

import av
import numpy as np

RATE: Final = 48_000


def bell(pitch: float, seconds: float) -> Any:
    """A bell of a pitch in hertz: parts that are no whole multiples of each other, and die the faster the higher."""
    time = np.arange(round(RATE * seconds)) / RATE
    parts = ((1.0, 1.0), (2.0, 0.6), (2.4, 0.35), (3.0, 0.25), (4.5, 0.2), (5.33, 0.12), (6.7, 0.08))
    wave = sum(
        loud * np.exp(-time * (1.1 + 0.9 * part)) * np.sin(2 * np.pi * pitch * part * time) for part, loud in parts
    )
    return np.asarray(wave) * np.minimum(time / 0.004, 1)


def swelling(seconds: float, seed: int, period: float) -> Any:
    """Noise without its highs that swells and ebbs, a little later on the right: the sea."""
    rng, count = np.random.default_rng(seed), round(RATE * seconds)
    pitches = np.fft.rfftfreq(count, 1 / RATE)
    soft = 1 / (1 + (pitches / 500) ** 1.5)
    time = np.arange(count) / RATE
    rows = []
    for late in (0.0, 0.4):
        noise = np.fft.irfft(np.fft.rfft(rng.normal(size=count)) * soft, count)
        rows.append(noise / np.abs(noise).max() * (0.35 + 0.3 * np.sin(2 * np.pi * (time - late) / period)))
    return np.stack(rows)


def faint(sound: Any) -> Any:
    """The same with room above its peaks."""
    return 0.6 * sound / np.abs(sound).max()


def frames(sound: Any, context: Any) -> Iterator[Any]:
    """A sound as frames of an encoder's form and size."""
    whole = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound.astype(np.float32)), format="fltp", layout="stereo")
    whole.sample_rate, whole.pts, whole.time_base = RATE, 0, Fraction(1, RATE)
    change = av.AudioResampler(context.format, "stereo", RATE, frame_size=context.frame_size or 4096)
    yield from (*change.resample(whole), *change.resample(None))
