"""A film's pictures as a result shows them: at a constant rate, upright, in square pixels, in eight bits of video."""

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Final

from av.container import InputContainer
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from transforms.errors import DamagedOriginal
from transforms.operation import Size
from transforms.transcodes.canvas import WHOLE, Canvas, cropping
from transforms.transcodes.excerpts import Excerpt
from transforms.transcodes.moments import lasting, pictures
from transforms.video.brightness import is_bright
from transforms.video.dimming import Dimming

PIXELS: Final = "yuv420p"
_BT709: Final = 1
_LIMITED: Final = 1
_SCALING: Final = "BILINEAR"


class Chain:
    """Filters that frames go through; made anew where frames of another kind come."""

    def __init__(self, *filters: str) -> None:
        self._filters = filters
        self._kind: tuple[int, int, str] | None = None
        self._graph: Graph | None = None
        self._like: VideoFrame | None = None

    def push(self, frame: VideoFrame | None, base: Fraction) -> Iterator[VideoFrame]:
        """What comes out for one that goes in; None is the end."""
        if frame is not None:
            kind = frame.width, frame.height, frame.format.name
            if kind != self._kind:
                yield from self._pull(None)
                self._kind, self._graph, self._like = kind, self._made(frame, base), frame
        yield from self._pull(frame)

    def _made(self, frame: VideoFrame, base: Fraction) -> Graph:
        graph = Graph()
        last = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=base)
        for text in self._filters:
            name, _, arguments = text.partition("=")
            node = graph.add(name, arguments or None)
            last.link_to(node)
            last = node
        last.link_to(graph.add("buffersink"))
        graph.configure()
        return graph

    def _pull(self, frame: VideoFrame | None) -> Iterator[VideoFrame]:
        if self._graph is None:
            return
        self._graph.push(frame)
        while True:
            try:
                pulled = self._graph.pull()
            except (BlockingIOError, EOFError):
                return
            assert isinstance(pulled, VideoFrame)
            if (like := self._like) is not None:  # filters forget it
                pulled.colorspace, pulled.color_range = like.colorspace, like.color_range
                pulled.color_trc, pulled.color_primaries = like.color_trc, like.color_primaries
            yield pulled


class Shaping:
    """Makes of a decoded frame what the result shows of it."""

    def __init__(self, canvas: Canvas) -> None:
        self._canvas = canvas
        self._scaler: Any = VideoReformatter()
        self._dimming: Dimming | None = None
        self._after = Chain(*canvas.filters) if canvas.filters else None
        self._cuts: dict[tuple[int, int], Chain] = {}

    def shaped(self, frame: VideoFrame) -> VideoFrame:
        base = frame.time_base or Fraction(1, 25)
        window, (width, height) = self._canvas.window, self._canvas.scaled
        if window != WHOLE:
            size = Size(frame.width, frame.height)
            if size not in self._cuts:
                self._cuts = {size: Chain(cropping(window, size))}
            frame = next(self._cuts[size].push(frame, base))
        told = {}
        if is_bright(frame.color_trc):
            self._dimming = self._dimming or Dimming(width, height, _SCALING)
            frame = self._dimming.dim(frame)
            told = {"src_colorspace": _BT709, "src_color_range": "JPEG", "dst_colorspace": _BT709}
        frame = self._scaler.reformat(
            frame, width, height, PIXELS, dst_color_range=_LIMITED, interpolation=_SCALING, **told
        )
        return next(self._after.push(frame, base)) if self._after else frame


def shots(
    container: InputContainer, stream: VideoStream, part: Excerpt, rate: Fraction, canvas: Canvas, most: int
) -> Iterator[VideoFrame]:
    """The frames of a part of a film, one for each place of the grid of `rate` frames a second.

    Each place has the last frame that has begun by half a place later. The last one stays until it ends, and there are
    `most` places at most. Raises DamagedOriginal where there is not one frame.
    """
    shaping = Shaping(canvas)
    if part.end is not None:
        most = min(most, max(1, round((part.end - part.start) * rate)))
    place, held, made, ends = 0, None, None, part.start
    for time, frame in _whole(pictures(container, stream, part.start)):
        late = (time - part.start) * rate - Fraction(1, 2)
        while place < late and place < most:
            made = made or shaping.shaped(held or frame)
            yield made
            place += 1
        if place >= most:
            return
        held, made, ends = frame, None, time + lasting(frame, stream)
    if held is None:
        raise DamagedOriginal("there is not one whole frame in this part of the film")
    made = made or shaping.shaped(held)
    for _ in range(place, max(1, min(round((ends - part.start) * rate), most))):
        yield made


def _whole(frames: Iterator[tuple[Fraction, VideoFrame]]) -> Iterator[tuple[Fraction, VideoFrame]]:
    """Frames of which each shows one moment: two fields of an interlaced film become one."""
    weaver: Chain | None = None
    times: deque[Fraction] = deque()
    for time, frame in frames:
        if weaver is None and not frame.interlaced_frame:
            yield time, frame
            continue
        weaver = weaver or Chain("bwdif=mode=send_frame:deint=interlaced")
        times.append(time)
        for whole in weaver.push(frame, frame.time_base or Fraction(1, 25)):
            yield times.popleft(), whole
    if weaver:
        for whole in weaver.push(None, Fraction(1, 25)):
            yield times.popleft(), whole
