"""What a check says: a value, never printed here."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "bad"]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at, and what to do if it is not well."""

    name: str
    state: State
    said: str
    remedy: str = ""


def exit_code(checks: Iterable[Check]) -> int:
    """1 where something is bad, else 0."""
    return int(any(check.state == "bad" for check in checks))
