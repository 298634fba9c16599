"""Frames made fit for a stream: scaled, turned upright, and in the colours that every screen has."""

import struct
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

from av.filter import Graph

_BT709: Final = 1  # of primaries, transfer and matrix alike, in ITU-T H.273
_BT2020: Final = 9
_HIGH_RANGE: Final = (16, 18)
_UNKNOWN: Final = (0, 2, 3)  # 0 is RGB, which knows no matrix
_LOWEST_HD: Final = 720
_PAL: Final = 5  # the matrix of ITU-R BT.601, which films of less than HD have that do not say theirs
_SAME_MATRIX: Final = {6: _PAL}

_TURNS: Final[dict[tuple[int, ...], str]] = {
    (0, 1, -1, 0): "transpose=clock",
    (-1, 0, 0, -1): "hflip,vflip",
    (0, -1, 1, 0): "transpose=cclock",
    (-1, 0, 0, 1): "hflip",
    (1, 0, 0, -1): "vflip",
    (0, 1, 1, 0): "transpose=cclock_flip",
    (0, -1, -1, 0): "transpose=clock_flip",
}
"""FFmpeg's filters by the signs of a display matrix, as ISO/IEC 14496-12, 8.3.2 has it, without what it shifts."""


class Fitting:
    """What all frames of one segment go through; the first one says what that is."""

    def __init__(self, width: int, height: int, scaling: str) -> None:
        self._size = (width, height)
        self._scaling = scaling
        self._turn: Callable[[Any], Any] | None = None
        self._known: tuple[Any, Any] | None = None

    def fit(self, frame: Any) -> Any:
        """The frame in 8 bits, 4:2:0 and BT.709; the same object again while a frame stays."""
        if self._known is not None and self._known[0] is frame:
            return self._known[1]
        filters = _TURNS.get(signs(frame), "")
        width, height = self._size if "transpose" not in filters else self._size[::-1]
        made = frame.reformat(width, height, "yuv420p", interpolation=self._scaling, **_colours(frame))
        if filters:
            self._turn = self._turn or turning(made, filters)
            made = self._turn(made)
        self._known = (frame, made)
        return made


def signs(frame: Any) -> tuple[int, ...]:
    """How a frame is to be turned: the signs of a, b, c and d of its display matrix; upright is 1, 0, 0, 1."""
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX" and data.buffer_size >= 36:
            a, b, _, c, d = struct.unpack_from("=5i", bytes(data))
            most = max(abs(value) for value in (a, b, c, d))
            return tuple((value > most / 2) - (value < -most / 2) for value in (a, b, c, d))
    return (1, 0, 0, 1)


def _colours(frame: Any) -> dict[str, Any]:
    """What the scaler is told of the colours that come and go."""
    matrix = frame.colorspace
    if matrix in _UNKNOWN:
        matrix = _BT709 if frame.height >= _LOWEST_HD else _PAL
    told = {
        "src_colorspace": _SAME_MATRIX.get(matrix, matrix),
        "dst_colorspace": _BT709,
        "src_color_range": "JPEG" if frame.color_range == 2 or frame.format.name.startswith("yuvj") else "MPEG",
        "dst_color_range": "MPEG",
    }
    if frame.color_trc in _HIGH_RANGE or frame.color_primaries == _BT2020:
        told |= {"dst_color_trc": _BT709, "dst_color_primaries": _BT709}
    return told


def turning(like: Any, filters: str) -> Callable[[Any], Any]:
    """A function that turns frames like this one."""
    graph = Graph()
    chain = [
        graph.add_buffer(width=like.width, height=like.height, format=like.format.name, time_base=Fraction(1, 90_000))
    ]
    for part in filters.split(","):
        name, _, argument = part.partition("=")
        chain.append(graph.add(name, argument or None))
    graph.link_nodes(*chain, graph.add("buffersink")).configure()

    def turn(frame: Any) -> Any:
        graph.push(frame)
        return graph.pull()

    return turn
