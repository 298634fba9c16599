"""Pictures that sounds carry: found, measured, and opened as the originals that they are."""

import dataclasses
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer

from transforms.containers import demuxed, opened
from transforms.errors import NoSuchStream, Refusal
from transforms.headers import Header, read_header
from transforms.limits import Limits
from transforms.wishes import Loading

NO_COVER = "the original is a sound without a cover: there is no picture in it; e_waveform draws the sound itself"


def is_cover(stream: Any) -> bool:
    """Whether a stream is a picture attached to a sound."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def cover_of(container: InputContainer) -> tuple[bytes, Header] | None:
    """The first attached picture of a kind that is read here without a library, and its header; it does not move."""
    streams = [stream for stream in container.streams.video if is_cover(stream)]
    wanted = {stream.index for stream in streams}
    if not streams:
        return None
    for packet in demuxed(container, *streams):
        if packet.stream_index not in wanted:
            break
        wanted.discard(packet.stream_index)
        data = bytes(packet)
        with suppress(Refusal):
            if header := read_header(BytesIO(data), len(data)):
                return data, dataclasses.replace(header, frames=1)
        if not wanted:
            break
    return None


def cover_size(container: InputContainer) -> tuple[int, int] | None:
    """Width and height of the cover, upright; None where there is none that is read."""
    found = cover_of(container)
    with suppress(av.FFmpegError):
        container.seek(0)
    return found[1].upright if found else None


@contextmanager
def as_picture(path: Path, header: Header, loading: Loading, limits: Limits) -> Iterator[tuple[Path, Header]]:
    """Where to read what is shown of an original, and its header: of a sound its cover, of all else itself.

    The cover goes through every check that a picture does. Raises NoSuchStream where a sound has none, and what
    `Limits.check_original` raises.
    """
    if header.medium != "sound" or loading.waveform:
        yield path, header
        return
    with opened(path, header.kind, limits) as container:
        found = cover_of(container)
    if found is None:
        raise NoSuchStream(NO_COVER)
    data, cover = found
    limits.check_original(cover, moving=False)
    descriptor = os.memfd_create("cover", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(data)
        yield Path(f"/proc/self/fd/{descriptor}"), cover
    finally:
        os.close(descriptor)
