"""Whether libvips and the optional readers are here, asked of a process like a worker."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from proxy.doctor.check import Check
from proxy.workers.process import worker_environment
from transforms.formats import FORMATS

LEAST_VIPS = "8.18.7"
"""Older ones read hostile files unsafely, or lack the options that the table of formats names."""

EXTRAS = {"pi_heif": ("1.4", "heif"), "pylibjxl": ("0.5", "jxl"), "pypdfium2": ("5.15", "pdf")}
"""Optional readers: the least version, and the extra of the package that brings it."""

ASK = (sys.executable, "-m", "transforms.capabilities")
PATIENCE = 60.0


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
            library, package = ("FFmpeg", "av") if row.reader == "av" else ("libvips", "pyvips-binary")
            yield Check(row.title, "bad", f"is none that {library} {' or '.join(missing)}", f"install {package} anew")
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


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())
