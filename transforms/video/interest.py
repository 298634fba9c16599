"""Whether a frame shows anything, told from a few hundred of its pixels."""

from typing import Final

import numpy as np
from av.video.frame import VideoFrame

_LOOK: Final = (32, 18)
_BLACK: Final = 20.0
"""Of 255: the mean of a frame that is as good as black, its grain and a small title included."""
_FLAT: Final = 9.0
"""Of 255: the standard deviation of a channel below which a frame is all of one colour."""


def shows_something(frame: VideoFrame) -> bool:
    """Whether a frame is neither black nor all of one colour."""
    look = frame.reformat(*_LOOK, format="rgb24", interpolation="AREA", threads=1).to_ndarray().astype(np.float32)
    return bool(look.mean() >= _BLACK and look.std(axis=(0, 1)).max() >= _FLAT)
