"""The command that makes results in advance."""

from pathlib import Path
from typing import Annotated

import typer

from proxy.commands.warm.here import check_cache, run_here
from proxy.commands.warm.logs import Asked, asked
from proxy.commands.warm.through import run_through
from proxy.commands.warm.wishes import Wishes, lines, path_of, read_plans, sitemap, sorted_out
from proxy.console import ConfigOption, failed, settings_of


def warm(
    originals: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE",
            help="Originals such as cats/1.jpg; `-` reads names from stdin. The first may be the folder of all.",
        ),
    ] = None,
    steps: Annotated[
        list[str] | None, typer.Option("--steps", metavar="STEPS", help="What to make: w_600,f_webp; once for each.")
    ] = None,
    widths: Annotated[
        str, typer.Option(metavar="W,W", help="The steps at each of these widths: those of a srcset.")
    ] = "",
    all_of: Annotated[bool, typer.Option("--all", help="All originals of the mount.")] = False,
    mount: Annotated[str, typer.Option(metavar="NAME", help="The mount of --all.  [dim]the root[/]")] = "",
    urls: Annotated[
        Path | None, typer.Option(metavar="FILE", help="URLs to make ready, one in a line, or a log that has them.")
    ] = None,
    site: Annotated[
        list[str] | None,
        typer.Option("--sitemap", metavar="FILE|URL", help="A sitemap whose pictures to make ready, or an index."),
    ] = None,
    hls: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="A stream to make ready with all its parts; once for each."),
    ] = None,
    segments: Annotated[
        int | None, typer.Option(metavar="N", help="Of streams only the first so many segments.", min=1)
    ] = None,
    base: Annotated[
        str, typer.Option(metavar="URL", help="What our URLs begin with; others are left out.  [dim]any host[/]")
    ] = "",
    server: Annotated[
        str | None, typer.Option(metavar="URL", help="Ask this server, not the cache on disk.  [dim]none[/]")
    ] = None,
    rate: Annotated[float, typer.Option(metavar="N", help="Requests a second to the server, at most.", min=0.1)] = 10,
    cache: Annotated[str | None, typer.Option(metavar="DIR", help="Folder of finished results.")] = None,
    workers: Annotated[int | None, typer.Option(metavar="N", help="Pictures at a time.  [dim]one per core[/]")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be made, and make nothing.")] = False,
    config: ConfigOption = None,
) -> None:
    """Make results in advance, with care, and keep them on disk; or have a server make them, by asking it.

    It may run beside a server with the same cache. Ctrl-C ends it when what has begun is finished.
    """
    given = list(originals or ())
    folder = given.pop(0) if given and Path(given[0]).is_dir() else None
    settings = settings_of(config, mounts={"": folder} if folder else None, cache=cache, workers=workers)
    plans = list(read_plans(steps or [], widths, settings))
    if not plans and urls is None and not site and not hls:
        raise failed(
            "What shall be made? Say --steps w_600,f_webp or --widths 320,640, --urls with a file of URLs, "
            "or --hls with the URL of a stream."
        )
    if plans and not given and not all_of:
        raise failed("Of which originals? Name some, or - for those on stdin, or say --all.")
    if given and not plans:
        raise failed("What shall be made of these originals? Say --steps w_600,f_webp or --widths 320,640.")
    if server and (all_of or dry_run):
        raise failed("A server lists no originals and rehearses nothing: leave out --all and --dry-run, or --server.")
    if not settings.mounts and not server:
        missing = f"{given[0]} is no folder that is there; " if given else ""
        raise failed(f"There are no originals: {missing}name a folder, or set mounts in darkroom.toml.")
    mount = mount.strip("/")
    if all_of and mount not in settings.mounts:
        raise failed(
            f"there is no mount {mount or '/'}; there are: {', '.join(name or '/' for name in settings.mounts)}"
        )
    if not server:
        check_cache(settings.cache)
    names = [name for name in given if name != "-"] + (lines(Path("/dev/stdin")) if "-" in given else [])
    base = base.rstrip("/")
    logged = [asked(line) for line in lines(urls)] if urls else []
    ours, verified, left_out = sorted_out(
        [*logged, *(Asked(url) for place in site or () for url in sitemap(place))], base
    )
    streams = [path for url in hls or () if (path := path_of(url, base)) is not None]
    wishes = Wishes(plans, names, mount if all_of else None, ours, left_out, [*streams, *verified], segments)
    if server:
        raise typer.Exit(run_through(server.rstrip("/"), settings, wishes, rate))
    raise typer.Exit(run_here(settings, wishes, dry_run))
