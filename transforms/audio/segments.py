"""Segments of sound for streams: AAC in fragmented MP4, each made alone, and together one sound without a seam.

Frame n of a track presents the samples from n * FRAME on, counted from the start of the presentation. A segment holds
all frames from one number up to another, whatever the original has there, so that timestamps never leave the grid.
"""

import io
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Final

import av
import numpy as np
from av.container import OutputContainer

from transforms.audio.aac import FRAME
from transforms.audio.copied import packets, silent
from transforms.audio.samples import GRID, Samples, Track, samples
from transforms.video import fragments
from transforms.video.recipes import Recipe

_TICK: Final = Fraction(1, GRID)
_AFTER: Final = 2  # frames that the encoder looks ahead at, and overlaps with


def encoded_head(recipe: Recipe) -> bytes:
    """The init segment of sound that is encoded."""
    return fragments.head(lambda output: _encoder(output, recipe), _TICK)


def encoded(track: Track, first: int, last: int, recipe: Recipe, number: int = 0) -> bytes:
    """The frames from `first` up to `last` as segment `number`. Raises what FFmpeg says of damage."""
    begin, end = first - recipe.sound_before, last + _AFTER
    sound = samples(track, begin * FRAME, end * FRAME)
    sink = io.BytesIO()
    with fragments.fragment(sink, number, lambda output: _encoder(output, recipe), _TICK) as writer:
        made = (packet for frame in _frames(sound, begin) for packet in writer.stream.encode(frame))
        writer.write([packet for packet in made if first * FRAME <= packet.pts < last * FRAME], last * FRAME)
    return fragments.segment_of(sink)


def copied_head(track: Track) -> bytes:
    """The init segment of AAC that is sent as it is."""
    return fragments.head(lambda output: output.add_stream_from_template(track.stream), Fraction(1, track.rate))


def copied(track: Track, first: int, last: int, number: int = 0) -> bytes:
    """The frames from `first` up to `last` of the original as segment `number`, silent ones where it has none."""
    found = packets(track, first, last)
    still = silent(track) if len(found) < last - first else b""
    frames = []
    for place in range(first, last):
        packet = av.Packet(found.get(place, still))
        packet.pts, packet.is_keyframe = place * FRAME, True
        frames.append(packet)
    sink = io.BytesIO()
    tick = Fraction(1, track.rate)
    with fragments.fragment(sink, number, lambda output: output.add_stream_from_template(track.stream), tick) as writer:
        writer.write(frames, last * FRAME)
    return fragments.segment_of(sink)


def _encoder(output: OutputContainer, recipe: Recipe) -> Any:
    stream = output.add_stream("aac", rate=GRID, layout="stereo", options={"aac_coder": recipe.sound_coder})
    stream.codec_context.bit_rate = recipe.sound_bits
    return stream


def _frames(sound: Samples, begin: int) -> Iterator[av.AudioFrame]:
    """Frames for the encoder, the first with the number `begin`."""
    for at in range(0, sound.shape[1], FRAME):
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[:, at : at + FRAME]), "fltp", "stereo")
        frame.sample_rate, frame.pts, frame.time_base = GRID, begin * FRAME + at, _TICK
        yield frame
