"""`python -m bench.quality`: what `q_` means in each format, and what `q_auto` makes of it, measured anew.

Photographs are written at a row of encoder qualities with the settings of the table of formats and read again. Where
the mean SSIM of luma is the same, the qualities look alike: `qualities` in `transforms/formats.py` should say so.
"""

import argparse
import json
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyvips
from pyvips import Image
from rich.console import Console
from rich.table import Table

from bench.inputs import photographs
from bench.machine import described
from transforms.auto_quality import LEVELS
from transforms.formats import FORMATS, Format
from transforms.saving import quality_for
from transforms.similarity import Reference
from transforms.wishes import Saving

RESULTS: Final = Path(__file__).with_suffix(".json")
PLOT: Final = Path(__file__).parent.parent / "docs/images/quality-curves.svg"
SIZES: Final = (600, 1200)  # pixels of the longer side
QUALITIES: Final = (10, 20, 30, 40, 50, 60, 70, 80, 85, 90, 95)  # of the encoders
JOINED: Final = (20, 40, 60, 80, 90)  # of `q_`
# A JPEG's grades differ in how its numbers are packed, not in its pixels.
MEASURED: Final = (("jpg", "first"), ("webp", "first"), ("webp", "final"), ("avif", "first"), ("avif", "final"))
MOST_APART: Final = 2  # what a curve may be off by


@dataclass(frozen=True)
class Point:
    """What an encoder's quality gives: means over all pictures of SSIM, and of bits for a pixel."""

    format: str
    grade: str
    quality: int
    ssim: float
    bits: float


@dataclass(frozen=True)
class Auto:
    """A level of `q_auto` beside the number that it stands for: means, and standard deviations of SSIM."""

    format: str
    level: str
    chosen: tuple[int, ...]
    bytes: float
    ssim: tuple[float, float]
    deviation: tuple[float, float]


@dataclass(frozen=True)
class Picture:
    """A photograph at the size at which it is written."""

    name: str
    image: Image
    reference: Reference

    def written(self, row: Format, grade: str, quality: int) -> tuple[int, float]:
        """The bytes, and the SSIM of luma, at an encoder's quality."""
        data = self.image.write_to_buffer(row.writer, keep="none", Q=quality, **row.settings(grade))
        return len(data), self.reference.brightness(Image.new_from_buffer(data, "").numpy())


def main() -> None:
    """Measure, compare with the table of formats, and write the results and their plot."""
    asked = argparse.ArgumentParser(prog="python -m bench.quality", description=__doc__)
    asked.add_argument("--pictures", type=int, default=6, help="how many photographs are measured")
    asked.add_argument("--only", choices=("curves", "auto"), help="one half alone; nothing is written")
    given = asked.parse_args()
    console = Console()
    console.print(described())
    pyvips.cache_set_max(0)
    photos = photographs(console.print)[: given.pictures]
    results: dict[str, Any] = {"machine": described(), "pictures": len(photos), "sizes": SIZES}
    if given.only != "auto":
        points = list(measured(list(_pictures(photos, SIZES)), console.print))
        console.print(_compared(points))
        results |= {"points": [asdict(point) for point in points], "curves": joined(points)}
    if given.only != "curves":
        autos = list(automatic(list(_pictures(photos, SIZES[:1]))))
        console.print(_levels(autos))
        results["auto"] = [asdict(auto) for auto in autos]
    if not given.only:
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        draw(points, PLOT)
        console.print(f"written: {RESULTS}, {PLOT}")


def _pictures(photos: Iterable[Path], sizes: Iterable[int]) -> Iterator[Picture]:
    for path in photos:
        for size in sizes:
            image = Image.thumbnail(str(path), size, height=size, size="down").colourspace("srgb").copy_memory()
            yield Picture(path.name, image, Reference(image.numpy(), 2))


def measured(pictures: Sequence[Picture], say: Callable[[str], None]) -> Iterator[Point]:
    """The points of the curves of each format and grade."""
    for name, grade in MEASURED:
        say(f"  {name}, {grade}")
        for quality in QUALITIES:
            written = [picture.written(FORMATS[name], grade, quality) for picture in pictures]
            bits = (
                8 * size / (one.image.width * one.image.height)
                for one, (size, _) in zip(pictures, written, strict=True)
            )
            yield Point(
                name,
                grade,
                quality,
                round(statistics.mean(ssim for _, ssim in written), 5),
                round(statistics.mean(bits), 4),
            )


