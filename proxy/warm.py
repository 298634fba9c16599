"""The command that makes results in advance."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from proxy.console import ConfigOption, failed, secrets, settings_of

if TYPE_CHECKING:
    from proxy.settings import Settings
    from proxy.warming import Warmed

MOST = 10_000_000
"""Originals of a mount that are listed."""
REASONS = 20
"""Failures that are told one by one."""
ALL_THE_TIME = 86_400.0
"""Seconds that work may wait for a worker here: nobody waits for it."""
NICE = 5
"""How much its workers yield to those of a server on the same machine."""
INTERRUPTED = 130


@dataclass
class Tally:
    """What became of everything, summed up."""

    states: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    milliseconds: float = 0.0
    failures: list[tuple[str, str]] = field(default_factory=list)

    def add(self, warmed: "Warmed") -> None:
        """Count one rendition."""
        self.states[warmed.state] += 1
        self.bytes[warmed.state] += warmed.size
        self.milliseconds += warmed.milliseconds
        if warmed.state == "failed":
            self.failures.append((warmed.path, warmed.why))


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
        Path | None, typer.Option(metavar="FILE", help="URLs to make ready, one in a line, as a log has them.")
    ] = None,
    cache: Annotated[str | None, typer.Option(metavar="DIR", help="Folder of finished results.")] = None,
    workers: Annotated[int | None, typer.Option(metavar="N", help="Pictures at a time.  [dim]one per core[/]")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be made, and make nothing.")] = False,
    config: ConfigOption = None,
) -> None:
    """Make results in advance, with care, and keep them on disk.

    It may run beside a server with the same cache. Ctrl-C ends it when what has begun is finished.
    """
    given = list(originals or ())
    folder = given.pop(0) if given and Path(given[0]).is_dir() else None
    settings = settings_of(config, mounts={"": folder} if folder else None, cache=cache, workers=workers)
    plans = list(_plans(steps or [], widths, settings))
    if not plans and urls is None:
        raise failed("What shall be made? Say --steps w_600,f_webp or --widths 320,640, or --urls with a file of URLs.")
    if plans and not given and not all_of:
        raise failed("Of which originals? Name some, or - for those on stdin, or say --all.")
    if given and not plans:
        raise failed("What shall be made of these originals? Say --steps w_600,f_webp or --widths 320,640.")
    if all_of and mount not in settings.mounts:
        raise failed(f"there is no mount {mount!r}; there are: {', '.join(map(repr, settings.mounts)) or 'none'}")
    if not settings.mounts:
        raise failed("There are no originals: name a folder, or set mounts in darkroom.toml.")
    _check_cache(settings.cache)
    raise typer.Exit(_run(settings, plans, given, mount if all_of else None, urls, dry_run))


def _plans(steps: list[str], widths: str, settings: "Settings") -> Iterator[tuple[str, ...]]:
    """The steps of every rendition that is wanted of each original."""
    from transforms.errors import BadPlan
    from transforms.plan import Plan

    numbers = [width.strip() for width in widths.split(",") if width.strip()]
    for text in steps or ([""] if numbers else []):
        before, _, last = text.rpartition("/")
        for option in [f"w_{number}" for number in numbers] or [""]:
            plan = tuple(part for part in (*before.split("/"), ",".join(filter(None, (last, option)))) if part)
            try:
                Plan.read(plan, settings.presets)
            except BadPlan as error:
                raise failed(f"{'/'.join(plan)}: {error}") from None
            yield plan


def _check_cache(cache: Path | None) -> None:
    if cache is None:
        raise failed("There is no disk cache to fill: say --cache DIR, or set cache in darkroom.toml.")
    with suppress(OSError):
        cache.mkdir(parents=True, exist_ok=True)
    if not os.access(cache, os.W_OK | os.X_OK):
        raise failed(f"{cache}: the cache cannot be written")


def _run(
    settings: "Settings",
    plans: list[tuple[str, ...]],
    names: list[str],
    mount: str | None,
    urls: Path | None,
    dry: bool,
) -> int:
    """Do it; returns the exit status."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from proxy import log
    from proxy.app import build
    from proxy.budget import BudgetError
    from proxy.failures import OriginFailed
    from proxy.sources.source import Named
    from proxy.warming import Warming
    from signing import Address, BadKey, Signer, SigningError, Unsigned
    from signing.request import Request
    from transforms.errors import Refusal
    from transforms.worker import keep_private

    keep_private()
    os.nice(NICE)
    errors, tally, started = Console(stderr=True), Tally(), time.monotonic()
    logging = log.configure("error", settings.log_form, secrets=secrets(settings))
    # All that is asked for waits its turn; results are looked for on disk, where a server finds them.
    patient = settings.model_copy(update={"queue_seconds": ALL_THE_TIME, "memory_bytes": 0})
    signer = Signer(settings.keys[0].secret.get_secret_value()) if settings.keys else None

    def sign(path: bytes) -> bytes:
        assert signer
        request = Request.read(path)
        return signer.sign("/" + Address.read(request.rest, request.offset).write()).encode()

    named = [name for name in names if name != "-"] + _lines(Path("/dev/stdin") if "-" in names else None)
    wished = dict.fromkeys(_path(line) for line in _lines(urls))

    async def listed() -> list[str]:
        if mount is None:
            return []
        source = application.origins.named(settings)[mount]
        if not isinstance(source, Named):
            raise OriginFailed(f"The originals of {mount or '/'} cannot be listed: name them, or say --urls.")
        return [f"{mount}/{key}" if mount else key for key in await source.names("", MOST)]

    async def paths(originals: list[str]) -> AsyncIterator[bytes]:
        for original in originals:
            for plan in plans:
                yield asked(f"/{Address(plan, original).write()}".encode())
        for path in wished:
            yield path

    def asked(path: bytes) -> bytes:
        """As anybody may ask for it, else as the holder of the newest key does."""
        try:
            application.media.delivery.reader.read(path)
        except Unsigned:
            return sign(path) if signer else path
        except (SigningError, Refusal):
            return path  # told when its turn comes
        return path

    async def go(bar: Progress) -> bool:
        task, loop = bar.add_task("warming", total=None), asyncio.get_running_loop()
        warming = Warming(
            application.media.delivery,
            parallel=2 * application.budget.workers,
            rehearsal=dry,
            listed=mount is not None,
            sign=sign,
            told=tally.add,
            read=lambda: bar.advance(task),
        )
        working = asyncio.current_task()
        assert working

        def stop() -> None:
            if warming.stopped:
                working.cancel()
            else:
                errors.print("finishing what has begun; once more ends it at once")
                warming.stopped = True

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)
        async with application.running():
            originals = named + await listed()
            bar.update(task, total=len(originals) * len(plans) + len(wished))
            await warming.run(paths(originals))
        return warming.stopped

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        application = build(patient, reserve=0)
        with Progress(*columns, console=errors, transient=True) as bar:
            interrupted = asyncio.run(go(bar))
    except asyncio.CancelledError:
        interrupted = True
    except (BudgetError, BadKey, SigningError, Refusal, OSError, ValueError) as error:
        raise failed(str(error)) from None
    finally:
        logging.close()
    evicted = sum(tier.stats().evictions for tier in getattr(application.media.delivery.store, "tiers", ()))
    _say(Console(), tally, time.monotonic() - started, evicted)
    return INTERRUPTED if interrupted else 1 if tally.failures else 0


