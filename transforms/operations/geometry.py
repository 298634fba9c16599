"""Size and place: resize, crop, pad, trim, rotate."""

import dataclasses
import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Self

from transforms.framing import COMPASS, FILLS, PADS, SCALES, Framing, anchored, framed, whole, within
from transforms.operation import Operation, Scene, Size, conflict, param
from transforms.params import AspectRatio, Choice, Colour, ColourName, Distance, Length, Number, Whole, plain
from transforms.wishes import Loading

if TYPE_CHECKING:
    from pyvips import Image

SEARCHES = {"auto": "attention", "attention": "attention", "entropy": "entropy"}
"""Gravities that look at the pixels, and what libvips calls the way to look."""


class Resize(Operation, name="c"):
    """Scale, crop or pad the picture to a box.

    | mode | result | enlarges | crops | pads |
    |---|---|---|---|---|
    | `limit` (the default) | inside the box | never | | |
    | `fit` | inside the box | yes | | |
    | `mfit` | inside the box | only enlarges | | |
    | `scale` | exactly the box, distorted if its ratio differs | yes | | |
    | `fill` | exactly the box | yes | yes | |
    | `lfill` | the box, or its ratio where the picture is smaller | never | yes | |
    | `fill_pad` | exactly the box; pads where filling would lose too much | yes | a bit | yes |
    | `pad` | exactly the box | yes | | yes |
    | `lpad` | exactly the box | never | | yes |
    | `mpad` | exactly the box, untouched where the picture is larger | only enlarges | | yes |
    | `crop` | the box cut out without scaling | no | yes | |
    | `thumb` | exactly the box, cut round a point, closer with `z_` | yes | yes | |
    """

    media = ("picture", "motion", "sheets", "facts")
    example = "c_fill,w_300,h_200,g_north"
    mode: str = param(Choice((*SCALES, *FILLS, *PADS)), "how the picture is brought to the box", default="limit")
    width: Length | None = param(Distance(), "width of the box", default=None, letter="w")
    height: Length | None = param(Distance(), "height of the box", default=None, letter="h")
    ratio: Fraction | None = param(
        AspectRatio(), "ratio of the box, beside one side or none", default=None, letter="ar", asks=False
    )
    gravity: str | None = param(
        Choice((*COMPASS, "xy_center", *SEARCHES)),
        "which part is kept, or where the picture stands on its canvas",
        default=None,
        letter="g",
        asks=False,
    )
    x: Length | None = param(
        Distance(-65_535),
        "distance inwards from the gravity's edge, or the point itself",
        default=None,
        letter="x",
        asks=False,
    )
    y: Length | None = param(
        Distance(-65_535),
        "distance inwards from the gravity's edge, or the point itself",
        default=None,
        letter="y",
        asks=False,
    )
    zoom: float = param(Number(1, 10), "how much closer `c_thumb` goes", default=1.0, letter="z", asks=False)

    def checked(self) -> Self:
        mode = f"c_{self.mode}"
        if self.width and self.height and self.ratio:
            raise conflict("ar_: a ratio goes with one of w_ and h_, not with both", "ar")
        if not (self.width or self.height):
            if not self.ratio:
                raise conflict(f"{mode}: the box needs w_ or h_", mode)
            if self.mode in SCALES or self.mode == "thumb":
                raise conflict(f"{mode}: the box needs w_ or h_ beside ar_", mode)
        if self.mode in SCALES and (self.gravity or self.x or self.y):
            raise conflict(
                f"{mode}: nothing is cut or padded, so g_, x_ and y_ mean nothing", "g" if self.gravity else "x"
            )
        if self.gravity in SEARCHES and self.mode not in FILLS:
            raise conflict(f"g_{self.gravity}: it goes with c_{', c_'.join(FILLS)}", f"g_{self.gravity}")
        if self.gravity == "xy_center":
            if self.mode in PADS:
                raise conflict(f"g_xy_center: it goes with c_{', c_'.join(FILLS)}", "g_xy_center")
            if self.x is None or self.y is None:
                raise conflict("g_xy_center: the point needs x_ and y_", "g_xy_center")
        if self.gravity in SEARCHES and (self.x or self.y):
            raise conflict(f"g_{self.gravity}: the pixels decide, so x_ and y_ mean nothing", "x" if self.x else "y")
        if self.mode == "fill_pad" and self.gravity not in (None, *SEARCHES):
            raise conflict("c_fill_pad: it goes with g_auto alone", f"g_{self.gravity}")
        if self.mode == "thumb" and not self.gravity:
            raise conflict("c_thumb: it needs g_, such as g_xy_center with x_ and y_, or g_auto", mode)
        if self.mode != "thumb" and self.zoom != 1:
            raise conflict("z_: it goes with c_thumb", "z")
        plain_crop = self.mode == "crop" and (self.x or self.y)
        if self.gravity == "center" and self.mode != "thumb" and not plain_crop:
            return dataclasses.replace(self, gravity=None)
        return self

    def dense(self, factor: float) -> Self:
        lengths = {key: getattr(self, key) for key in ("width", "height", "x", "y")}
        return dataclasses.replace(self, **{key: value and value.scaled(factor) for key, value in lengths.items()})

    def measure(self, size: Size) -> Size:
        return self.framing(size).result

    def transparent(self, before: bool) -> bool:
        return before or self.mode in (*PADS, "fill_pad")

    def _box(self, size: Size) -> tuple[float, float]:
        """The box for an input of this size, its missing side filled in, unrounded: it constrains nothing."""
        width = self.width.of(size.width) if self.width else None
        height = self.height.of(size.height) if self.height else None
        if self.ratio:
            ratio = float(self.ratio)
            if width:
                height = width / ratio
            elif height:
                width = height * ratio
            else:
                narrower = size.width / size.height < ratio
                if self.mode in PADS:
                    narrower = not narrower
                width, height = (size.width, size.width / ratio) if narrower else (size.height * ratio, size.height)
        elif self.mode == "crop":
            width, height = width or size.width, height or size.height
        elif width is None or height is None:
            factor = (width or 0) / size.width or (height or 0) / size.height
            width, height = width or size.width * factor, height or size.height * factor
        assert width is not None
        assert height is not None
        return max(width, 1.0), max(height, 1.0)

    def whole_box(self, size: Size) -> Size:
        """The box in whole pixels, for an input of this size."""
        width, height = self._box(size)
        return Size(max(1, round(width)), max(1, round(height)))

    def framing(self, size: Size, focus: tuple[float, float] | None = None) -> Framing:
        """What is done to a picture of this size; `focus` stands in for the search of `g_auto`."""
        framing = framed(self.mode, size, *self._box(size), self.zoom)
        if framing.canvas:
            place = within(framing.canvas, framing.scaled, *self._anchored(framing.canvas, framing.scaled))
            return dataclasses.replace(framing, at=place)
        if not framing.cut:
            return framing
        scaled, cut, point = framing.scaled, framing.cut, self._point(size, focus)
        if self._searches and not point:
            return framing
        if point:
            left, top = point[0] * scaled.width - cut.width / 2, point[1] * scaled.height - cut.height / 2
        else:
            left, top = self._anchored(scaled, cut)
        return dataclasses.replace(framing, at=within(scaled, cut, left, top))

    @property
    def _searches(self) -> bool:
        return self.gravity in SEARCHES or self.mode == "fill_pad"

    def _point(self, size: Size, focus: tuple[float, float] | None) -> tuple[float, float] | None:
        """The middle of the cut as shares of width and height, where one is given."""
        if self.gravity == "xy_center" and self.x and self.y:
            return self.x.of(size.width) / size.width, self.y.of(size.height) / size.height
        return focus if self._searches else None

    def _anchored(self, outer: Size, inner: Size) -> tuple[float, float]:
        corner = self.mode == "crop" and not self.gravity and (self.x or self.y)
        x = self.x.of(outer.width) if self.x else 0
        y = self.y.of(outer.height) if self.y else 0
        return anchored(outer, inner, (0.0, 0.0) if corner else COMPASS[self.gravity or "center"], x, y)

    def apply_all(self, frames: "list[Image]", scene: Scene) -> "list[Image]":
        from transforms.image import on_canvas, scale

        framing = self.framing(scene.size, scene.focus)
        scaled, cut, at, canvas = framing.scaled, framing.cut, framing.at, framing.canvas
        if scaled.width < frames[0].width:
            frames = [scale(frame, scaled) for frame in frames]
        if cut and at is None:
            # Searched before it is enlarged, and kept: frames may be read but once.
            frames = [frames[0].copy_memory(), *frames[1:]]
            at = self._found(frames[0], scaled, cut)
        frames = [scale(frame, scaled) for frame in frames]
        if canvas and at:
            return [on_canvas(frame, *at, canvas) for frame in frames]
        return [frame.crop(*at, *cut) for frame in frames] if cut and at else frames

    def _found(self, image: "Image", scaled: Size, cut: Size) -> tuple[int, int]:
        """Where the most interesting part of the picture lies once it is scaled."""
        share = image.width / scaled.width
        box = (min(image.width, max(1, round(cut.width * share))), min(image.height, max(1, round(cut.height * share))))
        part = image.smartcrop(*box, interesting=SEARCHES[self.gravity or "auto"])
        left, top = round(-part.xoffset / share), round(-part.yoffset / share)
        return min(left, scaled.width - cut.width), min(top, scaled.height - cut.height)


