"""The tracks of sound that a film or a sound has, as an index tells them."""

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import av
from av.container import InputContainer

from transforms.audio.aac import FRAME
from transforms.audio.copied import config
from transforms.audio.samples import Track, playable, track
from transforms.video.header import lasting
from transforms.video.index import Sound

_STRAY: Final = 1 / 200  # of all frames: so many may be missing, or lie two at one place


def sounds(container: InputContainer, start: Fraction) -> tuple[Sound, ...]:
    """Tracks that can be decoded; `start` is where the presentation starts on the file's clock, in seconds."""
    return tuple(
        _sound(track(container, stream.index, start)) for stream in container.streams.audio if playable(stream)
    )


def _sound(found: Track) -> Sound:
    stream, context = found.stream, found.stream.codec_context
    base = stream.time_base or Fraction(1)
    ends = ((stream.start_time or 0) + stream.duration) * base - found.start if stream.duration else None
    whole = Fraction(lasting(found.container)).limit_denominator(1_000_000)
    return Sound(
        stream=stream.index,
        codec=context.codec.canonical_name,
        channels=context.channels,
        rate=found.rate,
        language=(stream.metadata.get("language") or "").strip("\0 "),
        title=stream.metadata.get("title", ""),
        default=bool(stream.disposition & av.stream.Disposition.default),
        remux=config(found) is not None and _regular(found),
        bit_rate=stream.bit_rate or context.bit_rate or _said(stream.metadata.get("BPS", "")),
        seconds=max(Fraction(0), whole if ends is None else ends),
    )


def _regular(found: Track) -> bool:
    """Whether frames follow each other in step, as far as the file's table of them says; Matroska has none."""
    numbers = numbered(found)
    if not numbers:
        return True
    counted = Counter(number for number, _ in numbers)
    holes = max(counted) - min(counted) + 1 - len(counted)
    return holes + len(numbers) - len(counted) <= 2 + _STRAY * len(numbers)


def numbered(found: Track) -> Sequence[tuple[int, int]]:
    """The number on the grid and the bytes of each frame, of a file that has a table of them, else none."""
    if not found.container.format.name.startswith("mov"):
        return ()
    entries = [(found.place(entry.timestamp), entry.size) for entry in found.stream.index_entries]
    if not entries:
        return ()
    phase = entries[0][0]
    return [(round((place - phase) / FRAME) + round(phase / FRAME), size) for place, size in entries]


def _said(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 10 else 0
