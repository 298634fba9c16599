"""A plan carried out: original in, result out."""

import time
from dataclasses import dataclass
from pathlib import Path

import pyvips
from pyvips import Image

from transforms.colour_management import managed
from transforms.errors import DamagedOriginal
from transforms.formats import FORMATS, Format
from transforms.headers import Header
from transforms.image import scale
from transforms.limits import Limits
from transforms.opening import Opened, open_original, turned
from transforms.operation import Operation, Scene, Size
from transforms.operations.geometry import Resize
from transforms.plan import Plan
from transforms.probe import probe
from transforms.saving import save


@dataclass(frozen=True)
class Rendered:
    """A finished result; times are seconds."""

    data: bytes
    size: Size
    frames: int
    decode: float
    transform: float
    encode: float


def render(
    path: Path,
    header: Header,
    plan: Plan,
    row: Format,
    grade: str,
    limits: Limits,
    focus: tuple[float, float] | None = None,
) -> Rendered:
    """Open the original, run every step, write the result in the format of `row`. Raises Refusals."""
    started = time.perf_counter()
    try:
        opened, frames, rest = _begin(path, header, plan, row, limits, focus)
        decoded = time.perf_counter()
        for operation in rest:
            frames = operation.apply_all(frames, Scene(Size(frames[0].width, frames[0].height), focus))
        frames = [frame.copy_memory() for frame in frames]
        transformed = time.perf_counter()
    except pyvips.Error as error:
        raise DamagedOriginal(f"the original is not a whole {FORMATS[header.kind].title} picture") from error
    limits.check_result(frames[0].width, frames[0].height)
    data = save(frames, opened, row, plan.saving, grade)
    return Rendered(
        data=data,
        size=Size(frames[0].width, frames[0].height),
        frames=len(frames),
        decode=decoded - started,
        transform=transformed - decoded,
        encode=time.perf_counter() - transformed,
    )


def _begin(
    path: Path, header: Header, plan: Plan, row: Format, limits: Limits, focus: tuple[float, float] | None
) -> tuple[Opened, list[Image], list[Operation]]:
    """The frames, upright and in the result's colours, and the operations that are left to do on them.

    A resize that comes first is done while the picture is opened: it is shrunk as it is read, scaled as it lies, and
    only then turned and converted, when there is little left of it.
    """
    operations = [operation for step in plan.steps for operation in step]
    first = operations[0] if operations and isinstance(operations[0], Resize) else None
    loading, space = plan.loading, plan.saving.space
    if (loading.page or 1) > 1 and header.kind in ("tiff", "pdf"):
        header = probe(path, loading.page or 1)  # each page has a size of its own
    upright = Size(*header.upright) if loading.upright else Size(header.width, header.height)
    framing = first.framing(upright, focus) if first else None
    opened = open_original(path, header, loading, limits, framing and framing.scaled, row.animation)
    frames = opened.frames
    if framing:
        lying = framing.scaled if opened.orientation < 5 else Size(framing.scaled.height, framing.scaled.width)
        frames = [scale(frame, lying) for frame in frames]
    frames = [managed(turned(frame, opened.orientation), space) for frame in frames]
    if first and framing:
        frames, operations = first.place(frames, framing), operations[1:]
    return opened, [frame.copy_memory() for frame in frames], operations
