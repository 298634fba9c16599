"""Effects that look at a pixel's neighbours."""

from typing import TYPE_CHECKING

from transforms.operation import Operation, Scene, param
from transforms.params import Number, Whole

if TYPE_CHECKING:
    from pyvips import Image


ENOUGH = 6
"""The least sigma of a Gaussian, in pixels, to which a blur shrinks the picture."""


class Blur(Operation, name="e_blur"):
    """Soften the picture with a Gaussian."""

    example = "e_blur:200"
    strength: float = param(Number(1, 2000), "twenty times the Gaussian's sigma in pixels of the result", default=100.0)

    def apply(self, image: "Image", scene: Scene) -> "Image":
        from transforms.image import premultiplied

        sigma = self.strength / 20
        # A wide Gaussian leaves nothing that a smaller picture could not show, at a tenth of the cost.
        shrink = max(1, int(sigma / ENOUGH))

        def blurred(flat: "Image") -> "Image":
            small = flat.shrink(shrink, shrink, ceil=True) if shrink > 1 else flat
            # Whole numbers would be faster, but make white a light grey.
            precision = "approximate" if sigma >= 2 else "float"
            small = small.gaussblur(sigma / shrink, precision=precision, min_ampl=0.02)
            return small.resize(shrink, kernel="linear").crop(0, 0, image.width, image.height) if shrink > 1 else small

        return premultiplied(image, blurred)


class Sharpen(Operation, name="e_sharpen"):
    """Bring out edges in lightness, without coloured fringes."""

    example = "e_sharpen:150"
    strength: float = param(Number(1, 2000), "percent of the usual strength", default=100.0)

    def apply(self, image: "Image", scene: Scene) -> "Image":
        from transforms.image import on_colours

        return on_colours(
            image,
            lambda rgb: rgb.sharpen(sigma=1, m1=0.5 * self.strength / 100, m2=2 * self.strength / 100).colourspace(
                "srgb"
            ),
        )


class Pixelate(Operation, name="e_pixelate"):
    """Show the picture as squares of one colour."""

    example = "e_pixelate:12"
    side: int = param(Whole(1, 200), "side of a square, in pixels of the result", default=5)

    def apply(self, image: "Image", scene: Scene) -> "Image":
        from transforms.image import premultiplied

        def squares(flat: "Image") -> "Image":
            # Squares that the edge cuts are the mean of what is there of them.
            whole = -(-image.width // self.side) * self.side, -(-image.height // self.side) * self.side
            there = (flat[0] * 0 + 1).embed(0, 0, *whole).shrink(self.side, self.side)
            small = flat.cast("float").embed(0, 0, *whole).shrink(self.side, self.side) / there
            return small.zoom(self.side, self.side).crop(0, 0, image.width, image.height)

        return premultiplied(image, squares)
