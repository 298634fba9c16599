"""The list of all settings, read off their declarations."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from proxy.settings.declare import Table
from proxy.settings.model import Settings
from proxy.settings.mounts import Mount, Remote
from proxy.settings.units import write

PREFIX = "DARKROOM_"
SECRET = ("keys", "admin_token", "access_key", "secret_key", "headers", "redis", "results")
"""Settings whose values are never shown, whatever is wrong with them."""


@dataclass(frozen=True)
class SettingInfo:
    """One setting: `mounts.<name>.max_age` stands for that of every mount, `keys[].secret` for that of every key."""

    name: str
    variable: str
    default: str
    unit: str
    meaning: str
    example: str


def table_in(annotation: object) -> type[BaseModel] | None:
    """The table that a field holds, or holds many of."""
    if isinstance(annotation, type) and issubclass(annotation, Table):
        return annotation
    return next((table for inner in get_args(annotation) if (table := table_in(inner))), None)


def every_setting() -> list[SettingInfo]:
    """Every setting, in the order of its declaration."""
    return list(_walk(Settings, "", PREFIX))


def _walk(table: type[BaseModel], path: str, variable: str) -> Iterator[SettingInfo]:
    for name, field in table.model_fields.items():
        inner = table_in(field.annotation)
        here, named = path + name, variable + name.upper()
        if table is Remote and name in Mount.model_fields and name != "hosts":
            continue  # what it has in common with mounts stands in the list already
        yield _info(here, named, field, has_table=inner is not None)
        if inner is None or here == "mounts.<name>.limits":
            continue  # a mount's limits are those of `limits`, which stand in the list already
        kind = get_origin(field.annotation)
        if kind is dict:
            yield from _walk(inner, f"{here}.<name>.", f"{named}__<NAME>__")
        elif kind is tuple:
            yield from _walk(inner, f"{here}[].", "")
        else:
            yield from _walk(inner, f"{here}.", f"{named}__" if variable else "")


def _info(name: str, variable: str, field: FieldInfo, *, has_table: bool) -> SettingInfo:
    words: Mapping[str, Any] = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    default = "required" if field.is_required() else "" if has_table else _write(field.default)
    return SettingInfo(
        name=name,
        variable=variable if variable.startswith(PREFIX) else "",
        default=default if words["shown"] is None else words["shown"],
        unit=words["unit"],
        meaning=field.description or "",
        example=words["example"],
    )


def _write(default: object) -> str:
    return write(default) if default not in ((), {}, "", None) else ""


def settings_reference() -> str:
    """Every setting as a table of Markdown."""
    rows = ["| setting | environment | default | unit | meaning |", "|---|---|---|---|---|"]
    for info in every_setting():
        example = f" For example `{info.example}`." if info.example else ""
        cells = (f"`{info.name}`", f"`{info.variable}`" if info.variable else "", info.default, info.unit)
        meaning = f"{info.meaning}{example}".replace("|", "\\|")
        rows.append("| " + " | ".join((*cells, meaning)) + " |")
    return "\n".join(rows) + "\n"


def effective(settings: Settings) -> dict[str, str]:
    """Every value that holds, by its dotted name and with secrets left out; of keys and mounts, what is set."""
    return dict(_flat(settings, ""))


def _flat(value: object, path: str) -> Iterator[tuple[str, str]]:
    match value:
        case SecretStr():
            yield path, "(secret)"
        case BaseModel():
            some = path.startswith(("keys.", "mounts.")) or path == "remote"
            for name in type(value).model_fields:
                if not some or name in value.model_fields_set:
                    yield from _flat(getattr(value, name), f"{path}.{name}" if path else name)
        case dict() if value:
            for name, member in value.items():
                yield from _flat(member, f"{path}.{name or '/'}")
        case tuple() if value and isinstance(value[0], BaseModel):
            for number, member in enumerate(value):
                yield from _flat(member, f"{path}.{number}")
        case _:
            yield path, "" if value == {} else write(value)
