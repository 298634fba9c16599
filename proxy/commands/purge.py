"""The command that purges, by asking a running server."""

import json
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from proxy.console import failed

if TYPE_CHECKING:
    import httpx

PLACE = "/api/v1/purge"
PATIENCE = 30.0
"""Seconds that a server may take to answer."""
LOOK_EVERY = 0.3
INCOMPLETE = 1

Names = list[str] | None


def purge(
    source: Annotated[Names, typer.Option(metavar="SOURCE", help="What is made of an original: cats/1.jpg.")] = None,
    prefix: Annotated[Names, typer.Option(metavar="FOLDER/", help="What is made of all below a folder.")] = None,
    mount: Annotated[Names, typer.Option(metavar="NAME", help="What is made of all of a mount; / is the root.")] = None,
    preset: Annotated[Names, typer.Option(metavar="NAME", help="What is made by a preset.")] = None,
    overlay: Annotated[Names, typer.Option(metavar="SOURCE", help="What an original is laid over.")] = None,
    tag: Annotated[Names, typer.Option(metavar="TAG", help="What bears a tag, as answers have it.")] = None,
    server: Annotated[str, typer.Option(metavar="URL", help="The server.")] = "http://127.0.0.1:8300",
    token: Annotated[
        str | None, typer.Option(metavar="T", help="A token with the scope purge.  [dim]DARKROOM_TOKEN[/]")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait until every store and cache is done.")] = True,
) -> None:
    """Have results made anew, and caches in front forget them.

    Each option may come several times. Ends with 0 when all is done, with 1 when somebody was not reached.
    """
    given = {"source": source, "prefix": prefix, "mount": mount, "preset": preset, "overlay": overlay, "tag": tag}
    targets = [{kind: name} for kind, names in given.items() for name in names or ()]
    if not targets:
        raise failed("What shall be purged? Say --source cats/1.jpg, --prefix cats/, --mount, --preset or --tag.")
    secret = token or os.environ.get("DARKROOM_TOKEN", "")
    if not secret.strip():
        raise failed("There is no token: set DARKROOM_TOKEN, or say --token; the server has it under `tokens`.")
    if not secret.isascii() or not secret.strip().isprintable():
        raise failed("A token is one of letters, digits and signs of ASCII; this one is not.")
    raise typer.Exit(_run(server.rstrip("/"), secret.strip(), targets, wait))


def _run(server: str, secret: str, targets: list[dict[str, str]], wait: bool) -> int:
    """Do it; returns the exit status."""
    import httpx

    try:
        fields = {"authorization": f"Bearer {secret}"}
        with httpx.Client(base_url=server, headers=fields, timeout=PATIENCE, trust_env=False) as client:
            found = _asked(client, "POST", PLACE, json=targets)
            found = _followed(client, found) if wait else found
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise failed(f"{server}: no answer: {error or type(error).__name__}") from None
    return _say(found)


def _asked(client: "httpx.Client", method: str, path: str, **more: Any) -> dict[str, Any]:
    """What the server says, or the command's end."""
    answer = client.request(method, path, **more)
    try:
        told = answer.json()
        if answer.is_success and "state" in told:
            return dict(told)
        words = [
            told["title"],
            *(str(told[name]) for name in ("detail", "part", "expected", "suggestion") if name in told),
        ]
    except (json.JSONDecodeError, KeyError, TypeError):
        raise failed(f"{client.base_url}: this is no Darkroom that purges: it says {answer.status_code}") from None
    raise failed(": ".join(words))


def _followed(client: "httpx.Client", found: dict[str, Any]) -> dict[str, Any]:
    """How it ended; how far it is, is shown on a terminal meanwhile."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (TextColumn("purging"), BarColumn(), TextColumn("{task.description}"))
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)
        while True:
            stores = found["stores"].values()
            done, total = sum(store["tags_done"] for store in stores), sum(store["tags"] for store in stores)
            bar.update(task, completed=done, total=total or None, description=_short(found))
            if found["state"] != "running":
                return found
            time.sleep(LOOK_EVERY)
            found = _asked(client, "GET", f"{PLACE}/{found['id']}")


def _short(found: Mapping[str, Any]) -> str:
    removed = sum(store["removed"] for store in found["stores"].values())
    left = found["caches"]["requests_left"]
    return f"{removed:,} results removed" + (f", {left:,} requests to caches to go" if left else "")


def _say(found: Mapping[str, Any]) -> int:
    from rich.console import Console
    from rich.markup import escape

    console = Console(soft_wrap=True, highlight=False)
    for target in found["targets"]:
        console.print(f"[green]✓[/] {escape(target)} is purged")
    stores = ", ".join(f"{store['removed']:,} in {name}" for name, store in found["stores"].items())
    console.print(f"results removed: {stores}" if stores else "there are no stores")
    if paths := found["caches"]["paths"]:
        console.print(f"paths that caches in front may have had: {paths:,}")
    for missed in found["not_reached"]:
        console.print(f"[yellow]![/] not reached: {escape(missed)}")
    if found["state"] == "running":
        console.print(f"it goes on; its id is {found['id']}")
    return INCOMPLETE if found["not_reached"] else 0
