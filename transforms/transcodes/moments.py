"""Frames of a film from a moment on, whatever its index says of where that moment is."""

from collections.abc import Generator, Iterator
from fractions import Fraction
from typing import Any, Final

from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import InvalidDataError
from av.stream import Discard
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from transforms.audio.stereo import sound_of

_FURTHER_BACK: Final = (Fraction(0), Fraction(1, 2), Fraction(2), Fraction(8))
"""Seconds by which a search begins earlier, one after the other; then from the very beginning."""
_DAMAGED_FROM, _DAMAGED_SHARE = 4, 10  # packets that are let pass, as players do: so many and a tenth


def origin(container: InputContainer) -> Fraction:
    """When the presentation begins on the container's own clock, in seconds: the earliest of its streams."""
    return max(Fraction(container.start_time or 0, 1_000_000), Fraction(0))


def heard_in(container: InputContainer) -> AudioStream | None:
    """The sound that a player plays, where a film has any. Raises UnsupportedFormat."""
    return sound_of(container) if container.streams.audio else None


def only(container: InputContainer, stream: VideoStream | AudioStream) -> None:
    """Let nothing but one stream be read of a container."""
    for other in container.streams:
        if other is not stream:
            other.discard = Discard.all


def pictures(container: InputContainer, stream: VideoStream, start: Fraction) -> Iterator[tuple[Fraction, VideoFrame]]:
    """Frames with the seconds at which each is shown, the first of them at or before `start` where there is one."""
    return _from(container, stream, start, Fraction(0))


def sounds(container: InputContainer, stream: AudioStream, start: Fraction) -> Iterator[tuple[Fraction, AudioFrame]]:
    """The same of sound, from a little before, since the first frames after a jump may depend on those before them."""
    return _from(container, stream, start, Fraction(1, 5))


def _from(
    container: InputContainer, stream: VideoStream | AudioStream, start: Fraction, early: Fraction
) -> Iterator[Any]:
    zero, base = origin(container), stream.time_base or Fraction(1, 1_000_000)
    first = Fraction(0) if stream.start_time is None else stream.start_time * base - zero
    if start - early <= first:
        yield from _timed(container, stream, zero)
        return
    # A seek goes by the time of decoding, which in some films is well before that of showing.
    for back in (*_FURTHER_BACK, None):
        aim = Fraction(0) if back is None else max(start - early - back, Fraction(0))
        container.seek(int((aim + zero) / base), stream=stream)
        frames = _timed(container, stream, zero)
        found = next(frames, None)
        if found and (found[0] <= start or back is None or not aim):
            yield found
            yield from frames
            return
        frames.close()
        stream.codec_context.flush_buffers()


def _timed(container: InputContainer, stream: VideoStream | AudioStream, zero: Fraction) -> Generator[Any, None, None]:
    """Decoded frames; one without a time comes right behind the one before it. Of damaged ones a few are left out."""
    base, follows = stream.time_base or Fraction(1, 1_000_000), Fraction(0)
    whole = damaged = 0
    for packet in container.demux(stream):
        try:
            frames: list[Any] = packet.decode()
        except InvalidDataError:
            damaged += 1
            if damaged > _DAMAGED_FROM + whole // _DAMAGED_SHARE:
                raise
            continue
        whole += 1
        for frame in frames:
            time = follows if frame.pts is None else frame.pts * (frame.time_base or base) - zero
            follows = time + lasting(frame, stream)
            yield time, frame


def lasting(frame: VideoFrame | AudioFrame, stream: VideoStream | AudioStream) -> Fraction:
    """Seconds for which a frame is shown or heard, as far as it says."""
    if isinstance(frame, AudioFrame):
        return Fraction(frame.samples, frame.sample_rate or 1)
    base = frame.time_base or stream.time_base
    if frame.duration and base:
        return frame.duration * base
    assert isinstance(stream, VideoStream)
    return 1 / (stream.average_rate or stream.guessed_rate or Fraction(25))
