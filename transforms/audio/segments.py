"""Segments of sound for streams: AAC in fragmented MP4, each made alone, and together one sound without a seam.

Frame n of a track presents the samples from n * FRAME on, counted from the start of the presentation. A segment holds
all frames from one number up to another, whatever the original has there, so that timestamps never leave the grid.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any, Final

import av
import numpy as np
from av.container import OutputContainer

from transforms.audio.aac import FRAME
from transforms.audio.copied import packets, silent
from transforms.audio.samples import GRID, Track, samples

_BEFORE: Final = 4  # frames that are encoded and thrown away: the encoder has settled, and overlaps with what was there
_AFTER: Final = 2  # frames that the encoder looks ahead at, and overlaps with
# It chooses by the frame alone; the default one looks back further than any pre-roll, which is heard at joins.
_CODER: Final = {"aac_coder": "fast"}
_MUXER: Final = {
    "movflags": "+frag_custom+empty_moov+default_base_moof+frag_discont+skip_sidx+cmaf",
    "use_editlist": "0",
    "avoid_negative_ts": "disabled",
    "fflags": "+bitexact",
    "brand": "iso6",
}


def encoded_head(bits: int) -> bytes:
    """The init segment of sound that is encoded with so many bits a second."""
    with _muxed(0) as (output, written):
        _encoder(output, bits)
        output.start_encoding()
    return _boxes(written, b"ftyp", b"moov")


def encoded(track: Track, first: int, last: int, bits: int) -> bytes:
    """The frames from `first` up to `last` as a segment. Raises what FFmpeg says of damage."""
    begin, end = first - _BEFORE, last + _AFTER
    sound = samples(track, begin * FRAME, end * FRAME)
    with _muxed(first) as (output, written):
        stream = _encoder(output, bits)
        for number in range(begin, end):
            at = (number - begin) * FRAME
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[:, at : at + FRAME]), "fltp", "stereo")
            frame.sample_rate, frame.pts, frame.time_base = GRID, number * FRAME, Fraction(1, GRID)
            for packet in stream.encode(frame):
                if packet.pts is not None and first <= packet.pts // FRAME < last:
                    output.mux_one(packet)
    return _boxes(written, b"moof", b"mdat")


def copied_head(track: Track) -> bytes:
    """The init segment of AAC that is sent as it is."""
    with _muxed(0) as (output, written):
        output.add_stream_from_template(track.stream)
        output.start_encoding()
    return _boxes(written, b"ftyp", b"moov")


def copied(track: Track, first: int, last: int) -> bytes:
    """The frames from `first` up to `last` of the original as a segment, silent ones where it has none."""
    found = packets(track, first, last)
    still = silent(track) if len(found) < last - first else b""
    with _muxed(first) as (output, written):
        stream = output.add_stream_from_template(track.stream)
        for number in range(first, last):
            packet = av.Packet(found.get(number, still))
            packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, track.rate), True
            packet.pts = packet.dts = number * FRAME
            packet.duration = FRAME
            output.mux_one(packet)
    return _boxes(written, b"moof", b"mdat")


def _encoder(output: OutputContainer, bits: int) -> Any:
    stream = output.add_stream("aac", rate=GRID, layout="stereo", options=dict(_CODER))
    stream.codec_context.bit_rate = bits
    return stream


@contextmanager
def _muxed(first: int) -> Iterator[tuple[OutputContainer, io.BytesIO]]:
    """A muxer and what it has written once it is closed; `first` is the number of the first frame."""
    written = io.BytesIO()
    options = {**_MUXER, "fragment_index": str(first + 1)}
    with av.open(written, "w", format="mp4", options=options) as output:
        yield output, written


def _boxes(written: io.BytesIO, *kinds: bytes) -> bytes:
    """The boxes of some kinds at the top of an MP4, in their order."""
    data, at, kept = written.getvalue(), 0, []
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4])
        if data[at + 4 : at + 8] in kinds:
            kept.append(data[at : at + size])
        at += max(8, size)
    return b"".join(kept)
