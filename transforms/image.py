"""Strokes on pixels that several operations share; everything here holds libvips images."""

from collections.abc import Callable, Sequence

from pyvips import Image

from transforms.operation import Size
from transforms.operations.geometry import Box
from transforms.params import Colour


def premultiplied(image: Image, change: Callable[[Image], Image]) -> Image:
    """Change pixels that mix with their neighbours, so that unseen colours do not bleed into seen ones."""
    if not image.hasalpha():
        return change(image).cast(image.format)
    return change(image.premultiply()).unpremultiply().cast(image.format).copy(interpretation=image.interpretation)


def on_colours(image: Image, change: Callable[[Image], Image]) -> Image:
    """Change the colours and keep the alpha; values beyond black and white are cut off."""
    if not image.hasalpha():
        return change(image).cast("uchar").copy(interpretation="srgb")
    colours, alpha = image[: image.bands - 1], image[image.bands - 1]
    return change(colours).cast("uchar").bandjoin(alpha).copy(interpretation="srgb")


def scale(image: Image, size: Size) -> Image:
    """The picture at exactly this size, by Lanczos with three lobes."""
    if (image.width, image.height) == size:
        return image
    across, down = size.width / image.width, size.height / image.height
    return premultiplied(image, lambda flat: flat.resize(across, vscale=down, kernel="lanczos3"))


def on_canvas(image: Image, box: Box) -> Image:
    """The picture on a transparent canvas of the box's size, its top left corner at the box's."""
    image = image if image.hasalpha() else image.addalpha()
    return image.embed(*box, extend="background", background=[0.0] * image.bands)


def shown_on(image: Image, rgb: Sequence[float]) -> Image:
    """The picture without transparency, on a colour (channels 0 to 255)."""
    return image.flatten(background=list(rgb))


def on_colour(image: Image, colour: Colour) -> Image:
    """The picture on a colour that may be transparent itself."""
    if colour.alpha == 255:
        return shown_on(image, colour.rgb)
    ground = image.new_from_image([*colour.rgb, float(colour.alpha)]).copy(interpretation="srgb")
    return ground.composite2(image, "over").cast("uchar")


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
    return (distance * -255 + 127.5).cast("uchar")


def times_alpha(image: Image, factor: Image | float) -> Image:
    """The picture with its alpha multiplied by a mask (0 to 255) or a share (0 to 1)."""
    image = image if image.hasalpha() else image.addalpha()
    share = factor if isinstance(factor, int | float) else factor / 255
    alpha = (image[image.bands - 1] * share).rint().cast("uchar")
    return image[: image.bands - 1].bandjoin(alpha).copy(interpretation="srgb")


def painted(image: Image, colour: Colour, mask: Image) -> Image:
    """The picture with a colour painted over it where the mask is 255."""
    layer = image[:3].new_from_image(colour.rgb).bandjoin(mask * (colour.alpha / 255)).cast("uchar")
    over = image if image.hasalpha() else image.addalpha()
    result = over.composite2(layer.copy(interpretation="srgb"), "over").cast("uchar")
    return result if image.hasalpha() else result[:3].copy(interpretation="srgb")
