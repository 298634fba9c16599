"""What stands between a server and its work: codecs, memory, keys, mounts, the cache; values only, no printing."""

import json
import math
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from stat import S_ISDIR
from typing import Any, Literal

from proxy.budget import BudgetError, Machine, find_machine, plan_budget
from proxy.settings import Settings
from proxy.settings.exposure import CLOSE_IT, is_exposed
from proxy.settings.units import write_bytes
from proxy.workers.process import worker_environment
from signing.address import looks_like_step
from signing.errors import BadKey
from signing.keys import Key as SigningKey
from transforms.errors import Refusal
from transforms.formats import FORMATS

State = Literal["ok", "warn", "bad"]

LEAST_VIPS = "8.18.7"
"""Older ones read hostile files unsafely, or lack the options that the table of formats names."""

EXTRAS = {"pi_heif": ("1.4", "heif"), "pylibjxl": ("0.5", "jxl"), "pypdfium2": ("5.15", "pdf")}
"""Optional readers: the least version, and the extra of the package that brings it."""

FEW_FILES = 4096
"""Below so many open files, connections are refused long before the processors are busy."""

MANY_NAMES = 10_000
"""Entries of a folder that are looked at, so that the doctor is quick on a large one."""

ASK = (sys.executable, "-m", "transforms.capabilities")
PATIENCE = 60.0


@dataclass(frozen=True)
class Check:
    """One thing that was looked at, and what to do if it is not well."""

    name: str
    state: State
    said: str
    remedy: str = ""


def exit_code(checks: Iterable[Check]) -> int:
    """1 where something is bad, else 0."""
    return int(any(check.state == "bad" for check in checks))


def checks(
    settings: Settings,
    read_plan: Callable[[str], object] | None = None,
    environ: Mapping[str, str] | None = None,
    machine: Machine | None = None,
    scratch: Path | None = None,
) -> Iterator[Check]:
    """Look at everything that can be known before the first request.

    `read_plan` reads the steps of a preset, or raises Refusal; `environ` is that of the server; `scratch` is where
    workers put results.
    """
    yield from check_codecs(os.environ if environ is None else environ)
    yield from check_memory(settings, machine or find_machine())
    yield from check_access(settings)
    yield from check_mounts(settings)
    yield from check_presets(settings, read_plan) if read_plan else ()
    yield from check_cache(settings, scratch)
    yield check_open_files(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    yield check_clock(time.time(), Path(__file__).stat().st_mtime)


def check_codecs(environ: Mapping[str, str], command: Sequence[str] = ASK) -> Iterator[Check]:
    """Ask a process like a worker what it can read and write."""
    try:
        asked = subprocess.run(
            command, env=worker_environment(environ), capture_output=True, timeout=PATIENCE, check=True, text=True
        )
        found = json.loads(asked.stdout)
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or [f"exit status {error.returncode}"])[-1]
        yield Check("codecs", "bad", f"libvips does not start: {last}", "install darkroom[server] anew")
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        yield Check(
            "codecs", "bad", f"libvips does not answer: {type(error).__name__}", "install darkroom[server] anew"
        )
    else:
        yield from judge_codecs(found)


def judge_codecs(found: Mapping[str, Any]) -> Iterator[Check]:
    """What the answer of `transforms.capabilities` means."""
    old = _number(found["libvips"]) < _number(LEAST_VIPS)
    remedy = f"install pyvips-binary {LEAST_VIPS} or newer" if old else ""
    yield Check("libvips", "bad" if old else "ok", found["libvips"], remedy)
    for name, row in FORMATS.items():
        can = found["formats"][name]
        if row.reader in EXTRAS:
            yield _judge_reader(row.title, row.reader, found["packages"][row.reader], can["reads"])
            continue
        missing = [word for word in ("reads", *(["writes"] if row.writer else [])) if not can[word]]
        if missing:
            yield Check(row.title, "bad", f"is none that libvips {' or '.join(missing)}", "install pyvips-binary anew")
        else:
            yield Check(row.title, "ok", "reads and writes" if row.writer else "reads")
    tuned = found["allocator"] == "jemalloc"
    yield Check(
        "allocator",
        "ok" if tuned else "warn",
        found["allocator"] if tuned else "jemalloc is not here; workers take two to three times the memory",
        "" if tuned else "install libjemalloc2 (Debian), jemalloc (Fedora, Alpine)",
    )


