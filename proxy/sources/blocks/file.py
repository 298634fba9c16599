"""A sparse file with blocks of one version of an original, and what says which of them are there."""

import os
import tempfile
import weakref
from hashlib import blake2b
from pathlib import Path
from typing import Final, Self

from proxy.sources.blocks.runs import BLOCK

DIGEST: Final = 16
"""Bytes that are kept of a block's BLAKE2b; zeros say that it has not come yet."""
OPENED: Final = Path("/proc/self/fd")

_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_ABSENT: Final = bytes(DIGEST)


class BlockFile:
    """Blocks in a file of the original's own size; all methods may wait for the disk.

    With a name, a second file `.map` beside it holds a digest of each block that has come. It is written after the
    block, and what does not match it counts as not there: so whatever a crash or a power cut leaves, the map is never
    ahead of the data, and nothing has to be synchronised. Several processes may write the same blocks.
    """

    def __init__(self, data: int, digests: int | None, size: int, path: Path | None) -> None:
        """The descriptors are this value's own and are closed with it."""
        self.size, self.path = size, path
        self.corrupt = 0
        self._data, self._digests = data, digests
        self._have = bytearray(-(-size // BLOCK))
        """The blocks that this process has written, or has held against their digest."""
        for descriptor in (data, digests):
            if descriptor is not None:
                weakref.finalize(self, os.close, descriptor).atexit = False

    @classmethod
    def named(cls, path: Path, size: int | None) -> Self | None:
        """The file under a name, made where a size is said; None where there is none of any size. Raises OSError."""
        data = digests = -1
        try:
            data = os.open(path, _FLAGS if size is not None else _FLAGS & ~os.O_CREAT, 0o600)
            digests = os.open(map_of(path), _FLAGS, 0o600)
            there = os.fstat(data).st_size
            if size is not None and there != size:
                os.ftruncate(data, 0)  # begun by a process that did not come far
                os.ftruncate(data, size)
            if size is None and not there:
                raise FileNotFoundError(path)
            return cls(data, digests, there if size is None else size, path)
        except BaseException as error:
            for descriptor in (data, digests):
                if descriptor >= 0:
                    os.close(descriptor)
            if isinstance(error, FileNotFoundError) and size is None:
                return None
            raise

    @classmethod
    def nameless(cls, size: int) -> Self:
        """A file without a name, where the system keeps such files; gone with this value. Raises OSError."""
        with tempfile.TemporaryFile(buffering=0) as file:
            os.ftruncate(file.fileno(), size)
            return cls(os.dup(file.fileno()), None, size, None)

    @property
    def is_there(self) -> bool:
        """Whether whoever asks for it later finds the same file."""
        return self.path is None or os.fstat(self._data).st_nlink > 0

    @property
    def allocated(self) -> int:
        """Bytes that it takes on the disk."""
        return os.fstat(self._data).st_blocks * 512

    def reader(self) -> int:
        """A new descriptor of the data, for reading alone."""
        return os.open(OPENED / str(self._data), os.O_RDONLY | os.O_CLOEXEC)

    def known(self, block: int) -> bool:
        """Whether a block is there for certain; waits for nothing."""
        return bool(self._have[block])

    def missing(self, blocks: range) -> list[int]:
        """Those of some blocks that are not there, or not as they came."""
        return [block for block in blocks if not self._have[block] and not self._found(block)]

    def write(self, first: int, data: bytes) -> None:
        """Put whole blocks in their place; raises OSError."""
        _write(self._data, data, first * BLOCK)
        view = memoryview(data)
        digests = [_digest(view[at : at + BLOCK]) for at in range(0, len(data), BLOCK)]
        if self._digests is not None:
            _write(self._digests, b"".join(digests), first * DIGEST)
        for block in range(first, first + len(digests)):
            self._have[block] = 1

    def _found(self, block: int) -> bool:
        """Whether a block is there that another process, or one before, has written."""
        if self._digests is None:
            return False
        written = os.pread(self._digests, DIGEST, block * DIGEST)
        if len(written) < DIGEST or written == _ABSENT:
            return False
        if _digest(os.pread(self._data, min(BLOCK, self.size - block * BLOCK), block * BLOCK)) != written:
            self.corrupt += 1
            return False
        self._have[block] = 1
        return True


def map_of(path: Path) -> Path:
    """Where the digests of a file's blocks are."""
    return path.with_name(f"{path.name}.map")


def _write(descriptor: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        done = os.pwrite(descriptor, view, at)
        view, at = view[done:], at + done


def _digest(block: bytes | memoryview) -> bytes:
    return blake2b(block, digest_size=DIGEST).digest()
