"""Frames made fit for a stream: scaled, turned upright, and in the colours that every screen has."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from av.filter import Graph
from av.video.reformatter import VideoReformatter

from transforms.headers.header import SIDEWAYS
from transforms.video.brightness import is_bright
from transforms.video.dimming import Dimming, entrance, passing
from transforms.video.display import orientation
from transforms.video.turns import UPRIGHT

_BT709: Final = 1  # of primaries, transfer and matrix alike, in ITU-T H.273
_BT2020: Final = 9
_UNKNOWN: Final = (0, 2, 3)  # 0 is RGB, which knows no matrix
_LOWEST_HD: Final = 720
_PAL: Final = 5  # the matrix of ITU-R BT.601, which films of less than HD have that do not say theirs
_SAME_MATRIX: Final = {6: _PAL}
_FULL: Final = 2


class Fitting:
    """What all frames of one segment go through; the first one says what that is."""

    def __init__(self, width: int, height: int, scaling: str) -> None:
        self._size = (width, height)
        self._scaling = scaling
        # A frame that scales itself has a scaler of its own, whose threads stay for as long as there is the frame.
        self._scaler: Any = VideoReformatter()
        self._dimming: Dimming | None = None
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
        width, height = self._size[::-1] if turned in SIDEWAYS else self._size
        source = {"src_colorspace": _matrix(frame), "src_color_range": "JPEG" if _is_full(frame) else "MPEG"}
        if is_bright(frame.color_trc):
            self._dimming = self._dimming or Dimming(width, height, self._scaling)
            frame = self._dimming.dim(frame, **source)
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
        self._turn = self._turn or _through(made, UPRIGHT[turned])
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


def _through(like: Any, filters: Sequence[str]) -> Callable[[Any], Any]:
    """A function that sends frames like this one through filters that make one of each."""
    graph = Graph()
    first = entrance(graph, like)
    chain = [first, *(graph.add(*filter_.split("=", 1)) for filter_ in filters), graph.add("buffersink")]
    graph.link_nodes(*chain).configure()
    return passing(graph, first)
