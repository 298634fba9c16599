"""`python -m bench`: Darkroom beside its peers, as ratios taken in one run on this machine."""

import argparse
import resource
import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median

import uvloop
from rich.console import Console
from rich.table import Table

from bench import cold, hot, known, loop, memory, overload, plots, report, results, srcset
from bench.caches import remove_caches
from bench.inputs import photographs, prepared
from bench.machine import described, foreign_load
from bench.peers import installed
from bench.results import Comparison
from bench.rounds import Setting

ROOT = Path(__file__).parent.parent
OUT = ROOT / "bench" / "out"
SUMMARY = ROOT / "bench" / "results.json"  # committed: the page is drawn from it
PAGE, IMAGES = ROOT / "docs" / "performance.md", ROOT / "docs" / "images"

COMPARISONS: Mapping[str, Callable[[Setting], Awaitable[Comparison]]] = {
    "cold": cold.compare,
    "known": known.compare,
    "srcset": srcset.compare,
    "hot": hot.compare,
    "loop": loop.compare,
    "memory": memory.compare,
    "overload": overload.compare,
}


def main() -> None:
    """Run what is asked for, or draw the page."""
    given = _asked()
    console = Console()
    if given.report:
        draw(SUMMARY, OUT / "results.json", console.print)
    else:
        measure(given, console)


def _asked() -> argparse.Namespace:
    asked = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    asked.add_argument("names", nargs="*", metavar="name", help=f"some of {', '.join(COMPARISONS)}; all without any")
    asked.add_argument("--rounds", type=int, default=5, help="interleaved rounds, whose median is shown (5)")
    asked.add_argument("--seconds", type=float, default=4.0, help="length of a turn (4)")
    asked.add_argument("--patience", type=float, default=60.0, help="seconds to wait for a quiet machine (60)")
    asked.add_argument("--quick", action="store_true", help="one short round, to try it; the page takes none of it")
    asked.add_argument("--soak", action="store_true", help="10,000 pictures in `memory` instead of 2,000")
    asked.add_argument("--report", action="store_true", help="measure nothing: draw docs/performance.md and its plots")
    given = asked.parse_args()
    if unknown := set(given.names) - set(COMPARISONS):
        asked.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(COMPARISONS)}")
    return given


def measure(given: argparse.Namespace, console: Console) -> None:
    """Run comparisons; each is put into the file of results as soon as it is there."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))
    OUT.mkdir(parents=True, exist_ok=True)
    remove_caches(OUT)
    for leftover in OUT.glob("served-*"):  # of a run that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    peers = installed(OUT, console.print)
    machine = described()
    console.print("\n".join(f"{name}: {value}" for name, value in machine.items()))
    console.print(f"others take {foreign_load():.2f} cores")
    setting = Setting(
        rounds=1 if given.quick else given.rounds,
        seconds=1.0 if given.quick else given.seconds,
        patience=2.0 if given.quick else given.patience,
        pictures=100 if given.quick else 10_000 if given.soak else 2_000,
        out=OUT,
        inputs=prepared(photographs(console.print), OUT, console.print),
        peers={name: peer for name, (peer, _) in peers.items()},
        say=lambda line: console.print(line, highlight=False),
    )
    taken = OUT / ("quick.json" if given.quick else "results.json")
    try:
        for name in given.names or COMPARISONS:
            console.rule(name)
            found = uvloop.run(_one(COMPARISONS[name], setting))
            found = replace(
                found,
                rounds=setting.rounds,
                seconds=setting.seconds,
                machine=machine,
                peers={peer: version for peer, (_, version) in peers.items()},
            )
            results.merge(taken, {name: found})
            console.print(table(found))
    finally:
        remove_caches(OUT)
    console.print(f"{taken.relative_to(ROOT)} holds it" + ("" if given.quick else "; draw the page with --report"))


async def _one(compare: Callable[[Setting], Awaitable[Comparison]], setting: Setting) -> Comparison:
    return await compare(setting)


def draw(summary: Path, taken: Path, say: Callable[[str], None]) -> None:
    """Take what was measured into the summary, and draw page and plots from it."""
    results.merge(summary, results.load(taken))
    found = results.load(summary)
    PAGE.write_text(report.page(found))
    drawn = plots.draw(found, IMAGES)
    said = ", ".join([str(PAGE.relative_to(ROOT)), *drawn])
    say(f"drawn: {said}; from {', '.join(found) or 'no results: run `python -m bench` first'}")


def table(found: Comparison) -> Table:
    """A comparison for the terminal."""
    shown = Table("what", "ours", "theirs", "ratio", "wanted", "SSIM", title=found.name, title_justify="left")
    for row in found.rows:
        colour = {True: "green", False: "red", None: "default"}[row.met]
        shown.add_row(
            f"{row.what}, beside {row.peer}" if row.peer else row.what,
            f"{report.number(median(row.ours))} {row.unit}",
            report.number(median(row.theirs)) if row.peer else "",
            f"[{colour}]{report.number(row.figure)}[/]",
            f"{'≤' if row.target.most else '≥'} {row.target.limit:g}" if row.target else "",
            f"{row.look.ssim:.4f} {row.look.ssim_theirs:.4f}" if row.look else "",
        )
    return shown


if __name__ == "__main__":
    main()
