"""What the figures are taken on, and whether it is quiet enough."""

import os
import platform
import subprocess
import time
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from pathlib import Path

from bench.processes import busy_seconds, cpu_seconds

PACKAGES = ("pyvips-binary", "simplejpeg", "cykooz-resizer", "starlette", "uvicorn", "uvloop", "httptools")

QUIET = 0.1  # cores that foreign processes may take
LOOK = 0.5  # seconds of one look


def described() -> dict[str, str]:
    """Processor, cores, memory, system and versions."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return {
        "date": date.today().isoformat(),
        "processor": f"{model.strip()}, {cores()} cores, {memory:.0f} GB",
        "system": f"{_system()}, Linux {platform.release().partition('-')[0]}",
        "Python": platform.python_version(),
        "packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
        "nginx": _said("nginx", "-v").rpartition("/")[2] or "none",
        "node": _said("node", "--version") or "none",
    }


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def await_quiet(patience: float, say: Callable[[str], None]) -> None:
    """Wait until foreign processes take next to nothing, `patience` seconds at most."""
    end = time.monotonic() + patience
    waiting = False
    while (foreign := foreign_load()) > QUIET and time.monotonic() < end:
        if not waiting:
            say(f"  others take {foreign:.2f} cores: waiting for quiet, {patience:.0f} s at most")
            waiting = True


def foreign_load(seconds: float = LOOK) -> float:
    """Cores that processes other than this one and its children take now."""
    started, busy, own = time.perf_counter(), busy_seconds(), cpu_seconds(os.getpid())
    time.sleep(seconds)
    spent = busy_seconds() - busy - (cpu_seconds(os.getpid()) - own)
    return max(0.0, spent / (time.perf_counter() - started))


def _system() -> str:
    return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())


def _said(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return (done.stdout + done.stderr).strip()
