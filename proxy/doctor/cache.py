"""Whether results can be kept on disk."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from proxy.doctor.check import Check
from proxy.settings import Settings
from proxy.settings.units import write_bytes

SMALLEST = 64 << 20
"""Bytes below which a cache is none: a few hundred pictures."""


def check_cache(settings: Settings, scratch: Path | None = None) -> Iterator[Check]:
    """Whether results can be kept on disk, and as many as are wanted."""
    folder = settings.cache
    if folder is None:
        yield Check("cache", "warn", "off: every start makes every picture anew", "set `cache` to a folder")
        return
    there = _existing(folder)
    try:
        # Tried, since permissions do not tell of read-only file systems; not made, since the server must own it.
        with tempfile.TemporaryFile(dir=there):
            free = shutil.disk_usage(there).free
    except OSError as error:
        yield Check("cache", "bad", f"{folder}: {error.strerror}", f"let user {os.geteuid()} write into it")
        return
    used, most = (
        _bytes_in(folder),
        settings.cache_bytes + (settings.originals_bytes + settings.blocks_bytes if settings.elsewhere else 0),
    )
    said = f"{folder} holds {write_bytes(used)} of {write_bytes(most)}; {write_bytes(free)} are free"
    if used + free < min(SMALLEST, settings.cache_bytes):
        yield Check("cache", "bad", f"{said}: next to nothing can be kept", "free some space or put it elsewhere")
        return
    short, lower = (
        used + free < most,
        "`cache_bytes`, `originals_bytes` or `blocks_bytes`" if settings.elsewhere else "`cache_bytes`",
    )
    yield Check("cache", "warn" if short else "ok", said, f"lower {lower} or free some space" if short else "")
    if scratch and _existing(scratch).stat().st_dev != there.stat().st_dev:
        said = f"{scratch} lies on another file system than {folder}: results are copied instead of renamed"
        yield Check("scratch", "warn", said, "put both on one")


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next(there for there in (path.absolute(), *path.absolute().parents) if os.access(there, os.F_OK))


def _bytes_in(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # the cache of a running server changes while it is read
                total += Path(parent, name).lstat().st_blocks * 512  # files of blocks have holes
    return total
