"""The order of work inside a step, which is also the order of the manual."""

from transforms.operation import Operation
from transforms.operations import colour, effects, frame, geometry, output, streams, timing

PIPELINE: tuple[type[Operation], ...] = (
    # Which original, and how it is opened.
    output.Version,
    output.Fallback,
    output.Page,
    timing.Start,
    timing.End,
    timing.Duration,
    timing.Preview,
    timing.Keyframe,
    streams.DrawnWave,
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
    # How a film or a sound is written.
    timing.FrameRate,
    timing.KeyInterval,
    streams.VideoCodec,
    streams.AudioCodec,
    streams.BitRate,
    streams.Sampling,
    streams.Loudness,
    streams.Volume,
    streams.Fade,
    # What hangs under one address.
    streams.Ladder,
    streams.Tile,
    output.Attachment,
)
