"""The options as data for a form, from the same declarations as the manual."""

from collections.abc import Mapping
from inspect import cleandoc
from typing import Any

from proxy.reference import default, expected, first_sentence
from transforms.operation import Operation, Param, option_name
from transforms.pipeline import PIPELINE


def described_options() -> list[dict[str, Any]]:
    """Every operation in the order of work, those of steps before those of the whole plan."""
    return sorted((_operation(kind) for kind in PIPELINE), key=lambda described: not described["local"])


def _operation(kind: type[Operation]) -> dict[str, Any]:
    values = [_value(kind, key, declared) for key, declared in kind.params().items()]
    return {
        "name": kind.name,
        "label": option_name(kind.name),
        "group": kind.__module__.rpartition(".")[2],
        "summary": first_sentence(kind),
        "manual": cleandoc(kind.__doc__ or ""),
        "example": kind.example,
        "local": kind.step_local,
        "word": kind.is_word(),
        "values": values,
    }


def _value(kind: type[Operation], key: str, declared: Param) -> Mapping[str, Any]:
    """One value; `letter` is the name that it stands under, where that is not the operation's own."""
    text = default(kind, key)
    return {
        "key": key,
        "letter": declared.letter,
        "meaning": declared.meaning,
        "expected": expected(declared),
        "schema": declared.kind.schema(),
        "default": text or "",
        "needed": text is None,
    }
