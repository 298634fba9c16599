"""Pictures and sound that stay as they are: packets taken out of one container for another."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from transforms.containers import demuxed
from transforms.errors import DamagedOriginal, NotSupported
from transforms.formats import FORMATS
from transforms.transcodes.codecs import CONTAINERS
from transforms.transcodes.excerpts import Excerpt
from transforms.video.beginning import beginning

_WITHOUT_TIMES: Final = ("avi",)
"""Containers that do not say when a frame is shown."""

_PRIMING: Final = Fraction(1, 10)
"""Seconds before the beginning of a film from which its sound is copied: decoders are primed by what nobody hears."""


@dataclass(frozen=True)
class Copied:
    """The part that is copied, and its packets with the seconds at which each comes in the result."""

    part: Excerpt
    packets: Iterator[tuple[Fraction, Any]]


def pictures_copied(container: InputContainer, stream: VideoStream, kind: str, form: str, part: Excerpt) -> Copied:
    """A part of a film's pictures, from the keyframe before its start. Raises NotSupported and DamagedOriginal."""
    _check("vc", stream, kind, form, CONTAINERS[form].copied_video)
    zero, base = beginning(container), stream.time_base or Fraction(1, 1_000_000)
    # A seek goes by the time of decoding, which may be later than that of showing.
    for back in (Fraction(0), Fraction(1, 2), Fraction(2), None):
        if part.start:
            aim = Fraction(0) if back is None else max(part.start - back, Fraction(0))
            container.seek(int((aim + zero) / base), stream=stream)
        packets = _timed(container, stream)
        first = next((packet for packet in packets if packet.is_keyframe), None)
        if first is None:
            raise DamagedOriginal("there is no keyframe in this part of the film")
        start = Fraction(first.pts * base - zero)
        if start <= part.start or back is None or not part.start:
            break
    ends = None if part.end is None else part.end
    return Copied(
        Excerpt(max(start, Fraction(0)), part.end), _moved(_led(first, packets), start + zero, ends, zero, base)
    )


def sound_copied(
    container: InputContainer, stream: AudioStream, kind: str, form: str, parts: tuple[Excerpt, ...]
) -> Copied:
    """A part of a film's sound, in whole packets. Raises NotSupported."""
    _check("ac", stream, kind, form, CONTAINERS[form].copied_audio)
    if len(parts) > 1:
        raise NotSupported("ac_copy: parts are joined where no packet of the sound ends; name a codec", part="ac_copy")
    (part,), zero, base = parts, beginning(container), stream.time_base or Fraction(1, 1_000_000)
    if part.start:
        container.seek(int((max(part.start - 1, Fraction(0)) + zero) / base), stream=stream)
    first = part.start or -_PRIMING
    packets = (packet for packet in _timed(container, stream) if packet.pts * base - zero >= first)
    return Copied(part, _moved(packets, part.start + zero, part.end, zero, base))


def _check(option: str, stream: Any, kind: str, form: str, takes: tuple[str, ...]) -> None:
    codec, part = stream.codec_context.name.removeprefix("lib"), f"{option}_copy"
    codec = {"dav1d": "av1", "vpx-vp9": "vp9", "vpx": "vp8", "mp3float": "mp3", "mp3lame": "mp3"}.get(codec, codec)
    if codec not in takes:
        what = "the pictures" if option == "vc" else "the sound"
        raise NotSupported(
            f"{part}: {what} of the original are no {', '.join(takes)}, which is what {form} takes", part=part
        )
    if kind in _WITHOUT_TIMES:
        raise NotSupported(f"{part}: {FORMATS[kind].title} does not say when a frame is shown", part=part)


def _timed(container: InputContainer, stream: VideoStream | AudioStream) -> Iterator[Any]:
    """Packets that say when they are shown and decoded; each that does not is one too many to guess."""
    for packet in demuxed(container, stream):
        if packet.size and packet.pts is not None:
            if packet.dts is None:
                packet.dts = packet.pts
            yield packet


def _led(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest


def _moved(
    packets: Iterator[Any], start: Fraction, end: Fraction | None, zero: Fraction, base: Fraction
) -> Iterator[tuple[Fraction, Any]]:
    """Packets on a clock that begins at `start`, up to those that are shown from `end` on."""
    shift, before = round(start / base), None
    for packet in packets:
        if end is not None and packet.dts * base - zero >= end:
            return
        if end is not None and packet.pts * base - zero >= end:
            continue
        packet.pts -= shift
        packet.dts -= shift
        if before is not None and packet.dts <= before:
            continue  # what goes back in time no container takes
        before = packet.dts
        yield max(packet.dts * base, Fraction(0)), packet
