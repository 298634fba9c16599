"""The picture's edge and what is behind it: corners, border, opacity, background."""

import dataclasses
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from transforms.operation import Operation, Scene, param
from transforms.params import Colour, ColourName, Whole

if TYPE_CHECKING:
    from pyvips import Image

ROUND = 1_000_000
"""A radius beyond every side: corners become one arc."""


@dataclass(frozen=True)
class Radii:
    """One to four radii, read as CSS reads them, clockwise from the top left; `max` is as round as can be."""

    expected = "one to four radii in pixels joined by `:`, or max"

    def read(self, text: str) -> tuple[int, ...]:
        radii = [ROUND if part == "max" else Whole(0, 8192).read(part) for part in text.split(":")]
        if len(radii) > 4:
            raise ValueError(text)
        # CSS: two values are the diagonals, the third is the bottom right corner alone.
        corners = [radii[0], radii[1 % len(radii)], radii[2 % len(radii)] if len(radii) > 2 else radii[0]]
        corners.append(radii[3] if len(radii) == 4 else corners[1])
        return (corners[0],) if len(set(corners)) == 1 else tuple(corners)

    def write(self, value: tuple[int, ...]) -> str:
        return ":".join("max" if radius == ROUND else str(radius) for radius in value)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "description": self.expected, "examples": ["20", "20:0", "max"]}


@dataclass(frozen=True)
class Border:
    """A line along the edge; width in pixels."""

    width: int
    colour: Colour


@dataclass(frozen=True)
class BorderLine:
    """`4px_solid_red`, as elsewhere in the field."""

    expected = "a border such as 4px_solid_red, 1 to 1000 pixels wide"

    def read(self, text: str) -> Border:
        match = re.fullmatch(r"(\d{1,4})px_solid_(.+)", text, re.ASCII)
        if not match:
            raise ValueError(text)
        return Border(Whole(1, 1000).read(match[1]), ColourName().read(match[2]))

    def write(self, value: Border) -> str:
        return f"{value.width}px_solid_{ColourName().write(value.colour)}"

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": r"^\d+px_solid_.+$", "examples": ["4px_solid_red"]}


class Edge(Operation, name="r"):
    """Round the corners and draw a border along the edge, inside the picture's size."""

    example = "r_30,bo_4px_solid_white"
    radii: tuple[int, ...] = param(
        Radii(), "radii of the corners; round corners are transparent", default=(0,), whole=True
    )
    border: Border | None = param(BorderLine(), "the border, which follows the corners", default=None, letter="bo")

    def idle(self) -> bool:
        return not any(self.radii) and self.border is None

    def transparent(self, before: bool) -> bool:
        return before or any(self.radii)

    def dense(self, factor: float) -> Self:
        radii = tuple(radius if radius == ROUND else round(radius * factor) for radius in self.radii)
        border = self.border and Border(max(1, round(self.border.width * factor)), self.border.colour)
        return dataclasses.replace(self, radii=radii, border=border)

    def apply(self, image: "Image", scene: Scene) -> "Image":
        from transforms.image import painted, rounded_box, times_alpha

        most = min(image.width, image.height) / 2
        radii = [min(radius, most) for radius in (self.radii * 4)[:4]]
        if self.border:
            inset = min(self.border.width, most)
            inner = rounded_box(image.width, image.height, [max(0, radius - inset) for radius in radii], inset)
            image = painted(image, self.border.colour, inner.invert())
        return times_alpha(image, rounded_box(image.width, image.height, radii)) if any(radii) else image


class Opacity(Operation, name="o"):
    """Let what is behind the picture shine through."""

    example = "o_50"
    percent: int = param(Whole(0, 100), "percent of the picture that is left")

    def idle(self) -> bool:
        return self.percent == 100

    def transparent(self, before: bool) -> bool:
        return before or self.percent < 100

    def apply(self, image: "Image", scene: Scene) -> "Image":
        from transforms.image import times_alpha

        return image if self.percent == 100 else times_alpha(image, self.percent / 100)


class Background(Operation, name="b"):
    """Fill what is transparent: the picture's own, the canvas of a pad, round corners, a turned picture's corners."""

    media = ("picture", "motion")
    example = "c_pad,w_300,h_300,b_black"
    colour: Colour = param(ColourName(), "the colour behind the picture", whole=True)

    def transparent(self, before: bool) -> bool:
        return before and self.colour.alpha < 255

    def apply(self, image: "Image", scene: Scene) -> "Image":
        from transforms.image import on_colour

        return on_colour(image, self.colour) if image.hasalpha() else image
