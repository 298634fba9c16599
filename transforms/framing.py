"""Where pixels go when a picture is brought to a box: arithmetic alone."""

import math
from dataclasses import dataclass
from typing import Final

from transforms.errors import ResultTooLarge
from transforms.operation import Size

COMPASS: Final = {
    "north_west": (0.0, 0.0),
    "north": (0.5, 0.0),
    "north_east": (1.0, 0.0),
    "west": (0.0, 0.5),
    "center": (0.5, 0.5),
    "east": (1.0, 0.5),
    "south_west": (0.0, 1.0),
    "south": (0.5, 1.0),
    "south_east": (1.0, 1.0),
}
SCALES: Final = ("scale", "fit", "limit", "mfit")
FILLS: Final = ("fill", "lfill", "fill_pad", "crop", "thumb")
PADS: Final = ("pad", "lpad", "mpad")

ENOUGH: Final = 0.7
"""`c_fill_pad` fills while at least this share of the picture survives the crop, and pads otherwise."""

_LARGEST: Final = 1_000_000
"""A side that a picture is never scaled to, not even to cut a little out of it."""

Place = tuple[int, int]


@dataclass(frozen=True)
class Framing:
    """What a resize does to a picture of known size: scale it, cut a box out of it, place it on a canvas."""

    scaled: Size
    cut: Size | None = None
    at: Place | None = None
    """Where the cut or the placed picture begins; None where the pixels decide."""
    canvas: Size | None = None

    @property
    def result(self) -> Size:
        return self.canvas or self.cut or self.scaled


def whole(width: float, height: float) -> Size:
    """A size in pixels, of which there is at least one each way."""
    return Size(max(1, math.floor(width + 0.5)), max(1, math.floor(height + 0.5)))


def framed(mode: str, size: Size, width: float, height: float, zoom: float = 1.0) -> Framing:
    """What a mode does to a picture of this size for a box that may have fractions of pixels, but not yet where."""
    inside = min(width / size.width, height / size.height)
    cover = max(width / size.width, height / size.height)
    box = whole(width, height)
    if mode == "fill_pad":
        kept = box.width * box.height / (size.width * cover * size.height * cover)
        mode = "fill" if kept >= ENOUGH else "pad"
    if mode == "scale":
        return Framing(box)
    if mode in ("limit", "lpad"):
        inside = min(1.0, inside)
    elif mode in ("mfit", "mpad"):
        inside = max(1.0, inside)
    if mode in SCALES or (mode == "mpad" and (size.width > box.width or size.height > box.height)):
        return Framing(_scaled(size, inside))
    if mode in PADS:
        return Framing(_scaled(size, inside), canvas=box)
    if mode == "crop":
        cover, box = 1.0, Size(min(box.width, size.width), min(box.height, size.height))
    elif mode == "lfill" and cover > 1:
        shrink = min(size.width / box.width, size.height / box.height)
        cover, box = 1.0, whole(box.width * shrink, box.height * shrink)
    scaled = _scaled(size, cover * zoom)
    scaled = Size(max(scaled.width, box.width), max(scaled.height, box.height))
    return Framing(scaled, None if scaled == box else box)


def _scaled(size: Size, factor: float) -> Size:
    scaled = whole(size.width * factor, size.height * factor)
    if factor > 1 and max(scaled) > _LARGEST:
        raise ResultTooLarge(
            f"the picture would have to be enlarged to {scaled.width}x{scaled.height} pixels",
            expected="a box nearer to the picture's own ratio",
        )
    return scaled


def anchored(outer: Size, inner: Size, corner: tuple[float, float], x: float, y: float) -> tuple[float, float]:
    """Where `inner` begins inside `outer` by the compass; the distances go inwards from its edge."""
    across, down = corner
    left = across * (outer.width - inner.width) + (-x if across == 1 else x)
    top = down * (outer.height - inner.height) + (-y if down == 1 else y)
    return math.floor(left), math.floor(top)


def within(outer: Size, inner: Size, left: float, top: float) -> Place:
    """The place nearest to this one at which `inner` lies inside `outer`."""
    return min(max(0, round(left)), outer.width - inner.width), min(max(0, round(top)), outer.height - inner.height)
