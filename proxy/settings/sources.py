"""The places that settings are read from: the environment, a folder of secrets, a file."""

import json
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource

from proxy.settings.declare import SettingsError
from proxy.settings.model import OFF, Settings
from proxy.settings.reference import PREFIX

# Kubernetes tells every container of the Services around it, in variables that begin with a Service's name.
SERVICE_LINK = re.compile(r"DARKROOM_(?:.+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_.+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_.+)?)")
SERVICE_ADDRESS = re.compile(r"(?:tcp|udp|sctp)://")

NOT_SETTINGS = ("DARKROOM_CORPUS", "DARKROOM_SOAK", "DARKROOM_TOKEN")
"""Variables with our prefix that tests and benches read, and `darkroom purge`."""


@dataclass(frozen=True)
class Source:
    """Values of one place, what the place is called, and the variables that they were read from, if they were."""

    name: str
    values: Mapping[str, Any]
    variables: Collection[str] = ()

    def holds(self, place: Iterable[str | int]) -> bool:
        """Whether this source says anything here; a list or a shorthand says something about all that is inside."""
        here: Any = self.values
        for step in place:
            if not isinstance(here, Mapping):
                return True
            if step not in here:
                return False
            here = here[step]
        return True


@dataclass(frozen=True)
class BrokenJSON:
    """A text that begins like JSON and is none; not a text itself, so that no field takes it for a value."""

    text: str = field(repr=False)


class Variables(EnvSettingsSource):
    """Variables that are handed in, read as pydantic-settings reads the process' own."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        super().__init__(Settings)
        # Empty is unset: compose files pass `${VARIABLE:-}` on for what nobody has set.
        self.env_vars = {name.lower(): value for name, value in variables.items() if value.strip()}

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """Lists and tables are JSON; anything else is left to the field, which knows its shorthands."""
        if value.lstrip()[:1] in ("[", "{"):
            try:
                return json.loads(value)
            except ValueError:
                return BrokenJSON(value)
        return {"": value} if field is Settings.model_fields["mounts"] else value


def ours(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that are meant for us."""
    return {
        name.upper(): value
        for name, value in environ.items()
        if name.upper().startswith(PREFIX)
        and name not in NOT_SETTINGS
        and not SERVICE_LINK.fullmatch(name)
        and not (name.endswith("_PORT") and SERVICE_ADDRESS.match(value))
    }


def secrets(folder: Path) -> dict[str, str]:
    """The files of the folder that are named like our variables; those of others may lie beside them."""
    try:
        files = [file for file in folder.iterdir() if file.name.upper().startswith(PREFIX) and file.is_file()]
        return {file.name.upper(): file.read_text("utf-8").strip() for file in files}
    except OSError as error:
        reason = error.strerror
    except UnicodeDecodeError:
        reason = "a file in it is not UTF-8 text"
    raise SettingsError(f"secrets_dir: {str(folder)!r} cannot be read: {reason}")


def file(path: Path) -> dict[str, Any]:
    """The tables of a TOML file; folders in it are relative to the file."""
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        reason = "is not UTF-8 text"
    except tomllib.TOMLDecodeError as error:
        reason = f"is not TOML: {error}"
    else:
        return _beside(path.absolute().parent, values)
    raise SettingsError(f"config: {str(path)!r} {reason}")


def _beside(folder: Path, values: dict[str, Any]) -> dict[str, Any]:
    """The same values, with relative folders taken from where the file lies."""

    def anchor(place: object) -> object:
        if isinstance(place, str) and place and place.lower() not in OFF and not re.match(r"[~/]|[A-Za-z]\w+:", place):
            return str(folder / place)
        return place

    def mount(value: object) -> object:
        return {**value, "url": anchor(value["url"])} if isinstance(value, dict) and "url" in value else anchor(value)

    anchored = {name: anchor(value) if name in ("cache", "mounts") else value for name, value in values.items()}
    if isinstance(mounts := values.get("mounts"), dict):
        anchored["mounts"] = {name: mount(value) for name, value in mounts.items()}
    return anchored
