"""What a process of root gives up."""

import ctypes
import os

CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_SYS_NICE = 1, 2, 23  # bits, see capabilities(7)
_VERSION_3 = 0x20080522


def keep(capabilities: int) -> None:
    """Give up all capabilities but these bits, for good where this process may gain none (see capset(2)).

    What is not had already is not gained. Raises OSError where the kernel is forbidden to do it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    this = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    # Effective, permitted and inheritable ones, the lower 32 bits of each before the higher.
    sets = (ctypes.c_uint32 * 6)()
    if libc.capget(this, sets):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    for half, start in enumerate((0, 3)):
        for index in range(start, start + 3):
            sets[index] &= capabilities >> 32 * half & 0xFFFFFFFF
    if libc.capset(this, sets):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