class Density(Operation, name="dpr"):
    """Multiply the lengths of its step for a screen with more device pixels; `w_300,dpr_2` is `w_600`."""

    media = ("picture", "motion", "sheets", "facts")
    example = "w_300,dpr_2"
    factor: float = param(Number(0.1, 10), "device pixels to each pixel of the page")


class Trim(Operation, name="e_trim"):
    """Cut away borders of one colour."""

    example = "e_trim:20"
    tolerance: int = param(Whole(0, 255), "how far a pixel may differ from the border", default=10)
    colour: Colour | None = param(ColourName(), "colour of the border; else that of the top left pixel", default=None)

    def apply_all(self, frames: "list[Image]", scene: Scene) -> "list[Image]":
        frames = [frames[0].copy_memory(), *frames[1:]]  # looked at, then cut: frames may be read but once
        left, top, width, height = self._inside(frames[0])
        if not (width and height):
            return frames  # nothing but border: there is nothing to keep instead
        return [frame.crop(left, top, width, height) for frame in frames]

    def _inside(self, image: "Image") -> list[int]:
        """What is left without the border: left, top, width and height."""
        from transforms.image import shown_on

        corner = image(0, 0)
        if image.hasalpha() and not self.colour and corner[-1] == 0:
            image, border = image[image.bands - 1], [0.0]
        else:
            border = [*(self.colour.rgb if self.colour else corner[:3])]
            image = shown_on(image, border) if image.hasalpha() else image
        box: list[int] = image.find_trim(threshold=self.tolerance, background=border, line_art=True)
        return box


