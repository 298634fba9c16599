"""A film's index read by FFmpeg: from its container's tables and a few packets, with a single frame decoded."""

from fractions import Fraction
from pathlib import Path
from typing import Any, Final, NamedTuple

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from transforms.audio import tracks
from transforms.containers import opened
from transforms.errors import DamagedOriginal, NoSuchStream
from transforms.formats import FORMATS
from transforms.limits import Limits
from transforms.video import keyframes, subtitles
from transforms.video.beginning import beginning
from transforms.video.header import picture_of, square
from transforms.video.index import Index, Picture
from transforms.video.rates import own_rate
from transforms.video.remuxable import Facts, obstacle

_LOOKED_AT: Final = 64  # packets
_BEFORE: Final = 600  # packets that may come before the first keyframe
_FINEST: Final = Fraction(1, 1_000_000)  # a clock of nanoseconds counts four seconds in 32 bits
_RANGES: Final = {16: "PQ", 18: "HLG"}  # transfer characteristics of ITU-T H.273
_CODECS: Final = {"libdav1d": "av1", "libvpx-vp9": "vp9", "mp3float": "mp3"}


def read(path: Path, kind: str, limits: Limits) -> Index:
    """The index of a film or a sound. Raises DamagedOriginal, TooManyStreams, NoSuchStream."""
    with opened(path, kind, limits) as container:
        film = picture_of(container)
        start, picture = _picture(container, film, kind, path.stat().st_size) if film else (None, None)
        if start is None:
            start = beginning(container)
        sounds = tracks.sounds(container, start)
        if picture is None and not sounds:
            raise NoSuchStream("the original has neither pictures nor sound")
        seconds = picture.seconds if picture else max(sound.seconds for sound in sounds)
        return Index(kind, seconds, picture, sounds, subtitles.words(container), start)


class _Beginning(NamedTuple):
    packets: "list[Packet[Any]]"
    """From the first keyframe on."""
    frame: VideoFrame


def codec_of(stream: Any) -> str:
    """FFmpeg's name of a stream's codec, whichever decoder it has; "" where it has none."""
    context = stream.codec_context
    return "" if context is None else _CODECS.get(context.name, context.name)


def _picture(container: InputContainer, film: VideoStream, kind: str, size: int) -> tuple[Fraction, Picture]:
    if kind in keyframes.MATROSKA:
        container.seek(0)  # reads the list of keyframes, which lies at the end
    beginning = _beginning(container, film, kind)
    first = beginning.packets[0]
    base = film.time_base or Fraction(1)
    moments = sorted({(keyframes.shown(packet) or 0) * base for packet in beginning.packets})
    zero = keyframes.shown(first) or 0
    start = (zero if beginning.frame.pts is None else beginning.frame.pts) * base
    rate = own_rate(moments[2:] or moments, film.average_rate)
    found = keyframes.listed(container, film, kind, first, size)
    if found.reach > size:
        raise DamagedOriginal(f"the original is not a whole {FORMATS[kind].title} film: its end is missing")
    end = keyframes.end(container, film, found, size, 1 / rate)
    seconds = max((_said(container, film, start) if end is None else end - start), 1 / rate)
    tried = keyframes.tried(container, film, found.shown)
    clock = max(base, _FINEST)
    turned = bool(getattr(beginning.frame, "rotation", 0))
    width, height = square(film)
    keys = tuple(round((key * base - start) / clock) for key in found.shown if key * base >= start)
    facts = Facts(
        kind=kind,
        codec=codec_of(film),
        pixels=beginning.frame.format.name,
        rate=rate,
        seconds=seconds,
        keys=tuple(key * clock for key in keys),
        weights=found.weights,
        turned=turned,
        interlaced=beginning.frame.interlaced_frame,
        configured=_configured(film),
        late=start != zero * base or bool(keys and keys[0]),
        open=tried.open,
        vague=tried.vague,
    )
    why = obstacle(facts)
    sideways = turned and beginning.frame.rotation % 180 != 0
    return start, Picture(
        stream=film.index,
        codec=facts.codec,
        width=height if sideways else width,
        height=width if sideways else height,
        rate=rate,
        time_base=clock,
        keys=keys,
        weights=found.weights[-len(keys) :] if keys else (),
        seconds=seconds,
        bit_rate=_bits(container, film, kind, found, seconds),
        remux=not why,
        why=why,
        range=_RANGES.get(beginning.frame.color_trc, "SDR"),
    )


def _beginning(container: InputContainer, film: VideoStream, kind: str) -> _Beginning:
    """The first packets from the first keyframe on, and the first frame."""
    kept: list[Packet[Any]] = []
    frame: VideoFrame | None = None
    for number, packet in enumerate(keyframes.packets(container, film)):
        if not kept and not packet.is_keyframe:
            if number > _BEFORE:
                break
            continue
        kept.append(packet)
        frame = frame or next(iter(keyframes.decoded(film, packet)), None)
        if len(kept) >= _LOOKED_AT and frame:
            break
        if len(kept) > _BEFORE:
            break
    if kept and frame is None:
        frame = next(iter(keyframes.decoded(film, None)), None)
    if frame is None:
        raise DamagedOriginal(f"the original is not a whole {FORMATS[kind].title} film: no frame of it can be decoded")
    return _Beginning(kept, frame)


def _said(container: InputContainer, film: VideoStream, start: Fraction) -> Fraction:
    """How long the film says it is, from a moment on its clock."""
    if film.duration:
        return (film.duration + (film.start_time or 0)) * (film.time_base or 1) - start
    return Fraction(container.duration or 0, av.time_base)


def _bits(container: InputContainer, film: VideoStream, kind: str, found: keyframes.Listed, seconds: Fraction) -> int:
    """Bits a second of the pictures, 0 where nobody knows."""
    if kind in keyframes.BY_DECODING and any(found.weights):
        return round(sum(found.weights) * 8 / seconds)
    return film.codec_context.bit_rate or container.bit_rate or 0


def _configured(film: VideoStream) -> bool:
    """Whether parameter sets stand where MP4 wants them (ISO/IEC 14496-15, 5.3.3 and 8.3.3)."""
    extra = film.codec_context.extradata or b""
    if codec_of(film) == "h264":
        return len(extra) > 8 and extra[0] == 1 and bool(extra[5] & 31)
    if codec_of(film) == "hevc":
        return len(extra) > 23 and extra[0] == 1 and extra[22] >= 3
    return codec_of(film) != "av1" or len(extra) >= 4
