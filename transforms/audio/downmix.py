"""A frame of sound with any number of channels, as two."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_HALF: Final = 0.5**0.5  # -3 dB
# What a channel gives to the left and to the right: ITU-R BS.775, as FFmpeg has it.
_GIVES: Final = {
    "FL": (1.0, 0.0),
    "FR": (0.0, 1.0),
    "FC": (_HALF, _HALF),
    "LFE": (0.0, 0.0),
    "BL": (_HALF, 0.0),
    "BR": (0.0, _HALF),
    "SL": (_HALF, 0.0),
    "SR": (0.0, _HALF),
    "BC": (0.5, 0.5),
    "FLC": (1.0, 0.0),
    "FRC": (0.0, 1.0),
    "DL": (1.0, 0.0),
    "DR": (0.0, 1.0),
}
_ORDER: Final = ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR")  # of channels that have no names
_KNEE: Final = 0.8  # from here on to full scale, sums are bent


def stereo(frame: Any) -> NDArray[np.float32]:
    """The samples of a frame as two rows of floats; a single channel is heard on both sides.

    Several channels together may be louder than full scale: what is near to it is bent, sample by sample, so that it
    never is.
    """
    planes = _planes(frame)
    if len(planes) == 1:
        return np.repeat(planes, 2, axis=0)
    if len(planes) == 2:
        return planes
    names = [channel.name for channel in frame.layout.channels]
    if not set(names) & set(_GIVES):
        names = list(_ORDER[: len(planes)])
    matrix = np.zeros((2, len(planes)), np.float32)
    for at, name in enumerate(names[: len(planes)]):
        matrix[:, at] = _GIVES.get(name, (0.0, 0.0))
    return _bent(matrix @ planes)


def _planes(frame: Any) -> NDArray[np.float32]:
    """A row of floats for each channel."""
    values: NDArray[Any] = frame.to_ndarray()
    channels = len(frame.layout.channels)
    if not frame.format.is_planar:
        values = values.reshape(-1, channels).T
    if values.dtype == np.uint8:
        return ((values.astype(np.float32) - 128) / 128).astype(np.float32)
    if values.dtype.kind == "i":
        return (values / float(1 << (8 * values.dtype.itemsize - 1))).astype(np.float32)
    return np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=1.0, neginf=-1.0)


def _bent(values: NDArray[np.float32]) -> NDArray[np.float32]:
    loud = np.abs(values)
    over = (loud - _KNEE) / (1 - _KNEE)
    bent = np.sign(values) * (_KNEE + (1 - _KNEE) * np.tanh(np.maximum(over, 0)))
    return np.where(loud > _KNEE, bent, values).astype(np.float32)
