"""A plan carried out: original in, result out."""

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pyvips import Image

from transforms import turbo
from transforms.colour_management import managed, profile_changes, result_profile
from transforms.damage import damage_refused, memory_told
from transforms.formats import FORMATS, Format
from transforms.framing import Framing
from transforms.headers import Header
from transforms.image import pixels, scale, turned
from transforms.limits import Limits
from transforms.opening import Opened, open_original, told_by
from transforms.operation import Operation, Scene, Size
from transforms.operations.geometry import Resize
from transforms.pixels import Sharing, left, mapped
from transforms.plan import Plan
from transforms.probe import probe
from transforms.saving import check, save
from transforms.shrunk import MOST_BYTES, Shrunk, both, lying

Focus = tuple[float, float]


@dataclass(frozen=True)
class Rendered:
    """A finished result; times are seconds."""

    data: bytes
    size: Size
    frames: int
    decode: float
    transform: float
    encode: float
    quality: int | None
    """On the scale of `q_`, where the format has any."""


def render(
    path: Path,
    header: Header,
    plan: Plan,
    row: Format,
    grade: str,
    limits: Limits,
    focus: Focus | None = None,
    shared: Shrunk | None = None,
    sharing: Sharing | None = None,
) -> Rendered:
    """Open the original, run every step, write the result in the format of `row`. Raises Refusals.

    With `shared` the path is that of pixels that another worker left; `sharing` leaves them for others.
    """
    started = time.perf_counter()
    operations = [operation for step in plan.steps for operation in step]
    first = operations.pop(0) if operations and isinstance(operations[0], Resize) else None
    space = "srgb" if row.name in _WITHOUT_PROFILE else plan.saving.space
    with damage_refused(header):
        opened, framing = _open(path, header, plan, row, limits, first, focus, shared, sharing)
        profile = result_profile(opened.frames[0], space)
        array = _quickly(opened, profile, framing)
        if array is None:
            frames = _upright(opened, profile, framing.scaled if framing else opened.size)
            if first:
                frames = first.apply_all(frames, Scene(opened.size, focus))
            frames = [pixels(frame) for frame in frames]
        else:
            frames = [turbo.image_of(array, _resolution(opened))]
        decoded = time.perf_counter()
        for operation in operations:
            before = _size(frames)
            frames = operation.apply_all(frames, Scene(before, focus))
            if frames[0].width > before.width or frames[0].height > before.height:
                limits.check_result(*_size(frames))
        limits.check_result(*_size(frames))
        check(_size(frames), row, plan.saving)
        frames = [pixels(frame) for frame in frames] if operations else frames
        transformed = time.perf_counter()
    untouched = not operations and _size(frames) == opened.size and (not first or _whole(framing, opened))
    with memory_told():
        stored = path if untouched and _as_stored(header, opened, profile) else None
        saved = save(frames, opened, profile, row, plan.saving, grade, stored, None if operations else array)
    return Rendered(
        data=saved.data,
        size=_size(frames),
        frames=len(frames),
        decode=decoded - started,
        transform=transformed - decoded,
        encode=time.perf_counter() - transformed,
        quality=saved.quality,
    )


def _whole(framing: Framing | None, opened: Opened) -> bool:
    """Whether a resize neither scales the picture nor leaves its place to the pixels' judgement."""
    return framing is not None and framing.scaled == opened.size


def _as_stored(header: Header, opened: Opened, profile: bytes | str | None) -> bool:
    """Whether an original is a JPEG that shows the pixels it holds in any browser: upright, and in sRGB."""
    return (
        header.kind == "jpg"
        and header.coding in ("baseline", "progressive")
        and header.model in ("ycc", "grey")
        and opened.orientation == 1
        and header.orientation == 1
        and profile is None
        and not profile_changes(opened.frames[0])
    )


def _open(
    path: Path,
    header: Header,
    plan: Plan,
    row: Format,
    limits: Limits,
    first: Operation | None,
    focus: Focus | None,
    shared: Shrunk | None,
    sharing: Sharing | None,
) -> tuple[Opened, Framing | None]:
    """Open the original for a resize that comes first, which says how much of it need be read."""
    loading = plan.loading
    if (loading.page or 1) > 1 and not FORMATS[header.kind].animation:
        header = probe(path, loading.page or 1)  # each page has a size of its own
        limits.check_original(header)
    if not loading.upright:
        header = dataclasses.replace(header, orientation=1)
    size = Size(*header.upright)
    framing = first.framing(size, focus) if isinstance(first, Resize) else None
    if framing:
        limits.check_result(*framing.result)
    streamed = framing and (framing.scaled.width < size.width or (framing.at and header.orientation == 1))
    if not streamed and header.pixels > limits.picture_megapixels * 1_000_000:
        # All its pixels would be held at once, so that a JPEG may be no larger than another picture.
        dataclasses.replace(limits, jpeg_megapixels=limits.picture_megapixels).check_original(header)
    target = framing.scaled if framing else None
    if shared and target:
        return mapped(path, shared, header, loading, lying(target, header.orientation)), framing
    if sharing and target:
        reach = both(lying(target, header.orientation), sharing.reach)
        upright, most = lying(reach, header.orientation), MOST_BYTES // 3
        opened = open_original(path, header, loading, limits, upright, row.animation, most)
        return left(opened, header, dataclasses.replace(sharing, reach=reach)), framing
    rate = plan.saving.rate
    return open_original(path, header, loading, limits, target, row.animation, rate=rate), framing


def _quickly(opened: Opened, profile: bytes | str | None, framing: Framing | None) -> Any:
    """The pixels of a resized picture as numpy's rows, where no colours change and nothing is turned; else None."""
    if opened.array is None or opened.array.shape[-1] != 3 or opened.orientation != 1 or not framing:
        return None
    frame, (width, height), place = opened.frames[0], framing.scaled, framing.at
    if profile or framing.canvas or (framing.cut and not place) or profile_changes(frame):
        return None
    if width > frame.width or height > frame.height:
        return None
    array = _scaled(opened, framing.scaled)
    if framing.cut and place:
        (left, top), cut = place, framing.cut
        array = np.ascontiguousarray(array[top : top + cut.height, left : left + cut.width])
    return array


def _scaled(opened: Opened, size: Size) -> Any:
    """Pixels that are held at a size that is no larger."""
    frame = opened.frames[0]
    if size == (frame.width, frame.height):
        return opened.array
    array = turbo.resized(opened.array, size, opened.covered or (frame.width, frame.height))
    return scale(frame, size).numpy() if array is None else array


def _resolution(opened: Opened) -> tuple[float, float]:
    return opened.frames[0].xres, opened.frames[0].yres


def _upright(opened: Opened, profile: bytes | str | None, scaled: Size) -> list[Image]:
    """The frames in the result's colours and as they are shown, scaled first where that makes them smaller."""
    size, frames = lying(scaled, opened.orientation), opened.frames
    if size.width < frames[0].width or size.height < frames[0].height:
        quick = None
        if opened.array is not None and opened.covered:
            quick = turbo.resized(opened.array, size, opened.covered)
        if quick is None:
            frames = [scale(frame, size) for frame in frames]
        else:
            frames = [told_by(turbo.image_of(quick), frames[0])]
    return [turned(managed(frame, profile), opened.orientation) for frame in frames]


_WITHOUT_PROFILE = ("gif",)
"""Formats that hold no colour profile: their colours are sRGB whatever is asked for."""


def _size(frames: list[Image]) -> Size:
    return Size(frames[0].width, frames[0].height)
