"""Single frames of a film: the one that is shown at a moment, the nearest keyframe, the first that shows something."""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Final

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from transforms.containers import demuxed, opened
from transforms.errors import DamagedOriginal, NoSuchStream
from transforms.limits import Limits
from transforms.video.beginning import beginning
from transforms.video.header import picture_of
from transforms.video.interest import shows_something

_FINEST: Final = Fraction(1, 1_000_000)
"""Seconds; a moment in a URL is no finer, so that a frame that begins at a third of a second is met by 0.333333."""
_BACK: Final = tuple(Fraction(2**power, 4) if power else Fraction(0) for power in range(12))
"""Seconds by which a seek goes further back after it has landed too late."""
_AHEAD: Final = 48
"""Packets that are looked at before one is decoded; codecs reorder sixteen at most."""
_WORTH_A_SEEK: Final = 4
"""Seconds from one wanted frame to the next, from which the next is looked for from a keyframe of its own."""
_LOOKED_THROUGH: Final = 120_000_000
"""Pixels that are decoded frame by frame to find the first that shows something."""
_KEYS_TRIED: Final = 24
"""Keyframes, further and further apart, that are tried then."""
_WHOLE: Final = 64
"""Packets that are given to a decoder for one keyframe; two are enough for one in fields."""
_THREADS: Final = 2


