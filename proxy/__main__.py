"""The command line."""

import errno
import os
from pathlib import Path
from typing import Annotated

import typer

from proxy.commands.purge import purge
from proxy.commands.warm.command import warm
from proxy.console import ConfigOption, failed, secrets, settings_of

app = typer.Typer(
    help="Darkroom develops pictures on request: one original, every rendition by URL.\n\n"
    "A first look:  darkroom serve ~/Pictures   then open  http://127.0.0.1:8300/w_600/NAME.jpg",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


@app.command(
    help="Serve renditions of the originals in a folder.\n\n"
    "Without a key, only this machine can reach the server. A key comes from DARKROOM_KEYS or the settings file; "
    "`darkroom key` makes one.\n\n"
    "Signals: TERM drains, then stops; INT (Ctrl-C) stops; HUP reads keys, presets, mounts and rates anew."
)
def serve(
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="Originals; without it the mounts of the settings.")
    ] = None,
    host: Annotated[str | None, typer.Option(metavar="H", help="Address to listen on.  [dim]127.0.0.1[/]")] = None,
    port: Annotated[
        int | None, typer.Option(metavar="N", help="Port to listen on; 0 takes a free one.  [dim]8300[/]")
    ] = None,
    cache: Annotated[
        str | None, typer.Option(metavar="DIR", help="Folder of finished results; `off` keeps none.")
    ] = None,
    unsigned: Annotated[
        bool, typer.Option("--unsigned", help="Let anybody ask for anything: for development.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Run the server until a signal ends it."""
    from proxy import log
    from proxy.app import build
    from proxy.budget import BudgetError
    from proxy.greeting import greeting
    from proxy.metrics import LOG_DROPPED
    from proxy.server import listen, server
    from proxy.settings import Settings, SettingsError, check_exposure, load
    from signing import BadKey
    from transforms.worker import keep_private

    overrides = {
        "mounts": {"": str(folder)} if folder else None,
        "host": host,
        "port": port,
        "cache": cache,
        "unsigned": unsigned or None,
    }

    def read() -> Settings:
        settings = load(overrides, config, os.environ, strictly=True)
        check_exposure(settings)
        if not settings.mounts and not settings.remote:
            raise SettingsError(
                "There is nothing to serve: name a folder (darkroom serve ~/Pictures), or set mounts in darkroom.toml."
            )
        return settings

    keep_private()
    try:
        settings = read()
    except SettingsError as error:
        raise failed(str(error)) from None
    hidden = set(secrets(settings))
    logging = log.configure(settings.log_level, settings.log_form, secrets=hidden)

    def replace() -> list[str]:
        others = read()
        # What is about to be used is hidden before; what was used until now stays so, for requests still bear it.
        hidden.update(secrets(others))
        logging.hide(hidden)
        return application.replace(others)

    try:
        application = build(settings)
        listener = listen(settings.host, settings.port)
        application.metrics.watch(lambda: [(LOG_DROPPED, (), logging.dropped)])
        said = greeting(settings, listener.getsockname()[1])
        running = server(
            settings,
            application.asgi,
            application.phase,
            replace=replace,
            announce=lambda: print(said, flush=True),
            larger_bodies=application.larger_bodies,
            answers=application.asgi,
            crowd=application.crowd,
        )
        running.run(sockets=[listener])
    except (BudgetError, BadKey, ValueError) as error:
        raise failed(str(error)) from None
    except OSError as error:
        place = error.filename or f"{settings.host}:{settings.port}"
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
        raise failed(f"{place}: {reason}") from None
    finally:
        logging.close()
    if not running.started:
        raise typer.Exit(1)


app.command()(warm)
app.command()(purge)


@app.command()
def sign(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="The original, such as cats/1.jpg.")],
    steps: Annotated[
        str, typer.Argument(metavar="STEPS", help="What is wanted of it: w_600,f_webp; steps are joined by /.")
    ] = "",
    expires: Annotated[
        int | None, typer.Option(metavar="SECONDS", help="How long the URL holds; rounded up to the hour.")
    ] = None,
    base: Annotated[str, typer.Option(metavar="URL", help="What stands before the path.")] = "",
    config: ConfigOption = None,
) -> None:
    """Print a signed URL."""
    from signing import Signer, SigningError
    from transforms.errors import BadPlan
    from transforms.plan import Plan

    settings = settings_of(config)
    if not settings.keys:
        raise failed("There is no key: set DARKROOM_KEYS, or keys in darkroom.toml; `darkroom key` makes one.")
    if base and not base.startswith(("https://", "http://", "/")):
        raise failed(f"--base {base}: an address such as https://media.example.com was expected, or a path")
    try:
        Plan.read(steps, settings.presets)
        signer = Signer(settings.keys[0].secret.get_secret_value(), base)
        typer.echo(signer.url(source, *[step for step in steps.split("/") if step], expires=expires))
    except (BadPlan, SigningError) as error:
        raise failed(str(error)) from None


