"""Strokes on pixels that several operations share; everything here holds libvips images."""

from collections.abc import Callable, Sequence

from pyvips import Image

from transforms.operation import Size
from transforms.params import Colour


def pixels(image: Image) -> Image:
    """The picture worked out and held in memory, and nothing else that its file said."""
    data = image.write_to_memory()
    held = Image.new_from_memory(data, image.width, image.height, image.bands, image.format)
    return held.copy(interpretation="srgb", xres=image.xres, yres=image.yres)


def rounded(image: Image, kind: str = "uchar") -> Image:
    """The values as whole numbers within the bounds of their kind; libvips' own cast cuts fractions off."""
    return image if image.format == kind else image.rint().cast(kind)


def premultiplied(image: Image, change: Callable[[Image], Image]) -> Image:
    """Change pixels that mix with their neighbours, so that unseen colours do not bleed into seen ones."""
    if not image.hasalpha():
        return rounded(change(image), image.format)
    # Whole numbers are three times as fast as fractions, and what they lose cannot be seen for want of alpha.
    flat = change(rounded(image.premultiply(), image.format))
    return rounded(flat.unpremultiply(), image.format).copy(interpretation=image.interpretation)


def on_colours(image: Image, change: Callable[[Image], Image]) -> Image:
    """Change the colours and keep the alpha; values beyond black and white are cut off."""
    if not image.hasalpha():
        return rounded(change(image)).copy(interpretation="srgb")
    colours, alpha = image[: image.bands - 1], image[image.bands - 1]
    return rounded(change(colours)).bandjoin(alpha).copy(interpretation="srgb")


def scale(image: Image, size: Size) -> Image:
    """The picture at exactly this size, by Lanczos with three lobes."""
    if (image.width, image.height) == size:
        return image
    across, down = size.width / image.width, size.height / image.height
    return premultiplied(image, lambda flat: flat.resize(across, vscale=down, kernel="lanczos3"))


def on_canvas(image: Image, left: int, top: int, canvas: Size) -> Image:
    """The picture on a transparent canvas, its top left corner at a place of it."""
    image = image if image.hasalpha() else image.addalpha()
    return image.embed(left, top, *canvas, extend="background", background=[0.0] * image.bands)


def shown_on(image: Image, rgb: Sequence[float]) -> Image:
    """The picture without transparency, on a colour (channels 0 to 255)."""
    return image.flatten(background=list(rgb))


def on_colour(image: Image, colour: Colour) -> Image:
    """The picture on a colour that may be transparent itself."""
    if colour.alpha == 255:
        return shown_on(image, colour.rgb)
    ground = image.new_from_image([*colour.rgb, float(colour.alpha)]).copy(interpretation="srgb")
    return rounded(ground.composite2(image, "over"))


def table(rows: Sequence[Sequence[float]]) -> Image:
    """A look-up table of 256 colours for `maplut`."""
    flat = bytes(min(255, max(0, round(value))) for row in rows for value in row)
    return Image.new_from_memory(flat, len(rows), 1, len(rows[0]), "uchar").copy(interpretation="srgb")


def rounded_box(width: int, height: int, radii: Sequence[float], inset: float = 0) -> Image:
    """A mask, 255 inside a box with round corners (clockwise from the top left) and 0 outside, with smooth edges."""
    top_left, top_right, bottom_right, bottom_left = radii
    distance = Image.sdf(
        width,
        height,
        "rounded-box",
        # Pixels are measured at their middles, so the box runs half a pixel round them.
        a=[inset - 0.5, inset - 0.5],
        b=[width - inset - 0.5, height - inset - 0.5],
        corners=[bottom_right, top_right, bottom_left, top_left],
    )
    return rounded(distance * -255 + 127.5)


def times_alpha(image: Image, factor: Image | float) -> Image:
    """The picture with its alpha multiplied by a mask (0 to 255) or a share (0 to 1)."""
    image = image if image.hasalpha() else image.addalpha()
    share = factor if isinstance(factor, int | float) else factor / 255
    alpha = rounded(image[image.bands - 1] * share)
    return image[: image.bands - 1].bandjoin(alpha).copy(interpretation="srgb")


def painted(image: Image, colour: Colour, mask: Image) -> Image:
    """The picture with a colour painted over it where the mask is 255."""
    layer = image[:3].new_from_image(colour.rgb).bandjoin(rounded(mask * (colour.alpha / 255)))
    over = image if image.hasalpha() else image.addalpha()
    result = rounded(over.composite2(layer.copy(interpretation="srgb"), "over"))
    return result if image.hasalpha() else result[:3].copy(interpretation="srgb")


_TURNS: dict[int, Callable[[Image], Image]] = {
    2: lambda image: image.fliphor(),
    3: lambda image: image.rot180(),
    4: lambda image: image.flipver(),
    5: lambda image: image.rot90().fliphor(),
    6: lambda image: image.rot90(),
    7: lambda image: image.rot270().fliphor(),
    8: lambda image: image.rot270(),
}


def turned(image: Image, orientation: int) -> Image:
    """The picture as an EXIF orientation of 1 to 8 says that it is to be shown."""
    turn = _TURNS.get(orientation)
    return turn(image.copy_memory()) if turn else image
