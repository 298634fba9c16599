"""The words that a container holds, packet by packet, as cues."""

import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import chain
from typing import Any, Final

import av
from av.container import InputContainer

from transforms.containers import demuxed
from transforms.errors import DamagedOriginal, NoSuchStream
from transforms.video.cues import MOST_CUES, Cue, made
from transforms.video.index import Words

_BACK: Final = 30  # seconds before a segment, in which a cue that is still shown in it may begin
_BEHIND: Final = 2  # seconds that words may lie behind the pictures that they belong to
_UNSAID: Final = Fraction(4)  # seconds of a cue that does not say how long it lasts
_DRAWING: Final = re.compile(r"\\p[1-9]")
_OVERRIDE: Final = re.compile(r"\{[^{}]*\}")
_LONGEST: Final = 64 * 1024  # bytes of one packet; what is shown of it is cut to far less
_SPACES: Final = ((r"\N", "\n"), (r"\n", "\n"), (r"\h", " "))


def _plain(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _timed_text(data: bytes) -> str:
    """3GPP TS 26.245, 5.17: the length of the text in two bytes, the text, boxes of styles."""
    text = data[2 : 2 + int.from_bytes(data[:2])]
    return (
        text.decode("utf-16", "replace") if text[:2] in (b"\xff\xfe", b"\xfe\xff") else text.decode("utf-8", "replace")
    )


def _script(data: bytes) -> str:
    """The last of the nine fields that Matroska has of a line of ASS; drawings are no words."""
    text = data.decode("utf-8", "replace").split(",", 8)[-1]
    if any(map(_DRAWING.search, _OVERRIDE.findall(text))):
        return ""
    text = _OVERRIDE.sub("", text)
    for sign, meant in _SPACES:
        text = text.replace(sign, meant)
    return text.replace("<", "&lt;")  # which is no tag here


_READERS: Final[dict[str, Callable[[bytes], str]]] = {
    "subrip": _plain,
    "text": _plain,
    "webvtt": _plain,
    "mov_text": _timed_text,
    "ass": _script,
    "ssa": _script,
}
"""By FFmpeg's name of the codec. Subtitles that are pictures are none of these."""


def codec_of(stream: Any) -> str:
    """FFmpeg's name of a codec, "" where there is no decoder for it."""
    return stream.codec_context.codec.canonical_name if stream.codec_context else ""


def words(container: InputContainer) -> tuple[Words, ...]:
    """Tracks of words that can be shown as text."""
    flags = av.stream.Disposition
    return tuple(
        Words(
            stream=stream.index,
            codec=codec_of(stream),
            language=stream.metadata.get("language", ""),
            title=stream.metadata.get("title", ""),
            default=bool(stream.disposition & flags.default),
            forced=bool(stream.disposition & flags.forced),
        )
        for stream in container.streams.subtitles
        if codec_of(stream) in _READERS
    )


def cues(container: InputContainer, number: int, start: Fraction, begin: float, end: float) -> Iterator[Cue]:
    """The cues of a track that are shown between two moments, in seconds of the presentation.

    `start` is where that starts on the clock of the file. Raises NoSuchStream and DamagedOriginal.
    """
    stream: Any = next((stream for stream in container.streams.subtitles if stream.index == number), None)
    if stream is None or codec_of(stream) not in _READERS:
        raise NoSuchStream(f"the original has no words in stream {number}")
    reader = _READERS[codec_of(stream)]
    for count, packet in enumerate(_packets(container, stream, start, begin, end)):
        if count > MOST_CUES:
            raise DamagedOriginal(f"a track of words has more than {MOST_CUES} cues in one place")
        shown = packet.pts * stream.time_base - start
        lasting = packet.duration * stream.time_base if packet.duration else _UNSAID
        cue = made(round(shown * 1000), round((shown + lasting) * 1000), reader(bytes(packet)[:_LONGEST]))
        if cue and cue.start < end * 1000 and cue.end > begin * 1000:
            yield cue


def _packets(container: InputContainer, stream: Any, start: Fraction, begin: float, end: float) -> Iterator[Any]:
    """Packets of words from well before one moment up to another.

    Words are rare: where a file has no table of them, pictures or sound tell how far it has been read.
    """
    clock = None if container.format.name.startswith("mov") else _clock(container)
    for other in container.streams:
        if other not in (stream, clock):
            other.discard = av.stream.Discard.all
    if begin > _BACK:
        _seek(container, clock or stream, start + Fraction(begin) - _BACK)
    for packet in demuxed(container, stream, *([clock] if clock else [])):
        at = packet.pts if packet.pts is not None else packet.dts
        if at is None:
            continue
        shown = at * packet.time_base - start
        if packet.stream is stream and packet.size and packet.pts is not None:
            if shown < end:
                yield packet
            elif clock is None:
                return
        elif packet.stream is clock and shown >= end + _BEHIND:
            return


def _clock(container: InputContainer) -> Any:
    return next(chain(container.streams.video, container.streams.audio), None)


def _seek(container: InputContainer, stream: Any, seconds: Fraction) -> None:
    try:
        container.seek(int(seconds / stream.time_base), stream=stream)
    except av.FFmpegError:
        container.seek(0)
