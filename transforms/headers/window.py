"""Random access to a file through one block that is kept."""

from typing import BinaryIO, Final

BLOCK: Final = 8192


class Window:
    """The bytes of a file, a block at a time; past its end there are none."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self.size = size
        self._start = 0
        self._block = b""

    def read(self, start: int, length: int) -> bytes:
        """The bytes from `start`, fewer where the file ends."""
        at = start - self._start
        if at < 0 or at + length > len(self._block):
            self._file.seek(start)
            self._block = self._file.read(max(length, BLOCK))
            self._start, at = start, 0
        return self._block[at : at + length]
