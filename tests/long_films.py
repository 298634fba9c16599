"""Films that are long to fetch and quick to make: a clip whose index and whose pictures lie far apart."""

import io
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import av

from tests import clips
from tests.origin_stub import Sparse

GIB = 1 << 30


@lru_cache
def clip(seconds: int = 6, front: bool = False) -> bytes:
    """An MP4 of a test picture with a keyframe each second; its index is at the front or at the end."""
    file = io.BytesIO()
    with (
        av.open(f"testsrc2=size=160x90:rate=10:duration={seconds}", format="lavfi") as source,
        av.open(file, "w", format="mp4") as target,
    ):
        stream: Any = target.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 90, "yuv420p"
        stream.options = {"preset": "ultrafast", "g": "10", "keyint_min": "10", "sc_threshold": "0"}
        for frame in source.decode(video=0):
            frame.pict_type = av.video.frame.PictureType.NONE
            target.mux(stream.encode(frame.reformat(format="yuv420p")))
        target.mux(stream.encode())
    return _with_index_first(file.getvalue()) if front else file.getvalue()


def looped(path: Path, short: clips.Film, times: int) -> Path:
    """An MP4 that shows a short film so many times, which costs no more than to make that once. Returns the path.

    The short one lasts whole seconds, and as many frames of sound as fit: 8 seconds of 48 kHz are 375 of AAC.
    """
    once = clips.film(path.with_name(f"once-{path.name}"), short)
    with (
        av.open(str(once)) as source,
        av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as target,
    ):
        tracks = {track.index: target.add_stream_from_template(track) for track in source.streams}
        packets: list[Any] = [packet for packet in source.demux() if packet.dts is not None]
        for number in range(times):
            for packet in packets:
                moment = packet.pts * packet.time_base
                # What an encoder puts before the first frame of sound, or behind the last, is there once.
                if (moment < 0 and number) or moment >= short.seconds:
                    continue
                shift = round(number * short.seconds / packet.time_base)
                again: Any = av.Packet(bytes(packet))
                again.stream, again.time_base = tracks[packet.stream.index], packet.time_base
                again.duration = packet.duration
                again.pts, again.dts, again.is_keyframe = packet.pts + shift, packet.dts + shift, packet.is_keyframe
                target.mux(again)
    once.unlink()
    return path


def stretched(film: bytes, size: int) -> Sparse:
    """The same film with so many bytes: what is between its index and its pictures is left out by players.

    ISO/IEC 14496-12: a file is boxes; `free` holds nothing; `stco` says where in the file the pictures are.
    """
    boxes = dict(_boxes(film))
    gap = size - len(film)
    free = gap.to_bytes(4) + b"free"
    end = len(film) - len(boxes["moov"])
    if list(boxes)[-1] == "moov":
        return Sparse(size, {0: film[:end] + free, size - len(boxes["moov"]): boxes["moov"]})
    before = film[: film.index(boxes["mdat"])]
    return Sparse(size, {0: _shifted(before, gap) + free, len(before) + gap: boxes["mdat"]})


def _boxes(film: bytes) -> Iterator[tuple[str, bytes]]:
    at = 0
    while at < len(film):
        length = int.from_bytes(film[at : at + 4])
        yield film[at + 4 : at + 8].decode(), film[at : at + length]
        at += length


def _with_index_first(film: bytes) -> bytes:
    boxes = dict(_boxes(film))
    index = boxes.pop("moov")
    index = _shifted(index, len(index))
    return b"".join((boxes.pop("ftyp"), index, *boxes.values()))


def _shifted(index: bytes, by: int) -> bytes:
    at = index.index(b"stco") + 8
    moved, count = bytearray(index), int.from_bytes(index[at : at + 4])
    for place in range(at + 4, at + 4 + 4 * count, 4):
        moved[place : place + 4] = (int.from_bytes(index[place : place + 4]) + by).to_bytes(4)
    return bytes(moved)