def _lines(file: Path | None) -> list[str]:
    try:
        return [line.strip() for line in file.read_text().splitlines() if line.strip()] if file else []
    except (OSError, UnicodeDecodeError) as error:
        raise failed(f"{file}: {error}") from None


def _path(line: str) -> bytes:
    """The path of a URL, without host and query."""
    text = line.partition("?")[0]
    scheme, found, rest = text.partition("://")
    return (f"/{rest.partition('/')[2]}" if found and scheme in ("http", "https") else text).encode()


WORDS = {
    "made": "made",
    "wanted": "would be made",
    "there": "there already",
    "skipped": "left out",
    "failed": "failed",
}


def _say(console: Any, tally: Tally, seconds: float, evicted: int) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table("", "results", "bytes", box=None)
    for state, words in WORDS.items():
        if tally.states[state] or state in ("made", "failed"):
            table.add_row(words, f"{tally.states[state]:,}", f"{tally.bytes[state]:,}" if tally.bytes[state] else "")
    console.print(table)
    console.print(f"in {seconds:.1f} seconds")
    if tally.milliseconds:
        console.print(f"to be made in about {tally.milliseconds / 1000:.1f} seconds of one core")
    for path, why in tally.failures[:REASONS]:
        console.print(f"[red]✗[/] {escape(path)}: {escape(why)}")
    if len(tally.failures) > REASONS:
        console.print(f"and {len(tally.failures) - REASONS} more that failed")
    if evicted:
        console.print(f"[yellow]![/] the cache is full: {evicted} older results had to make room; raise cache_bytes")
