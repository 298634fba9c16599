"""A whole sound made of a sound or of a film: decoded, cut, made as loud as is wished, encoded, with its tags."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
from av.audio.stream import AudioStream
from av.codec.codec import Properties
from av.codec.context import Flags
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Disposition

from transforms.audio.costs import MOST_BYTES
from transforms.audio.encoders import DEEP, ENCODERS, Encoder, Settled, settled
from transforms.audio.excerpt import Excerpt, excerpt
from transforms.audio.fades import faded
from transforms.audio.kept_cover import Cover, kept_cover
from transforms.audio.loudness import factor, measured, multiplied
from transforms.audio.stereo import Block, blocks, framed, sound_of
from transforms.audio.tags import as_ffmpeg, chapter_comments, kept_chapters, kept_tags, picture_comment
from transforms.containers import damage_told, opened
from transforms.errors import ResultTooLarge
from transforms.formats import FORMATS
from transforms.headers import Header
from transforms.limits import Limits
from transforms.plan import Plan
from transforms.wishes import Saving

_AT_ONCE: Final = 1 << 20  # bytes
_COVERED: Final = {"mp3": "stream", "m4a": "stream", "flac": "stream", "ogg": "comment", "opus": "comment"}
"""How formats hold a cover; the others hold none."""
_CHAPTERED: Final = {"mp3": "file", "m4a": "file", "ogg": "comment", "opus": "comment"}
"""How formats hold chapters; the others hold none."""


@dataclass(frozen=True)
class Encoded:
    """A finished sound; times are seconds."""

    path: Path
    seconds: float
    digest: str
    rate: int
    bit_rate: int
    measuring: float
    encoding: float


@dataclass(frozen=True)
class _Order:
    path: Path
    header: Header
    saving: Saving
    part: Excerpt
    form: str
    settled: Settled
    limits: Limits

    @property
    def longest(self) -> float:
        return self.limits.video_seconds if self.header.medium == "motion" else self.limits.sound_seconds


def encode(path: Path, header: Header, plan: Plan, form: str, limits: Limits, scratch: Path) -> Encoded:
    """Make a sound in a format of `ENCODERS`, as a file in `scratch`. Raises Refusals."""
    saving = plan.saving
    order = _Order(path, header, saving, excerpt(plan.loading, header.seconds), form, settled(saving, form), limits)
    started = time.perf_counter()
    by = 1.0 if saving.volume is None else saving.volume
    if saving.loudness is not None:
        with opened(path, header.kind, limits) as container:
            found = blocks(container, sound_of(container), order.part, order.settled.rate, order.longest)
            by *= factor(measured(found, order.settled.rate), saving.loudness)
    begun = time.perf_counter()
    target = scratch / f"sound.{form}"
    with opened(path, header.kind, limits) as container:
        cover = kept_cover(container, limits) if saving.metadata != "none" and form in _COVERED else None
    with opened(path, header.kind, limits) as container:
        samples = _written(container, order, by, cover, target)
    digest, size = _digest(target)
    seconds = samples / order.settled.rate
    return Encoded(
        target,
        seconds,
        digest,
        order.settled.rate,
        round(8 * size / seconds),
        begun - started,
        time.perf_counter() - begun,
    )


def _written(container: InputContainer, order: _Order, by: float, cover: Cover | None, target: Path) -> int:
    """Write the file, and say how many samples it holds."""
    source, rate, saving = sound_of(container), order.settled.rate, order.saving
    encoder = ENCODERS[order.form]
    options = {"fflags": "+bitexact", **dict(encoder.muxing)}
    with _trouble_told(), av.open(str(target), "w", format=FORMATS[order.form].writer, options=options) as output:
        stream = _stream(output, encoder, order.settled, deep=_is_deep(source))
        covering = _told(output, container, source, order, cover)
        output.start_encoding()
        if covering:
            output.mux(covering)
        found = damage_refused(blocks(container, source, order.part, rate, order.longest), order.header.kind)
        found = faded(multiplied(found, by), round(saving.fade_in * rate), round(saving.fade_out * rate))
        samples = 0
        for block in found:
            output.mux(stream.encode(framed(block, rate, samples)))
            samples += block.shape[1]
            _check_size(target, order.limits)
        output.mux(stream.encode(None))
    _check_size(target, order.limits)
    return samples


def _check_size(target: Path, limits: Limits) -> None:
    most = min(limits.sound_bytes, MOST_BYTES)
    if target.stat().st_size > most:
        raise ResultTooLarge(f"the result would have more than {most} bytes")


@contextmanager
def _trouble_told() -> Iterator[None]:
    """Raise OSError where a result cannot be written, which says nothing of the original."""
    try:
        yield
    except av.error.MemoryError as error:
        raise MemoryError from error
    except av.FFmpegError as error:
        raise OSError("the result cannot be written") from error


def damage_refused(found: Iterator[Block], kind: str) -> Iterator[Block]:
    """The same, with DamagedOriginal raised where an original's sound cannot be read on."""
    with damage_told(kind):
        yield from found


def _stream(output: OutputContainer, encoder: Encoder, settled: Settled, *, deep: bool) -> AudioStream:
    name = DEEP.get(encoder.name, encoder.name) if deep else encoder.name
    stream = output.add_stream(name, rate=settled.rate, options=dict(encoder.options), layout="stereo")
    assert isinstance(stream, AudioStream)
    context = stream.codec_context
    context.format = encoder.deep if deep else encoder.form
    if settled.bit_rate:
        context.bit_rate = settled.bit_rate
    context.time_base = Fraction(1, settled.rate)
    context.flags |= Flags.bitexact
    return stream


def _is_deep(source: AudioStream) -> bool:
    """Whether an original holds more than 16 bits a sample, all of which it means."""
    context = source.codec_context
    return _LOSSLESS in Properties(context.codec.properties) and context.format.bits > 16


_LOSSLESS: Final = Properties.LOSSLESS


def _told(
    output: OutputContainer, container: InputContainer, source: AudioStream, order: _Order, cover: Cover | None
) -> "Packet[Any] | None":
    """Give the result its tags, its chapters and its cover; the packet of a cover that is a stream."""
    output.metadata.update(kept_tags(container, source, order.saving.metadata))
    if order.form in _CHAPTERED and order.saving.metadata != "none":
        chapters = kept_chapters(container, order.part)
        if _CHAPTERED[order.form] == "comment":
            output.metadata.update(chapter_comments(chapters))
        else:
            output.set_chapters(as_ffmpeg(chapters))
    if cover is None:
        return None
    if _COVERED[order.form] == "comment":
        output.metadata.update(picture_comment(cover))
        return None
    stream: Any = output.add_stream(cover.codec)
    stream.width, stream.height, stream.pix_fmt = cover.width, cover.height, _PIXELS[cover.kind]
    stream.disposition = Disposition.attached_pic
    packet = Packet(cover.data)
    packet.stream, packet.pts, packet.dts, packet.is_keyframe = stream, 0, 0, True
    return packet


_PIXELS: Final = {"jpg": "yuvj420p", "png": "rgb24"}


def _digest(path: Path) -> tuple[str, int]:
    """SHA-256 of a file in hexadecimal, and its bytes."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_AT_ONCE):
            found.update(part)
    return found.hexdigest(), path.stat().st_size
