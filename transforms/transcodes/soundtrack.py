"""A film's sound on the clock of its pictures: the parts of it that a result has, one behind the other."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer

from transforms.audio.excerpt import Excerpt as Stretch
from transforms.audio.loudness import factor, measured
from transforms.audio.stereo import Block, blocks, framed, silence, sound_of
from transforms.containers import opened
from transforms.errors import NoSuchMoment
from transforms.headers import Header
from transforms.limits import Limits
from transforms.transcodes.excerpts import Excerpt
from transforms.wishes import Saving


def heard_in(container: InputContainer) -> AudioStream | None:
    """The sound that a player plays, where a film has any. Raises UnsupportedFormat."""
    return sound_of(container) if container.streams.audio else None


def samples(
    container: InputContainer, stream: AudioStream, parts: Iterable[Excerpt], rate: int, longest: Fraction
) -> Iterator[Block]:
    """Blocks of samples of parts of a film that is just opened, each part from its first moment on.

    Where a part has an end there are samples up to it, silent ones if the sound is over before; else it goes on for
    as long as there is sound, but for `longest` seconds of the film: what is behind its end is a codec's own padding.
    """
    for number, part in enumerate(parts):
        if number:
            with suppress(av.FFmpegError):
                container.seek(0)
                stream.codec_context.flush_buffers()
        yield from _part(container, stream, part, rate, longest)


def _part(
    container: InputContainer, stream: AudioStream, part: Excerpt, rate: int, longest: Fraction
) -> Iterator[Block]:
    end = longest if part.end is None else part.end
    most, given = round((end - part.start) * rate), 0
    with suppress(NoSuchMoment):  # a film may go on when its sound is over
        for block in blocks(container, stream, Stretch(float(part.start), float(end)), rate, float(longest)):
            taken = block[:, : most - given]
            given += taken.shape[1]
            yield taken
    if part.end is not None:
        yield from silence(most - given)


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
        return by * factor(measured(samples(container, stream, parts, rate, longest), rate), saving.loudness)


def portions(found: Iterable[Block], rate: int, form: str, size: int) -> Iterator[AudioFrame]:
    """Frames of `size` samples in the format of an encoder (0: of any size), counted from 0; the last is short."""
    change = AudioResampler(format=form, layout="stereo", rate=rate, frame_size=size or None)
    taken = given = 0
    for block in chain(found, (None,)):
        pieces = change.resample(None if block is None else framed(block, rate, taken))
        taken += 0 if block is None else block.shape[1]
        for frame in pieces:
            frame.pts, frame.time_base = given, Fraction(1, rate)
            given += frame.samples
            yield frame
