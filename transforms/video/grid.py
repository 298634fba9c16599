"""The frames of a film, regular: each slot of a grid shows the frame that a viewer would see then."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from typing import Any, Final

import av
from av.container import InputContainer
from av.filter import Graph

from transforms.errors import DamagedOriginal
from transforms.video import keyframes

_HALF: Final = Fraction(1, 2)
_STEPS_BACK: Final = (Fraction(0), Fraction(1, 2), Fraction(1), Fraction(3), Fraction(10), Fraction(60))
_PATIENCE: Final = Fraction(2)
"""Seconds that the last frame stays when no more come; where a film goes on for longer its end is missing."""


def frames(
    container: InputContainer, film: Any, start: Fraction, rate: Fraction, first: int, last: int
) -> Iterator[tuple[int, Any]]:
    """Slots `first` to `last` (excluded) of a grid of `rate` a second that begins at `start`, with their frames.

    A slot has the last frame that is shown half a slot after it at the latest: so a frame that comes a little late by
    its container's rounding is in its own slot. Raises DamagedOriginal where frames end long before.
    """
    decoded = _decoded(container, film, start + first / rate, start + (first + _HALF) / rate)
    held, coming = None, next(decoded, None)
    for slot in range(first, last):
        deadline = start + (slot + _HALF) / rate
        while coming is not None and _moment(coming) <= deadline:
            held, coming = coming, next(decoded, None)
        if held is None and coming is None:
            raise DamagedOriginal("no frame of this part of the original can be decoded")
        if coming is None and held is not None and deadline - _moment(held) > _lasting(held) + _PATIENCE:
            raise DamagedOriginal("the original ends before its container says")
        yield slot, coming if held is None else held


def _moment(frame: Any) -> Fraction:
    return Fraction(frame.pts * frame.time_base)


def _lasting(frame: Any) -> Fraction:
    return Fraction((frame.duration or 0) * frame.time_base)


def _decoded(container: InputContainer, film: Any, begin: Fraction, deadline: Fraction) -> Iterator[Any]:
    """Frames in the order in which they are shown, from one on that is shown at `deadline` or before it."""
    for back in _STEPS_BACK:
        at = max(Fraction(0), begin - back)
        container.seek(round(at / film.time_base), stream=film)
        found = _woven(_upright_times(container, film))
        frame = next(found, None)
        if frame is not None and _moment(frame) <= deadline:
            yield from chain((frame,), found)
            return
        if at == 0 or back == _STEPS_BACK[-1]:
            break
    # From the very start, whatever the index says: the first frame may be late.
    container.seek(min(0, film.start_time or 0), stream=film)
    yield from _woven(_upright_times(container, film))


def _upright_times(container: InputContainer, film: Any) -> Iterator[Any]:
    """Decoded frames from the first keyframe on, each with a time that is later than that of the one before."""
    film.codec_context.flush_buffers()
    packets = keyframes.packets(container, film)
    first = next((packet for packet in packets if packet.is_keyframe), None)
    if first is None:
        return
    at = keyframes.shown(first) or 0
    last = None
    for packet in chain((first,), packets, (None,)):
        for frame in keyframes.decoded(film, packet):
            moment = frame.pts if frame.pts is not None else frame.dts
            moment = at if moment is None else moment
            frame.pts, frame.time_base = moment, film.time_base
            if last is None or moment > last:
                last = moment
                yield frame


def _woven(decoded: Iterator[Any]) -> Iterator[Any]:
    """Frames as they are, or with their two fields made one where they are interlaced."""
    first = next(decoded, None)
    if first is None:
        return
    if not first.interlaced_frame:
        yield from chain((first,), decoded)
        return
    graph = _bwdif(first)
    for frame in chain((first,), decoded, (None,)):
        graph.push(frame)
        for made in _pulled(graph):
            made.colorspace, made.color_range = first.colorspace, first.color_range
            made.color_trc, made.color_primaries = first.color_trc, first.color_primaries
            yield made


def _bwdif(frame: Any) -> Graph:
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format.name, time_base=frame.time_base
    )
    graph.link_nodes(source, graph.add("bwdif", "mode=send_frame:deint=all"), graph.add("buffersink")).configure()
    return graph


def _pulled(graph: Graph) -> Iterator[Any]:
    while True:
        try:
            yield graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
