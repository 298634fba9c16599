"""The shapes of the sample pictures: SVG elements, and what they look like as pixels."""

from typing import Any

import numpy as np
from pyvips import Image

from transforms.samples.brush import Canvas


def number(value: float) -> str:
    """A number as short as a drawing needs it."""
    return f"{value:.5g}"


def trace(form: str, *numbers: float) -> str:
    """The data of a path: its letters, with a `_` for each number, as in "M_ _L_ _Z"."""
    given = iter(numbers)
    return "".join(number(next(given)) if letter == "_" else letter for letter in form)


def polygon(points: Any) -> str:
    """The data of a closed path through points (across, down)."""
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points) + "Z"


def element(name: str, content: str = "", /, **attributes: str | float) -> str:
    """An SVG element; `stroke_width` is written `stroke-width`."""
    written = "".join(
        f' {key.replace("_", "-")}="{value if isinstance(value, str) else number(value)}"'
        for key, value in attributes.items()
    )
    return f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>"


def path(data: str, fill: str = "none", /, **attributes: str | float) -> str:
    """A path, filled with a colour or a `url(#gradient)`, or only stroked."""
    return element("path", d=data, fill=fill, **attributes)


def line(data: str, stroke: str, width: float, /, **attributes: str | float) -> str:
    """A path that is stroked with round ends."""
    return path(data, stroke=stroke, stroke_width=width, stroke_linecap="round", **attributes)


def circle(x: float, y: float, radius: float, fill: str, /, **attributes: str | float) -> str:
    """A filled circle."""
    return element("circle", cx=x, cy=y, r=radius, fill=fill, **attributes)


def gradient(name: str, *stops: tuple[float, str] | tuple[float, str, float], **attributes: str | float) -> str:
    """A gradient of stops (place, colour, and opacity if not 1): radial when `r` is given, else linear."""
    marks = ""
    for place, colour, *opacity in stops:
        marks += element("stop", offset=place, stop_color=colour, stop_opacity=opacity[0] if opacity else 1.0)
    kind = "radialGradient" if "r" in attributes else "linearGradient"
    return element(kind, marks, id=name, **attributes)


def drawn(shapes: str, width: int, height: int, view: tuple[float, float] = (1000, 0)) -> Image:
    """Shapes, in units of the view, as a picture with alpha; a view without height has the picture's proportions."""
    tall = view[1] or view[0] * height / width
    text = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {number(view[0])} {number(tall)}">{shapes}</svg>'
    )
    return Image.svgload_buffer(text.encode())


def coverage(shapes: str, width: int, height: int) -> Canvas:
    """How much of each pixel the shapes cover, 0..1."""
    return np.asarray(drawn(shapes, width, height)[3].numpy(), np.float32) / 255


def glow(shapes: str, width: int, height: int) -> Canvas:
    """The light of the shapes on black."""
    image = drawn(shapes, width, height)
    return np.asarray(image.flatten().numpy(), np.float32) / 255
