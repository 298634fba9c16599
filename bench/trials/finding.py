"""What a trial found, beside what is allowed."""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.table import Table


@dataclass(frozen=True)
class Finding:
    """One trial: what was done, what may come of it, what came, and whether that is within it."""

    what: str
    """Its number, and a word of which kind."""
    allowed: str
    happened: str
    passed: bool


def table(findings: Iterable[Finding]) -> Table:
    """Findings for the terminal and the page."""
    shown = Table("trial", "allowed", "happened", "", title_justify="left")
    for finding in findings:
        sign = "[green]passed[/]" if finding.passed else "[red]failed[/]"
        shown.add_row(finding.what, finding.allowed, finding.happened, sign)
    return shown


def markdown(findings: Iterable[Finding]) -> str:
    """The same as a table of Markdown."""
    rows = ["| trial | allowed | happened | |", "|---|---|---|---|"]
    rows += [
        f"| {one.what} | {one.allowed} | {one.happened} | {'passed' if one.passed else '**failed**'} |"
        for one in findings
    ]
    return "\n".join(rows) + "\n"
