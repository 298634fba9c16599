"""Rungs of pictures, their heads and their segments: as they are in the original, or encoded."""

import dataclasses
from bisect import bisect_left
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Final

from transforms.video import encoded, remuxed
from transforms.video.codecs import codecs
from transforms.video.index import Picture
from transforms.video.ladders import Chosen, chosen
from transforms.video.parts import Part, Question, Source
from transforms.video.rates import clock, encoded_rate
from transforms.video.recipes import RECIPES
from transforms.video.stream_plan import Rung, StreamPlan

_EVERYWHERE: Final = ("h264",)
"""Codecs that every player plays."""

# An encoder with a bound may spend a tenth more for a while, and spends about two thirds of it on most films.
_PEAK: Final = 1.1
_USUAL: Final = 0.65
_BOXES: Final = 1.02
"""By what a segment is larger than its packets."""


def remuxes(asked: Question) -> bool:
    """Whether the original's own packets are one of the rungs, so that all rungs are cut at its keyframes."""
    return asked.ladder.remux and asked.index.picture is not None and asked.index.picture.remux


def rungs(asked: Question) -> tuple[Rung, ...]:
    """The original's own rung where it has one, then those that are encoded, from the largest."""
    picture = asked.index.picture
    if picture is None:
        return ()
    own = remuxes(asked)
    steps = chosen(
        asked.ladder,
        picture.width,
        picture.height,
        picture.bit_rate,
        below=own and picture.codec in _EVERYWHERE,
    )
    made = [_own(asked, picture)] if own else []
    return tuple(made + [_encoded(asked, picture, step) for step in steps])


def head(source: Source, plan: StreamPlan, rung: Rung) -> Part:
    """The init segment of a rung of pictures."""
    return remuxed.head(source, rung) if rung.remux else encoded.head(RECIPES[plan.recipe], rung)


def segment(source: Source, plan: StreamPlan, rung: Rung, number: int) -> Part:
    """One segment of a rung of pictures."""
    make = remuxed.segment if rung.remux else encoded.segment
    return make(source, plan, rung, number)


def _own(asked: Question, picture: Picture) -> Rung:
    peak, average = _rates(picture, asked.cuts)
    rung = Rung(
        name="src",
        kind="picture",
        remux=True,
        codecs="",
        bandwidth=peak,
        average=average,
        stream=picture.stream,
        end=round(asked.index.seconds / picture.time_base) * picture.time_base,
        time_base=picture.time_base,
        width=picture.width,
        height=picture.height,
        rate=picture.rate,
        range=picture.range,
    )
    return dataclasses.replace(rung, codecs=codecs(remuxed.head(asked.source, rung).data))


def _encoded(asked: Question, picture: Picture, step: Chosen) -> Rung:
    rate = encoded_rate(picture.rate, asked.recipe.fastest)
    rung = Rung(
        name=step.name,
        kind="picture",
        remux=False,
        codecs="",
        bandwidth=round(step.bits * _PEAK),
        average=round(step.bits * _USUAL),
        stream=picture.stream,
        end=max(1, round(asked.index.seconds * rate)) / rate,
        unit=1 / rate,
        time_base=clock(rate),
        width=step.width,
        height=step.height,
        rate=rate,
        bits=step.bits,
    )
    return dataclasses.replace(rung, codecs=codecs(encoded.head(asked.recipe, rung).data))


def _rates(picture: Picture, cuts: tuple[Fraction, ...]) -> tuple[int, int]:
    """Bits a second of the largest segment and of all, by what the container says of packets."""
    sizes = list(_sizes(picture, cuts))
    if not any(size for size, _ in sizes):
        return round(picture.bit_rate * 1.5), picture.bit_rate
    peak = max(size * 8 / seconds for size, seconds in sizes)
    average = sum(size for size, _ in sizes) * 8 / picture.seconds
    return round(float(peak) * _BOXES), round(float(average) * _BOXES)


def _sizes(picture: Picture, cuts: tuple[Fraction, ...]) -> Iterator[tuple[int, Fraction]]:
    """Bytes and seconds between cuts."""
    keys = [key * picture.time_base for key in picture.keys]
    for begin, end in pairwise(cuts):
        first, last = bisect_left(keys, begin), bisect_left(keys, end)
        yield sum(picture.weights[first:last]), end - begin
