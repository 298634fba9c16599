"""Heads and segments of fragmented MP4, each written by a muxer of its own, that fit together in any order."""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import Any, Final

import av
from av.container import OutputContainer

from transforms.video.boxes import only

# One fragment for each muxer, and times that count from the start of the presentation: `frag_discont` and no edit
# list leave them as they are, `cmaf` lets a fragment begin when its first frame is shown and not when it is decoded.
_OPTIONS: Final = {
    "movflags": "+frag_custom+empty_moov+default_base_moof+frag_discont+skip_sidx+cmaf",
    "use_editlist": "0",
    "avoid_negative_ts": "disabled",
    "fflags": "+bitexact",
    "brand": "iso6",
}

Declare = Callable[[OutputContainer], Any]
"""Adds the one stream to a container that is to be written, and returns it."""


class Writer:
    """One fragment of one stream, while it is written."""

    def __init__(self, container: OutputContainer, stream: Any, clock: Fraction) -> None:
        self.stream = stream
        self._container = container
        self._clock = clock

    def write(self, packets: Sequence[Any], end: int) -> None:
        """Write packets in the order in which they are decoded, with `pts` in ticks of the clock.

        `end` is when the last one that is shown is shown no more, in ticks.
        """
        decoded, follows = decode_times([packet.pts for packet in packets], end)
        self._container.start_encoding()
        for packet, moment, later in zip(packets, decoded, follows, strict=True):
            packet.stream, packet.time_base = self.stream, self._clock
            packet.dts, packet.duration = moment, later - moment
            self._container.mux_one(packet)


def decode_times(shown: Sequence[int], end: int) -> tuple[list[int], list[int]]:
    """When packets are decoded, and when the next one is, from when they are shown, all in ticks.

    The moments at which frames are shown, in order and as much earlier as the most delayed frame needs: so segments
    follow each other without a gap, whatever their container said. Only the order matters to a decoder.
    """
    order = sorted(shown)
    delay = max((at - moment for at, moment in zip(order, shown, strict=True)), default=0)
    moments = [at - delay for at in order]
    return moments, [*moments[1:], end - delay]


def head(declare: Declare, clock: Fraction) -> bytes:
    """The init segment of a stream."""
    buffer = io.BytesIO()
    with _muxer(buffer, 1, clock) as container:
        declare(container)
        container.start_encoding()
    return only(buffer.getvalue(), "ftyp", "moov")


@contextmanager
def fragment(sink: io.BytesIO, number: int, declare: Declare, clock: Fraction) -> Iterator[Writer]:
    """Write segment `number` of a stream, whose clock has a tick of `clock` seconds; see `segment_of`."""
    with _muxer(sink, number + 1, clock) as container:
        yield Writer(container, declare(container), clock)


def segment_of(sink: io.BytesIO) -> bytes:
    """The segment without the head that was written before it and the table behind it."""
    return only(sink.getvalue(), "moof", "mdat")


def _muxer(sink: io.BytesIO, number: int, clock: Fraction) -> OutputContainer:
    options = {**_OPTIONS, "video_track_timescale": str(clock.denominator), "fragment_index": str(number)}
    return av.open(sink, "w", format="mp4", options=options)
