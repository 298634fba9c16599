"""How loud a sound is, by EBU R 128, and by what it is multiplied to be as loud as is wished.

ITU-R BS.1770-4: gated loudness over the whole, in LUFS; true peaks of the sound oversampled, in dBTP.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from transforms.audio.samples import Block, filtered

LOUDEST_PEAK: Final = -1.0
"""dBTP (EBU R 128 s1); an encoder adds some of its own."""

_GATE: Final = -70.0  # LUFS below which nothing is counted; so that is what silence has


@dataclass(frozen=True)
class Loudness:
    """Gated loudness in LUFS; the true peak as a factor of full scale."""

    lufs: float
    peak: float


def measured(found: Iterator[Block], rate: int) -> Loudness:
    """The loudness of a whole sound, which is read to its end; what is shorter than 400 ms has none (-70)."""
    lufs, peak = _GATE, 0.0
    for frame in filtered(found, rate, [("ebur128", "peak=true:metadata=1:framelog=quiet")]):
        told = frame.metadata
        lufs = float(told.get("lavfi.r128.I", lufs))
        peak = max(peak, float(told.get("lavfi.r128.true_peak", peak)))
    return Loudness(lufs, peak)


def factor(heard: Loudness, wished: float) -> float:
    """By what a sound is multiplied to have `wished` LUFS: one factor, which leaves its dynamics as they are.

    It is no more than lets the highest peak be at `LOUDEST_PEAK`; a sound with high peaks stays softer than wished.
    """
    if heard.lufs <= _GATE or not heard.peak:
        return 1.0
    wanted: float = 10 ** ((wished - heard.lufs) / 20)
    return min(wanted, max(1e-6, 10 ** (LOUDEST_PEAK / 20) / heard.peak))


def multiplied(found: Iterable[Block], by: float) -> Iterator[Block]:
    """The samples times a factor."""
    for block in found:
        yield block if by == 1.0 else block * np.float32(by)