@dataclass(frozen=True)
class Turns:
    """Angles clockwise and flips, joined by `.` in the order in which they are done."""

    expected = "degrees from -360 to 360, hflip, vflip, exif or ignore, several joined by `.`"

    def read(self, text: str) -> tuple[str, ...]:
        if len(text) > 64:  # the pattern below looks ahead from every digit
            raise ValueError(text)
        words = re.findall(r"-?\d+(?:\.\d+)?(?=\.|$)|[a-z]+(?=\.|$)", text, re.ASCII)
        if not words or ".".join(words) != text or len(words) > 4:
            raise ValueError(text)
        return tuple(self._word(word) for word in words)

    def _word(self, word: str) -> str:
        if word in ("hflip", "vflip", "exif", "ignore"):
            return word
        return plain(Number(-360, 360).read(word) % 360)

    def write(self, value: tuple[str, ...]) -> str:
        return ".".join(value)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "description": self.expected, "examples": ["90", "hflip", "-7.5.vflip"]}


class Rotate(Operation, name="a"):
    """Turn the picture clockwise or flip it; the canvas grows, and its new corners are transparent.

    `a_exif` is what happens anyway: the picture is shown as the file says. `a_ignore` leaves the file's orientation
    unapplied.
    """

    media = ("picture", "motion")
    example = "a_90"
    turns: tuple[str, ...] = param(Turns(), "degrees clockwise, `hflip`, `vflip`, `exif`, `ignore`", whole=True)

    def idle(self) -> bool:
        return set(self.turns) <= {"exif", "0"}

    def loading(self, loading: Loading) -> Loading:
        return dataclasses.replace(loading, upright=False) if "ignore" in self.turns else loading

    def measure(self, size: Size) -> Size:
        for angle in self._angles():
            size = self._turned(size, angle)
        return size

    @staticmethod
    def _turned(size: Size, angle: float) -> Size:
        across, down = abs(math.cos(math.radians(angle))), abs(math.sin(math.radians(angle)))
        return whole(size.width * across + size.height * down, size.width * down + size.height * across)

    def transparent(self, before: bool) -> bool:
        return before or any(angle % 90 for angle in self._angles())

    def _angles(self) -> list[float]:
        return [float(turn) for turn in self.turns if turn[0].isdigit()]

    def apply(self, image: "Image", scene: Scene) -> "Image":
        for turn in self.turns:
            if turn == "hflip":
                image = image.fliphor()
            elif turn == "vflip":
                image = image.flipver()
            elif turn[0].isdigit() and float(turn):
                image = self._rotated(image.copy_memory(), float(turn))
        return image

    def _rotated(self, image: "Image", angle: float) -> "Image":
        from transforms.image import premultiplied

        if angle % 90 == 0:
            return image.rot(f"d{int(angle)}")
        size = self._turned(Size(image.width, image.height), angle)
        image = image if image.hasalpha() else image.addalpha()
        nothing = [0.0] * image.bands
        image = premultiplied(image, lambda flat: flat.rotate(angle, background=nothing))
        # libvips' own size may be a pixel off what was promised.
        return image.gravity("centre", *size, extend="background", background=nothing)
