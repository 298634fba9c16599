"""Frames made fit for a stream: scaled, turned upright, and in the colours that every screen has."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, Final

import av
import numpy as np
from av.filter import Graph
from av.video.reformatter import VideoReformatter

from transforms.video.brightness import is_bright, shown
from transforms.video.display import orientation

_BT709: Final = 1  # of primaries, transfer and matrix alike, in ITU-T H.273
_BT2020: Final = 9
_UNKNOWN: Final = (0, 2, 3)  # 0 is RGB, which knows no matrix
_LOWEST_HD: Final = 720
_PAL: Final = 5  # the matrix of ITU-R BT.601, which films of less than HD have that do not say theirs
_SAME_MATRIX: Final = {6: _PAL}
_FULL: Final = 2

_TURNS: Final = {
    2: ("hflip",),
    3: ("hflip", "vflip"),
    4: ("vflip",),
    5: ("transpose=cclock_flip",),
    6: ("transpose=clock",),
    7: ("transpose=clock_flip",),
    8: ("transpose=cclock",),
}
"""FFmpeg's filters by EXIF orientation."""
_SIDEWAYS: Final = (5, 6, 7, 8)

_LEVEL: Final = 6
"""Of the table of colours: 36 steps of each, between which is interpolated; PQ and HLG are as even as the eye is."""


class Fitting:
    """What all frames of one segment go through; the first one says what that is."""

    def __init__(self, width: int, height: int, scaling: str) -> None:
        self._size = (width, height)
        self._scaling = scaling
        # A frame that scales itself has a scaler of its own, whose threads stay for as long as there is the frame.
        self._scaler: Any = VideoReformatter()
        self._brightly: Any = VideoReformatter()
        self._darken: Callable[[Any], Any] | None = None
        self._turned: int | None = None
        self._turn: Callable[[Any], Any] | None = None
        self._known: tuple[Any, Any] | None = None

    def fit(self, frame: Any) -> Any:
        """The frame in 8 bits, 4:2:0 and BT.709; the same object again while a frame stays."""
        if self._known is None or self._known[0] is not frame:
            self._known = (frame, self._fitted(frame))
        return self._known[1]

    def _fitted(self, frame: Any) -> Any:
        # Asked of one frame alone: it goes only when the garbage is collected next, and frames are large.
        self._turned = turned = self._turned or orientation(frame)
        width, height = self._size[::-1] if turned in _SIDEWAYS else self._size
        source = {"src_colorspace": _matrix(frame), "src_color_range": "JPEG" if _is_full(frame) else "MPEG"}
        if is_bright(frame.color_trc):
            made = self._brightly.reformat(
                frame,
                width,
                height,
                "rgb48le",
                interpolation=self._scaling,
                dst_color_range="JPEG",
                threads=1,
                **source,
            )
            self._darken = self._darken or darkening(made, frame.color_trc)
            frame = self._darken(made)
            source = {"src_colorspace": _BT709, "src_color_range": "JPEG"}
        made = self._scaler.reformat(
            frame,
            width,
            height,
            "yuv420p",
            threads=1,
            interpolation=self._scaling,
            dst_colorspace=_BT709,
            dst_color_range="MPEG",
            **source,
            **_primaries(frame),
        )
        if turned == 1:
            return made
        self._turn = self._turn or _through(made, _TURNS[turned])
        return self._turn(made)


def _matrix(frame: Any) -> int:
    matrix = int(frame.colorspace)
    if matrix in _UNKNOWN:
        matrix = _BT709 if frame.height >= _LOWEST_HD else _PAL
    return _SAME_MATRIX.get(matrix, matrix)


def _is_full(frame: Any) -> bool:
    """Whether black is 0, which the name of the pixels may say as well."""
    return bool(frame.color_range == _FULL) or frame.format.name.startswith(("yuvj", "rgb", "bgr", "gbr"))


def _primaries(frame: Any) -> dict[str, int]:
    """Wide colours that are no brighter than white are brought to those of every screen by the scaler."""
    wide = frame.color_primaries == _BT2020 and not is_bright(frame.color_trc)
    return {"dst_color_primaries": _BT709} if wide else {}


def darkening(like: Any, transfer: int) -> Callable[[Any], Any]:
    """A function that brings frames like this one, of RGB in PQ or HLG, to the light of every screen.

    By a table of colours (FFmpeg's haldclut) that is worked out once, as posters are pixel by pixel.
    """
    steps, side = _LEVEL**2, _LEVEL**3
    levels = np.round(np.linspace(0, 65_535, steps)).astype(np.uint16)
    blue, green, red = np.meshgrid(levels, levels, levels, indexing="ij")
    table = shown(np.stack([red, green, blue], axis=-1).reshape(side, side, 3), transfer)
    clut = av.VideoFrame.from_ndarray(table.astype(np.uint16) * 257, format="rgb48le")
    graph = Graph()
    main, colours = _entrance(graph, like), _entrance(graph, clut)
    applied = graph.add("haldclut", "interp=tetrahedral:clut=first")
    main.link_to(applied, 0, 0)
    colours.link_to(applied, 0, 1)
    applied.link_to(graph.add("buffersink"))
    graph.configure()
    clut.pts, clut.time_base = 0, _CLOCK
    colours.push(clut)
    colours.push(None)  # it stays as it is, so that nothing is waited for
    return _passed(graph, main)


def _through(like: Any, filters: Sequence[str]) -> Callable[[Any], Any]:
    """A function that sends frames like this one through filters that make one of each."""
    graph = Graph()
    entrance = _entrance(graph, like)
    chain = [entrance, *(graph.add(*filter_.split("=", 1)) for filter_ in filters), graph.add("buffersink")]
    graph.link_nodes(*chain).configure()
    return _passed(graph, entrance)


_CLOCK: Final = Fraction(1, 1000)


def _entrance(graph: Graph, like: Any) -> Any:
    return graph.add_buffer(width=like.width, height=like.height, format=like.format.name, time_base=_CLOCK)


def _passed(graph: Graph, entrance: Any) -> Callable[[Any], Any]:
    count = 0

    def passed(frame: Any) -> Any:
        nonlocal count
        count += 1
        frame.pts, frame.time_base = count, _CLOCK
        entrance.push(frame)
        return graph.pull()

    return passed