def _judge_reader(title: str, package: str, version: str | None, works: bool) -> Check:
    least, extra = EXTRAS[package]
    remedy = f"install darkroom[{extra}] if there are such originals"
    if version is None:
        return Check(title, "warn", f"cannot be read: {package} is not installed", remedy)
    if not works or _number(version) < _number(least):
        return Check(title, "warn", f"cannot be read by {package} {version}; {least} or newer is needed", remedy)
    return Check(title, "ok", f"reads ({package} {version})")


def check_memory(settings: Settings, machine: Machine) -> Iterator[Check]:
    """What the machine gives, and whether what is configured fits into it."""
    given = f"{machine.cpus:g} CPUs by {machine.cpus_from}, {write_bytes(machine.memory)} by {machine.memory_from}"
    yield Check("machine", "ok", given)
    try:
        budget = plan_budget(settings, machine)
    except BudgetError as error:
        said, _, remedy = str(error).rpartition("\n")
        yield Check("memory", "bad", said, remedy)
        return
    yield Check("memory", "ok", str(budget))
    if budget.workers > math.ceil(machine.cpus):
        said = f"{budget.workers} for {machine.cpus:g} CPUs: they take memory and wait for each other"
        yield Check("workers", "warn", said, "leave `workers` unset")


def check_access(settings: Settings) -> Iterator[Check]:
    """Who may ask for what."""
    if is_exposed(settings):
        yield Check("access", "bad", f"other machines reach {settings.host or 'it'}, and there is no key", CLOSE_IT)
    elif settings.unsigned:
        yield Check("access", "warn", "`unsigned` is on: anybody may ask for anything", "leave it to development")
    elif not settings.keys:
        yield Check("access", "warn", "there is no key: only this machine may ask", CLOSE_IT)
    else:
        yield Check("access", "ok", f"signed, with {len(settings.keys)} in the ring")
    for number, key in enumerate(settings.keys):
        try:
            SigningKey.read(key.secret.get_secret_value())
        except BadKey as error:
            yield Check(f"keys.{number}", "bad", str(error), "take what `darkroom key` prints")


def check_mounts(settings: Settings) -> Iterator[Check]:
    """Whether the folders of originals can be read, and whether URLs reach what is in them."""
    if not settings.mounts:
        remedy = "set mounts (DARKROOM_MOUNTS=/srv/photos, or [mounts] in the file)"
        yield Check("mounts", "bad", "there is none: nothing can be served", remedy)
    for name, mount in settings.mounts.items():
        named, folder = f"mounts.{name or '/'}", mount.url
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
    used = _bytes_in(folder)
    said = f"{folder} holds {write_bytes(used)} of {write_bytes(settings.cache_bytes)}; {write_bytes(free)} are free"
    short = used + free < settings.cache_bytes
    yield Check("cache", "warn" if short else "ok", said, "lower `cache_bytes` or free some space" if short else "")
    if scratch and _existing(scratch).stat().st_dev != there.stat().st_dev:
        said = f"{scratch} lies on another file system than {folder}: results are copied instead of renamed"
        yield Check("scratch", "warn", said, "put both on one")


def check_open_files(limit: int) -> Check:
    """Whether connections and files can be opened in such numbers as the server is made for."""
    if limit == resource.RLIM_INFINITY or limit >= FEW_FILES:
        return Check("open files", "ok", "unlimited" if limit == resource.RLIM_INFINITY else str(limit))
    return Check(
        "open files", "warn", f"at most {limit}", "raise it: `ulimit -n 65536`, LimitNOFILE=, --ulimit nofile="
    )


def check_clock(now: float, installed: float) -> Check:
    """Whether the clock is later than the installation (both in unix seconds); URLs expire by it."""
    text = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    if now < installed:
        return Check("clock", "bad", f"{text}, which is before Darkroom was installed", "set it: URLs expire by it")
    return Check("clock", "ok", text)


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


def _inside(inner: Path, outer: Path) -> bool:
    return inner.resolve().is_relative_to(outer.resolve())


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next(there for there in (path.absolute(), *path.absolute().parents) if os.access(there, os.F_OK))


def _bytes_in(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # the cache of a running server changes while it is read
                total += Path(parent, name).lstat().st_size
    return total
