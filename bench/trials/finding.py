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


def markdown(findings: Iterable[Finding], before: Iterable[str] = ()) -> str:
    """The same as a table of Markdown; trials that were not made again keep their rows of `before`."""
    rows = [
        f"| {one.what} | {one.allowed} | {one.happened} | {'passed' if one.passed else '**failed**'} |"
        for one in findings
    ]
    again = {_name(row) for row in rows}
    kept = [row for row in before if row.startswith("| ") and _name(row) not in again | {"trial"}]
    rows = sorted([*kept, *rows], key=lambda row: (_name(row)[0], int(_name(row)[1:])))
    return "\n".join(["| trial | allowed | happened | |", "|---|---|---|---|", *rows]) + "\n"


def _name(row: str) -> str:
    """A trial's number, which is the first word of its row."""
    return row.split()[1]
