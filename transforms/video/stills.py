"""From a decoded frame to pixels as pictures have them: eight bits, sRGB, square, whole lines."""

from fractions import Fraction
from typing import Final

import av
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from pyvips import Image

from transforms.operation import Size
from transforms.video.brightness import is_bright, shown

_UNSAID: Final = 2
_HIGH: Final = 720
"""Lines from which a film that does not say so has the colours of high definition; browsers draw the line there."""
_SMOOTH: Final = Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
_SHARP: Final = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


def still(frame: VideoFrame, size: Size) -> Image:
    """A frame's pixels at a size, lying as stored; alpha is left out, as players without it do.

    Where only half of its lines are of one moment the others are made of their neighbours. What is brighter than white
    in PQ and HLG is brought down to it.
    """
    if frame.interlaced_frame:
        frame = _whole_lines(frame)
    bright = is_bright(frame.color_trc)
    matrix = frame.colorspace
    if matrix == _UNSAID:
        matrix = Colorspace.ITU709 if frame.height >= _HIGH else Colorspace.ITU601
    smaller = size.width <= frame.width and size.height <= frame.height and size != (frame.width, frame.height)
    rows = frame.reformat(
        size.width,
        size.height,
        format="rgb48le" if bright else "rgb24",
        src_colorspace=matrix,
        interpolation=_SMOOTH if smaller else _SHARP,
        dst_color_range=ColorRange.JPEG,
        threads=1,
    ).to_ndarray()
    if bright:
        rows = shown(rows, frame.color_trc)
    return Image.new_from_memory(rows.tobytes(), size.width, size.height, 3, "uchar").copy(interpretation="srgb")


def _whole_lines(frame: VideoFrame) -> VideoFrame:
    """A frame of one moment: of the two that are woven into it the first, at all its lines."""
    graph = Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 1000))
    graph.link_nodes(source, graph.add("bwdif", "mode=send_frame:deint=all"), graph.add("buffersink")).configure()
    graph.vpush(frame)
    graph.vpush(None)
    try:
        made = graph.vpull()
    except (av.FFmpegError, EOFError):
        return frame
    made.colorspace, made.color_range = frame.colorspace, frame.color_range
    made.color_trc, made.color_primaries = frame.color_trc, frame.color_primaries
    return made
