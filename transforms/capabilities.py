"""What this installation can read and write, found by trying; run as a program, it prints JSON.

The front asks in a process of its own, since it never loads libvips itself.
"""

import json
import sys
from contextlib import suppress
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from transforms.formats import FORMATS, Format

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8" fill="red"/></svg>'

PACKAGES = ("pyvips", "av", "pi_heif", "pylibjxl", "pypdfium2", "simplejpeg", "cykooz.resizer")
"""Packages that pixels go through; all but the first two are optional."""


def capabilities() -> dict[str, Any]:
    """Versions, the allocator, and for each format whether a small picture could be written and read."""
    import pyvips

    from transforms.opening import guard

    guard()  # what a worker may not read does not count
    return {
        "libvips": ".".join(str(pyvips.version(part)) for part in range(3)),
        "allocator": _allocator(),
        "packages": {name: _version(name) for name in PACKAGES},
        "formats": {name: _tried(row) for name, row in FORMATS.items()},
    }


def _tried(row: Format) -> dict[str, bool]:
    """Whether a small picture of the format could be read and written."""
    import pyvips

    if row.reader == "av":
        return _moving(row)
    if row.reader != "vips":
        try:
            import_module(row.reader)
        except Exception:  # a broken wheel fails in its own way
            return {"reads": False, "writes": False}
        return {"reads": True, "writes": False}
    data = SVG if row.vector else b""
    if row.writer:
        with suppress(pyvips.Error):
            picture = pyvips.Image.black(16, 16, bands=3).copy(interpretation="srgb")
            data = picture.write_to_buffer(row.writer, **row.first)
    reads = False
    with suppress(pyvips.Error):
        reads = bool(data) and pyvips.Image.new_from_buffer(data, "").avg() >= 0
    return {"reads": reads, "writes": bool(row.writer and data)}


def _moving(row: Format) -> dict[str, bool]:
    """Whether FFmpeg has the format's reader, and its writer."""
    try:
        import av

        from transforms.containers import DEMUXERS
    except Exception:  # a broken wheel fails in its own way
        return {"reads": False, "writes": False}
    # Its name of a reader is a list of all that it reads.
    known = {word for name in av.formats_available for word in name.split(",")}
    return {"reads": DEMUXERS[row.name] in known, "writes": row.writer in known}


def _allocator() -> str:
    with suppress(OSError):
        if "jemalloc" in Path("/proc/self/maps").read_text():
            return "jemalloc"
    return "libc"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    json.dump(capabilities(), sys.stdout)
