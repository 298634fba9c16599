"""What a fault did, beside what it may do."""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.table import Table


@dataclass(frozen=True)
class Finding:
    """One fault, what was allowed, what happened, and whether that is within it."""

    fault: str
    """Its number in docs/faults.md, and a word of which kind."""
    allowed: str
    happened: str
    passed: bool


def table(findings: Iterable[Finding]) -> Table:
    """Findings for the terminal and the page."""
    shown = Table("fault", "allowed", "happened", "", title="faults", title_justify="left")
    for finding in findings:
        sign = "[green]passed[/]" if finding.passed else "[red]failed[/]"
        shown.add_row(finding.fault, finding.allowed, finding.happened, sign)
    return shown


def markdown(findings: Iterable[Finding]) -> str:
    """The same as a table of Markdown."""
    rows = ["| fault | allowed | happened | |", "|---|---|---|---|"]
    rows += [
        f"| {one.fault} | {one.allowed} | {one.happened} | {'passed' if one.passed else '**failed**'} |"
        for one in findings
    ]
    return "\n".join(rows) + "\n"
