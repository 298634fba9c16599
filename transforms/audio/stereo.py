"""Sounds decoded: an excerpt as blocks of stereo samples, exact to the sample, whatever the original holds."""

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from typing import Any, Final, TypeAlias, cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.filter import Graph
from av.stream import Discard, Disposition

from transforms.audio.excerpt import Excerpt
from transforms.containers import decoded, demuxed
from transforms.errors import DamagedOriginal, NoSuchMoment, NoSuchStream, TooLong, UnsupportedFormat
from transforms.video.beginning import beginning

Block: TypeAlias = "np.ndarray[Any, np.dtype[np.float32]]"
"""Two rows, left and right, of samples from -1 to 1; louder ones may be beyond."""

_WARMING: Final = 1.0
"""Seconds that are decoded in front of an excerpt: codecs build on what came before (Opus wants 80 ms, RFC 7845)."""
_NEAR: Final = 30.0
"""Seconds up to which all is decoded from the beginning, where counting is exact: Matroska's clock has milliseconds."""
_SLACK: Final = Fraction(1, 10)
"""Seconds by which timestamps may differ from the samples counted: containers round them, and some lie a little."""
_RATES: Final = (1_000, 768_000)
_LOUDEST: Final = 16.0  # times full scale
_CHANNELS: Final = 32


def sound_of(container: InputContainer) -> AudioStream:
    """The sound that a player plays: the default one where there are several.

    Raises NoSuchStream, UnsupportedFormat and DamagedOriginal.
    """
    sounds = [stream for stream in container.streams.audio if stream.codec_context]
    if not sounds:
        if container.streams.audio:
            raise UnsupportedFormat("the original's sound is of a codec that is not read here")
        raise NoSuchStream("the original has no sound")
    chosen = max(sounds, key=lambda stream: (bool(stream.disposition & Disposition.default), -stream.index))
    rate = chosen.codec_context.sample_rate
    if not _RATES[0] <= rate <= _RATES[1] or not chosen.codec_context.format:
        raise DamagedOriginal(f"the original's sound has {rate} samples a second")
    return chosen


def blocks(
    container: InputContainer, stream: AudioStream, part: Excerpt, rate: int | None, longest: float
) -> Iterator[Block]:
    """The samples of a part of a sound, `rate` a second (None: as many as it has), of `longest` seconds at most.

    Moments count from where the film or the sound begins. Where the sound begins later than its film, or has a hole,
    there is silence. Raises NoSuchMoment where nothing is there, TooLong, DamagedOriginal.
    """
    own = stream.codec_context.sample_rate
    found = _cut(_placed(container, stream, part.start, own), part, own, longest)
    if rate in (None, own):
        yield from found
    else:
        yield from _resampled(found, own, int(rate or own))


def _placed(container: InputContainer, stream: AudioStream, start: float, rate: int) -> Iterator[tuple[int, Block]]:
    """Blocks of the sound with the number of their first sample, some before `start` (in seconds) among them."""
    for other in container.streams:
        if other is not stream:
            other.discard = Discard.all
    begin, base = beginning(container), stream.time_base or Fraction(1, rate)
    first = round(start * rate)
    # Where an index leads too far, it is looked for further in front, and at last from the beginning.
    for back in (_WARMING, 10 * _WARMING, None):
        if start > _NEAR:
            moment = 0.0 if back is None else max(0.0, start - back)
            with suppress(av.FFmpegError):
                container.seek(int((begin + Fraction(moment)) / base), stream=stream)
                stream.codec_context.flush_buffers()
        frames = _continued(container, stream, begin, base, rate)
        place, block = next(frames, (0, None))
        if block is None:
            return
        if place <= first or start <= _NEAR or back is None:
            yield place, block
            yield from frames
            return


def _continued(
    container: InputContainer, stream: AudioStream, begin: Fraction, base: Fraction, rate: int
) -> Iterator[tuple[int, Block]]:
    """Decoded blocks by the number of their first sample: counted, as long as timestamps agree."""
    shape, place = _Stereo(rate), None
    for frame in decoded(demuxed(container, stream)):
        if not frame.samples:
            continue
        said = round((frame.pts * (frame.time_base or base) - begin) * rate) if frame.pts is not None else None
        if place is None or (said is not None and abs(said - place) > _SLACK * rate):
            place = said or 0
        block = shape.of(frame)
        yield place, block
        place += block.shape[1]


