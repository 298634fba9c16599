"""The sheets of a storyboard, drawn from a film in one pass over it."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

from av import VideoFrame
from av.container import InputContainer
from av.video.stream import VideoStream
from pyvips import Image

from transforms.containers import opened
from transforms.errors import DamagedOriginal, NoSuchStream
from transforms.formats import Format
from transforms.headers import Header
from transforms.limits import Limits
from transforms.opening import Opened, turned
from transforms.operation import Scene, Size
from transforms.operations.geometry import Resize
from transforms.plan import Plan
from transforms.saving import save
from transforms.shrunk import lying
from transforms.video.header import picture_of
from transforms.video.storyboard import Storyboard, sized

MOST_DECODED: Final = 2_000_000_000
"""Pixels that are decoded for one sheet at most, some seconds of one core; above it keyframes will do."""
FURTHER_BACK: Final = (0.0, 0.5, 2.0, 8.0)
"""Seconds before a moment at which a frame before it is looked for, and then from the start: seeking goes by DTS."""

MOST_FOLLOWING: Final = 64
"""Packets after a keyframe that are tried where it cannot be shown by itself."""


@dataclass(frozen=True)
class Sheet:
    """A sheet as a file, and whether its tiles are the very frames of their moments, not the keyframes before them."""

    data: bytes
    size: Size
    exact: bool


def sheet(path: Path, header: Header, plan: Plan, number: int, row: Format, limits: Limits) -> Sheet:
    """One sheet of a film's storyboard. Raises DamagedOriginal, NoSuchStream and TooManyStreams."""
    board = Storyboard.of(header, plan)
    plan, times = sized(plan), [board.moment(tile) for tile in board.on(number)]
    with opened(path, header.kind, limits) as container:
        stream = picture_of(container)
        if stream is None:
            raise NoSuchStream("the original has no pictures")
        film = Film(container, stream)
        exact = not plan.loading.nearest and film.suits(board.step, len(times), header)
        frames = film.exactly(times) if exact else film.keyframes(times)
        tiles = [_tile(frame, header, plan) for frame in frames]
    size = board.size(number)
    whole = Image.arrayjoin(tiles, across=min(board.columns, len(tiles))).crop(0, 0, *size)
    return Sheet(save([whole], Opened([whole], size), None, row, plan.saving, "first").data, size, exact)


@dataclass(frozen=True)
class Film:
    """Frames of an open film by their moments, which are seconds from the start and ascend."""

    container: InputContainer
    stream: VideoStream

    def suits(self, step: float, tiles: int, header: Header) -> bool:
        """Whether so many frames, `step` seconds apart, are worth decoding all that lies between them.

        They are where keyframes are further apart than that, so that one of them would have to stand for several.
        """
        self._seek(0.0)  # Matroska reads its index then
        keys = sum(1 for entry in self.stream.index_entries if entry.is_keyframe)
        apart = header.seconds / keys if keys else header.seconds  # some containers have no index
        most = (step * tiles + apart) * header.rate * header.pixels
        return step <= apart and most <= MOST_DECODED

    def keyframes(self, moments: list[float]) -> Iterator[VideoFrame]:
        """For each moment the last keyframe before it, or the first that there is. Raises DamagedOriginal."""
        held: VideoFrame | None = None
        last: Any = None
        for moment in moments:
            key, following = self._key(moment)
            if key is not None and (held is None or (key.pts, key.dts, key.pos) != last):
                last = (key.pts, key.dts, key.pos)
                held = self._decoded(key, following) or held
            if held is None:
                raise DamagedOriginal("the original has no keyframe that can be shown")
            yield held

    def _key(self, moment: float) -> tuple[Any, Iterator[Any]]:
        """The packet of the last keyframe before a moment, or of the first that there is, and the packets after it."""
        for back in (*FURTHER_BACK, moment):
            self._seek(moment - back)
            packets = self.container.demux(self.stream)
            key = next((packet for packet in packets if packet.is_keyframe), None)
            if key is not None and self._moment(key) <= moment:
                break
        return key, packets

    def _decoded(self, key: Any, following: Iterator[Any]) -> VideoFrame | None:
        """The frame of a keyframe alone, which a decoder would hold back to put it in order; or one soon after it."""
        try:
            for packet in chain((key,), islice(following, MOST_FOLLOWING)):
                frames: list[VideoFrame] = [*self.stream.decode(packet)]
                if packet is key:
                    frames += self.stream.decode(None)
                    self.stream.codec_context.flush_buffers()
                if frames:
                    return frames[0]
            return None
        finally:
            self.stream.codec_context.flush_buffers()

    def exactly(self, moments: list[float]) -> Iterator[VideoFrame]:
        """For each moment the frame that is shown then. Raises DamagedOriginal where there is none at all."""
        self.stream.thread_type = "AUTO"
        held = None
        coming = self._from(moments[0])
        after = next(coming, None)
        for moment in moments:
            while after is not None and (held is None or self._moment(after) <= moment + 1e-6):
                held, after = after, next(coming, None)
            if held is None:
                raise DamagedOriginal("the original has no frame that can be shown")
            yield held

    def _from(self, moment: float) -> Iterator[VideoFrame]:
        """All frames in their order, beginning with one that is shown no later than a moment, if there is any."""
        for back in (*FURTHER_BACK, moment):
            self._seek(moment - back)
            frames = self.container.decode(self.stream)
            first = next(frames, None)
            if first is not None and self._moment(first) <= moment:
                break
        if first is not None:
            yield first
            yield from frames

    def _seek(self, moment: float) -> None:
        # The first frame may have a DTS below the start.
        ticks = round(moment / self._tick) + self._start if moment > 0 else 0
        self.container.seek(ticks, stream=self.stream)

    def _moment(self, one: Any) -> float:
        """Seconds from the start at which a frame, or that of a packet, is shown."""
        return ((one.pts or 0) - self._start) * self._tick

    @property
    def _start(self) -> int:
        return max(0, self.stream.start_time or 0)

    @property
    def _tick(self) -> float:
        return float(self.stream.time_base or 0) or 1.0


def _tile(frame: VideoFrame, header: Header, plan: Plan) -> Image:
    """A frame upright, in square pixels, through the steps of the plan."""
    upright, operations = Size(*header.upright), [operation for step in plan.steps for operation in step]
    first = operations[0] if isinstance(operations[0], Resize) else None
    size = lying(first.framing(upright, None).scaled if first else upright, header.orientation)
    small = frame.reformat(*size, format="rgb24", interpolation="AREA").to_ndarray()
    image = turned(Image.new_from_array(small, interpretation="srgb"), header.orientation)
    for place, operation in enumerate(operations):
        before = upright if place == 0 else Size(image.width, image.height)
        (image,) = operation.apply_all([image], Scene(before, None))
    return image.flatten() if image.hasalpha() else image
