"""The sheets of a storyboard, drawn from a film in one pass over it."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Final

from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from pyvips import Image

from transforms.containers import opened
from transforms.errors import NoSuchStream
from transforms.formats import Format
from transforms.headers import Header
from transforms.image import turned
from transforms.limits import Limits
from transforms.opening import Opened
from transforms.operation import Scene, Size
from transforms.operations.geometry import Resize
from transforms.plan import Plan
from transforms.saving import save
from transforms.shrunk import lying
from transforms.video.frames import Film
from transforms.video.header import picture_of
from transforms.video.stills import still
from transforms.video.storyboard import Storyboard, sized

MOST_DECODED: Final = 2_000_000_000
"""Pixels that are decoded for one sheet at most, some seconds of one core; above it keyframes will do."""


@dataclass(frozen=True)
class Sheet:
    """A sheet as a file, and whether its tiles are the very frames of their moments, not the keyframes before them."""

    data: bytes
    size: Size
    exact: bool


def sheet(path: Path, header: Header, plan: Plan, number: int, row: Format, limits: Limits) -> Sheet:
    """One sheet of a film's storyboard. Raises DamagedOriginal, NoSuchMoment, NoSuchStream and TooManyStreams."""
    board = Storyboard.of(header, plan)
    plan, moments = sized(plan), [Fraction(board.moment(tile)) for tile in board.on(number)]
    with opened(path, header.kind, limits, known=True) as container:
        stream = picture_of(container)
        if stream is None:
            raise NoSuchStream("the original has no pictures that move")
        exact = not plan.loading.nearest and _worthwhile(container, stream, board, len(moments), header)
        film = Film(container, stream, alone=not exact)
        frames = film.frames_at(moments) if exact else map(film.keyframe_at, moments)
        tiles = list(_tiles(frames, header, plan))
    size = board.size(number)
    whole = Image.arrayjoin(tiles, across=min(board.columns, len(tiles))).crop(0, 0, *size)
    return Sheet(save([whole], Opened([whole], size), None, row, plan.saving, "first").data, size, exact)


def _worthwhile(container: InputContainer, stream: VideoStream, board: Storyboard, tiles: int, header: Header) -> bool:
    """Whether the very frames of so many tiles are worth decoding all that lies between them.

    They are where keyframes are further apart than tiles, so that one of them would have to stand for several.
    """
    container.seek(0)  # Matroska reads its index then
    keys = sum(1 for entry in stream.index_entries if entry.is_keyframe)
    apart = header.seconds / keys if keys else header.seconds  # some containers have no index
    most = (board.step * tiles + apart) * header.rate * header.pixels
    return board.step <= apart and most <= MOST_DECODED


def _tiles(frames: Iterator[VideoFrame], header: Header, plan: Plan) -> Iterator[Image]:
    """Frames upright, in square pixels, through the steps of the plan; one that comes several times is drawn once."""
    upright, operations = Size(*header.upright), [operation for step in plan.steps for operation in step]
    first = operations[0] if isinstance(operations[0], Resize) else None
    size = lying(first.framing(upright, None).scaled if first else upright, header.orientation)
    for _, same in groupby(frames, lambda frame: frame.pts):
        held = list(same)
        image = turned(still(held[0], size), header.orientation)
        for place, operation in enumerate(operations):
            before = upright if place == 0 else Size(image.width, image.height)
            (image,) = operation.apply_all([image], Scene(before, None))
        image = (image.flatten() if image.hasalpha() else image).copy_memory()
        yield from (image for _ in held)
