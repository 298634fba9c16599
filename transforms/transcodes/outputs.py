"""Two muxers fed at once: the finished file, whose index stands in front, and a stream that is played as it grows."""

import io
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
from av.container import OutputContainer
from av.packet import Packet

from transforms.errors import ResultTooLarge

_FINISHED: Final[Mapping[str, Mapping[str, str]]] = {
    "mp4": {"movflags": "+faststart", "fflags": "+bitexact"},
    "webm": {"cues_to_front": "1", "fflags": "+bitexact"},
}
# Pieces of half a second that begin anywhere; with the first comes the index, which by then can tell of delays.
_GROWING: Final[Mapping[str, Mapping[str, str]]] = {
    "mp4": {
        "movflags": "+frag_keyframe+delay_moov+default_base_moof",
        "frag_duration": "500000",
        "flush_packets": "1",
        "fflags": "+bitexact",
    },
    "webm": {"live": "1", "cluster_time_limit": "500", "flush_packets": "1", "fflags": "+bitexact"},
}
_BLOCK: Final = 1 << 16


class _Sink(io.RawIOBase):
    """A file that is only added to."""

    def __init__(self, file: io.RawIOBase) -> None:
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) or 0 :]
        return len(data)


class Outputs:
    """What is encoded or copied goes to both; `put` raises ResultTooLarge beyond `most` bytes."""

    def __init__(self, finished: OutputContainer, growing: OutputContainer | None, most: int) -> None:
        self._finished, self._growing, self._most = finished, growing, most
        self._twins: dict[Any, Any] = {}
        self._bytes = 0

    def encoded(self, encoder: str, rate: Fraction | int, options: Mapping[str, str], **values: Any) -> Any:
        """A stream with an encoder of its own."""
        return self._finished.add_stream(encoder, rate=rate, options=dict(options), **values)

    def copied(self, source: Any, codec: str) -> Any:
        """A stream of packets as they come out of another."""
        stream = self._finished.add_stream_from_template(source)
        if codec == "hevc" and self._finished.format.name == "mp4":
            stream.codec_context.codec_tag = "hvc1"
        return stream

    def begin(self) -> None:
        """Open the encoders and write the heads; streams are not added any more."""
        self._finished.start_encoding()
        for stream in self._finished.streams if self._growing else ():
            assert self._growing
            twin = self._growing.add_stream_from_template(stream)
            twin.time_base = stream.time_base
            self._twins[stream.index] = twin

    def put(self, stream: Any, packet: Any) -> None:
        """Add a packet to a stream, in the order of time."""
        self._bytes += packet.size
        if self._bytes > self._most:
            raise ResultTooLarge(
                f"the film would have more than {self._most // 1_000_000} MB",
                expected="a lower q_ or br_, a smaller w_, or a shorter du_",
            )
        if self._growing:
            twin = Packet(bytes(packet))
            twin.pts, twin.dts, twin.duration = packet.pts, packet.dts, packet.duration
            twin.time_base, twin.is_keyframe = packet.time_base, packet.is_keyframe
            twin.stream = self._twins[stream.index]
            self._growing.mux_one(twin)
        packet.stream = stream
        self._finished.mux_one(packet)


@contextmanager
def outputs(form: str, finished: Path, growing: Path | None, most: int) -> Iterator[Outputs]:
    """Both muxers of a format, open; they are complete when the block has ended well."""
    with ExitStack() as closing:
        stream = None
        if growing:
            file = closing.enter_context(growing.open("xb", buffering=0))
            stream = closing.enter_context(
                av.open(_Sink(file), "w", format=form, options=dict(_GROWING[form]), buffer_size=_BLOCK)
            )
        whole = closing.enter_context(av.open(str(finished), "w", format=form, options=dict(_FINISHED[form])))
        yield Outputs(whole, stream, most)
