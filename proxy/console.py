"""What the commands have in common: the settings they read, and the way they fail."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from proxy.settings import Settings

ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Settings file; ./darkroom.toml if there.")
]


def settings_of(config: Path | None, strictly: bool = True, **overrides: Any) -> "Settings":
    """The settings, or the command's end; `strictly` as `load` has it."""
    from proxy.settings import SettingsError, load

    try:
        return load(overrides, config, os.environ, strictly=strictly)
    except SettingsError as error:
        raise failed(str(error)) from None


def secrets(settings: "Settings") -> list[str]:
    """All that the log must not show."""
    from proxy.settings.origins import secrets_of

    rings = (settings.keys, settings.tokens, settings.purge_hooks)
    secrets = [settings.admin_token, *(holder.secret for ring in rings for holder in ring)]
    others = [address for address in (settings.redis, *(tier.address for tier in settings.results)) if address]
    return [
        *(secret.get_secret_value() for secret in secrets if secret),
        *(secret for mount in settings.mounts.values() for secret in secrets_of(mount)),
        *(address.password for address in others if address.password),
    ]


def failed(text: str) -> typer.Exit:
    """The end of a command that could not begin, once it has said why."""
    typer.secho(text, err=True, fg=typer.colors.RED)
    return typer.Exit(2)