@app.command()
def key() -> None:
    """Print a new key, fit for DARKROOM_KEYS."""
    from signing import new_secret

    typer.echo(new_secret())


@app.command()
def options(
    name: Annotated[str | None, typer.Argument(metavar="OPTION", help="One option, such as w or e_blur.")] = None,
) -> None:
    """Say what a URL can ask for."""
    from rich.console import Console
    from rich.markdown import Markdown

    from proxy.reference import options_reference

    text = options_reference(name)
    if not text:
        raise failed(f"there is no option {name!r}; `darkroom options` lists all")
    Console().print(Markdown(text))


@app.command("settings")
def show_settings(config: ConfigOption = None) -> None:
    """Say what is set, to what, and what can be."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from proxy.settings import effective, every_setting

    values, table = effective(settings_of(config)), Table("setting", "value", "meaning", box=None)
    meanings = {info.name: info.meaning for info in every_setting()}
    for name, value in values.items():
        table.add_row(name, *map(escape, (value, meanings.get(name, ""))))
    Console().print(table)


@app.command(
    help="Check codecs, memory, keys, folders and limits, and say how to mend what is wrong.\n\n"
    "With --url, look at a running server from outside instead: what nginx or a CDN before it takes away, keeps too "
    "long, mixes up or shows."
)
def doctor(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="FOLDER", help="Originals, beside other mounts of the settings."),
    ] = None,
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="Where strangers ask: https://media.example.com.")
    ] = None,
    picture: Annotated[
        str | None,
        typer.Option(metavar="SOURCE", help="An original there, or a whole path with f_auto in it, for --url."),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Print what was looked at, and end with 1 where something is bad."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from proxy.doctor import checks, exit_code
    from proxy.doctor.outside import check_outside
    from signing import SigningError
    from transforms.plan import Plan

    if folder and url:
        raise failed("A folder is looked at from inside, a --url from outside: say one of them.")
    if picture and not url:
        raise failed("--picture is for --url: an original to ask for there.")
    mounts = {"": str(folder)} if folder else None
    settings = settings_of(config, strictly=False, mounts=mounts)  # it has a line and a remedy for each
    table, signs = (
        Table("", "check", "found", "remedy", box=None),
        {"ok": "[green]✓", "warn": "[yellow]!", "bad": "[red]✗"},
    )
    try:
        found = list(
            check_outside(settings, url, picture)
            if url
            else checks(settings, lambda text: Plan.read(text, settings.presets), environ=os.environ)
        )
    except (ValueError, SigningError) as error:
        raise failed(str(error)) from None
    for check in found:
        table.add_row(signs[check.state], *map(escape, (check.name, check.said, check.remedy)))
    Console().print(table)
    raise typer.Exit(exit_code(found))


@app.command()
def samples(folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to put them.")]) -> None:
    """Draw a folder of sample pictures; what is there already stays."""
    from transforms.samples import make_samples

    if folder.exists() and not folder.is_dir():
        raise failed(f"{folder}: {os.strerror(errno.ENOTDIR)}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        make_samples(folder, progress=lambda name: typer.echo(f"{name} is drawn"))
    except OSError as error:
        raise failed(f"{error.filename or folder}: {error.strerror}") from None


def main() -> None:
    """Run the command line."""
    app(prog_name="darkroom")


if __name__ == "__main__":
    main()
