"""Rungs of sound: one for each track, as it is in the original where that is AAC, or encoded."""

import math
from bisect import bisect_right
from fractions import Fraction
from itertools import groupby
from typing import Final

from transforms.audio.aac import FRAME
from transforms.audio.copied import config
from transforms.audio.samples import GRID, Track, track
from transforms.audio.segments import copied, copied_head, encoded, encoded_head
from transforms.audio.tracks import numbered
from transforms.containers import opened
from transforms.languages import tag
from transforms.video.codecs import codecs
from transforms.video.index import Sound
from transforms.video.parts import Part, Question, Source
from transforms.video.recipes import RECIPES
from transforms.video.stream_plan import Rung, StreamPlan
from transforms.video.titles import titled

_PEAK: Final = 1.15  # the encoder's reservoir: what a segment has at most of what it is told
_UNKNOWN: Final = 160_000  # bits a second of AAC that says nothing of them
_BOXES: Final = 120  # bytes of a segment beside frames and the four that tell the size of each


def rungs(asked: Question) -> tuple[Rung, ...]:
    """A rung for each track of sound, in the order of the original. Raises Refusals."""
    sounds, index, source = asked.index.sounds, asked.index, asked.source
    if not sounds:
        return ()
    first = next((number for number, sound in enumerate(sounds) if sound.default), 0)
    names = titled((sound.title, tag(sound.language), "sound") for sound in sounds)
    with opened(source.path, source.kind, source.limits) as container:
        return tuple(
            _rung(asked, number, sound, track(container, sound.stream, index.start), names[number], number == first)
            for number, sound in enumerate(sounds)
        )


def _rung(asked: Question, number: int, sound: Sound, found: Track, title: str, default: bool) -> Rung:
    said = config(found) if sound.remux and asked.ladder.remux else None
    rate = said.rate if said else GRID
    unit, bits = Fraction(FRAME, rate), asked.recipe.sound_bits
    peak, average = _spent(asked, sound, found) if said else (round(bits * _PEAK), bits)
    return Rung(
        name=f"a{number}-src" if said else f"a{number}-aac{bits // 1000}",
        kind="sound",
        remux=said is not None,
        codecs=codecs(copied_head(found) if said else encoded_head(asked.recipe)),
        bandwidth=peak,
        average=average,
        stream=sound.stream,
        end=math.ceil(asked.cuts[-1] / unit) * unit,
        unit=unit,
        time_base=Fraction(1, rate),
        rate=Fraction(rate),
        bits=0 if said else bits,
        channels=sound.channels if said else 2,
        language=tag(sound.language),
        title=title,
        default=default,
    )


def _spent(asked: Question, sound: Sound, found: Track) -> tuple[int, int]:
    """Bits a second of the largest segment and of all, from the file's table of frames or from what it says."""
    average = sound.bit_rate or _UNKNOWN
    unit = Fraction(FRAME, found.rate)
    frames = [(number, size) for number, size in numbered(found) if number >= 0]
    edges = [math.ceil(cut / unit) for cut in asked.cuts]
    peak = 0.0
    for at, group in groupby(frames, key=lambda frame: bisect_right(edges, frame[0], 1, len(edges) - 1) - 1):
        seconds = float((edges[at + 1] - edges[at]) * unit)
        peak = max(peak, (_BOXES + sum(size + 4 for _, size in group)) * 8 / seconds) if seconds else peak
    return math.ceil(peak) or average * 3 // 2, average


def head(source: Source, plan: StreamPlan, rung: Rung) -> Part:
    """The init segment of a rung of sound."""
    if not rung.remux:
        return Part(encoded_head(RECIPES[plan.recipe]))
    with opened(source.path, source.kind, source.limits) as container:
        return Part(copied_head(track(container, rung.stream or 0, plan.start)))


def segment(source: Source, plan: StreamPlan, rung: Rung, number: int) -> Part:
    """One segment of a rung of sound."""
    begin, end = plan.segments(rung)[number]
    first, last = int(begin / rung.unit), int(end / rung.unit)
    with opened(source.path, source.kind, source.limits) as container:
        found = track(container, rung.stream or 0, plan.start)
        if rung.remux:
            data = copied(found, first, last, number)
        else:
            data = encoded(found, first, last, RECIPES[plan.recipe], number)
    return Part(data, end - begin)
