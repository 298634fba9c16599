"""Changes of colour that treat every pixel alike; alpha is left as it is."""

import math
from typing import TYPE_CHECKING

from transforms.operation import Operation, Scene, param
from transforms.params import Colour, ColourName, Number

if TYPE_CHECKING:
    from pyvips import Image

LUMA = (0.2126, 0.7152, 0.0722)
"""The weights of Rec. 709, as CSS filters use them."""

Matrix = list[list[float]]


def _saturation(amount: float) -> Matrix:
    """The matrix of CSS `saturate()`: 0 is grey, 1 leaves as is (Filter Effects Module Level 1, section 9)."""
    return [
        [weight * (1 - amount) + amount * (row == column) for column, weight in enumerate(LUMA)] for row in range(3)
    ]


def _hue(degrees: float) -> Matrix:
    """The matrix of CSS `hue-rotate()`."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    red, green, blue = 0.213, 0.715, 0.072
    return [
        [red + cosine * (1 - red) - sine * red, green * (1 - cosine - sine), blue * (1 - cosine) + sine * (1 - blue)],
        [
            red * (1 - cosine) + sine * 0.143,
            green + cosine * (1 - green) + sine * 0.14,
            blue * (1 - cosine) - sine * 0.283,
        ],
        [
            red * (1 - cosine) - sine * (1 - red),
            green * (1 - cosine) + sine * green,
            blue + cosine * (1 - blue) + sine * blue,
        ],
    ]


def _sepia(amount: float) -> Matrix:
    """The matrix of CSS `sepia()`: 0 leaves as is, 1 is brown."""
    full = [[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]]
    return [
        [value * amount + (1 - amount) * (row == column) for column, value in enumerate(line)]
        for row, line in enumerate(full)
    ]


def _recombined(image: "Image", matrix: Matrix) -> "Image":
    from transforms.image import on_colours

    return on_colours(image, lambda rgb: rgb.recomb(matrix))


class Brightness(Operation, name="e_brightness"):
    """Make the picture lighter or darker: 100 doubles its light, -99 all but takes it away."""

    example = "e_brightness:30"
    amount: float = param(Number(-99, 100), "percent of light to add", default=80.0)

    def idle(self) -> bool:
        return self.amount == 0

    def apply(self, image: "Image", scene: Scene) -> "Image":
        from transforms.image import on_colours

        return on_colours(image, lambda rgb: rgb * (1 + self.amount / 100))


class Contrast(Operation, name="e_contrast"):
    """Spread the tones away from middle grey, or draw them together; -100 leaves nothing but grey."""

    example = "e_contrast:40"
    amount: float = param(Number(-100, 100), "percent of contrast to add")

    def idle(self) -> bool:
        return self.amount == 0

    def apply(self, image: "Image", scene: Scene) -> "Image":
        from transforms.image import on_colours

        factor = 1 + self.amount / 100
        return on_colours(image, lambda rgb: rgb * factor + 127.5 * (1 - factor))


class Gamma(Operation, name="e_gamma"):
    """Lighten or darken the middle tones and leave black and white where they are."""

    example = "e_gamma:50"
    amount: float = param(Number(-50, 150), "percent by which the exponent's inverse changes; above 0 is lighter")

    def idle(self) -> bool:
        return self.amount == 0

    def apply(self, image: "Image", scene: Scene) -> "Image":
        from transforms.image import on_colours

        return on_colours(image, lambda rgb: rgb.gamma(exponent=1 + self.amount / 100))


class Saturation(Operation, name="e_saturation"):
    """Make colours stronger or paler; -100 is grey."""

    example = "e_saturation:-50"
    amount: float = param(Number(-100, 100), "percent of saturation to add", default=80.0)

    def idle(self) -> bool:
        return self.amount == 0

    def apply(self, image: "Image", scene: Scene) -> "Image":
        return _recombined(image, _saturation(1 + self.amount / 100))


class Hue(Operation, name="e_hue"):
    """Turn all colours round the colour circle; 100 is half a turn."""

    example = "e_hue:40"
    amount: float = param(Number(-100, 100), "percent of half a turn", default=80.0)

    def idle(self) -> bool:
        return self.amount == 0

    def apply(self, image: "Image", scene: Scene) -> "Image":
        return _recombined(image, _hue(self.amount * 1.8))


class Grayscale(Operation, name="e_grayscale"):
    """Take the colour out and keep the light."""

    example = "e_grayscale"

    def apply(self, image: "Image", scene: Scene) -> "Image":
        return _recombined(image, _saturation(0))


class Sepia(Operation, name="e_sepia"):
    """Give the picture the brown of old prints."""

    example = "e_sepia:60"
    amount: float = param(Number(1, 100), "percent of brown", default=80.0)

    def apply(self, image: "Image", scene: Scene) -> "Image":
        return _recombined(image, _sepia(self.amount / 100))


class Tint(Operation, name="e_tint"):
    """Print the picture in one ink: black stays black, white stays white, middle grey becomes the colour."""

    example = "e_tint:60:teal"
    amount: float = param(Number(0, 100), "percent of the ink")
    colour: Colour = param(ColourName(), "colour of the ink")

    def idle(self) -> bool:
        return self.amount == 0

    def apply(self, image: "Image", scene: Scene) -> "Image":
        from transforms.image import on_colours, table

        share = self.amount / 100
        inks = [
            [
                channel * light / 127.5 if light < 127.5 else channel + (255 - channel) * (light - 127.5) / 127.5
                for channel in self.colour.rgb
            ]
            for light in range(256)
        ]
        return on_colours(
            image,
            lambda rgb: rgb * (1 - share) + rgb.recomb([list(LUMA)]).cast("uchar").maplut(table(inks)) * share,
        )


class Negate(Operation, name="e_negate"):
    """Turn every colour into its opposite."""

    example = "e_negate"

    def apply(self, image: "Image", scene: Scene) -> "Image":
        from transforms.image import on_colours

        return on_colours(image, lambda rgb: rgb.invert())
