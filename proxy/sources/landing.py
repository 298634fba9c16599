"""The file that an original is written into while it comes."""

import io
import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any


class Landing(io.FileIO):
    """A new file, under a name of its own in a folder or without a name.

    It remembers what the disk refused, since whoever writes into it may take that for a failure of the network.
    """

    path: Path | None = None

    def __init__(self, folder: Path | None) -> None:
        """Without a folder the file is nameless, where the system keeps such files. Raises OSError."""
        self.trouble: OSError | None = None
        if folder is None:
            with tempfile.TemporaryFile(buffering=0) as file:
                super().__init__(os.dup(file.fileno()), "r+")
            return
        path = folder / f"{os.getpid()}-{secrets.token_hex(8)}"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        super().__init__(os.open(path, flags, 0o600), "r+")
        self.path = path

    def write(self, data: Any) -> int:
        """All of the data, unlike other raw files; raises OSError."""
        view = memoryview(data).cast("B")
        size = len(view)
        try:
            while view:
                view = view[super().write(view) :]
        except OSError as error:
            self.trouble = error
            raise
        return size

    def close(self) -> None:
        """Let go of it, and of its name, where nobody has given it another."""
        super().close()
        path, self.path = self.path, None
        if path:
            with suppress(OSError):
                path.unlink()
