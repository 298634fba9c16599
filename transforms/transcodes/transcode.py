"""A film made anew: its pictures and its sound each decoded, shaped and encoded, or copied, side by side in time."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from heapq import merge
from itertools import chain
from pathlib import Path
from typing import Any, Final

from av.container import InputContainer
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from transforms.audio.fades import faded
from transforms.audio.loudness import multiplied
from transforms.containers import opened
from transforms.errors import NoSuchStream
from transforms.headers import Header
from transforms.limits import Limits
from transforms.operation import Size
from transforms.plan import Plan
from transforms.transcodes.canvas import Focus
from transforms.transcodes.codecs import AUDIO, VIDEO, options
from transforms.transcodes.copying import Copied, pictures_copied, sound_copied
from transforms.transcodes.excerpts import Excerpt
from transforms.transcodes.moments import only
from transforms.transcodes.outputs import Outputs, outputs
from transforms.transcodes.recipe import Recipe, recipe
from transforms.transcodes.shots import PIXELS, shots
from transforms.transcodes.soundtrack import heard_in, loud, portions, samples
from transforms.video.brightness import is_bright
from transforms.video.header import picture_of
from transforms.wishes import Saving

_TOLD_EVERY: Final = 0.25
"""Seconds between words of how far it is."""
_HIGH: Final = 720
"""Lines from which on a film that does not say so has the colours of HDTV (ITU-R BT.709), below those of BT.601."""

UNSAID: Final = 2
"""What a film says that does not say which colours it has (ITU-T H.273)."""
_SLACK: Final = 300
"""Frames by which a film may go on behind the end that it names."""

Item = tuple[Fraction, Any, Iterable[Any]]
"""When, for which stream, and what."""


@dataclass(frozen=True)
class Places:
    """Where the finished file and the growing one go, and who is told how much is done (0 to 1)."""

    finished: Path
    growing: Path | None
    begun: Callable[[], None]
    told: Callable[[float], None]


@dataclass(frozen=True)
class Film:
    """What was made: its size in pixels, frames, seconds of work, and the SHA-256 of its bytes."""

    width: int
    height: int
    frames: int
    seconds: float
    encode: float
    digest: str


def transcode(
    path: Path,
    header: Header,
    plan: Plan,
    form: str,
    limits: Limits,
    most: int,
    places: Places,
    *,
    focus: Focus | None = None,
    threads: int = 1,
) -> Film:
    """Make a film of at most `most` bytes. Raises Refusals."""
    started, made = time.perf_counter(), recipe(header, plan, form, focus)
    with ExitStack() as closing:
        film = closing.enter_context(opened(path, header.kind, limits))
        picture = picture_of(film)
        if picture is None:
            raise NoSuchStream("there are no pictures in the original")
        heard = closing.enter_context(opened(path, header.kind, limits)) if made.coding.audio != "none" else None
        out = closing.enter_context(outputs(form, places.finished, places.growing, most))
        only(film, picture)
        size, parts = made.size, made.parts
        longest = Fraction(header.seconds or limits.video_seconds)
        if made.coding.video == "copy":
            copied = pictures_copied(film, picture, header.kind, form, parts[0])
            size, parts = Size(picture.width, picture.height), (copied.part,)
            pictures = _copied(out.copied(picture, picture.codec_context.name), copied)
        else:
            rate = made.rate
            parts = _on_grid(parts, rate)
            most_frames = round(longest * rate) + _SLACK
            stream = _encoder(out, picture, made, options(made.coding.video, plan.saving, rate, threads), rate, threads)
            found = chain.from_iterable(shots(film, picture, part, rate, made.canvas, most_frames) for part in parts)
            pictures = _encoded_pictures(stream, found, rate)
        by = loud(path, header, plan.saving, limits, parts, made.coding.sampling, longest) if heard else 1.0
        sounds = _sounds(out, heard, made, header.kind, parts, longest, plan.saving, by) if heard else iter(())
        out.begin()
        places.begun()
        frames, ends = _run(out, merge(pictures, sounds, key=lambda item: item[0]), made, places.told)
    with places.finished.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Film(*size, frames, float(ends), time.perf_counter() - started, digest)


def _on_grid(parts: tuple[Excerpt, ...], rate: Fraction) -> tuple[Excerpt, ...]:
    """Parts that follow each other without a seam: where there are several, each as long as its frames are."""
    if len(parts) == 1:
        return parts
    return tuple(
        Excerpt(part.start, part.start + max(1, round((part.end - part.start) * rate)) / rate if part.end else None)
        for part in parts
    )


def _run(out: Outputs, items: Iterator[Item], made: Recipe, told: Callable[[float], None]) -> tuple[int, Fraction]:
    """Write what comes; returns packets of the picture, and the seconds of the last thing that came."""
    frames, ends, spoken = 0, Fraction(0), time.monotonic()
    for moment, stream, packets in items:
        for packet in packets:
            frames += stream.type == "video"
            out.put(stream, packet)
        ends = max(ends, moment)
        if time.monotonic() - spoken >= _TOLD_EVERY:
            spoken = time.monotonic()
            told(min(1.0, float(moment / made.seconds)) if made.seconds else 0.0)
    return frames, ends


def _encoder(
    out: Outputs, picture: VideoStream, made: Recipe, settings: dict[str, str], rate: Fraction, threads: int
) -> Any:
    row = VIDEO[made.coding.video]
    stream = out.encoded(row.encoder, rate, settings)
    context, source = stream.codec_context, picture.codec_context
    stream.width, stream.height, stream.pix_fmt = *made.size, PIXELS
    context.time_base = 1 / rate
    context.thread_count, context.thread_type = threads, "FRAME"
    hdtv = is_bright(source.color_trc) or (source.colorspace == UNSAID and picture.height >= _HIGH)
    told = (1, 1, 1) if hdtv else (source.colorspace, source.color_primaries, source.color_trc)
    usual = (1, 1, 1) if picture.height >= _HIGH else (6, 6, 6)
    values = tuple(one if one not in (0, UNSAID) else other for one, other in zip(told, usual, strict=True))
    context.colorspace, context.color_primaries, context.color_trc = values
    context.color_range = 1
    if row.tag and made.form == "mp4":
        context.codec_tag = row.tag
    return stream


def _encoded_pictures(stream: Any, frames: Iterator[VideoFrame], rate: Fraction) -> Iterator[Item]:
    moment = Fraction(0)
    for number, frame in enumerate(frames):
        # What a frame was in its source, the encoder would make it again.
        frame.pts, frame.time_base, frame.pict_type = number, 1 / rate, PictureType.NONE
        moment = number / rate
        yield moment, stream, stream.encode(frame)
    yield moment, stream, stream.encode(None)


def _sounds(
    out: Outputs,
    container: InputContainer,
    made: Recipe,
    kind: str,
    parts: tuple[Excerpt, ...],
    longest: Fraction,
    saving: Saving,
    by: float,
) -> Iterator[Item]:
    stream = heard_in(container)
    if stream is None:
        return iter(())
    only(container, stream)
    if made.coding.audio == "copy":
        copied = sound_copied(container, stream, kind, made.form, parts)
        return _copied(out.copied(stream, stream.codec_context.name), copied)
    row, rate = AUDIO[made.coding.audio], made.coding.sampling
    target = out.encoded(row.encoder, rate, row.options, layout="stereo")
    if row.bit_rate:
        target.codec_context.bit_rate = row.bit_rate
    blocks = samples(container, stream, parts, rate, longest)
    shaped = faded(multiplied(blocks, by), round(saving.fade_in * rate), round(saving.fade_out * rate))
    return _encoded_sounds(target, shaped, rate)


def _encoded_sounds(stream: Any, blocks: Iterator[Any], rate: int) -> Iterator[Item]:
    context, moment = stream.codec_context, Fraction(0)
    for frame in portions(blocks, rate, context.format.name, context.frame_size):
        moment = Fraction(frame.pts or 0, rate)
        yield moment, stream, stream.encode(frame)
    yield moment, stream, stream.encode(None)


def _copied(stream: Any, copied: Copied) -> Iterator[Item]:
    for moment, packet in copied.packets:
        yield moment, stream, (packet,)
