"""Sounds that come up at the beginning and go down at the end."""

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np

from transforms.audio.samples import Block


def faded(found: Iterable[Block], up: int, down: int) -> Iterator[Block]:
    """The samples with straight fades over `up` of them at the beginning and `down` at the end.

    Where the sound is shorter than a fade, the fade ends with it, at less than full height. The last `down` samples are
    held back: only at the end is it known where the end is.
    """
    found = _up(found, up) if up else iter(found)
    return _down(found, down) if down else found


def _up(found: Iterable[Block], length: int) -> Iterator[Block]:
    place = 0
    for block in found:
        yield block if place >= length else _multiplied(block, np.minimum(1, _steps(place, block) / length))
        place += block.shape[1]


def _down(found: Iterable[Block], length: int) -> Iterator[Block]:
    held: deque[Block] = deque()
    waiting = 0
    for block in found:
        held.append(block)
        waiting += block.shape[1]
        while held and waiting - held[0].shape[1] >= length:
            waiting -= held[0].shape[1]
            yield held.popleft()
    for block in held:
        yield _multiplied(block, np.minimum(1, (waiting - 1 - _steps(0, block)) / length))
        waiting -= block.shape[1]


def _steps(start: int, block: Block) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    return np.arange(start, start + block.shape[1], dtype=np.float64)


def _multiplied(block: Block, by: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> Block:
    return (block * by).astype(np.float32)
