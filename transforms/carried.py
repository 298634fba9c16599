"""Refusals as they cross a socket: JSON out, and back only what is sound."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from transforms.errors import Refusal

LONGEST_TEXT = 500  # characters of a refusal's field
LARGEST_NUMBER = 1_000_000_000


def refusal_to_fields(refusal: Refusal) -> dict[str, Any]:
    """A refusal as JSON can carry it."""
    return {"code": refusal.code} | {field.name: getattr(refusal, field.name) for field in fields(refusal)}


def refusal_from_fields(carried: Mapping[str, Any]) -> Refusal | None:
    """The refusal of the same class with the same fields, long texts cut.

    None when there is no such class, or the fields are not its own or not of their types.
    """
    for kind in _kinds(Refusal):
        if kind.__dict__.get("code") == carried.get("code"):
            values = {name: value for name, value in carried.items() if name != "code"}
            types = {field.name: field.type for field in fields(kind)}
            sound = "detail" in values and all(_is_sound(value, types.get(name)) for name, value in values.items())
            return kind(**{name: _cut(value) for name, value in values.items()}) if sound else None
    return None


def _is_sound(value: object, kind: Any) -> bool:
    """Whether this is a value of a field of that type, and no number that is absurd, infinite or none at all."""
    if isinstance(value, int | float):
        wanted = isinstance(value, kind or ()) or (kind is float and isinstance(value, int))
        return wanted and not isinstance(value, bool) and 0 <= value <= LARGEST_NUMBER
    return isinstance(value, kind or ())


def _cut(value: Any) -> Any:
    return value[:LONGEST_TEXT] if isinstance(value, str) else value


def _kinds(parent: type[Refusal]) -> Iterator[type[Refusal]]:
    for kind in parent.__subclasses__():
        yield kind
        yield from _kinds(kind)
