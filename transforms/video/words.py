"""Rungs of words: one for each track of subtitles and each file beside the film, as WebVTT.

HLS has them in segments, of kind "words". Players of DASH want each in one piece, of kind "text".
"""

import dataclasses
from collections.abc import Iterable
from fractions import Fraction
from typing import Final

from transforms.containers import opened
from transforms.errors import DamagedOriginal, NoSuchStream
from transforms.languages import UNKNOWN, tag
from transforms.video.beside import Beside
from transforms.video.cues import Cue, read, within, written
from transforms.video.index import Words
from transforms.video.parts import Part, Question, Source
from transforms.video.stream_plan import Rung, StreamPlan
from transforms.video.subtitles import cues
from transforms.video.titles import titled

BITS: Final = 2000
"""Bits a second of words: nobody chooses by them."""

_SCATTERED: Final = ("mkv", "webm")  # have no table of their words
_READ_THROUGH: Final = 256_000_000  # bytes of such a file that is read to its end for them


def rungs(asked: Question) -> tuple[Rung, ...]:
    """A rung for each track, then one for each file beside that can be read, all in segments."""
    files = [file for file in asked.source.beside if _readable(file)]
    tracks = [(words, "") for words in asked.index.words] + [(_words(file), file.source) for file in files]
    titles = titled((words.title, tag(words.language), "subtitles") for words, _ in tracks)
    return tuple(
        Rung(
            name=f"s{number}-{tag(words.language).lower() or UNKNOWN}",
            kind="words",
            remux=False,
            codecs="wvtt",
            bandwidth=BITS,
            average=BITS,
            stream=words.stream,
            end=asked.cuts[-1],
            time_base=Fraction(1, 1000),
            language=tag(words.language),
            title=titles[number],
            # Files say of any track that it is the default one; a player shows words that nobody asked for then.
            default=words.default and words.forced,
            forced=words.forced,
            source=source,
        )
        for number, (words, source) in enumerate(tracks)
    )


def whole(asked: Question) -> tuple[Rung, ...]:
    """The same rungs, each in one piece.

    What lies scattered through a large file is left out: it would be read to its end for a few words.
    """
    source = asked.source
    scattered = source.kind in _SCATTERED and source.path.stat().st_size > _READ_THROUGH
    return tuple(
        dataclasses.replace(rung, name=f"t{rung.name[1:]}", kind="text", unit=rung.end)
        for rung in rungs(asked)
        if rung.source or not scattered
    )


def head(source: Source, plan: StreamPlan, rung: Rung) -> Part:
    """Words have no init segment. Raises NoSuchStream."""
    raise NoSuchStream("subtitles have no init segment", part=rung.name)


def segment(source: Source, plan: StreamPlan, rung: Rung, number: int) -> Part:
    """One segment of a rung of words, or all of one that is in one piece."""
    begin, end = plan.segments(rung)[number]
    data = written(sorted(set(_cues(source, plan, rung, begin, end))), mapped=rung.kind == "words")
    return Part(data, end - begin)


def _cues(source: Source, plan: StreamPlan, rung: Rung, begin: Fraction, end: Fraction) -> Iterable[Cue]:
    if rung.stream is None:
        file = next((file for file in source.beside if file.source == rung.source), None)
        if file is None:
            raise NoSuchStream("the file of subtitles that the plan was made with is not there", part=rung.name)
        return within(read(file.data, file.kind), float(begin), float(end))
    with opened(source.path, source.kind, source.limits) as container:
        return list(cues(container, rung.stream, plan.start, float(begin), float(end)))


def _words(file: Beside) -> Words:
    return Words(None, file.kind, file.language, "", default=False, forced=file.forced)


def _readable(file: Beside) -> bool:
    """A file that cannot be read is no reason to refuse the film that it lies beside."""
    try:
        read(file.data, file.kind)
    except DamagedOriginal:
        return False
    return True
