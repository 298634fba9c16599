"""A command that runs trials and says which of them passed."""

import argparse
import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date
from pathlib import Path

from rich.console import Console

from bench.machine import described
from bench.trials.finding import Finding, markdown, table
from bench.trials.ground import Ground

Trial = Callable[[Ground], Awaitable[Finding]]


def run(program: str, about: str, trials: Mapping[str, Sequence[Trial]], page: Path) -> int:
    """Make the trials that the command line asks for; 1 when one of them failed.

    `page` is where a run puts its table, between the words that are there already.
    """
    asked = argparse.ArgumentParser(prog=program, description=about)
    asked.add_argument("names", nargs="*", metavar="trial", help=f"some of {', '.join(trials)}; all without any")
    asked.add_argument("--scale", type=float, default=1.0, help="share of a whole run (1), to try it")
    asked.add_argument("--page", action="store_true", help=f"put the table into docs/{page.name}")
    given = asked.parse_args()
    if unknown := set(given.names) - set(trials):
        asked.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(trials)}")
    console, findings = Console(), []
    with tempfile.TemporaryDirectory(prefix="darkroom-samples-") as samples:
        for trial in (trial for name in given.names or trials for trial in trials[name]):
            with tempfile.TemporaryDirectory(prefix="darkroom-trial-") as folder:
                ground = Ground(Path(folder), given.scale, console.print, Path(samples, "originals"))
                findings.append(asyncio.run(_one(trial, ground)))
            console.print(table(findings[-1:]))
    console.print(table(findings))
    if given.page:
        put(page, findings)
    return 0 if all(finding.passed for finding in findings) else 1


async def _one(trial: Trial, ground: Ground) -> Finding:
    return await trial(ground)


BEGIN, END = "<!-- measured -->", "<!-- end of what was measured -->"


def put(page: Path, findings: Sequence[Finding]) -> None:
    """Put a table into a page, in the place of the one before; its rows of other trials stay."""
    text = page.read_text()
    before, _, rest = text.partition(BEGIN)
    measured, _, after = rest.partition(END)
    machine = described()
    said = f"{date.today().isoformat()}, {machine['processor']}, {machine['system']}, Python {machine['Python']}."
    page.write_text(f"{before}{BEGIN}\n{said}\n\n{markdown(findings, measured.splitlines())}{END}{after}")
