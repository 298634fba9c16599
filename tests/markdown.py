"""The manual's pages taken apart: blocks of code, tables, prose, and what stands between backticks."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md")))

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"`([^`\n]+)`")


class Block(NamedTuple):
    """A block of code, and the line of its page on which it begins."""

    language: str
    text: str
    line: int


@dataclass(frozen=True)
class Table:
    """A table's cells as they are written; each row has as many as the header."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def blocks(page: Path) -> Iterator[Block]:
    """Every fenced block of a page."""
    text = page.read_text()
    for found in _FENCE.finditer(text):
        yield Block(found[1], found[2], text.count("\n", 0, found.start()) + 2)


def tables(page: Path) -> Iterator[Table]:
    """Every table of a page."""
    lines = [line for line in _FENCE.sub("", page.read_text()).splitlines() if not line.startswith("    ")]
    for number, line in enumerate(lines):
        if re.fullmatch(r"\|(-+\|)+", line):
            body = []
            for row in lines[number + 1 :]:
                if not row.startswith("|"):
                    break
                body.append(_cells(row))
            yield Table(_cells(lines[number - 1]), tuple(body))


def _cells(row: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", row.strip().removeprefix("|").removesuffix("|")))


def prose(page: Path) -> str:
    """A page without blocks of code and without tables."""
    text = _FENCE.sub("", page.read_text())
    return "\n".join(line for line in text.splitlines() if not line.startswith(("    ", "|")))


def spans(text: str) -> list[str]:
    """What stands between backticks."""
    return _SPAN.findall(text)


def headings(page: Path) -> Iterator[str]:
    """The anchors of a page's headings, as they are made on GitHub."""
    for title in re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text()), re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
