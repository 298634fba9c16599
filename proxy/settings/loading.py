"""Reading the settings: what is given, the environment, a folder of secrets, a file, the defaults."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from proxy.settings import sources
from proxy.settings.declare import SettingsError
from proxy.settings.meaning import useless
from proxy.settings.model import Settings
from proxy.settings.mounts import read_mount
from proxy.settings.problems import problem, unknown_variables
from proxy.settings.sources import Source, Variables

DEFAULT_CONFIG = Path("darkroom.toml")
NOT_IN_A_FILE = ("config", "secrets_dir")


def load(
    overrides: Mapping[str, Any] | None = None,
    config: Path | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    strictly: bool = False,
) -> Settings:
    """The settings: overrides before `environ` before the folder of secrets before the file before the defaults.

    `None` among the overrides means that nothing was said. `strictly` refuses presets that are no steps, and weak keys.
    Raises SettingsError with a line per problem.
    """
    variables = sources.ours(environ or {})
    problems = unknown_variables(variables)
    said = [
        Source("", {name: value for name, value in (overrides or {}).items() if value is not None}),
        Source("environment", Variables(variables)(), variables),
    ]
    if folder := _first("secrets_dir", said):
        secrets = sources.secrets(Path(folder))
        problems += unknown_variables(secrets)
        said.append(Source(str(folder), Variables(secrets)(), secrets))
    path = config or _first("config", said) or (DEFAULT_CONFIG if DEFAULT_CONFIG.is_file() else None)
    if path:
        values = sources.file(Path(path))
        problems += [f"{name}: cannot be set in the file ({path})" for name in NOT_IN_A_FILE if name in values]
        said.append(Source(str(path), values))
    said = [replace(source, values=_spelt_out(source.values)) for source in said]

    merged: dict[str, Any] = {
        "cache": _cache_folder(environ or {}),
        "otel_endpoint": _collector(environ or {}),
    }
    for source in reversed(said):
        merged = _merge(merged, source.values)
    # pydantic-settings takes such names for its own parameters, and says nothing.
    hidden = [name for name in merged if name.startswith("_")]
    problems += [f"{name}: there is no such setting" for name in hidden]
    try:
        settings = Settings(**{**{name: merged[name] for name in merged if name not in hidden}, "config": path})
    except ValidationError as error:
        problems += [problem(detail, said) for detail in error.errors()]
    problems += useless(merged, said) if strictly else ()
    if problems:
        # Outside of the `except`: a traceback must not bring along pydantic's error, which holds what was given.
        raise SettingsError(*problems)
    return settings


def _first(name: str, said: Sequence[Source]) -> Any:
    return next((source.values[name] for source in said if source.values.get(name)), None)


def _cache_folder(environ: Mapping[str, str]) -> Path | None:
    """The user's own folder for caches; none for a user without a home."""
    if cache := environ.get("XDG_CACHE_HOME"):
        return Path(cache, "darkroom")
    return Path(home, ".cache", "darkroom") if (home := environ.get("HOME")) else None


def _collector(environ: Mapping[str, str]) -> str | None:
    """Where spans go by the standard's own variables; nowhere where they switch it off."""
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    base = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    return environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or (f"{base.rstrip('/')}/v1/traces" if base else None)


def _spelt_out(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same values with mounts as tables under bare names, so that sources merge whatever spelling they use."""
    mounts = values.get("mounts")
    if isinstance(mounts, str | Path):
        mounts = {"": mounts}
    if not isinstance(mounts, Mapping):
        return dict(values)
    bare = {str(name).strip("/"): read_mount(mount) for name, mount in mounts.items()}
    # Two spellings of one name in one source stay as they are, and are refused with the rest.
    return {**values, "mounts": bare if len(bare) == len(mounts) else mounts}


def _merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Both, table by table; where both say something else, `over` holds."""
    merged = dict(under)
    for name, value in over.items():
        below = merged.get(name)
        merged[name] = _merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged
