"""Which blocks bytes are in, and in how few requests they come: arithmetic alone."""

from collections.abc import Iterable, Iterator
from typing import Final

BLOCK: Final = 1 << 18
"""Bytes of a block: the least that is asked for at once, and what a digest is kept of."""
LONGEST: Final = 16
"""Blocks of one request: 4 MiB, which are held in memory while they come."""


def covering(start: int, length: int, size: int) -> range:
    """The blocks that hold bytes of a file of `size`; of none where it ends before."""
    stop = min(start + length, size)
    return range(start // BLOCK, -(-stop // BLOCK)) if stop > start >= 0 else range(0)


def bounds(blocks: range, size: int) -> tuple[int, int]:
    """The first byte of some blocks, and the one behind their last."""
    return blocks.start * BLOCK, min(blocks.stop * BLOCK, size)


def runs(blocks: Iterable[int]) -> Iterator[range]:
    """Ascending blocks, those beside each other together, `LONGEST` at most.

    >>> list(runs([1, 2, 5]))
    [range(1, 3), range(5, 6)]
    """
    run = range(0)
    for block in blocks:
        if run and block == run.stop and len(run) < LONGEST:
            run = range(run.start, block + 1)
            continue
        if run:
            yield run
        run = range(block, block + 1)
    if run:
        yield run
