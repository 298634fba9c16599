"""The plots of `docs/performance.md`: small SVGs without a ground, in colours that white and black both bear."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.results import Comparison, Row

INK, OURS, MISSED, TARGET, OTHER = "#7d8590", "#3b8eea", "#d08a2e", "#d1495b", "#8a63d2"
STYLE: Mapping[str, object] = {
    "svg.fonttype": "none",  # letters stay letters
    "svg.hashsalt": "darkroom",  # so that the same figures are the same file
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
WIDTH = 8.0  # inches

Found = Mapping[str, Comparison]
SPEED = ("cold", "known", "srcset")


def draw(found: Found, folder: Path) -> list[str]:
    """Every plot for which there are figures; the names of their files."""
    drawn = wanted(found)
    for name in drawn:
        with mpl.rc_context(dict(STYLE)):  # type: ignore[arg-type]
            figure = PLOTS[name].draw(found)
            figure.savefig(folder / f"{name}.svg", transparent=True, bbox_inches="tight", metadata={"Date": None})
    return [f"{name}.svg" for name in drawn]


def wanted(found: Found) -> list[str]:
    """The plots for which there are figures."""
    return [name for name, plot in PLOTS.items() if plot.needs & set(found)]


def ratios(found: Found) -> Figure:
    """Each comparison of speed with a peer as a bar, the wanted ratio as a mark."""
    rows = [row for name in SPEED if name in found for row in found[name].rows if _is_speed(row)]
    figure, axes = _axes(0.34 * len(rows) + 0.8)
    values = [row.figure if row.unit != "CPU s" else 1 / row.figure for row in rows]
    colours = [MISSED if row.met is False else OURS for row in rows]
    places = range(len(rows))
    axes.barh(places, values, color=colours, height=0.6)
    for place, row, value in zip(places, rows, values, strict=True):
        axes.text(value * 1.04, place, f"{value:.2g}×" if value < 10 else f"{value:.0f}×", va="center")
        if row.target:
            limit = row.target.limit if row.unit != "CPU s" else 1 / row.target.limit
            axes.plot([limit, limit], [place - 0.42, place + 0.42], color=TARGET, linewidth=2)
    axes.set_yticks(places, [f"{_prefix(row, found)}{row.what}: {row.peer}" for row in rows])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(0.8 * min(0.6, *values), max(values) * 1.5)
    axes.margins(y=0.01)
    ticks = [tick for tick in (0.5, 1, 2, 5, 10, 20, 50) if tick < max(values) * 1.5]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.axvline(1, color=INK, linewidth=1)
    axes.set_xlabel("times as fast, or as little processor time; the red marks are what is wanted")
    return figure


def memory(found: Found) -> Figure:
    """RSS of front and workers over the run."""
    figure, axes = _axes(3.0)
    colours = iter((OURS, OTHER, MISSED, "#4c9f70", "#c06c9b", INK))
    for name, points in sorted(found["memory"].curves.items()):
        if len(points) > 1:
            axes.plot(*zip(*points, strict=True), label=name, color=next(colours, INK), linewidth=1.2)
    axes.axhline(150, color=TARGET, linewidth=1, linestyle="--")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("seconds; the red line is what is wanted of a worker")
    axes.set_ylabel("RSS, MB")
    axes.legend(frameon=False, ncols=6, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


def overload(found: Found) -> Figure:
    """Times of hits before, during and after the load."""
    figure, axes = _axes(2.6)
    curves = found["overload"].curves
    for name, colour in (("99th percentile", OURS), ("median", OTHER)):
        axes.plot(*zip(*curves[name], strict=True), label=name, color=colour, marker=".")
    (start, _), (end, _) = curves["load"]
    axes.axvspan(start - 0.5, end - 0.5, color=INK, alpha=0.15, linewidth=0)
    axes.axhline(8, color=TARGET, linewidth=1, linestyle="--")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("seconds; 64 clients ask for heavy pictures in the grey part; the red line is what is wanted")
    axes.set_ylabel("a hit, ms")
    axes.legend(frameon=False, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


@dataclass(frozen=True)
class Plot:
    """A plot, and the comparisons of which one at least must be there."""

    draw: Callable[[Found], Figure]
    needs: frozenset[str]


PLOTS: Mapping[str, Plot] = {
    "performance-ratios": Plot(ratios, frozenset(SPEED)),
    "performance-memory": Plot(memory, frozenset({"memory"})),
    "performance-overload": Plot(overload, frozenset({"overload"})),
}


def _is_speed(row: Row) -> bool:
    return bool(row.peer) and row.unit in ("pictures/s", "CPU s")


def _prefix(row: Row, found: Found) -> str:
    return "known " if "known" in found and row in found["known"].rows else ""


def _axes(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, height))
    return figure, figure.subplots()
