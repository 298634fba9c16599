"""Frames of HDR films brought to the light of every screen, fast enough for all frames of a film."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

import av
import numpy as np
from av.filter import Graph
from av.video.reformatter import VideoReformatter

from transforms.video.brightness import shown

_LEVEL: Final = 6
"""Of the table of colours: 36 steps of each, between which is interpolated; PQ and HLG are as even as the eye is."""
_CLOCK: Final = Fraction(1, 1000)


class Dimming:
    """Scales frames of PQ and HLG and makes RGB of BT.709 of them, all of one size."""

    def __init__(self, width: int, height: int, scaling: str) -> None:
        self._size, self._scaling = (width, height), scaling
        # A frame that scales itself has a scaler of its own, whose threads stay for as long as there is the frame.
        self._scaler: Any = VideoReformatter()
        self._darken: tuple[int, Callable[[Any], Any]] | None = None

    def dim(self, frame: Any, **source: Any) -> Any:
        """The frame in `rgb48le` of full range; `source` is what the scaler is told of the frame's colours."""
        made = self._scaler.reformat(
            frame,
            *self._size,
            "rgb48le",
            interpolation=self._scaling,
            dst_color_range="JPEG",
            threads=1,
            **source,
        )
        if self._darken is None or self._darken[0] != frame.color_trc:
            self._darken = frame.color_trc, _darkening(made, frame.color_trc)
        return self._darken[1](made)


def _darkening(like: Any, transfer: int) -> Callable[[Any], Any]:
    """A function that brings frames like this one, of RGB in PQ or HLG, to the light of every screen.

    By a table of colours (FFmpeg's haldclut) that is worked out once, as posters are pixel by pixel.
    """
    steps, side = _LEVEL**2, _LEVEL**3
    levels = np.round(np.linspace(0, 65_535, steps)).astype(np.uint16)
    blue, green, red = np.meshgrid(levels, levels, levels, indexing="ij")
    table = shown(np.stack([red, green, blue], axis=-1).reshape(side, side, 3), transfer)
    clut = av.VideoFrame.from_ndarray(table.astype(np.uint16) * 257, format="rgb48le")
    graph = Graph()
    main, colours = entrance(graph, like), entrance(graph, clut)
    applied = graph.add("haldclut", "interp=tetrahedral:clut=first")
    main.link_to(applied, 0, 0)
    colours.link_to(applied, 0, 1)
    applied.link_to(graph.add("buffersink"))
    graph.configure()
    clut.pts, clut.time_base = 0, _CLOCK
    colours.push(clut)
    colours.push(None)  # it stays as it is, so that nothing is waited for
    return passing(graph, main)


def entrance(graph: Graph, like: Any) -> Any:
    """Where frames like this one go into a graph."""
    return graph.add_buffer(width=like.width, height=like.height, format=like.format.name, time_base=_CLOCK)


def passing(graph: Graph, entrance: Any) -> Callable[[Any], Any]:
    """A function that sends frames through a graph that makes one of each."""
    count = 0

    def passed(frame: Any) -> Any:
        nonlocal count
        count += 1
        frame.pts, frame.time_base = count, _CLOCK
        entrance.push(frame)
        return graph.pull()

    return passed
