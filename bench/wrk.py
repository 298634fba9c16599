"""wrk, which asks for one thing as fast as it is answered, and what it says."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass

from bench.machine import cores
from bench.serving import pinned

UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True)
class Said:
    """Answers per second, and times in milliseconds that half and 99 of a hundred stayed below."""

    rate: float
    p50: float
    p99: float
    errors: int = 0
    """Connections that could not be made, broke, or waited two seconds in vain."""


async def wrk(url: str, fields: Sequence[str], seconds: float, connections: int) -> Said:
    """Ask for a URL on the last core; raises RuntimeError for answers that are neither 2xx nor 3xx."""
    words = [word for field in fields for word in ("-H", field)]
    length = f"-d{max(1, round(seconds))}s"
    command = [*pinned(cores() - 1), "wrk", "-t1", f"-c{connections}", length, "--latency", *words, url]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return read(output.decode())


def read(text: str) -> Said:
    """What wrk printed."""
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    times = {share: re.search(rf"{share}%\s+([\d.]+)(us|ms|s)", text) for share in (50, 99)}
    half, most = times[50], times[99]
    if not rate or not half or not most or "Non-2xx" in text:
        raise RuntimeError(text)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    errors = sum(map(int, broken.groups())) if broken else 0
    return Said(float(rate[1]), float(half[1]) * UNITS[half[2]], float(most[1]) * UNITS[most[2]], errors)
