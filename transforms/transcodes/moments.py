"""Frames of a film from a moment on, whatever its index says of where that moment is."""

from collections.abc import Generator, Iterator
from fractions import Fraction
from typing import Final

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Discard
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from transforms.containers import decoded, demuxed
from transforms.video.beginning import beginning

_FURTHER_BACK: Final = (Fraction(0), Fraction(1, 2), Fraction(2), Fraction(8))
"""Seconds by which a search begins earlier, one after the other; then from the very beginning."""


def only(container: InputContainer, stream: VideoStream | AudioStream) -> None:
    """Let nothing but one stream be read of a container."""
    for other in container.streams:
        if other is not stream:
            other.discard = Discard.all


def pictures(container: InputContainer, stream: VideoStream, start: Fraction) -> Iterator[tuple[Fraction, VideoFrame]]:
    """Frames with the seconds at which each is shown, the first of them at or before `start` where there is one."""
    zero, base = beginning(container), stream.time_base or Fraction(1, 1_000_000)
    first = Fraction(0) if stream.start_time is None else stream.start_time * base - zero
    if start <= first:
        yield from _timed(container, stream, zero)
        return
    # A seek goes by the time of decoding, which in some films is well before that of showing.
    for back in (*_FURTHER_BACK, None):
        aim = Fraction(0) if back is None else max(start - back, Fraction(0))
        container.seek(int((aim + zero) / base), stream=stream)
        frames = _timed(container, stream, zero)
        found = next(frames, None)
        if found and (found[0] <= start or back is None or not aim):
            yield found
            yield from frames
            return
        frames.close()
        stream.codec_context.flush_buffers()


def _timed(
    container: InputContainer, stream: VideoStream, zero: Fraction
) -> Generator[tuple[Fraction, VideoFrame], None, None]:
    """Decoded frames; one without a time comes right behind the one before it."""
    base, follows = stream.time_base or Fraction(1, 1_000_000), Fraction(0)
    for frame in decoded(demuxed(container, stream)):
        time = follows if frame.pts is None else frame.pts * (frame.time_base or base) - zero
        follows = time + lasting(frame, stream)
        yield time, frame


def lasting(frame: VideoFrame, stream: VideoStream) -> Fraction:
    """Seconds for which a frame is shown, as far as it says."""
    base = frame.time_base or stream.time_base
    if frame.duration and base:
        return frame.duration * base
    return 1 / (stream.average_rate or stream.guessed_rate or Fraction(25))
