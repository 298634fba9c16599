"""Size and place: resize, crop, pad, trim, rotate."""

import dataclasses
import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from transforms.operation import Loading, Operation, Scene, Size, conflict, param
from transforms.params import AspectRatio, Choice, Colour, ColourName, Distance, Length, Number, Whole, plain

if TYPE_CHECKING:
    from pyvips import Image

COMPASS = {
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
SEARCHES = {"auto": "attention", "attention": "attention", "entropy": "entropy"}
"""Gravities that look at the pixels, and what libvips calls the way to look."""

SCALES = ("scale", "fit", "limit", "mfit")
FILLS = ("fill", "lfill", "fill_pad", "crop", "thumb")
PADS = ("pad", "lpad", "mpad")

ENOUGH = 0.7
"""`c_fill_pad` fills while at least this share of the picture survives the crop, and pads otherwise."""


class Box(NamedTuple):
    """A rectangle in pixels."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class Framing:
    """What a resize does to a picture of known size: scale it, cut a box out of it, place it on a canvas."""

    scaled: Size
    cut: Size | None = None
    at: tuple[float, float] | None = None
    """Where the cut or the placed picture begins; None where the pixels decide."""
    canvas: Size | None = None

    @property
    def result(self) -> Size:
        return self.canvas or self.cut or self.scaled


def _size(width: float, height: float) -> Size:
    return Size(max(1, math.floor(width + 0.5)), max(1, math.floor(height + 0.5)))


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

    def framing(self, size: Size, focus: tuple[float, float] | None = None) -> Framing:
        """What is done to a picture of this size; `focus` stands in for the search of `g_auto`."""
        width, height = self._box(size)
        inside = min(width / size.width, height / size.height)
        cover = max(width / size.width, height / size.height)
        box = _size(width, height)
        mode = self.mode
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
            return Framing(_size(size.width * inside, size.height * inside))
        if mode in PADS:
            scaled = _size(size.width * inside, size.height * inside)
            return Framing(scaled, at=self._anchored(box, scaled), canvas=box)
        if mode == "crop":
            cover, box = 1.0, Size(min(box.width, size.width), min(box.height, size.height))
        elif mode == "lfill" and cover > 1:
            shrink = min(size.width / box.width, size.height / box.height)
            cover, box = 1.0, _size(box.width * shrink, box.height * shrink)
        cover *= self.zoom
        scaled = _size(size.width * cover, size.height * cover)
        scaled = Size(max(scaled.width, box.width), max(scaled.height, box.height))
        if scaled == box:
            return Framing(scaled)
        return Framing(scaled, box, self._cut_at(size, scaled, box, focus))

    def _cut_at(
        self, size: Size, scaled: Size, box: Size, focus: tuple[float, float] | None
    ) -> tuple[float, float] | None:
        """Where the box is cut out of the scaled picture; None where the pixels decide."""
        searched = self.gravity in SEARCHES or self.mode == "fill_pad"
        if searched and not focus:
            return None
        if searched or self.gravity == "xy_center":
            if not searched:
                assert self.x
                assert self.y
                focus = (self.x.of(size.width) / size.width, self.y.of(size.height) / size.height)
            assert focus
            left, top = focus[0] * scaled.width - box.width / 2, focus[1] * scaled.height - box.height / 2
        else:
            left, top = self._anchored(scaled, box)
        return (
            min(max(0, round(left)), scaled.width - box.width),
            min(max(0, round(top)), scaled.height - box.height),
        )

    def _anchored(self, outer: Size, inner: Size) -> tuple[float, float]:
        """Where `inner` begins inside `outer` by the compass; offsets go inwards from its edge."""
        corner = self.mode == "crop" and not self.gravity and (self.x or self.y)
        across, down = (0.0, 0.0) if corner else COMPASS[self.gravity or "center"]
        x = self.x.of(outer.width) if self.x else 0
        y = self.y.of(outer.height) if self.y else 0
        left = across * (outer.width - inner.width) + (-x if across == 1 else x)
        top = down * (outer.height - inner.height) + (-y if down == 1 else y)
        return math.floor(left), math.floor(top)

    def apply_all(self, frames: "list[Image]", scene: Scene) -> "list[Image]":
        from transforms.image import scale

        framing = self.framing(scene.size, scene.focus)
        return self.place([scale(frame, framing.scaled) for frame in frames], framing)

    def place(self, frames: "list[Image]", framing: Framing) -> "list[Image]":
        """Cut or pad frames that are scaled already."""
        if framing.canvas:
            from transforms.image import on_canvas

            assert framing.at
            left, top = framing.at
            return [on_canvas(frame, Box(int(left), int(top), *framing.canvas)) for frame in frames]
        if framing.cut:
            if framing.at is None:
                frames = [frames[0].copy_memory(), *frames[1:]]
                found = frames[0].smartcrop(*framing.cut, interesting=SEARCHES[self.gravity or "auto"])
                framing = dataclasses.replace(framing, at=(-found.xoffset, -found.yoffset))
            left, top = framing.at or (0, 0)
            return [frame.crop(left, top, *framing.cut) for frame in frames]
        return frames


class Density(Operation, name="dpr"):
    """Multiply the lengths of its step for a screen with more device pixels; `w_300,dpr_2` is `w_600`."""

    example = "w_300,dpr_2"
    factor: float = param(Number(0.1, 10), "device pixels to each pixel of the page")


class Trim(Operation, name="e_trim"):
    """Cut away borders of one colour."""

    example = "e_trim:20"
    tolerance: int = param(Whole(0, 255), "how far a pixel may differ from the border", default=10)
    colour: Colour | None = param(ColourName(), "colour of the border; else that of the top left pixel", default=None)

    def apply_all(self, frames: "list[Image]", scene: Scene) -> "list[Image]":
        from transforms.image import shown_on

        frames = [frame.copy_memory() for frame in frames[:1]] + frames[1:]
        first = frames[0]
        background = self.colour.rgb if self.colour else None
        if first.hasalpha():
            # What cannot be seen is border too: it takes on the colour that is trimmed.
            background = background or ([255.0, 255.0, 255.0] if first(0, 0)[-1] == 0 else first(0, 0)[:-1])
            first = shown_on(first, background)
        box = first.find_trim(threshold=self.tolerance, background=background or first(0, 0), line_art=True)
        if not (box[2] and box[3]):
            return frames  # nothing but border: there is nothing to keep instead
        return [frame.crop(*box) for frame in frames]


@dataclass(frozen=True)
class Turns:
    """Angles clockwise and flips, joined by `.` in the order in which they are done."""

    expected = "degrees from -360 to 360, hflip, vflip, exif or ignore, several joined by `.`"

    def read(self, text: str) -> tuple[str, ...]:
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

    example = "a_90"
    turns: tuple[str, ...] = param(Turns(), "degrees clockwise, `hflip`, `vflip`, `exif`, `ignore`", whole=True)

    def loading(self, loading: Loading) -> Loading:
        return dataclasses.replace(loading, upright=False) if "ignore" in self.turns else loading

    def measure(self, size: Size) -> Size:
        for angle in self._angles():
            across, down = abs(math.cos(math.radians(angle))), abs(math.sin(math.radians(angle)))
            size = _size(size.width * across + size.height * down, size.width * down + size.height * across)
        return size

    def transparent(self, before: bool) -> bool:
        return before or any(angle % 90 for angle in self._angles())

    def _angles(self) -> list[float]:
        return [float(turn) for turn in self.turns if turn[0].isdigit()]

    def apply(self, image: "Image", scene: Scene) -> "Image":
        from transforms.image import premultiplied

        for turn in self.turns:
            if turn == "hflip":
                image = image.fliphor()
            elif turn == "vflip":
                image = image.flipver()
            elif turn[0].isdigit() and float(turn):
                angle = float(turn)
                image = image.copy_memory()
                if angle % 90 == 0:
                    image = image.rot(f"d{int(angle)}")
                else:
                    image = image if image.hasalpha() else image.addalpha()
                    image = premultiplied(image, lambda flat, angle=angle: flat.rotate(angle, background=[0.0] * 4))
        return image
