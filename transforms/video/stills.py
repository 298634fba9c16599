"""From a decoded frame to pixels as pictures have them: eight bits, sRGB, square, whole lines."""

from fractions import Fraction
from typing import Final

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

    Of a frame whose lines are of two moments those of one are shown. What is brighter than white in PQ and HLG is
    brought down to it.
    """
    bright = is_bright(frame.color_trc)
    matrix = frame.colorspace
    if matrix == _UNSAID:
        matrix = Colorspace.ITU709 if frame.height >= _HIGH else Colorspace.ITU601
    if frame.interlaced_frame:
        frame = _one_moment(frame)
    smaller = size.width <= frame.width and size.height <= frame.height and size != (frame.width, frame.height)
    rows = frame.reformat(
        size.width,
        size.height,
        format="rgb48le" if bright else "rgb24",
        src_colorspace=matrix,
        interpolation=_SMOOTH if smaller else _SHARP,
        dst_color_range=ColorRange.JPEG,
        threads=2,  # the same pixels, sooner
    ).to_ndarray()
    if bright:
        rows = shown(rows, frame.color_trc)
    return Image.new_from_memory(rows.tobytes(), size.width, size.height, 3, "uchar").copy(interpretation="srgb")


def _one_moment(frame: VideoFrame) -> VideoFrame:
    """The first of the two moments that are woven into a frame, at half of its lines.

    What takes one moment's lines for the other's goes by the frames before and after, which are not decoded.
    """
    graph = Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 1000))
    graph.link_nodes(source, graph.add("field", "type=top"), graph.add("buffersink")).configure()
    graph.vpush(frame)
    made = graph.vpull()
    made.colorspace, made.color_range = frame.colorspace, frame.color_range
    made.color_trc, made.color_primaries = frame.color_trc, frame.color_primaries
    return made
