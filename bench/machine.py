"""What the figures were taken on."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("pyvips-binary", "uvicorn", "uvloop", "httptools")


def described() -> str:
    """Processor, cores, load and versions in one line each."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    cores = len(os.sched_getaffinity(0))
    nginx = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=False).stderr.strip()
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    machine = f"{model}, {cores} cores, load {os.getloadavg()[0]:.1f}"
    return f"{machine}\nPython {platform.python_version()}, {versions}, {nginx}"
