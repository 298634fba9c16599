"""Bells in the evening: a sound of eight seconds."""

import io
from typing import Any, Final

import av
import numpy as np

from transforms.samples.tone import RATE, bell, faint, frames

SECONDS: Final = 8
# When each is struck, its pitch in hertz, and where it hangs: 0 is left, 1 right.
STRUCK: Final = (
    *((0.0, 523.25, 0.3), (0.5, 659.26, 0.7), (1.0, 783.99, 0.4), (1.5, 1046.5, 0.6), (2.5, 880.0, 0.25)),
    *((3.0, 783.99, 0.75), (3.5, 659.26, 0.4), (4.5, 587.33, 0.6), (5.0, 523.25, 0.3), (5.0, 261.63, 0.5)),
)


def sound() -> bytes:
    """The sound as a FLAC."""
    heard = np.zeros((2, RATE * SECONDS))
    for begin, pitch, place in STRUCK:
        first = round(begin * RATE)
        wave = bell(pitch, SECONDS - begin)
        heard[:, first : first + len(wave)] += np.stack([wave * np.sqrt(1 - place), wave * np.sqrt(place)])
    made = io.BytesIO()
    with av.open(made, "w", format="flac", options={"fflags": "+bitexact"}) as out:
        stream: Any = out.add_stream("flac", rate=RATE, layout="stereo")
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        stream.codec_context.format = "s16"
        out.metadata.update({"title": "Bells", "artist": "Darkroom contributors"})
        for frame in frames(faint(heard), stream.codec_context):
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return made.getvalue()
