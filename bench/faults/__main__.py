"""`python -m bench.faults`: what happens when things break, each against what it may cost."""

import argparse
import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from rich.console import Console

from bench.faults import clients, disk, workers
from bench.faults.finding import Finding, table
from bench.faults.ground import Ground

FAULTS: Mapping[str, tuple[Callable[[Ground], Awaitable[Finding]], ...]] = {
    "F1": (workers.killed,),
    "F2": (workers.held, workers.starved),
    "F7": (disk.full, disk.read_only),
    "F8": (disk.damaged,),
    "F11": (clients.left,),
}


def main() -> int:
    """Try the faults that are asked for; 1 when one of them cost more than it may."""
    asked = argparse.ArgumentParser(prog="python -m bench.faults", description=__doc__)
    asked.add_argument("names", nargs="*", metavar="fault", help=f"some of {', '.join(FAULTS)}; all without any")
    asked.add_argument("--scale", type=float, default=1.0, help="share of a whole run (1)")
    given = asked.parse_args()
    if unknown := set(given.names) - set(FAULTS):
        asked.error(f"there is no {', '.join(sorted(unknown))}")
    console, findings = Console(), []
    for name in given.names or FAULTS:
        for trial in FAULTS[name]:
            console.rule(f"{name} {trial.__name__}")
            with tempfile.TemporaryDirectory(prefix="darkroom-fault-") as folder:
                ground = Ground(Path(folder), given.scale, console.print)
                findings.append(asyncio.run(_one(trial, ground)))
            console.print(table(findings[-1:]))
    console.print(table(findings))
    return 0 if all(finding.passed for finding in findings) else 1


async def _one(trial: Callable[[Ground], Awaitable[Finding]], ground: Ground) -> Finding:
    return await trial(ground)


if __name__ == "__main__":
    raise SystemExit(main())
