"""Exact values as JSON and back: fractions as text, tuples as lists, dataclasses as objects."""

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from fractions import Fraction
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")


def as_json(value: Any) -> Any:
    """A frozen dataclass of numbers, texts, fractions, tuples and its like as JSON values; `read` is the inverse."""
    if is_dataclass(value):
        return {field.name: as_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, tuple):
        return [as_json(part) for part in value]
    return value


def read(kind: type[T], values: Mapping[str, Any]) -> T:
    """The dataclass that `as_json` wrote. Members that it does not know are left out.

    Raises KeyError, TypeError and ValueError for what is none.
    """
    hints = get_type_hints(kind)
    known = {
        field.name: _read(hints[field.name], values[field.name])
        for field in fields(kind)  # type: ignore[arg-type]
        if field.name in values
    }
    return kind(**known)


def _read(kind: Any, value: Any) -> Any:
    if isinstance(kind, types.UnionType):
        return None if value is None else _read(get_args(kind)[0], value)
    if kind is Fraction:
        return Fraction(value)
    if get_origin(kind) is tuple:
        return tuple(_read(get_args(kind)[0], part) for part in value)
    if is_dataclass(kind):
        return read(kind, value)  # type: ignore[arg-type]
    return value
