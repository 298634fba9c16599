"""Shrunk originals, decoded once and shared: what a file of their pixels holds, and whom it suffices.

Arithmetic and values alone; `transforms/pixels.py` writes and maps the files. A file has a layer of pixels, those of
halves of it, then blocks of metadata. What stands where is a value of its own, which goes from worker to worker by way
of the front and is looked through there. Pixels are kept as they were decoded, lying and in the original's own colours,
so that whoever goes on from them does what he would have done with the file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self

from transforms.formats import FORMATS
from transforms.headers.header import Header
from transforms.operation import Size
from transforms.operations.geometry import Resize
from transforms.plan import Plan

MOST_BYTES: Final = 40_000_000
"""Of the first layer: a photograph of 12 MP as it is, which some results need in full."""

REDUCED_MARGIN: Final = 1.5
"""How much larger than a result a layer is that was itself made smaller: SSIM .9966 at 1.57, .9976 from the file."""

LEAST: Final = 640
"""Pixels of the longer side of a result that every file suffices for: thumbnails rarely come alone.

A JPEG of 12 MP is then decoded at 1/4 for them and not at 1/8, which takes 0 to 15 % longer.
"""

LEAST_REDUCED: Final = 1366
"""The same for an original that had to be decoded in full, which should happen once: a layer of 2048 pixels."""

WORTHWHILE: Final = 250_000
"""Pixels of an original below which decoding it again costs less than keeping it."""

HALVED_FROM: Final = 2_000_000
"""Pixels of a layer from which one of half its size stands beside it, for small results."""

FORMATS_OF_PIXELS: Final = {"uchar": 1, "ushort": 2}
"""libvips' names of what a channel is held in, and its bytes."""

INTERPRETATIONS: Final = ("srgb", "b-w", "cmyk", "rgb16", "grey16")
"""libvips' names of the colours that are kept; others are rare, and decoded each time."""

_MOST_BANDS: Final = 5
_MOST_LAYERS: Final = 5
_LONGEST_SIDE: Final = 65_536
_MOST_MARGIN: Final = 8.0  # and so no number that JSON cannot carry back to a worker
_BLOCKS: Final = ("icc-profile-data", "exif-data", "xmp-data", "iptc-data")


def lying(size: Size, orientation: int) -> Size:
    """An upright size as it is stored, or a stored one upright."""
    return size if orientation < 5 else Size(size.height, size.width)


def wanted(plan: Plan, header: Header, focus: tuple[float, float] | None) -> Size | None:
    """The size, lying as stored, to which a plan first scales a whole original.

    None where nothing of it can be shared: no resize comes first that makes it smaller, it moves, has pages, is a
    drawing, or is small.
    """
    first = next((operation for step in plan.steps for operation in step), None)
    if not isinstance(first, Resize) or header.frames > 1 or FORMATS[header.kind].vector or header.pixels < WORTHWHILE:
        return None
    upright = plan.loading.upright
    size = Size(*header.upright) if upright else Size(header.width, header.height)
    scaled = lying(first.framing(size, focus).scaled, header.orientation if upright else 1)
    if scaled.width >= header.width and scaled.height >= header.height:
        return None
    return Size(min(scaled.width, header.width), min(scaled.height, header.height))


def both(one: Size, other: Size) -> Size:
    """The least size that covers two."""
    return Size(max(one.width, other.width), max(one.height, other.height))


def at_least(size: Size, header: Header, longest: int) -> Size:
    """A result's size, or that of one of the whole original whose longer side has so many pixels."""
    share = min(1.0, longest / max(header.width, header.height))
    return both(size, Size(max(1, round(header.width * share)), max(1, round(header.height * share))))


class Layer(NamedTuple):
    """One size of the original in the file, and where its pixels begin."""

    width: int
    height: int
    offset: int
    across: float
    """Columns that the original covers; the last one may be less than whole."""
    down: float
    margin: float
    """How many times the size of a result it must have."""


@dataclass(frozen=True)
class Shrunk:
    """What a file of shared pixels holds."""

    layers: tuple[Layer, ...]
    """The largest one first."""
    bands: int
    format: str
    interpretation: str
    resolution: tuple[float, float]
    """Pixels per millimetre, across and down."""
    blocks: Mapping[str, tuple[int, int]]
    """Where each block of metadata begins, and its bytes, by libvips' name."""

    @property
    def pixel(self) -> int:
        """Bytes of one pixel."""
        return self.bands * FORMATS_OF_PIXELS[self.format]

    def layer(self, target: Size, header: Header) -> Layer | None:
        """The smallest layer from which an original's result of this size, lying, can be made."""
        enough = (layer for layer in reversed(self.layers) if self._suffices(layer, target, header))
        return next(enough, None)

    def _suffices(self, layer: Layer, target: Size, header: Header) -> bool:
        if (layer.width, layer.height) == (header.width, header.height):
            return True
        return layer.across >= layer.margin * target.width and layer.down >= layer.margin * target.height

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {
            **vars(self),
            "layers": [list(layer) for layer in self.layers],
            "resolution": list(self.resolution),
            "blocks": {name: list(place) for name, place in self.blocks.items()},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], size: int) -> Self:
        """What a worker says of a file of `size` bytes. Raises ValueError where that cannot be."""
        try:
            said = cls(
                layers=tuple(Layer(*map(int, layer[:3]), *map(float, layer[3:])) for layer in values["layers"]),
                bands=int(values["bands"]),
                format=str(values["format"]),
                interpretation=str(values["interpretation"]),
                resolution=(float(values["resolution"][0]), float(values["resolution"][1])),
                blocks={str(name): (int(start), int(length)) for name, (start, length) in values["blocks"].items()},
            )
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError("no description of shared pixels") from error
        if not said._possible(size):
            raise ValueError("a description of shared pixels that are not in the file")
        return said

    def _possible(self, size: int) -> bool:
        return (
            self.format in FORMATS_OF_PIXELS
            and self.interpretation in INTERPRETATIONS
            and 1 <= self.bands <= _MOST_BANDS
            and 1 <= len(self.layers) <= _MOST_LAYERS
            and all(0 <= value <= _LONGEST_SIDE for value in self.resolution)
            and all(
                1 <= layer.width <= _LONGEST_SIDE
                and 1 <= layer.height <= _LONGEST_SIDE
                and 0 <= layer.offset <= size - layer.width * layer.height * self.pixel
                and 0 < layer.across <= layer.width
                and 0 < layer.down <= layer.height
                and 1 <= layer.margin <= _MOST_MARGIN
                for layer in self.layers
            )
            and all(
                name in _BLOCKS and start >= 0 and 0 <= length <= size - start
                for name, (start, length) in self.blocks.items()
            )
        )
