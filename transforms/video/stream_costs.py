"""What it will cost to plan a stream and to make a part of it, from its plan alone."""

from typing import Final

from transforms.headers import Header
from transforms.limits import Cost
from transforms.video.stream_plan import Rung, StreamPlan

_MEGABYTE: Final = 1 << 20

_OPENING: Final = 30.0
"""Milliseconds to open a film and to seek in it."""
_DECODED: Final = 6.0
_ENCODED: Final = 18.0
"""Milliseconds of one core for a million pixels of a frame, with the presets of the recipes."""
_HEARD: Final = 12.0
"""Milliseconds for a second of sound, decoded and encoded."""


def planning(header: Header) -> Cost:
    """To read a film's index and to make the heads of all rungs."""
    # Whether the index stands in one place or is found by hopping through the file, its packets are looked at.
    return Cost(150.0 + 0.02 * header.seconds * max(header.rate, 1.0), 192 * _MEGABYTE)


def segment(plan: StreamPlan, rung: Rung, header: Header, seconds: float) -> Cost:
    """To make so many seconds of a rung; 0 for its head."""
    if rung.kind in ("words", "text"):
        return Cost(_OPENING, 64 * _MEGABYTE)
    if rung.remux:
        # What is sent is read, and written once more.
        return Cost(_OPENING + rung.average * seconds / 8 / _MEGABYTE * 4, 96 * _MEGABYTE)
    if rung.kind == "sound":
        return Cost(_OPENING + _HEARD * seconds, 96 * _MEGABYTE)
    frames = float(rung.rate) * seconds or 1.0
    source, made = header.width * header.height / 1e6, rung.width * rung.height / 1e6
    work = frames * (_DECODED * source + _ENCODED * made)
    # Frames that wait in the decoder's and the encoder's threads.
    return Cost(_OPENING + work, int((96 + 60 * (source + made)) * _MEGABYTE))