class Film:
    """The pictures of an open film. Its moments are exact seconds from the first frame that a player shows."""

    def __init__(self, container: InputContainer, stream: VideoStream, *, alone: bool = False) -> None:
        """`alone` is for who asks for keyframes only: decoders that begin several frames at once are slower for one."""
        self._container, self.stream = container, stream
        self._base = stream.time_base or Fraction(1, 1000)
        self._start = round(beginning(container) / self._base)
        codec = stream.codec_context
        codec.thread_type, codec.thread_count = "SLICE" if alone else "AUTO", _THREADS

    def frame_at(self, moment: Fraction) -> VideoFrame:
        """The frame that a decode of the whole film would show at a moment: the last one that has begun by then.

        Before the first one it is the first, behind the last one the last. Raises DamagedOriginal.
        """
        until, best = self._stamp(moment), None
        for frame in self._decoded(self._from_key(until), until, stop=True):
            if best is None or _begins(frame) <= until:
                best = frame
            if _begins(frame) > until:
                break
        return _there(best)

    def keyframe_at(self, moment: Fraction) -> VideoFrame:
        """The nearest keyframe that has begun by a moment: nothing else is decoded. Raises DamagedOriginal."""
        packets = self._from_key(self._stamp(moment))
        return _there(self._alone(packets))

    def frames_at(self, moments: Iterable[Fraction]) -> Iterator[VideoFrame]:
        """What `frame_at` says of moments that follow each other, in one pass where they lie close together."""
        frames: Iterator[VideoFrame] = iter(())
        current: VideoFrame | None = None
        later: VideoFrame | None = None
        reached: Fraction | None = None
        for moment in moments:
            until = self._stamp(moment)
            if reached is None or not reached <= moment < reached + _WORTH_A_SEEK:
                frames, current = self._decoded(self._from_key(until), until), None
                later = next(frames, None)
            reached = moment
            while later is not None and (current is None or _begins(later) <= until):
                current, later = later, next(frames, None)
            yield _there(current)

    def interesting(self, most: Fraction) -> VideoFrame:
        """The first frame that is neither black nor all of one colour, within so many seconds.

        A beginning is looked through frame by frame, what follows by its keyframes, further and further apart. Where
        nothing is found, it is the first frame. Raises DamagedOriginal.
        """
        size = max(1, self.stream.width * self.stream.height)
        number = max(8, _LOOKED_THROUGH // size)
        first: VideoFrame | None = None
        begun = Fraction(0)
        for frame in islice(self._decoded(self._from_key(self._stamp(begun)), None), number):
            if shows_something(frame):
                return frame
            first, begun = first or frame, self.begins(frame)
        step = max(Fraction(1), most / 400)
        for _ in range(_KEYS_TRIED):
            begun, step = begun + step, step * Fraction(5, 4)
            if begun > most:
                break
            frame = self.keyframe_at(begun)
            if shows_something(frame):
                return frame
        return _there(first)

    def begins(self, frame: VideoFrame) -> Fraction:
        """The moment at which a frame begins."""
        return (_begins(frame) - self._start) * self._base

    # From moments to packets, and from packets to frames.

    def _stamp(self, moment: Fraction) -> int:
        """The last stamp in the stream's own time that a moment includes."""
        return self._start + int((moment + _FINEST) / self._base)

    def _from_key(self, until: int) -> Iterator["Packet[VideoStream]"]:
        """Packets from a keyframe that has begun by then, or from the first one.

        A seek goes by the order of decoding, and so may land on a keyframe that is shown later than that.
        """
        for back in _BACK:
            target = until - int(back / self._base)
            if target <= self._start:
                break
            packets = self._landed(target)
            first = next(packets, None)
            begins = None if first is None else (first.dts if first.pts is None else first.pts)
            if first and (begins is None or begins <= until):
                return chain([first], packets)
        # Some containers find the first packet only from before it, and some nothing there.
        return self._landed(self._start - int(10 / self._base), self._start)

    def _landed(self, *targets: int) -> Iterator["Packet[VideoStream]"]:
        """Packets from the first keyframe behind the place where a seek lands, to the first target that there is."""
        for target in targets:
            with suppress(av.FFmpegError):  # what cannot be sought in is read on
                self._container.seek(target, stream=self.stream)
                break
        self.stream.codec_context.flush_buffers()
        key = False
        for packet in demuxed(self._container, self.stream):
            key = key or packet.is_keyframe
            if key and packet.size:
                yield packet

    def _decoded(
        self, packets: Iterator["Packet[VideoStream]"], until: int | None, stop: bool = False
    ) -> Iterator[VideoFrame]:
        """Frames in the order in which they are shown.

        Those that nothing refers to are left out where another one begins by `until` after them; with `stop` what
        begins later is not decoded either.
        """
        codec, ahead = self.stream.codec_context, deque(islice(packets, _AHEAD))
        while ahead:
            packet = ahead.popleft()
            if stop and until is not None and not _needed(packet, until) and not any(_needed(p, until) for p in ahead):
                break
            late = until is None or packet.pts is None or not _followed(packet.pts, until, ahead)
            codec.skip_frame = "DEFAULT" if late else "NONREF"
            yield from self.stream.decode(packet)
            ahead.extend(islice(packets, 1))
        codec.skip_frame = "DEFAULT"
        yield from self.stream.decode(None)
        codec.flush_buffers()

    def _alone(self, packets: Iterator["Packet[VideoStream]"]) -> VideoFrame | None:
        """The frame of the first packet: a decoder that is flushed does not wait for those that follow."""
        codec = self.stream.codec_context
        codec.skip_frame = "DEFAULT"
        given: list[Packet[VideoStream]] = []
        for packet in islice(packets, _WHOLE):
            given.append(packet)
            frames = [frame for one in given for frame in self.stream.decode(one)] + self.stream.decode(None)
            codec.flush_buffers()
            if frames:
                return frames[0]
        return None


@contextmanager
def film(path: Path, kind: str, limits: Limits, *, alone: bool = False) -> Iterator[Film]:
    """An original's pictures, for as long as the block lasts; `alone` as for Film.

    Raises DamagedOriginal, NoSuchStream, TooManyStreams.
    """
    with opened(path, kind, limits, known=True) as container:
        stream = picture_of(container)
        if stream is None:
            raise NoSuchStream("the original has no pictures that move")
        yield Film(container, stream, alone=alone)


def _needed(packet: "Packet[VideoStream]", until: int) -> bool:
    """Whether a packet is decoded by then, or shown by then: where an edit begins late, the latter comes first."""
    stamps = [stamp for stamp in (packet.dts, packet.pts) if stamp is not None]
    return not stamps or min(stamps) <= until


def _followed(begins: int, until: int, ahead: Iterable["Packet[VideoStream]"]) -> bool:
    """Whether a frame makes room for another one by then."""
    return any(packet.pts is not None and begins < packet.pts <= until for packet in ahead)


def _begins(frame: VideoFrame) -> int:
    return frame.pts if frame.pts is not None else frame.dts or 0


def _there(frame: VideoFrame | None) -> VideoFrame:
    if frame is None:
        raise DamagedOriginal("the original's pictures cannot be decoded")
    return frame
