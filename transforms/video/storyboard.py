"""A storyboard: which moments of a film are shown, on which sheet and where, and the cues that say so.

Players show its tiles above their seek bar. The cues are WebVTT whose text is an address with a part of a picture
(Media Fragments 1.0, 4.2.2: `#xywh=`), as they are read by every player that knows storyboards.
"""

import math
from dataclasses import dataclass
from typing import Final, Self

from transforms.errors import NoSuchMoment, NoSuchStream
from transforms.headers import Header
from transforms.operation import Size
from transforms.operations.geometry import Resize
from transforms.plan import Plan

SHORT: Final = 15 * 60.0
"""Seconds below which a film has the smaller number of tiles."""
FEW, MANY = 50, 100
GRID: Final = (10, 10)
"""Columns and rows of a sheet where `tile_` says nothing."""
WIDTH: Final = 160
"""Pixels of a tile where the plan says no size."""
VERSION: Final = 1
"""Raised when the same film and plan make other sheets, so that those of the old way are left behind."""


@dataclass(frozen=True)
class Storyboard:
    """A film of `seconds` cut into equal parts, each shown by the frame in its middle, row by row on sheets."""

    seconds: float
    tiles: int
    tile: Size
    columns: int
    rows: int

    @classmethod
    def of(cls, header: Header, plan: Plan) -> Self:
        """The storyboard of a film. Raises NoSuchStream, and NoSuchMoment where nobody knows how long it lasts."""
        if header.medium != "motion":
            raise NoSuchStream("the original has no pictures")
        if not header.seconds > 0:
            raise NoSuchMoment("the original does not say how long it lasts, so nothing can say what is when")
        wanted = FEW if header.seconds < SHORT else MANY
        frames = math.floor(header.seconds * header.rate) if header.rate else wanted
        columns, rows = plan.saving.grid or GRID
        sizes = sized(plan).measure(Size(*header.upright))
        return cls(header.seconds, max(1, min(wanted, frames)), sizes[-1], columns, rows)

    @property
    def step(self) -> float:
        """Seconds that one tile stands for."""
        return self.seconds / self.tiles

    @property
    def sheets(self) -> int:
        return math.ceil(self.tiles / (self.columns * self.rows))

    def on(self, sheet: int) -> range:
        """The numbers of the tiles of a sheet, both counted from 0."""
        most = self.columns * self.rows
        return range(sheet * most, min(self.tiles, (sheet + 1) * most))

    def moment(self, tile: int) -> float:
        """Seconds at which the film is shown on a tile."""
        return (tile + 0.5) * self.step

    def place(self, tile: int) -> tuple[int, int, int]:
        """The sheet of a tile, and where it begins there, in pixels."""
        sheet, rest = divmod(tile, self.columns * self.rows)
        row, column = divmod(rest, self.columns)
        return sheet, column * self.tile.width, row * self.tile.height

    def size(self, sheet: int) -> Size:
        """The pixels of a sheet; the last is as small as its tiles allow."""
        count = len(self.on(sheet))
        return Size(min(count, self.columns) * self.tile.width, math.ceil(count / self.columns) * self.tile.height)

    def cues(self) -> str:
        """The WebVTT file; its addresses are relative to its own."""
        width, height = self.tile
        parts = ["WEBVTT\n"]
        for tile in range(self.tiles):
            sheet, x, y = self.place(tile)
            start, end = _written(tile * self.step), _written((tile + 1) * self.step)
            parts.append(f"{start} --> {end}\n~storyboard/{sheet}.webp#xywh={x},{y},{width},{height}\n")
        return "\n".join(parts)


def sized(plan: Plan) -> Plan:
    """The plan with the size that tiles have where it says none."""
    return plan if plan.steps else Plan(((Resize.read({"w": str(WIDTH)}),),), plan.whole)


def _written(seconds: float) -> str:
    """A time of WebVTT: `00:01:02.500`."""
    minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{milliseconds // 1000:02}.{milliseconds % 1000:03}"
