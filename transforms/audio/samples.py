"""Samples of a sound on one grid: any stretch of it alone, equal to the same stretch of the whole.

A sample of the grid has a number: it is heard `number / GRID` seconds after the start of the presentation. Where the
original has no sound, before it begins, in a gap, after its end, there is silence.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, chain, islice
from statistics import median
from typing import Any, Final

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from transforms import containers
from transforms.audio.downmix import stereo
from transforms.errors import NoSuchStream

Samples = NDArray[np.float32]
"""Two rows, left and right; 1.0 is full scale."""

GRID: Final = 48_000
"""Samples a second of the grid."""

_FILTER: Final = 2048  # samples before and after, which is more than the resampler's filter reaches at any rate
_DECODER: Final = Fraction(1, 2)  # seconds: Opus wants 80 ms, MP3 ten frames of which one may borrow from another
_BACK: Final = (Fraction(0), Fraction(1), Fraction(4), Fraction(16))  # seconds further back, if a seek went too far
_DAY: Final = 86_400
_LOOK: Final = 500  # packets among which the first one of a track is looked for
_SLACK: Final = Fraction(1, 100)  # seconds: what stands less far from its place is where its clock could not say better
_COARSE: Final = Fraction(3, 2000)  # seconds by which a clock of milliseconds may be wrong about two things together
_TELLING: Final = 16  # frames whose timestamps together say where they lie
_UNITS: Final = {"opus": 120, "vorbis": 64}  # samples that all frames are a multiple of, where they differ in length


@dataclass(frozen=True)
class Track:
    """A track of sound in an original that is open."""

    container: InputContainer
    stream: AudioStream
    start: Fraction
    """Where the presentation starts on the clock of the file, in seconds."""

    @property
    def rate(self) -> int:
        """Samples a second, of the original."""
        return int(self.stream.codec_context.sample_rate)

    def place(self, pts: int) -> Fraction:
        """Where a timestamp lies, in samples of the original from the start of the presentation."""
        return (pts * (self.stream.time_base or Fraction(1)) - self.start) * self.rate


def playable(stream: AudioStream) -> bool:
    """Whether there is a decoder for a stream of sound, and a rate that it makes sense at."""
    context = stream.codec_context
    return bool(context) and 1000 <= context.sample_rate <= 768_000 and context.channels > 0


def track(container: InputContainer, number: int, start: Fraction) -> Track:
    """The track with the number of a stream. Raises NoSuchStream where that is no sound which can be decoded."""
    stream = next((stream for stream in container.streams.audio if stream.index == number), None)
    if stream is None or not playable(stream):
        raise NoSuchStream(f"the original has no sound in stream {number}")
    return Track(container, stream, start)


def first_place(track: Track) -> Fraction:
    """Where the first packet of a track that is just opened lies, in samples; 0 where there is none near."""
    packets = islice(containers.demuxed(track.container), _LOOK)
    first = next((packet.pts for packet in packets if packet.stream is track.stream and packet.pts is not None), None)
    return Fraction(0) if first is None else track.place(first)


def sought(track: Track, seconds: Fraction) -> bool:
    """Whether FFmpeg found a way to a moment, from which it can go on; it looks by the order of decoding."""
    at = math.floor((seconds + track.start) / (track.stream.time_base or 1))
    try:
        track.container.seek(at, stream=track.stream)
    except av.FFmpegError:
        return False
    return True


def rewind(track: Track) -> None:
    """Go back to the first packet of a track, which may lie before the start of the presentation."""
    if not sought(track, Fraction(-_DAY)):
        track.container.seek(0)


def demuxed(track: Track) -> Iterator[Any]:
    """The packets of a track from where its container stands; those of others are not read where that can be helped."""
    for stream in track.container.streams:
        if stream is not track.stream:
            stream.discard = av.stream.Discard.all
    return containers.demuxed(track.container, track.stream)


def samples(track: Track, first: int, last: int) -> Samples:
    """The samples from `first` up to `last` of the grid. Raises NoSuchStream, and what FFmpeg says of damage.

    The resampler starts where a sample of the original and one of the grid are heard at once, and early enough for its
    filter, so that it is in the very state in which it would be after everything before.
    """
    step, output = Fraction(track.rate, GRID).as_integer_ratio()
    begin = (first // output - -(-_FILTER // step)) * step
    end = math.ceil(Fraction(last * track.rate, GRID)) + _FILTER
    heard = resampled(_read(track, begin, end), track.rate)
    skipped = first - begin // step * output
    return heard[:, skipped : skipped + last - first]


def resampled(source: Samples, rate: int) -> Samples:
    """Samples of some rate brought to the grid; the first of both are heard at once."""
    if rate == GRID:
        return source
    resampler = av.AudioResampler(format="fltp", layout="stereo", rate=GRID)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(source), format="fltp", layout="stereo")
    frame.sample_rate = rate
    return np.concatenate([made.to_ndarray() for made in (*resampler.resample(frame), *resampler.resample(None))], 1)


def _read(track: Track, begin: int, end: int) -> Samples:
    """Samples of the original at its own rate, from `begin` up to `end`, counted from the start of the presentation."""
    canvas = np.zeros((2, end - begin), np.float32)
    clock = _clock(track)
    slack = math.ceil(_SLACK * track.rate)
    frames = (frame for frame in _frames(track, begin, fresh=clock is None) if frame.sample_rate == track.rate)
    lead = list(_until(frames, track, begin))
    expected = _anchor(lead, track, clock)
    for frame in chain(lead, frames):
        place = expected if frame.pts is None else round(track.place(frame.pts))
        if abs(place - expected) <= slack:
            place = expected
        expected = place + frame.samples
        if place >= end:
            break
        low, high = max(place, begin, 0), min(expected, end)
        if low < high:
            canvas[:, low - begin : high - begin] = stereo(frame)[:, low - place : high - place]
    return canvas


def _until(frames: Iterator[Any], track: Track, begin: int) -> Iterator[Any]:
    """The frames up to the first one that reaches a sample, and some more; the first of them has a timestamp."""
    count = 0
    for frame in frames:
        if count or frame.pts is not None:
            count += 1
            yield frame
        if count >= _TELLING and frame.pts is not None and track.place(frame.pts) + frame.samples > begin:
            return


def _clock(track: Track) -> tuple[int, Fraction] | None:
    """Of how many samples all frames are made, 0 where that shows in them, and where the first packet lies.

    None where timestamps say exactly where a sample lies. Matroska counts milliseconds, and MPEG-TS 90000ths.
    """
    if (1 / (track.stream.time_base or Fraction(1))) % track.rate == 0:
        return None
    context = track.stream.codec_context
    return _UNITS.get(context.name, context.frame_size), first_place(track)


def _anchor(lead: Sequence[Any], track: Track, clock: tuple[int, Fraction] | None) -> int:
    """Where the first of some frames begins. Where the clock is coarse, they say it together.

    Frames lie a whole number of units from the first packet, so that wherever reading begins it comes to the same.
    """
    if not lead:
        return 0
    if clock is None:
        return round(track.place(lead[0].pts))
    begins: Iterable[int] = accumulate((frame.samples for frame in lead), initial=0)
    told = [track.place(frame.pts) - begin for frame, begin in zip(lead, begins, strict=False) if frame.pts is not None]
    place = median(each for each in told if abs(each - told[0]) <= _SLACK * track.rate)  # others are behind a gap
    unit, phase = clock[0] or lead[0].samples, round(clock[1])
    whole = phase + round((place - phase) / unit) * unit
    return whole if abs(whole - place) <= _COARSE * track.rate else round(place)


def _frames(track: Track, begin: int, *, fresh: bool) -> Iterator[Any]:
    """Decoded frames, from one early enough that the decoder has settled when it comes to the sample `begin`.

    `fresh` says that nothing has been read of the file yet.
    """
    wanted = Fraction(begin, track.rate) - _DECODER
    for back in _BACK:
        if wanted - back <= 0:
            break
        fresh = False
        if not sought(track, wanted - back):
            break
        frames = _decoded(track)
        frame = next((frame for frame in frames if frame.pts is not None), None)
        if frame is not None and track.place(frame.pts) <= begin - _DECODER / 2 * track.rate:
            yield frame
            yield from frames
            return
    if not fresh:
        rewind(track)
    yield from _decoded(track)


def _decoded(track: Track) -> Iterator[Any]:
    for packet in demuxed(track):
        try:
            yield from packet.decode()
        except av.error.InvalidDataError:
            # A frame that cannot be decoded is silence: the first ones after a seek want others before them.
            continue
