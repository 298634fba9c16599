"""Fronts of our own as programs: with settings, from any tree of the source, with their metrics and workers."""

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.request import urlopen

import psutil

from bench.serving import answers, free_port
from bench.trials.programs import Program

ROOT = Path(__file__).parent.parent.parent
PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR")


def front(
    name: str, folder: Path, settings: Mapping[str, object], *, tree: Path = ROOT, port: int | None = None
) -> tuple[Program, int]:
    """A server of our own, not started yet, and its port; its cache and its log are in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    given = {"cache": str(folder / "cache"), "log_form": "json", "log_level": "warning", "port": port, **settings}
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environment |= {f"DARKROOM_{name.upper()}": _text(value) for name, value in given.items()}
    environment["PYTHONPATH"] = str(tree)
    command = [sys.executable, "-m", "proxy", "serve"]
    return Program(name, command, lambda: answers(port, "/health"), folder / "log", environment, tree), port


def metric(port: int, name: str, **labels: str) -> float:
    """The sum of a metric over everything that has these labels."""
    total = 0.0
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        for line in answer.read().decode().splitlines():
            found = re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line)
            if found and dict(re.findall(r'(\w+)="(.*?)"', found[1] or "")).items() >= labels.items():
                total += float(found[2])
    return total


def workers(pid: int) -> list[psutil.Process]:
    """The worker processes of a front."""
    found = []
    for child in psutil.Process(pid).children():
        try:
            if "transforms.worker" in " ".join(child.cmdline()):
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


def _text(value: object) -> str:
    plain = isinstance(value, str | int | float) and not isinstance(value, bool)
    return str(value) if plain else json.dumps(value)
