"""Films and sounds opened by FFmpeg: what it may read, and how it is kept from reading anything else."""

import io
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import av
from av.container import InputContainer

from transforms.errors import DamagedOriginal
from transforms.formats import FORMATS
from transforms.limits import Limits

DEMUXERS: Final = {
    "mp4": "mov",
    "mov": "mov",
    "m4a": "mov",
    "3gp": "mov",
    "webm": "matroska",
    "mkv": "matroska",
    "avi": "avi",
    "ts": "mpegts",
    "mp3": "mp3",
    "aac": "aac",
    "ogg": "ogg",
    "opus": "ogg",
    "flac": "flac",
    "wav": "wav",
}
"""FFmpeg's name of the one reader of each kind of our formats."""

_READ_AT_ONCE: Final = 1 << 18
# The list names every format that a demuxer answers to; no protocol means that nothing in a file leads to another.
_SAFE: Final = {"format_whitelist": "", "protocol_whitelist": "none"}
_OPTIONS: Final[dict[str, dict[str, str]]] = {
    # Guessed timestamps would be looked for through a megabyte of an AVI, which has no others.
    "avi": {"probesize": "32768", "analyzeduration": "0"},
}
# For who knows the film: bytes that are read of its packets, and no frame of them is decoded.
_LITTLE: Final = {"probesize": "65536", "fpsprobesize": "0"}
_UNSEEN: Final = {"skip_frame": "all"}


class Nameless(io.RawIOBase):
    """A file for FFmpeg: without a name that it could guess from, and never with more bytes than were asked for."""

    def __init__(self, file: io.RawIOBase) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._file.readinto(buffer) or 0

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == os.SEEK_END:  # FFmpeg asks for the last byte to learn the size, of an empty file too
            offset, whence = max(0, self._file.seek(0, os.SEEK_END) + offset), os.SEEK_SET
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


@contextmanager
def opened(path: Path, kind: str, limits: Limits, *, known: bool = False) -> Iterator[InputContainer]:
    """An original of a kind of `DEMUXERS`, open for reading. Raises DamagedOriginal and TooManyStreams.

    FFmpeg decodes some frames to learn what a container does not say, such as the format of pixels and of samples. Who
    has `known` that, and asks for pictures, is spared it where the container says all else.
    What FFmpeg says of bytes that it cannot use is DamagedOriginal too, in the whole of the block.
    """
    demuxer = DEMUXERS[kind]
    # A film may grow in its midst, or be larger than its container says: its decoders refuse such frames.
    bounds = {"max_pixels": str(round(limits.video_megapixels * 1_000_000))}
    options = {**_SAFE, "format_whitelist": ",".join((demuxer, *_ALIASES.get(demuxer, ()))), **_OPTIONS.get(kind, {})}
    sparing = known and demuxer == "mov"
    if sparing:
        options |= _LITTLE
    looking = bounds | _UNSEEN if sparing else bounds
    with (
        path.open("rb", buffering=0) as file,
        damage_told(kind),
        _begun(file, demuxer, options, [looking] * limits.streams) as container,
    ):
        limits.check_streams(len(container.streams))
        for stream in container.streams.video:
            if stream.codec_context:
                stream.codec_context.options = bounds
        yield container


def _begun(
    file: io.RawIOBase, demuxer: str, options: dict[str, str], of_streams: list[dict[str, str]]
) -> InputContainer:
    """A container whose streams have options for the frames that are looked at while it is opened."""

    def begin(of_streams: Any) -> InputContainer:
        return av.open(
            Nameless(file),
            "r",
            format=demuxer,
            options=options,
            stream_options=of_streams,
            buffer_size=_READ_AT_ONCE,
            metadata_errors="replace",
        )

    try:
        return begin(of_streams)
    except ValueError:  # it has none that are known before packets are read, if any
        file.seek(0)
        return begin(None)


def demuxed(container: InputContainer, *streams: Any) -> Iterator[Any]:
    """The packets of some streams, or of all, from where a container stands, an empty one of each at the end.

    MPEG-TS may have streams that begin in its midst; PyAV knows only those that were there when it was opened.
    """
    while True:
        try:
            yield from container.demux(*streams)
        except IndexError:  # that packet is read, and the next one follows
            continue
        return


_DAMAGED_FROM, _DAMAGED_SHARE = 4, 10  # packets: so many and a tenth


def decoded(packets: Iterable[Any]) -> Iterator[Any]:
    """Frames of the packets of one stream; a damaged one is a hole, as it is for players, unless many are.

    Raises what FFmpeg says of damage then.
    """
    whole = damaged = 0
    for packet in packets:
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            damaged += 1
            if damaged > _DAMAGED_FROM + whole // _DAMAGED_SHARE:
                raise
            continue
        whole += 1
        yield from frames


_ALIASES: Final = {"mov": ("mov,mp4,m4a,3gp,3g2,mj2",), "matroska": ("matroska,webm",)}


@contextmanager
def damage_told(kind: str) -> Iterator[None]:
    """Raise DamagedOriginal where FFmpeg cannot go on with an original, and MemoryError where memory is short.

    Encoders in libraries of their own, such as x264, say no more than that they failed; on frames that were decoded
    they have no other reason to.
    """
    try:
        yield
    except (av.error.MemoryError, av.error.ExternalError) as error:
        raise MemoryError from error
    except (av.FFmpegError, EOFError) as error:
        noun = "film" if FORMATS[kind].medium == "motion" else "sound"
        raise DamagedOriginal(f"the original is not a whole {FORMATS[kind].title} {noun}") from error