def joined(points: Iterable[Point]) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """For each format and grade the encoder's quality (by `q_`) that has the SSIM of a JPEG."""
    curves: dict[tuple[str, str], list[Point]] = {}
    for point in points:
        curves.setdefault((point.format, point.grade), []).append(point)
    usual = curves["jpg", "first"]
    wanted = np.interp(JOINED, [point.quality for point in usual], [_told(point.ssim) for point in usual])
    table: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for (name, grade), curve in curves.items():
        found = np.interp(wanted, [_told(point.ssim) for point in curve], [point.quality for point in curve])
        pairs = zip(JOINED, found, strict=True)
        table.setdefault(name, {})[grade] = [(q, round(float(quality), 1)) for q, quality in pairs]
    return table


def _told(ssim: float) -> float:
    """Between two measurements the logarithm of the error is nearest to a straight line."""
    return float(-np.log(1 - ssim))


def automatic(pictures: Sequence[Picture]) -> Iterator[Auto]:
    """What the levels of `q_auto` choose, in the first grade."""
    for name in dict.fromkeys(name for name, _ in MEASURED):
        row = FORMATS[name]
        for level, aim in LEVELS.items():
            chosen = [quality_for([one.image], row, Saving(), "first", aim) for one in pictures]
            fixed = [one.written(row, "first", row.quality(aim.like)) for one in pictures]
            auto = [one.written(row, "first", row.quality(q)) for one, q in zip(pictures, chosen, strict=True)]
            before, after = ([ssim for _, ssim in some] for some in (fixed, auto))
            yield Auto(
                name,
                level,
                tuple(chosen),
                round(sum(size for size, _ in auto) / sum(size for size, _ in fixed), 3),
                (round(statistics.mean(before), 5), round(statistics.mean(after), 5)),
                (round(statistics.pstdev(before), 5), round(statistics.pstdev(after), 5)),
            )


def _compared(points: Iterable[Point]) -> Table:
    rows = Table("q_", *(f"{q}" for q in JOINED), title="the encoder's quality that looks like q_ does in a JPEG")
    for name, grades in joined(points).items():
        present = [FORMATS[name].quality(q) for q in JOINED]
        rows.add_row(f"{name}, the table", *map(str, present))
        mean = [
            statistics.mean(values)
            for values in zip(*([q for _, q in curve] for curve in grades.values()), strict=True)
        ]
        for label, values in (
            {grade: [q for _, q in curve] for grade, curve in grades.items()} | {"mean": mean}
        ).items():
            rows.add_row(f"{name}, {label}", *(_beside(value, now) for value, now in zip(values, present, strict=True)))
    return rows


def _beside(value: float, present: int) -> str:
    mark = "  !" if abs(value - present) > MOST_APART else ""
    return f"{value:.1f} ({value - present:+.1f}){mark}"


def _levels(autos: Iterable[Auto]) -> Table:
    rows = Table("q_auto", "chosen", "bytes", "SSIM, fixed", "SSIM, auto", title="beside a fixed q_")
    for one in autos:
        ssim = [f"{mean:.4f} ± {apart:.4f}" for mean, apart in zip(one.ssim, one.deviation, strict=True)]
        chosen = f"{min(one.chosen)} to {max(one.chosen)}, mean {statistics.mean(one.chosen):.0f}"
        rows.add_row(f"{one.format}, {one.level}", chosen, f"{one.bytes:.2f}", *ssim)
    return rows


def draw(points: Sequence[Point], path: Path) -> None:
    """SSIM over the bits that it costs, and over `q_` as the table of formats has it, as SVG."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams.update({"svg.hashsalt": "darkroom", "svg.fonttype": "path", "font.size": 9})
    figure = Figure(figsize=(9, 4), layout="constrained")
    costs, scale = figure.subplots(1, 2, sharey=True)
    colours = {"jpg": "#8a5a2b", "webp": "#2f7d5b", "avif": "#2b5fa8"}
    for name, grade in MEASURED:
        curve = [point for point in points if (point.format, point.grade) == (name, grade)]
        row, ssim = FORMATS[name], [point.ssim for point in curve]
        style = {"color": colours[name], "linestyle": "-" if grade == "first" else "--", "marker": ".", "markersize": 4}
        label = f"{row.title}, {grade}" if row.refined and name != "jpg" else row.title
        costs.plot([point.bits for point in curve], ssim, label=label, **style)
        scale.plot(np.interp([point.quality for point in curve], *_scale(row)), ssim, label=label, **style)
    costs.set(xlabel="bits for a pixel", ylabel="SSIM of luma", xscale="log", ylim=(0.8, 1))
    scale.set(xlabel="q_", xlim=(5, 100))
    for axes in (costs, scale):
        axes.grid(color="#dddddd", linewidth=0.6)
    costs.legend(loc="lower right")
    figure.savefig(path, metadata={"Date": None})


def _scale(row: Format) -> tuple[list[int], list[int]]:
    """The encoder's qualities and the `q_` of each, the other way round than the table of formats."""
    return [quality for _, quality in row.qualities], [q for q, _ in row.qualities]


if __name__ == "__main__":
    main()
