"""What work is expected to cost, beside what it does cost: input kind by output by grade, in a worker as it is.

`python -m bench.estimates [WIDTH]`; milliseconds are of the processor, so that a busy machine disturbs them little.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.inputs import photographs
from bench.machine import described
from proxy.workers.process import Worker, WorkerEnded, worker_environment
from transforms.formats import reader_available
from transforms.headers import Header
from transforms.limits import Limits, estimate
from transforms.plan import Plan
from transforms.worker import frame

WORKER = (sys.executable, "-m", "transforms.worker")
MIB = 1 << 20
OUTPUTS = ("jpg", "webp", "avif", "png", "gif", "tiff")
GRADES = ("first", "final")
BASELINE = ("jpg", "jpg", "first")
"""The row by whose quotient all others are divided: a machine is as fast as it is."""
OFF = 1.5
"""Quotients from here on, up or down, are marked."""
ROUNDS = 3


@dataclass(frozen=True)
class Cell:
    """One row: milliseconds and bytes as estimated and as measured."""

    kind: str
    output: str
    grade: str
    expected: float
    measured: float
    expected_memory: int
    memory: int


class Bench:
    """Workers of its own, one that has been at work for times, a new one for each figure of memory."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._numbers = folder, count()
        self._warm: Worker | None = None

    async def measure(self, original: Path, kind: str, width: int) -> list[Cell]:
        """Every output in every grade of one original."""
        header = Header.from_dict((await self._once({"do": "probe"}, original))["meta"]["header"])
        cells = []
        for output in OUTPUTS:
            for grade in GRADES:
                plan = Plan.read(f"f_{output},w_{width}")
                (size,) = plan.measure(_size(header))
                cost = estimate(header, output, size.width * size.height, grade=grade)
                job = {
                    "do": "render",
                    "header": header.to_dict(),
                    "limits": asdict(Limits()),
                    "plan": str(plan),
                    "format": output,
                    "grade": grade,
                    "focus": None,
                }
                with suppress(WorkerEnded):
                    memory = await self._memory(job, original)
                    times = [(await self._once(job, original))["cpu"] * 1000 for _ in range(ROUNDS)]
                    measured = statistics.median(times)
                    cells.append(Cell(kind, output, grade, cost.milliseconds, measured, cost.memory, memory))
        return cells

    async def close(self) -> None:
        """End the worker."""
        if self._warm:
            self._warm.kill("closing")
            await self._warm.bury()

    async def _once(self, job: dict[str, Any], original: Path) -> dict[str, Any]:
        self._warm = self._warm or await self._hired()
        return await self._asked(self._warm, job, original)

    async def _memory(self, job: dict[str, Any], original: Path) -> int:
        worker = await self._hired()
        try:
            return int((await self._asked(worker, job, original))["peak"]) - worker.base
        finally:
            worker.kill("closing")
            await worker.bury()

    async def _hired(self) -> Worker:
        worker = Worker(
            WORKER,
            self._folder / f"worker-{next(self._numbers)}",
            memory=4096 * MIB,
            largest_body=256 * MIB,
            environment=worker_environment(os.environ),
        )
        await worker.ready()
        return worker

    async def _asked(self, worker: Worker, job: dict[str, Any], original: Path) -> dict[str, Any]:
        result = self._folder / f"result-{next(self._numbers)}"
        descriptor = os.open(original, os.O_RDONLY)
        try:
            said, _ = await worker.ask(frame({"id": 1, "job": job, "result": str(result)}), descriptor)
        finally:
            os.close(descriptor)
            result.unlink(missing_ok=True)
        if "meta" not in said:
            raise RuntimeError(f"{original}: {said}")
        return said


def _size(header: Header) -> Any:
    from transforms.operation import Size

    return Size(*header.upright)


def inputs(folder: Path, say: Callable[[str], None]) -> Iterator[tuple[str, Path]]:
    """An original of every kind: the photograph itself, and what it is when written as another."""
    import pyvips

    photo = photographs(say)[0]
    yield "jpg", photo
    image = pyvips.Image.new_from_file(str(photo)).thumbnail_image(2560).copy_memory()
    written: dict[str, tuple[str, dict[str, Any]]] = {
        "jpg progressive": (".jpg", {"interlace": True, "Q": 85}),
        "png": (".png", {}),
        "webp": (".webp", {"Q": 85}),
        "avif": (".avif", {"effort": 2}),
        "gif": (".gif", {}),
        "tiff": (".tiff", {"compression": "lzw"}),
    }
    for kind, (suffix, options) in written.items():
        path = folder / f"{kind.replace(' ', '-')}{suffix}"
        image.write_to_file(str(path), **options)
        yield kind, path
    corpus = os.environ.get("DARKROOM_CORPUS")
    for kind, reader in {"gif moving": "gif", "heic": "heic", "jxl": "jxl"}.items():
        pattern = {"gif moving": "bench/anim.gif", "heic": "*/*.HEIC", "jxl": "*/*sunset*.jxl"}[kind]
        if corpus and reader_available(reader):
            yield from ((kind, path) for path in sorted(Path(corpus).glob(pattern))[:1])


def table(cells: list[Cell], width: int) -> Table:
    """The rows, with quotients by that of the baseline, marked where they are far from one."""
    base = next(cell for cell in cells if (cell.kind, cell.output, cell.grade) == BASELINE)
    pace = base.measured / base.expected
    rows = Table("from", "to", "grade", "expected ms", "ms", "quotient", "expected MB", "MB", "quotient",
                 title=f"{width} pixels wide; milliseconds as multiples of the first row's {pace:.2f}")  # fmt: skip
    for cell in cells:
        time, memory = cell.measured / cell.expected / pace, cell.memory / cell.expected_memory
        rows.add_row(cell.kind, cell.output, cell.grade, f"{cell.expected:.0f}", f"{cell.measured:.0f}", _marked(time),
                     f"{cell.expected_memory / 1e6:.0f}", f"{cell.memory / 1e6:.0f}", _marked(memory))  # fmt: skip
    return rows


def _marked(quotient: float) -> str:
    return f"{quotient:.2f}{' !' if quotient > OFF or quotient < 1 / OFF else ''}"


async def _all(width: int, only: str, console: Console) -> list[Cell]:
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as place:
        bench, cells = Bench(Path(place)), []
        try:
            for kind, original in inputs(Path(place), console.print):
                if only in kind:
                    cells += await bench.measure(original, kind, width)
        finally:
            await bench.close()
        return cells


def main() -> None:
    """Measure, and print the table."""
    asked = argparse.ArgumentParser(prog="python -m bench.estimates", description=__doc__)
    asked.add_argument("width", nargs="?", type=int, default=600, help="of the results, in pixels")
    asked.add_argument("--only", default="", help="kinds of input whose names hold this; jpg is the first row")
    given, console = asked.parse_args(), Console(width=130)
    console.print(described())
    console.print(table(asyncio.run(_all(given.width, given.only, console)), given.width))


if __name__ == "__main__":
    main()
