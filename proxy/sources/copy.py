"""One copy of an original: a file held open, what it is called by, and what its bytes are known by."""

import hashlib
import os
import weakref
from dataclasses import dataclass, field
from pathlib import Path

from proxy.sources.source import Original, Stat

OPENED = Path("/proc/self/fd")
"""Where a file that is open can be opened once more, whether it has a name or not."""

_BLOCK = 1 << 20


@dataclass(frozen=True, eq=False)
class Copy:
    """One version of an original in a file that nobody writes to any more; closed when nobody has it any more."""

    path: Path
    stat: Stat
    descriptor: int = field(repr=False)
    kept: bool = True
    """Whether it is there for whoever asks later."""

    def __post_init__(self) -> None:
        weakref.finalize(self, os.close, self.descriptor).atexit = False

    def opened(self) -> Original:
        """The file for somebody who reads it; each has a place in it of his own."""
        descriptor = os.open(OPENED / str(self.descriptor), os.O_RDONLY | os.O_CLOEXEC)
        return Original(self.path, self.stat.version, self.stat.size, self.stat.modified, descriptor)


def copy_name(place: str, key: str, version: str) -> str:
    """What a copy is kept under: 40 hexadecimal digits for one version of one original of one place."""
    return hashlib.sha256(f"darkroom.original.1\n{place}\n{key}\n{version}".encode()).hexdigest()[:40]


def digest(descriptor: int) -> str:
    """32 hexadecimal digits for the bytes of an open file."""
    state, offset = hashlib.blake2b(digest_size=16), 0
    while block := os.pread(descriptor, _BLOCK, offset):
        state.update(block)
        offset += len(block)
    return state.hexdigest()
