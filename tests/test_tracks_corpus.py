"""Sound and words of real and of hostile files, where the corpus is at hand: parts that fit, or Refusals."""

import os
from pathlib import Path

import pytest

from tests.sounds import fragment
from transforms.audio import rungs as sounds
from transforms.audio.aac import FRAME
from transforms.containers import DEMUXERS
from transforms.errors import Refusal
from transforms.limits import Limits
from transforms.sniff import HEAD, sniff
from transforms.video import reading, words
from transforms.video.cuts import cuts
from transforms.video.ladders import LADDERS
from transforms.video.parts import Question, Source
from transforms.video.recipes import CURRENT, RECIPES
from transforms.video.stream_plan import Rung, StreamPlan


def files() -> list[Path]:
    root = os.environ.get("DARKROOM_CORPUS")
    found = (
        path
        for folder in ("audio", "video", "hostile")
        for path in sorted((Path(root) / folder).iterdir() if root else ())
    )
    return [path for path in found if kind_of(path) in DEMUXERS]


def kind_of(path: Path) -> str:
    with path.open("rb") as file:
        return sniff(file.read(HEAD)) or ""


def told(path: Path) -> str:
    """What came of a file: its rungs and how many parts of each were made, or the refusal."""
    source = Source(path, kind_of(path), Limits())
    try:
        index, recipe = reading.read(path, source.kind, source.limits), RECIPES[CURRENT]
        places = cuts(index.seconds, recipe)
        asked = Question(source, index, LADDERS["auto"], recipe, places)
        rungs = sounds.rungs(asked) + words.rungs(asked) + words.whole(asked)
        plan = StreamPlan(CURRENT, "1", places, rungs, index.start)
    except Refusal as refusal:
        return f"{refusal.code}: {refusal}"
    return "; ".join(made(source, plan, rung) for rung in rungs) or "neither sound nor words"


def made(source: Source, plan: StreamPlan, rung: Rung) -> str:
    segments = plan.segments(rung)
    if rung.kind == "sound":
        assert sounds.head(source, plan, rung).data
    for number in sorted({0, len(segments) // 2, len(segments) - 1}):
        try:
            part = (sounds if rung.kind == "sound" else words).segment(source, plan, rung, number)
        except Refusal as refusal:
            return f"{rung.name} {number}: {refusal.code}"
        if rung.kind == "sound":
            read = fragment(part.data)
            assert read.duration == FRAME
            assert read.begin * rung.time_base == segments[number][0]
            assert len(read.frames) * rung.unit == part.seconds
        else:
            assert part.data.startswith(b"WEBVTT\n")
    return f"{rung.name} {rung.language or '-'} {len(segments)} parts {float(segments[-1][1]):.2f} s"


def test_every_file_of_the_corpus_gives_parts_or_a_refusal(capsys: pytest.CaptureFixture[str]) -> None:
    table = [f"{path.parent.name}/{path.name}: {told(path)}" for path in files()]
    with capsys.disabled():
        print("", *table, sep="\n")
