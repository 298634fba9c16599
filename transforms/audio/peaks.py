"""The peaks of a sound: how loud it is at its loudest in each of many equal parts, however long it is."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from transforms.audio.excerpt import excerpt
from transforms.audio.samples import Block, blocks, sound_of
from transforms.containers import opened
from transforms.headers import Header
from transforms.limits import Limits
from transforms.wishes import Loading

Values: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.float32]]"

_FINE: Final = 1 << 15
"""Parts that are counted at most; twice as many become half of them, so that memory does not grow with the sound."""


class Peaks(NamedTuple):
    """Values from 0 to 1, the louder of both sides, and the seconds that they stand for together."""

    values: Values
    seconds: float


def peaks_of(path: Path, header: Header, loading: Loading, limits: Limits, number: int) -> Peaks:
    """So many peaks of an original's sound, or of the part that is meant. Raises Refusals."""
    longest = limits.video_seconds if header.medium == "motion" else limits.sound_seconds
    part = excerpt(loading, header.seconds)
    with opened(path, header.kind, limits) as container:
        sound = sound_of(container)
        values, samples = _counted(blocks(container, sound, part, None, longest), number)
        return Peaks(values, samples / sound.codec_context.sample_rate)


def _counted(found: Iterable[Block], number: int) -> tuple[Values, int]:
    """The peaks of all samples, and how many samples there were."""
    fine = np.zeros(2 * _FINE, np.float32)
    each, samples = 1, 0
    for block in found:
        loud = np.minimum(np.abs(np.nan_to_num(block)).max(axis=0), 1)
        while samples + len(loud) > each * len(fine):
            fine[:_FINE] = fine.reshape(-1, 2).max(axis=1)
            fine[_FINE:] = 0
            each *= 2
        first = samples // each
        starts = np.maximum(np.arange(first, (samples + len(loud) - 1) // each + 1) * each - samples, 0)
        most = np.maximum.reduceat(loud, starts)
        fine[first : first + len(most)] = np.maximum(fine[first : first + len(most)], most)
        samples += len(loud)
    used = -(-samples // each)
    return _spread(fine[:used], number), samples


def _spread(fine: Any, number: int) -> Values:
    """Peaks over `number` parts: where there are fewer values than parts, some stand twice."""
    edges = np.arange(number + 1) * len(fine) / number
    starts = np.minimum(edges[:-1].astype(int), len(fine) - 1)
    stops = np.maximum(np.ceil(edges[1:]).astype(int), starts + 1)
    return np.array([fine[start:stop].max() for start, stop in zip(starts, stops, strict=True)], np.float32)