class _Stereo:
    """Frames of any form as blocks of stereo, sample for sample."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._form: tuple[object, ...] = ()
        self._graph = Graph()

    def of(self, frame: AudioFrame) -> Block:
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if form != self._form:
            self._graph, self._form = self._made(frame), form
        frame.pts = None
        self._graph.push(frame)
        return _bounded(_joined(list(_pulled(self._graph))))

    def _made(self, frame: AudioFrame) -> Graph:
        channels = frame.layout.nb_channels
        if not 0 < channels <= _CHANNELS:
            raise DamagedOriginal(f"the original's sound has {channels} channels")
        graph = Graph()
        source = graph.add_abuffer(
            sample_rate=frame.sample_rate,
            format=frame.format.name,
            layout=frame.layout.name,
            time_base=Fraction(1, frame.sample_rate),
        )
        # One channel goes to both sides as loud as it is. Several are mixed so that none of them can be too loud.
        steps = [("pan", "stereo|c0=c0|c1=c0")] if channels == 1 else []
        steps += [
            ("aresample", f"{self._rate}:rematrix_maxval=1"),
            ("aformat", f"sample_fmts=fltp:channel_layouts=stereo:sample_rates={self._rate}"),
        ]
        return _linked(graph, source, steps)


def _bounded(block: Block) -> Block:
    """The same where no sample is absurd or no number, which a file of floats may hold and encoders refuse."""
    if not block.size or np.abs(block).max() <= _LOUDEST:  # false for what is no number
        return block
    return np.clip(np.nan_to_num(block), -_LOUDEST, _LOUDEST)


def _linked(graph: Graph, source: Any, steps: list[tuple[str, str]]) -> Graph:
    for name, arguments in (*steps, ("abuffersink", "")):
        following = graph.add(name, arguments) if arguments else graph.add(name)
        source.link_to(following)
        source = following
    graph.configure()
    return graph


def filtered(found: Iterator[Block], rate: int, steps: list[tuple[str, str]]) -> Iterator[AudioFrame]:
    """What FFmpeg's filters, by name and arguments, make of blocks."""
    graph = Graph()
    source = graph.add_abuffer(sample_rate=rate, format="fltp", layout="stereo", time_base=Fraction(1, rate))
    _linked(graph, source, steps)
    place = 0
    for block in found:
        graph.push(framed(block, rate, place))
        place += block.shape[1]
        yield from _pulled(graph)
    graph.push(None)
    yield from _pulled(graph)


def framed(block: Block, rate: int, place: int) -> AudioFrame:
    """A block as a frame of FFmpeg's, whose first sample has this number."""
    frame = AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout="stereo")
    frame.sample_rate, frame.pts, frame.time_base = rate, place, Fraction(1, rate)
    return frame


def _pulled(graph: Graph) -> Iterator[AudioFrame]:
    while True:
        try:
            frame = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        assert isinstance(frame, AudioFrame)
        yield frame


def _joined(frames: list[AudioFrame]) -> Block:
    if len(frames) == 1:
        return samples_of(frames[0])
    return np.concatenate([np.zeros((2, 0), np.float32), *(samples_of(frame) for frame in frames)], axis=1)


def samples_of(frame: AudioFrame) -> Block:
    """The samples of a frame that a filter has brought to our form."""
    return cast("Block", frame.to_ndarray())


_SILENCE: Final = 1 << 16  # samples in a block of it


def silence(samples: int) -> Iterator[Block]:
    """So many samples that are not heard, 0 or less being none."""
    for done in range(0, samples, _SILENCE):
        yield np.zeros((2, min(_SILENCE, samples - done)), np.float32)


def _cut(found: Iterator[tuple[int, Block]], part: Excerpt, rate: int, longest: float) -> Iterator[Block]:
    """Just the samples of a part: what came twice left out, what is missing silent."""
    place = first = round(part.start * rate)
    end = None if part.end is None else round(part.end * rate)
    most, some = first + round(longest * rate), False
    for start, block in found:
        stop = start + block.shape[1] if end is None else min(start + block.shape[1], end)
        if stop <= place:
            if end is not None and start >= end:
                break
            continue
        if stop > most:
            raise TooLong(f"the original's sound goes on after {longest:g} seconds; longer ones are not read")
        yield from silence(start - place)
        place = max(place, start)
        yield block[:, place - start : stop - start]
        place, some = stop, True
    if not some:
        raise NoSuchMoment("the original's sound has ended before the excerpt begins", part="so_")


def _resampled(found: Iterator[Block], own: int, rate: int) -> Iterator[Block]:
    """The same at another rate: as many samples as the same time takes."""
    taken, given = 0, 0

    def counted() -> Iterator[Block]:
        nonlocal taken
        for block in found:
            taken += block.shape[1]
            yield block

    steps = [("aresample", f"{rate}:filter_size=64:phase_shift=10:cutoff=0.97"), ("aformat", f"sample_rates={rate}")]
    for frame in filtered(counted(), own, steps):
        block = samples_of(frame)
        room = round(Fraction(taken * rate, own)) - given
        if block.shape[1] > room:
            block = block[:, :room]
        given += block.shape[1]
        if block.shape[1]:
            yield block
