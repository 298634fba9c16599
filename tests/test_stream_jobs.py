"""Workers plan streams and make their parts; whatever a film is, the answer is a part or a refusal."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.clips import film
from tests.streamed import pictures, times
from transforms.containers import DEMUXERS
from transforms.errors import Refusal, TooLong
from transforms.headers import Header
from transforms.limits import Limits
from transforms.probe import probe
from transforms.sniff import sniff
from transforms.video.ladders import LADDERS, Ladder, Step
from transforms.video.stream_plan import StreamPlan
from transforms.work import perform
from transforms.worker import Aside

SMALL = Ladder((Step(64, 150_000),))


def _perform(path: Path, header: Header, limits: Limits, **job: Any) -> tuple[dict[str, Any], bytes]:
    """As a worker does it: from JSON, to JSON."""
    order = {"path": str(path), "header": header.to_dict(), "limits": asdict(limits), **job}
    meta, data = perform(json.loads(json.dumps(order)), path.parent, Aside(path.parent / "aside", lambda _: None))
    return json.loads(json.dumps(meta)), data


def _plan(path: Path, ladder: Ladder = SMALL) -> tuple[Header, StreamPlan, str]:
    limits = Limits()
    header = probe(path, limits=limits)
    meta, data = _perform(path, header, limits, do="plan", ladder=ladder.to_dict(), version="v1")
    assert data == b""
    return header, StreamPlan.from_dict(meta["plan"]), meta["why"]


def test_a_worker_plans_a_stream_and_makes_its_parts(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", seconds=3, sound="aac")
    header, plan, why = _plan(path)
    assert why == ""
    assert [rung.name for rung in plan.rungs] == ["src", "64", "a0-src"]
    for rung in plan.of_kind("picture"):
        order = {"do": "part", "plan": plan.to_dict(), "rung": rung.name}
        _, head = _perform(path, header, Limits(), **order, part="init")
        meta, data = _perform(path, header, Limits(), **order, part=1, threads=2)
        assert meta == {"digest": hashlib.sha256(data).hexdigest(), "seconds": 1.0}
        assert len(pictures(head + data)) == 25


def test_the_same_film_has_the_same_plan(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", seconds=1)
    assert _plan(path)[1].id == _plan(path)[1].id
    assert _plan(path)[1].id != _plan(path, ladder=LADDERS["auto"])[1].id


def test_a_film_that_is_too_long_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", seconds=2)
    with pytest.raises(TooLong):
        _perform(path, probe(path), Limits(video_seconds=1), do="plan", ladder=LADDERS["auto"].to_dict(), version="v1")


def _corpus() -> Iterator[Path]:
    if folder := os.environ.get("DARKROOM_CORPUS"):
        for room in ("video", "hostile"):
            yield from sorted(path for path in Path(folder, room).iterdir() if path.is_file())


def test_whatever_a_file_is_the_answer_is_a_stream_or_a_refusal(tmp_path: Path) -> None:
    """Over the corpus where there is one, and over bytes of a film that were changed."""
    whole = film(tmp_path / "whole.mp4", seconds=1, sound="aac").read_bytes()
    changed = []
    for number, at in enumerate(range(40, len(whole), len(whole) // 25)):
        data = bytearray(whole)
        data[at : at + 4] = b"\xff\xfe\x80\x7f"
        changed.append(tmp_path / f"{number}.mp4")
        changed[-1].write_bytes(data)
    for path in (*changed, *_corpus()):
        with suppress(Refusal):
            _stream(path)


def _stream(path: Path) -> None:
    """Plan a stream of it, and make all the parts of its pictures."""
    with path.open("rb") as file:
        if sniff(file.read(4096)) not in DEMUXERS:
            return
    header, plan, _ = _plan(path)
    for rung in plan.of_kind("picture"):
        order = {"do": "part", "plan": plan.to_dict(), "rung": rung.name}
        head = _perform(path, header, Limits(), **order, part="init")[1]
        for number, (begin, end) in enumerate(plan.segments(rung)):
            data = _perform(path, header, Limits(), **order, part=number)[1]
            found = times(data)
            assert (found.begin, found.end) == (round(begin / rung.time_base), round(end / rung.time_base))
            assert rung.remux or len(pictures(head + data)) == len(found.durations)
