"""A plan carried out on an original without a server, as a worker does it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from transforms.formats import FORMATS
from transforms.limits import Limits
from transforms.plan import Plan
from transforms.probe import probe
from transforms.render import Rendered, render


@contextmanager
def original(data_or_path: bytes | Path) -> Iterator[Path]:
    """A file that holds the original."""
    if isinstance(data_or_path, Path):
        yield data_or_path
        return
    with tempfile.NamedTemporaryFile() as file:
        file.write(data_or_path)
        file.flush()
        yield Path(file.name)


def develop(
    data_or_path: bytes | Path,
    plan_text: str,
    format: str | None = None,  # noqa: A002 -- the word of the URL
    grade: str = "first",
    *,
    limits: Limits | None = None,
    focus: tuple[float, float] | None = None,
) -> Rendered:
    """What a worker makes of an original; the format is `format`, else the plan's, else the original's own.

    Raises Refusals.
    """
    plan, limits = Plan.read(plan_text), limits or Limits()
    with original(data_or_path) as path:
        header = probe(path)
        limits.check_original(header)
        own = header.kind if FORMATS[header.kind].writer else "png"
        row = FORMATS[format or plan.saving.format or own]
        return render(path, header, plan, row, grade, limits, focus)
