"""A film's sound on the clock of its pictures: every sample at its place, gaps silent, overlaps cut."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, Final

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer

from transforms.audio.loudness import factor, measured
from transforms.containers import opened
from transforms.headers import Header
from transforms.limits import Limits
from transforms.operation import Saving
from transforms.transcodes.excerpts import Excerpt
from transforms.transcodes.moments import heard_in, only, sounds

_TOLERANCE: Final = Fraction(1, 25)
"""Seconds by which a frame may be off before samples are moved: clocks of containers are no finer than milliseconds."""
_LONGEST_SILENCE: Final = 3600
"""Seconds of silence that a gap is filled with at most; what claims to be longer is no gap."""
_SAMPLES: Final = "fltp"


def samples(
    container: InputContainer, stream: AudioStream, part: Excerpt, rate: int, longest: Fraction
) -> Iterator[Any]:
    """Blocks of samples (float32, left and right) of a part of a film, from its first moment on.

    Where the part has an end there are samples up to it, silent ones if the sound is over before; else it goes on for
    as long as there is sound, but for `longest` seconds of the film: what is behind its end is a codec's own padding.
    """
    most = round(((longest if part.end is None else part.end) - part.start) * rate)
    given = 0
    for block in _resampled(_placed(sounds(container, stream, part.start), part.start), rate):
        taken = block[:, : most - given]
        given += taken.shape[1]
        if taken.shape[1]:
            yield taken
        if given == most:
            return
    while part.end is not None and given < most:
        silent = min(rate, most - given)
        given += silent
        yield np.zeros((2, silent), np.float32)


def loud(
    path: Path,
    header: Header,
    saving: Saving,
    limits: Limits,
    parts: tuple[Excerpt, ...],
    rate: int,
    longest: Fraction,
) -> float:
    """By what the sound of these parts is multiplied: `e_volume`, and what brings it to `e_loudness`."""
    by = 1.0 if saving.volume is None else saving.volume
    if saving.loudness is None:
        return by
    with opened(path, header.kind, limits) as container:
        stream = heard_in(container)
        if stream is None:
            return by
        only(container, stream)
        found = chain.from_iterable(samples(container, stream, part, rate, longest) for part in parts)
        return by * factor(measured(found, rate), saving.loudness)


def _placed(frames: Iterator[tuple[Fraction, AudioFrame]], start: Fraction) -> Iterator[tuple[int, Any]]:
    """Samples at the source's own rate, with that rate, each block behind the one before it."""
    change: AudioResampler | None = None
    kind: tuple[str, str, int] | None = None
    at = 0
    placed = False
    for time, frame in frames:
        rate = frame.sample_rate
        if (frame.format.name, frame.layout.name, rate) != kind:
            at = at * rate // kind[2] if kind else 0
            kind = frame.format.name, frame.layout.name, rate
            change = AudioResampler(format=_SAMPLES, layout="stereo", rate=rate)
        assert change is not None
        frame.pts = None
        block = np.concatenate([piece.to_ndarray() for piece in change.resample(frame)], axis=1)
        begins = round((time - start) * rate)
        off = begins - at
        if placed and abs(off) <= _TOLERANCE * rate:
            off = 0
        if off > 0:
            silent = min(off, _LONGEST_SILENCE * rate)
            at += silent
            for begin in range(0, silent, rate):
                yield rate, np.zeros((2, min(rate, silent - begin)), np.float32)
        elif off < 0:
            block = block[:, -off:]
        placed = placed or block.shape[1] > 0
        at += block.shape[1]
        if block.shape[1]:
            yield rate, block


def _resampled(blocks: Iterator[tuple[int, Any]], rate: int) -> Iterator[Any]:
    """The same at the rate of the result."""
    change: AudioResampler | None = None
    before = rate
    for own, block in blocks:
        if own != before and change:
            yield from _arrays(change.resample(None))
            change = None
        before = own
        if own == rate:
            yield block
            continue
        change = change or AudioResampler(format=_SAMPLES, layout="stereo", rate=rate)
        yield from _arrays(change.resample(framed(block, own)))
    if change:
        yield from _arrays(change.resample(None))


def _arrays(frames: Iterable[AudioFrame]) -> Iterator[Any]:
    return (frame.to_ndarray() for frame in frames)


def framed(block: Any, rate: int) -> AudioFrame:
    """A block of samples as a frame."""
    frame = AudioFrame.from_ndarray(np.ascontiguousarray(block), format=_SAMPLES, layout="stereo")
    frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
    return frame


def portions(blocks: Iterable[Any], rate: int, form: str, size: int) -> Iterator[AudioFrame]:
    """Frames of `size` samples in the format of an encoder (0: of any size), counted from 0; the last is short."""
    change = AudioResampler(format=form, layout="stereo", rate=rate, frame_size=size or None)
    counted = 0
    for pieces in chain(
        (change.resample(framed(block, rate)) for block in blocks), (change.resample(None) for _ in "1")
    ):
        for frame in pieces:
            frame.pts, frame.time_base = counted, Fraction(1, rate)
            counted += frame.samples
            yield frame
