"""Whether originals can be read, and whether URLs and presets reach them."""

import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from stat import S_ISDIR

from proxy.doctor.check import Check
from proxy.settings import Settings
from signing.address import looks_like_step
from transforms.errors import Refusal

MANY_NAMES = 10_000
"""Entries of a folder that are looked at, so that the doctor is quick on a large one."""


def check_mounts(settings: Settings) -> Iterator[Check]:
    """Whether the folders of originals can be read, and whether URLs reach what is in them."""
    if not settings.mounts and not settings.remote:
        remedy = "set mounts (DARKROOM_MOUNTS=/srv/photos, or [mounts] in the file)"
        yield Check("mounts", "bad", "there is none: nothing can be served", remedy)
    for name, mount in settings.mounts.items():
        named, folder = f"mounts.{name or '/'}", mount.folder
        if folder is None:
            continue
        if fault := _fault(folder):
            yield Check(named, "bad", f"{folder}: {fault}", "make it, or mount something else")
        elif not os.access(folder, os.R_OK | os.X_OK):
            yield Check(named, "bad", f"{folder}: Permission denied", f"let user {os.geteuid()} read it")
        elif settings.cache and _inside(settings.cache, folder):
            yield Check(named, "bad", f"the cache {settings.cache} lies in {folder}", "put the cache elsewhere")
        else:
            yield Check(named, "ok", str(folder))
            # Below a named mount the first segment is the mount's name, which is no step.
            yield from _step_like(folder) if not name else ()


def _fault(folder: Path) -> str:
    """Why this is no folder, or nothing."""
    try:
        return "" if S_ISDIR(folder.stat().st_mode) else "Not a directory"
    except OSError as error:
        return error.strerror or type(error).__name__


def _step_like(folder: Path) -> Iterator[Check]:
    with os.scandir(folder) as entries:
        names = sorted(
            entry.name for entry in islice(entries, MANY_NAMES) if looks_like_step(entry.name) and entry.is_dir()
        )
    if names:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        remedy = f"URLs that are not made by `signing` need /-/ before it: /w_600/-/{names[0]}/…"
        yield Check("mounts./", "warn", f"the folder {names[0]}{more} looks like steps", remedy)


def _inside(inner: Path, outer: Path) -> bool:
    return inner.resolve().is_relative_to(outer.resolve())


def check_presets(settings: Settings, read_plan: Callable[[str], object]) -> Iterator[Check]:
    """Whether each preset can be read as steps."""
    for name, steps in settings.presets.items():
        try:
            read_plan(steps)
        except Refusal as refusal:
            suggestion = refusal.suggestion and f"perhaps {refusal.suggestion}"
            yield Check(f"presets.{name}", "bad", str(refusal), suggestion)
        else:
            yield Check(f"presets.{name}", "ok", steps)
