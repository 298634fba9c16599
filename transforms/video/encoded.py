"""Segments of a film encoded as H.264: each by an encoder of its own, the same bytes every time."""

import io
from fractions import Fraction
from typing import Any, Final

from av.container import OutputContainer

from transforms.containers import opened
from transforms.errors import DamagedOriginal
from transforms.video import fragments
from transforms.video.fitted import Fitting
from transforms.video.grid import frames
from transforms.video.parts import Part, Source
from transforms.video.recipes import RECIPES, Recipe
from transforms.video.stream_plan import Rung, StreamPlan

_BT709: Final = 1
_LIMITED: Final = 1  # black is 16


def head(recipe: Recipe, rung: Rung) -> Part:
    """The init segment. It needs no original: the encoder says the same for any picture."""
    return Part(fragments.head(lambda output: _declare(output, recipe, rung), rung.time_base))


def segment(source: Source, plan: StreamPlan, rung: Rung, number: int) -> Part:
    """The frames from one cut up to the next, the first of which needs no other."""
    recipe = RECIPES[plan.recipe]
    begin, end = plan.segments(rung)[number]
    first, last = round(begin / rung.unit), round(end / rung.unit)
    sink = io.BytesIO()
    with opened(source.path, source.kind, source.limits, known=True) as container:
        if rung.stream is None or rung.stream >= len(container.streams):
            raise DamagedOriginal("the original has no such stream any more")
        film: Any = container.streams[rung.stream]
        film.codec_context.thread_count = source.threads
        film.codec_context.thread_type = "AUTO"
        fitting = Fitting(rung.width, rung.height, recipe.scaling)
        slots = frames(container, film, plan.start, rung.rate, first, last)
        with fragments.fragment(sink, number, lambda output: _declare(output, recipe, rung), rung.time_base) as writer:
            packets = []
            for slot, frame in slots:
                made = fitting.fit(frame)
                made.pts, made.time_base = slot, rung.unit
                made.pict_type = int(slot == first)  # else the encoder would follow the original's own choice
                packets += writer.stream.encode(made)
            packets += writer.stream.encode(None)
            for packet in packets:
                packet.pts = round(packet.pts * packet.time_base / rung.time_base)
            writer.write(packets, round(end / rung.time_base))
    return Part(fragments.segment_of(sink), end - begin)


def options(recipe: Recipe, rung: Rung) -> dict[str, str]:
    """What x264 is told: a quality, up to so many bits, and a keyframe every so many seconds and nowhere else."""
    key = str(round(recipe.key * rung.rate))
    return {
        "preset": recipe.preset,
        "profile": "high",
        "crf": str(recipe.crf),
        "maxrate": str(rung.bits),
        "bufsize": str(2 * rung.bits),
        "g": key,
        "keyint_min": key,
        "sc_threshold": "0",
        "forced-idr": "1",
    }


def _declare(output: OutputContainer, recipe: Recipe, rung: Rung) -> Any:
    stream: Any = output.add_stream("libx264", rate=rung.rate, options=options(recipe, rung))
    stream.width, stream.height, stream.pix_fmt = rung.width, rung.height, "yuv420p"
    context = stream.codec_context
    context.time_base = Fraction(rung.unit)
    context.thread_count, context.thread_type = recipe.threads, "FRAME"
    context.color_primaries = context.color_trc = context.colorspace = _BT709
    context.color_range = _LIMITED
    return stream
