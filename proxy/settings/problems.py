"""What is wrong with settings, in one line each: the name, what was expected, what came, where it stands."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_origin

from pydantic import BaseModel, ByteSize

from proxy.settings.model import Settings
from proxy.settings.reference import PREFIX, SECRET, every_setting, table_in
from proxy.settings.sources import BrokenJSON, Source
from proxy.settings.units import write

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

EXPECTED = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": "a table",
    "finite_number": "a number",
    "float_parsing": "a number",
    "float_type": "a number",
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number",
    "int_type": "a whole number",
    "less_than_equal": "{le} or less",
    "literal_error": "{expected}",
    "model_type": "a table",
    "path_type": "a path",
    "string_pattern_mismatch": "an address such as http://localhost:4318/v1/traces",
    "string_too_short": "{min_length} characters or more",
    "string_type": "text",
    "too_short": "{min_length} {what} or more",
    "tuple_type": "a list",
    "value_error": "{error}",
}
"""What was expected, by pydantic's name for the error."""

LONGEST_VALUE = 60


def problem(error: "ErrorDetails", sources: Sequence[Source]) -> str:
    """One error of pydantic as a line of ours; `sources` in the order of their precedence."""
    kind, context = error["type"], error.get("ctx", {})
    place = context.get("place") or tuple(step for step in error["loc"] if step != "[key]")
    # What is missing stands nowhere; the table around it does.
    around = place[:-1] if kind == "missing" else place
    where = standing(around, sources)
    if kind == "extra_forbidden":
        beside = [dotted((*place[:-1], name)) for name in _names_beside(place)]
        return f"{dotted(place)}: there is no such setting{meant(dotted(place), beside)}{where}"
    name = f"{dotted(place)}: " if place else ""
    if kind == "said":
        return f"{name}{context['text']}{where}"
    if kind == "missing":
        return f"{name}is needed{where}"
    # Of a secret, which is no text to pydantic, as of a list.
    what = "members" if isinstance(error["input"], list | tuple) else "characters"
    expected = EXPECTED[kind].format(**_bounds(place, context), what=what) if kind in EXPECTED else error["msg"]
    if isinstance(error["input"], BrokenJSON):
        expected = "JSON that can be read"
    got = "" if any(step in SECRET for step in place) else f", got {_shown(error['input'])}"
    return f"{name}expected {expected}{got}{where}"


def unknown_variables(names: Iterable[str]) -> list[str]:
    """A line for each variable that begins with the name of no setting, or goes on where a setting has no parts."""
    known = [info.variable for info in every_setting() if info.variable]
    return [f"{name}: there is no such setting{meant(name, known)}" for name in names if not _begins_well(name)]


def _begins_well(name: str) -> bool:
    first, *parts = name.removeprefix(PREFIX).lower().split("__")
    if first not in Settings.model_fields:
        return False
    annotation = Settings.model_fields[first].annotation
    is_table = get_origin(annotation) is dict or (table_in(annotation) and get_origin(annotation) is not tuple)
    # What stands inside of a table is checked with its values.
    return not parts or bool(is_table)


def _names_beside(place: Sequence[str | int]) -> list[str]:
    """The settings that there are where an unknown one stands."""
    table: type[BaseModel] | None = Settings
    for step in place[:-1]:
        if table is not None and step in table.model_fields:
            table = table_in(table.model_fields[str(step)].annotation)
    return list(table.model_fields) if table else []


def dotted(place: Iterable[str | int]) -> str:
    """The setting's name: `mounts.photos.url`; the root mount is `/`."""
    return ".".join(str(step) or "/" for step in place)


def meant(name: str, names: Iterable[str]) -> str:
    """A question, where one of the names is near."""
    near = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def standing(place: Sequence[str | int], sources: Sequence[Source]) -> str:
    """Where that which holds stands, in brackets: its variable, or its source; nothing of what was said nowhere."""
    return next((_where(place, source) for source in sources if source.holds(place)), "") if place else ""


def _where(place: Sequence[str | int], source: Source) -> str:
    """The place's variable, which may hold a whole table, or else the name of the source."""
    for end in range(len(place), 0, -1):
        variable = PREFIX + "__".join(str(step).upper() for step in place[:end])
        if variable in source.variables:
            return f" ({variable})"
    return f" ({source.name})" if source.name else ""


def _bounds(place: Sequence[str | int], context: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of an error as a person would write them, in the unit of the setting."""
    in_bytes = any(info.name == dotted(place) and info.unit == "bytes" for info in every_setting())
    unit = ByteSize if in_bytes else lambda number: number
    return {name: write(unit(bound)) if isinstance(bound, int | float) else bound for name, bound in context.items()}


def _shown(value: object) -> str:
    match value:
        case bool() | float():
            return write(value)
        case Mapping():
            return "a table"
        case list() | tuple():
            return "a list"
    text = repr(value.text if isinstance(value, BrokenJSON) else value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
