"""Where a film's keyframes lie: read from the index of its container, and tried at some places."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice, pairwise, takewhile
from typing import Any, Final, NamedTuple

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from transforms.containers import demuxed

MATROSKA: Final = ("webm", "mkv")
BY_DECODING: Final = ("mp4", "mov", "m4a", "3gp")
"""Kinds whose index says when packets are decoded, not when they are shown."""

_TRIED: Final = 12
_BEHIND: Final = 24  # packets that are looked at behind a keyframe; no encoder reorders so many
_SOUGHT: Final = 300  # packets in which a keyframe must come after a seek
_TAIL: Final = 4000  # packets behind the last keyframe
_HEAVY_TAIL: Final = 32_000_000  # bytes behind the last keyframe that are not read for their times
_LONG: Final = 3  # frames
_STEPS_BACK: Final = (Fraction(0), Fraction(1, 2), Fraction(1), Fraction(2), Fraction(5), Fraction(15), Fraction(60))


class Listed(NamedTuple):
    """Keyframes as an index lists them."""

    shown: tuple[int, ...]
    """On the clock of the stream."""
    weights: tuple[int, ...]
    """Bytes from each to the next; with those of other streams in Matroska."""
    reach: int
    """Where the last packet that is listed ends in the file."""


def shown(packet: "Packet[Any]") -> int | None:
    """When a packet is shown, on the clock of its stream; AVI says only when it is decoded."""
    return packet.dts if packet.pts is None else packet.pts


def packets(container: InputContainer, stream: VideoStream) -> "Iterator[Packet[Any]]":
    """The packets from where the container stands, without the empty one at the end."""
    return (packet for packet in demuxed(container, stream) if packet.size and shown(packet) is not None)


def decoded(stream: VideoStream, packet: "Packet[Any] | None") -> list[VideoFrame]:
    """The frames that come of a packet, or of the end where it is None; none of one that is broken.

    A player shows the frame before it a little longer then, and so do streams: a film is not over for one bad frame.
    """
    try:
        return stream.decode(packet)
    except av.error.InvalidDataError:
        return []


def listed(container: InputContainer, stream: VideoStream, kind: str, first: "Packet[Any]", size: int) -> Listed:
    """The keyframes of the container's index; `first` is the first keyframe, `size` that of the file in bytes."""
    shift = 0
    if kind in BY_DECODING and first.pts is not None and first.dts is not None:
        shift = first.pts - first.dts
    moments, starts, weights, reach = [], [], [], 0
    for entry in stream.index_entries:
        reach = max(reach, entry.pos + entry.size)
        if entry.is_keyframe:
            moments.append(entry.timestamp + shift)
            starts.append(entry.pos)
            weights.append(0)
        if weights:
            weights[-1] += entry.size
    if kind in MATROSKA:
        weights = [max(0, later - start) for start, later in pairwise((*starts, size))]
    order = sorted(set(zip(moments, weights, strict=True)))
    return Listed(tuple(moment for moment, _ in order), tuple(weight for _, weight in order), reach)


def places(keys: Sequence[int]) -> tuple[int, ...]:
    """Some of the keyframes but the first, spread over the film."""
    rest = keys[1:]
    step = max(1, len(rest) // _TRIED)
    return tuple(rest[::-step][:_TRIED])


def near(base: Fraction) -> int:
    """Ticks in a millisecond, at least one: by so much an index may be off, which has times of decoding that are
    rounded each for itself.
    """
    return max(1, round(Fraction(1, 1000) / base))


class Tried(NamedTuple):
    """What keyframes turned out to be."""

    open: bool = False
    vague: bool = False


def tried(container: InputContainer, stream: VideoStream, keys: Sequence[int]) -> Tried:
    """Look whether some keyframes are where they are said to be, and whether frames behind them need others before."""
    for key in places(keys):
        found = until_key(container, stream, key)
        if found is None:
            container.seek(key, stream=stream)
            other = next((packet for packet in islice(packets(container, stream), _SOUGHT) if packet.is_keyframe), None)
            is_open = other is not None and min(_behind(container, stream), default=key) < (shown(other) or 0)
            return Tried(is_open, vague=True)
        key = shown(found) or 0
        times = _behind(container, stream)
        if min(times, default=key) < key:
            return Tried(open=True)
        if len({*times, key}) != len(times) + 1:
            return Tried(vague=True)
    return Tried()


def _behind(container: InputContainer, stream: VideoStream) -> list[int]:
    """When the packets behind a keyframe are shown, up to the next one."""
    following = islice(packets(container, stream), _BEHIND)
    return [shown(packet) or 0 for packet in takewhile(lambda packet: not packet.is_keyframe, following)]


def until_key(container: InputContainer, stream: VideoStream, key: int) -> "Packet[Any] | None":
    """Go to the keyframe that is shown at `key`, give or take `near`, and return its packet; None where it is not.

    Containers look for when packets are decoded, so that the first place may lie behind it.
    """
    base = stream.time_base or Fraction(1)
    allowed = near(base)
    for back in _STEPS_BACK:
        container.seek(key - round(back / base), stream=stream)
        first = True
        for packet in islice(packets(container, stream), _SOUGHT):
            if not packet.is_keyframe:
                continue
            if abs((shown(packet) or 0) - key) <= allowed:
                return packet
            if (shown(packet) or 0) > key:
                break
            first = False
        if not first:
            return None  # it was passed
    return None


def end(container: InputContainer, stream: VideoStream, found: Listed, size: int, step: Fraction) -> Fraction | None:
    """Where the last frame ends on the clock of the file, in seconds; None where that would take long to find out.

    `step` is how long a frame lasts that does not say so.
    """
    base = stream.time_base or Fraction(1)
    if found.weights and found.weights[-1] > _HEAVY_TAIL:
        return None
    if found.shown:
        container.seek(found.shown[-1], stream=stream)
    elif container.duration:
        container.seek(max(0, container.duration + (container.start_time or 0) - 3 * av.time_base))
    last = Fraction(-1)
    for count, packet in enumerate(packets(container, stream)):
        if count > _TAIL:
            return None
        last = max(last, (shown(packet) or 0) * base + _lasting(packet, base, step))
    return None if last < 0 else last


def _lasting(packet: "Packet[Any]", base: Fraction, step: Fraction) -> Fraction:
    """Seconds of the last frame: unless it stays for long, that of any, whatever containers make of the last one."""
    own = (packet.duration or 0) * base
    return own if own >= step * _LONG else step
