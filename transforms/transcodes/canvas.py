"""Where a film's pixels go: the plan's geometry as one window, one scale and a few filters that every frame takes.

Sides are even, as half-resolution colour needs them: an odd one gives a pixel away.
"""

from dataclasses import dataclass
from typing import Final

from transforms.errors import NotSupported
from transforms.headers.header import SIDEWAYS, Header
from transforms.operation import Operation, Size
from transforms.operations.frame import Background
from transforms.operations.geometry import Resize, Rotate
from transforms.plan import Plan
from transforms.video.turns import UPRIGHT

Focus = tuple[float, float]
Box = tuple[float, float, float, float]
WHOLE: Final[Box] = (0.0, 0.0, 1.0, 1.0)

_TURNS: Final[dict[str, tuple[str, ...]]] = {
    "0": (),
    "exif": (),
    "ignore": (),
    "hflip": ("hflip",),
    "vflip": ("vflip",),
    "90": ("transpose=clock",),
    "180": ("hflip", "vflip"),
    "270": ("transpose=cclock",),
}


@dataclass(frozen=True)
class Canvas:
    """What is done to each frame: a window of it, as shares of its sides, scaled; then FFmpeg's filters."""

    window: Box
    """Left, top, right and bottom, of the frame as it is stored."""
    scaled: Size
    filters: tuple[str, ...]
    size: Size
    """Of the result."""


def canvas(plan: Plan, header: Header, focus: Focus | None = None) -> Canvas:
    """The geometry of a plan for a film. Raises NotSupported for what only pictures can have done to them."""
    orientation = header.orientation if plan.loading.upright else 1
    shown = Size(*header.upright) if plan.loading.upright else Size(header.width, header.height)
    operations = [operation for step in plan.steps for operation in step if not isinstance(operation, Background)]
    ground = next(
        (_ffmpeg(operation) for step in plan.steps for operation in step if isinstance(operation, Background)), "black"
    )
    window, scaled, size = WHOLE, even(shown), even(shown)
    filters: tuple[str, ...] = ()
    if operations and isinstance(operations[0], Resize):
        window, scaled, filters = _resized(operations.pop(0), shown, focus, ground)
        size = _size(scaled, filters)
    lying = Size(scaled.height, scaled.width) if orientation in SIDEWAYS else scaled
    chain = [*UPRIGHT[orientation], *filters]
    for operation in operations:
        if isinstance(operation, Resize):
            inner, box, more = _resized(operation, size, focus, ground)
            chain += [*([] if inner == WHOLE else [cropping(inner, size)]), f"scale={box.width}:{box.height}", *more]
            size = _size(box, more)
        elif isinstance(operation, Rotate):
            for turn in operation.turns:
                if turn not in _TURNS:
                    raise NotSupported(f"a_{turn}: a film turns by 90, 180 or 270 degrees", part=f"a_{turn}")
                chain += _TURNS[turn]
                size = Size(size.height, size.width) if turn in ("90", "270") else size
        else:
            raise NotSupported(f"{operation.name}: it is not done to films", part=operation.name)
    return Canvas(_stored(window, orientation), lying, tuple(chain), size)


def even(size: Size) -> Size:
    """The largest even sides within a size, of two pixels at least."""
    return Size(max(2, size.width // 2 * 2), max(2, size.height // 2 * 2))


def cropping(window: Box, size: Size) -> str:
    """The filter that cuts a window out of frames of a size, at even places, as colour is stored for two by two."""
    left, top, right, bottom = window
    x, y = int(left * size.width) // 2 * 2, int(top * size.height) // 2 * 2
    width = max(2, min(round((right - left) * size.width), size.width - x))
    height = max(2, min(round((bottom - top) * size.height), size.height - y))
    return f"crop={width}:{height}:{x}:{y}"


def _resized(operation: Operation, size: Size, focus: Focus | None, ground: str) -> tuple[Box, Size, tuple[str, ...]]:
    """What a resize does to frames of a size: the window of them, the size it is brought to, the filters then."""
    assert isinstance(operation, Resize)
    framing = operation.framing(size, focus)
    scaled = even(framing.scaled)
    if framing.canvas and framing.at:
        outer = even(framing.canvas)
        inner = Size(min(scaled.width, outer.width), min(scaled.height, outer.height))
        left, top = (min(at // 2 * 2, room) for at, room in zip(framing.at, _room(outer, inner), strict=True))
        return WHOLE, inner, (f"pad={outer.width}:{outer.height}:{left}:{top}:{ground}",)
    if not framing.cut:
        return WHOLE, scaled, ()
    if framing.at is None:
        raise NotSupported(
            "g_auto: where a film's pictures matter is not looked for; name a side, or a point with g_xy_center",
            part="g",
        )
    (left, top), (width, height), whole = framing.at, framing.cut, framing.scaled
    window = left / whole.width, top / whole.height, (left + width) / whole.width, (top + height) / whole.height
    return window, even(framing.cut), ()


def _room(outer: Size, inner: Size) -> Size:
    return Size(outer.width - inner.width, outer.height - inner.height)


def _size(scaled: Size, filters: tuple[str, ...]) -> Size:
    if not filters:
        return scaled
    width, height, *_ = filters[0].removeprefix("pad=").split(":")
    return Size(int(width), int(height))


def _ffmpeg(operation: Background) -> str:
    red, green, blue = operation.colour.rgb
    return f"0x{int(red):02x}{int(green):02x}{int(blue):02x}"


def _stored(window: Box, orientation: int) -> Box:
    """A window of the frame as shown, as one of the frame as it lies in the file."""
    left, top, right, bottom = window
    corners = [_point(orientation, left, top), _point(orientation, right, bottom)]
    (one, two), (three, four) = corners
    return min(one, three), min(two, four), max(one, three), max(two, four)


def _point(orientation: int, u: float, v: float) -> tuple[float, float]:
    """Where a point of the frame as shown lies in the file, by the definition of EXIF's orientations."""
    return {
        1: (u, v),
        2: (1 - u, v),
        3: (1 - u, 1 - v),
        4: (u, 1 - v),
        5: (v, u),
        6: (v, 1 - u),
        7: (1 - v, 1 - u),
        8: (1 - v, u),
    }[orientation]
