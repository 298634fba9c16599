"""Frames of AAC as an original has them, by their numbers on the grid that they make themselves."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from typing import Any, Final

import av
import numpy as np

from transforms.audio.aac import FRAME, LOW_COMPLEXITY, AudioConfig
from transforms.audio.samples import Track, demuxed, first_place, rewind, sought

_BACK: Final = (Fraction(1, 4), Fraction(1), Fraction(4), Fraction(16))  # seconds before the first frame that is wanted
_LEAST_RATE: Final = 32_000
_STRAY: Final = 4  # frames that may come after one with a higher number


def config(track: Track) -> AudioConfig | None:
    """What a track says of itself if its frames can be sent as they are: plain AAC LC, 1024 samples a frame.

    At low rates half of the sound is often in an extension of which nothing is written, and frames last long.
    """
    context = track.stream.codec_context
    if context.name != "aac" or not context.extradata:
        return None
    found = AudioConfig.read(bytes(context.extradata))
    if (
        found is None
        or found.rate < _LEAST_RATE
        or (found.type, found.rate, found.frame) != (LOW_COMPLEXITY, track.rate, FRAME)
    ):
        return None
    return found


def packets(track: Track, first: int, last: int) -> dict[int, bytes]:
    """The frames from `first` up to `last` that the original has; where it has two at one place, the first of them.

    The original's first frame has the place that is nearest to it, and all others follow in step with it, so that the
    whole is shifted by half a frame at most, 12 ms at 44.1 kHz, and nothing in it.
    """
    phase = first_place(track)
    found: dict[int, bytes] = {}
    for packet in _from(track, first, phase):
        number = _number(track, packet, phase)
        if number >= last + _STRAY:
            break
        if first <= number < last:
            found.setdefault(number, bytes(packet))
    return found


def silent(track: Track) -> bytes:
    """A frame of silence that fits between those of a track."""
    said = AudioConfig.read(bytes(track.stream.codec_context.extradata or b""))
    if said is None:
        raise ValueError("a track whose frames are sent as they are says what they are")
    context: Any = av.CodecContext.create("aac", "w")
    context.sample_rate, context.layout, context.format = said.rate, said.layout, "fltp"
    context.time_base = Fraction(1, said.rate)
    made: list[Any] = []
    for number in range(4):
        samples = np.zeros((len(context.layout.channels), FRAME), np.float32)
        frame = av.AudioFrame.from_ndarray(samples, "fltp", said.layout)
        frame.sample_rate, frame.pts = said.rate, number * FRAME
        made.extend(context.encode(frame))
    return bytes(made[-1])


def _number(track: Track, packet: Any, phase: Fraction) -> int:
    return round((track.place(packet.pts) - phase) / FRAME) + round(phase / FRAME)


def _from(track: Track, first: int, phase: Fraction) -> Iterator[Any]:
    """The packets of a track from one on that lies before a frame, or from its very first."""
    for back in _BACK:
        wanted = Fraction(first * FRAME, track.rate) - back
        if wanted <= 0 or not sought(track, wanted):
            break
        run = _timed(track)
        packet = next(run, None)
        if packet is not None and _number(track, packet, phase) <= first:
            return chain((packet,), run)
    rewind(track)
    return _timed(track)


def _timed(track: Track) -> Iterator[Any]:
    return (packet for packet in demuxed(track) if packet.pts is not None and packet.size)
