"""Memory in huge pages, while large buffers are filled.

Where a system gives huge pages on request alone (`madvise`), jemalloc requests them for all its memory (`thp:always`).
Small buffers would then take 2 MB each, so a worker forbids them (`forbid`) but for the moments in which they pay
(`allowed`, by one thread at a time): the coefficients of a progressive JPEG of 12 megapixels are 73 MB, or 18,000 pages
of 4 KB, and the kernel is asked for each when it is touched first. To decode it takes 52 ms with huge pages, 86
without. See prctl(2).
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

_PR_SET_THP_DISABLE, _PR_GET_THP_DISABLE = 41, 42

_forbidden = False


def forbid() -> None:
    """Have this process get none from here on; a worker, when it starts.

    Where whoever started it has forbidden them, they stay forbidden. A kernel that refuses leaves them allowed.
    """
    global _forbidden
    if not ctypes.CDLL(None).prctl(_PR_GET_THP_DISABLE, 0, 0, 0, 0):
        _forbidden = _set(forbidden=True)


@contextmanager
def allowed() -> Iterator[None]:
    """What is touched first within the block may lie in them, where the allocator has requested them."""
    if _forbidden:
        _set(forbidden=False)
    try:
        yield
    finally:
        if _forbidden:
            _set(forbidden=True)


def _set(forbidden: bool) -> bool:
    """Whether the kernel has followed."""
    failed: int = ctypes.CDLL(None).prctl(_PR_SET_THP_DISABLE, int(forbidden), 0, 0, 0)
    return not failed
