"""Segments of a film's own packets."""

import io
from fractions import Fraction
from typing import Any, Final

from av.container import InputContainer, OutputContainer

from transforms.containers import opened
from transforms.errors import DamagedOriginal
from transforms.video import fragments, keyframes
from transforms.video.parts import Part, Source
from transforms.video.reading import codec_of
from transforms.video.remuxable import HEAVIEST
from transforms.video.stream_plan import Rung, StreamPlan

_MOST_PACKETS: Final = 20_000
_MOST_BYTES: Final = 4 * HEAVIEST
_TAGS: Final = {"hevc": "hvc1"}  # FFmpeg's own choice, hev1, is not played by Apple's players


def head(source: Source, rung: Rung) -> Part:
    """The init segment: what the original's container says to decoders."""
    with opened(source.path, source.kind, source.limits) as container:
        film = _stream(container, rung)
        return Part(fragments.head(lambda output: _declare(output, film), rung.time_base))


def segment(source: Source, plan: StreamPlan, rung: Rung, number: int) -> Part:
    """The packets from the keyframe at one cut up to that at the next."""
    begin, end = plan.segments(rung)[number]
    last = number + 1 == len(plan.segments(rung))
    with opened(source.path, source.kind, source.limits, known=True) as container:
        film = _stream(container, rung)
        packets = _packets(container, film, plan.start, rung.time_base, round(begin / rung.time_base), end, last)
        sink = io.BytesIO()
        with fragments.fragment(sink, number, lambda output: _declare(output, film), rung.time_base) as writer:
            writer.write(packets, round(end / rung.time_base))
    return Part(fragments.segment_of(sink), end - begin)


def _stream(container: InputContainer, rung: Rung) -> Any:
    if rung.stream is None or rung.stream >= len(container.streams):
        raise DamagedOriginal("the original has no such stream any more")
    return container.streams[rung.stream]


def _declare(output: OutputContainer, film: Any) -> Any:
    stream: Any = output.add_stream_from_template(film, opaque=True)  # there are decoders without an encoder
    if tag := _TAGS.get(codec_of(film)):
        stream.codec_context.codec_tag = tag
    return stream


def _packets(
    container: InputContainer, film: Any, start: Fraction, clock: Fraction, begin: int, end: Fraction, last: bool
) -> list[Any]:
    """The packets of a segment in the order of decoding, with `pts` in ticks of `clock` from the start."""

    def ticks(packet: Any) -> int:
        return round(Fraction((keyframes.shown(packet) or 0) * film.time_base - start) / clock)

    wanted = round((start + begin * clock) / film.time_base)
    key = keyframes.until_key(container, film, wanted)
    if key is None:
        raise DamagedOriginal("the original has no keyframe where its index says")
    stop = round(end / clock)
    near = 0 if last else keyframes.near(clock)
    kept: list[Any] = [key]
    weight = key.size
    for packet in keyframes.packets(container, film):
        if packet.is_keyframe and not last and ticks(packet) >= stop - near:
            break
        kept.append(packet)
        weight += packet.size
        if len(kept) > _MOST_PACKETS or weight > _MOST_BYTES:
            raise DamagedOriginal("the original has more packets between two keyframes than its index says")
    shown = [begin, *(ticks(packet) for packet in kept[1:])]
    if not last and max(shown) >= stop:
        raise DamagedOriginal("the original has frames that are not shown when its index says")
    for packet, moment in zip(kept, shown, strict=True):
        packet.pts = moment
    # Frames before the keyframe lean on the group before it. Where one such group escaped the look at the whole, they
    # are left out, as a player that begins here would do.
    return [packet for packet in kept if packet.pts >= begin]
