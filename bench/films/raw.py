"""The same work as ours with PyAV alone, as short as it can be written: what ratios are taken of."""

import io
from fractions import Fraction
from pathlib import Path

import av
import pyvips
from av.container import InputContainer
from av.video.stream import VideoStream

from bench.films.film import RATE

FRAGMENTS = {"movflags": "+frag_keyframe+empty_moov+default_base_moof", "fflags": "+bitexact"}


def _sought(source: InputContainer, at: float) -> tuple[VideoStream, Fraction]:
    """The stream of pictures, read from the keyframe before a moment on, and the seconds of its clock's tick."""
    stream = source.streams.video[0]
    tick = stream.time_base or Fraction(1)
    source.seek(int(at / tick), stream=stream)
    return stream, tick


def encoded(path: Path, start: float, seconds: float, size: tuple[int, int], options: dict[str, str]) -> bytes:
    """A stretch from a keyframe on, decoded, scaled and encoded by x264."""
    out = io.BytesIO()
    with av.open(str(path)) as source, av.open(out, "w", format="mp4", options=FRAGMENTS) as sink:
        stream, _ = _sought(source, start)
        stream.thread_type = "AUTO"
        target = sink.add_stream("libx264", rate=RATE, options=options)
        target.width, target.height, target.pix_fmt = *size, "yuv420p"
        target.codec_context.thread_type = "FRAME"
        for number, frame in enumerate(source.decode(stream)):
            if number >= seconds * RATE:
                break
            scaled = frame.reformat(*size, "yuv420p", interpolation="BILINEAR")
            scaled.pts, scaled.time_base = number, Fraction(1, RATE)
            scaled.pict_type = 0
            sink.mux(target.encode(scaled))
        sink.mux(target.encode(None))
    return out.getvalue()


def remuxed(path: Path, start: float, seconds: float) -> bytes:
    """A stretch from a keyframe on with its packets as they are."""
    out = io.BytesIO()
    with av.open(str(path)) as source, av.open(out, "w", format="mp4", options=FRAGMENTS) as sink:
        stream, tick = _sought(source, start)
        target = sink.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.pts is None or packet.pts * tick >= start + seconds:
                break
            packet.stream = target
            sink.mux_one(packet)
    return out.getvalue()


def poster(path: Path, at: float, width: int, *, keyframe: bool) -> bytes:
    """The frame at a moment, or the keyframe before it, as a JPEG."""
    with av.open(str(path)) as source:
        stream, _ = _sought(source, at)
        stream.thread_type = "SLICE" if keyframe else "AUTO"
        if keyframe:
            packet = next(packet for packet in source.demux(stream) if packet.is_keyframe)
            frame = (stream.decode(packet) + stream.decode(None))[0]
        else:
            frame = next(
                frame for frame in source.decode(stream) if frame.time is not None and frame.time >= at - 0.001
            )
        height = round(frame.height * width / frame.width)
        pixels = frame.reformat(width, height, "rgb24", interpolation="AREA").to_ndarray()
    data: bytes = pyvips.Image.new_from_memory(pixels.tobytes(), width, height, 3, "uchar").jpegsave_buffer(Q=80)
    return data


def sheet(path: Path, tiles: int, across: int, size: tuple[int, int]) -> bytes:
    """Keyframes at equal distances on one sheet, as WebP."""
    images = []
    with av.open(str(path)) as source:
        source.streams.video[0].thread_type = "SLICE"
        for number in range(tiles):
            stream, _ = _sought(source, float(source.duration or 0) / 1e6 * number / tiles)
            packet = next(packet for packet in source.demux(stream) if packet.is_keyframe)
            frame = (stream.decode(packet) + stream.decode(None))[0]
            stream.codec_context.flush_buffers()
            pixels = frame.reformat(*size, "rgb24", interpolation="AREA").to_ndarray()
            images.append(pyvips.Image.new_from_memory(pixels.tobytes(), *size, 3, "uchar"))
    data: bytes = pyvips.Image.arrayjoin(images, across=across).webpsave_buffer(Q=75, effort=2)
    return data
