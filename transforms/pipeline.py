"""The order of work inside a step, which is also the order of the manual."""

from transforms.operation import Operation
from transforms.operations import colour, effects, frame, geometry, output

PIPELINE: tuple[type[Operation], ...] = (
    # Which original, and how it is opened.
    output.Version,
    output.Fallback,
    output.Page,
    # Where its pixels go.
    geometry.Density,
    geometry.Trim,
    geometry.Resize,
    geometry.Rotate,
    # What they look like: light, then colour, then their neighbours.
    colour.Brightness,
    colour.Contrast,
    colour.Gamma,
    colour.Saturation,
    colour.Hue,
    colour.Grayscale,
    colour.Sepia,
    colour.Tint,
    colour.Negate,
    effects.Blur,
    effects.Sharpen,
    effects.Pixelate,
    # Its edge and what is behind it.
    frame.Edge,
    frame.Opacity,
    frame.Background,
    # How the result is written.
    output.Format,
    output.Quality,
    output.ColourSpace,
    output.Progressive,
    output.Lossless,
    output.MaxBytes,
    output.KeepMetadata,
    output.KeepGps,
    output.ForceStrip,
    output.Attachment,
)
