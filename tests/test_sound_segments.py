"""Segments of sound: each made alone, together one sound without a seam."""

import math
import random
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.clips import film
from tests.sounds import decoded, fragment, heard, sound, source, sweep
from transforms.audio import rungs
from transforms.audio.aac import FRAME, AudioConfig
from transforms.audio.samples import GRID, Samples, track
from transforms.audio.segments import encoded, encoded_head
from transforms.containers import demuxed, opened
from transforms.errors import Refusal
from transforms.limits import Limits
from transforms.video import reading
from transforms.video.boxes import found
from transforms.video.cuts import cuts
from transforms.video.ladders import LADDERS
from transforms.video.parts import Question, Source
from transforms.video.recipes import CURRENT, RECIPES
from transforms.video.stream_plan import Rung, StreamPlan


def planned(original: Source, *edges: Fraction | float) -> StreamPlan:
    """A plan of the sounds of an original alone."""
    index = reading.read(original.path, original.kind, original.limits)
    recipe = RECIPES[CURRENT]
    places = tuple(map(Fraction, edges)) or cuts(index.seconds, recipe)
    asked = Question(original, index, LADDERS["auto"], recipe, places)
    return StreamPlan(CURRENT, "1", places, rungs.rungs(asked), index.start)


def made(original: Source, plan: StreamPlan, rung: Rung) -> list[bytes]:
    """All segments of a rung, made in no order."""
    numbers = list(range(len(plan.segments(rung))))
    random.Random(2).shuffle(numbers)
    parts = {number: rungs.segment(original, plan, rung, number).data for number in numbers}
    return [parts[number] for number in sorted(parts)]


ORIGINALS = (
    ("a.wav", 44_100, "stereo", ""),
    ("a.flac", 48_000, "mono", ""),
    ("a.flac", 48_000, "5.1", ""),
    ("a.m4a", 44_100, "stereo", ""),
    ("a.m4a", 48_000, "5.1", ""),
    ("a.mp4", 22_050, "mono", ""),
    ("a.mp4", 32_000, "mono", ""),
    ("a.mkv", 48_000, "stereo", ""),
    ("a.ts", 48_000, "stereo", ""),
    ("a.mp3", 44_100, "stereo", ""),
    ("a.webm", 48_000, "stereo", ""),
)


@pytest.mark.parametrize(("name", "rate", "layout", "codec"), ORIGINALS)
def test_segments_follow_each_other_without_a_gap(
    tmp_path: Path, name: str, rate: int, layout: str, codec: str
) -> None:
    original = source(sound(tmp_path / name, 7, rate, layout, codec))
    plan = planned(original)
    (rung,) = plan.rungs
    parts = made(original, plan, rung)
    read = [fragment(part) for part in parts]
    lengths = [end - begin for begin, end in plan.segments(rung)]
    assert len(parts) == len(plan.cuts) - 1 == 4
    for number, part in enumerate(read):
        assert part.duration == FRAME
        assert part.begin * rung.time_base == sum(lengths[:number])
        assert len(part.frames) * FRAME * rung.time_base == lengths[number]
        assert all(part.frames)
    assert 0 <= sum(lengths) - plan.cuts[-1] < Fraction(FRAME, GRID if not rung.remux else rate)
    assert abs(sum(lengths[:2]) - plan.cuts[2]) <= rung.unit
    got = decoded(rungs.head(original, plan, rung).data, *parts)
    assert got.shape[1] == sum(len(part.frames) for part in read) * FRAME
    again = rungs.segment(original, plan, rung, 2)
    assert (again.data, again.seconds) == (parts[2], lengths[2])


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_joins_are_no_worse_than_in_one_piece(tmp_path: Path, rate: int) -> None:
    path = sound(tmp_path / "a.wav", 9, rate)
    edges = [0, 94, 188, 281, 350, 9 * GRID // FRAME]

    def piece(first: int, last: int) -> bytes:
        with opened(path, "wav", Limits()) as container:
            return encoded(track(container, 0, Fraction(0)), first, last, RECIPES[CURRENT])

    head = encoded_head(RECIPES[CURRENT])
    joined = decoded(head, *(piece(first, last) for first, last in pairwise(edges)))
    whole = decoded(head, piece(0, edges[-1]))
    wanted = heard(path, 0, edges[-1] * FRAME)
    assert joined.shape == whole.shape == wanted.shape

    def error(got: Samples, frame: int) -> float:
        """Decibels around the beginning of a frame."""
        around = slice(frame * FRAME - 512, frame * FRAME + 512)
        noise, signal = got[:, around] - wanted[:, around], wanted[:, around]
        return float(10 * np.log10((noise**2).mean() / (signal**2).mean()))

    ordinary = max(error(joined, frame) for frame in range(2, edges[-1] - 1) if frame not in edges)
    for edge in edges[1:-1]:
        assert error(joined, edge) < -60
        assert error(joined, edge) < max(error(whole, edge) + 3, ordinary)


def test_there_is_no_drift_over_many_segments(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    seconds, rate = 16, 44_100
    clicks = np.zeros((2, seconds * rate), np.float32)
    clicks[:, :: 4 * rate] = 0.9
    with av.open(str(path), "w", format="wav") as out:
        stream: Any = out.add_stream("pcm_s16le", rate=rate, layout="stereo")
        frame = av.AudioFrame.from_ndarray((clicks.T.reshape(1, -1) * 32767).astype(np.int16), "s16", "stereo")
        frame.sample_rate = rate
        out.mux(stream.encode(frame))
    original = source(path)
    plan = planned(original, *range(seconds + 1))
    (rung,) = plan.rungs
    got = decoded(rungs.head(original, plan, rung).data, *made(original, plan, rung))
    assert got.shape[1] == math.ceil(Fraction(seconds * GRID, FRAME)) * FRAME
    for second in range(4, seconds, 4):
        around = np.abs(got[0, second * GRID - 2000 : second * GRID + 2000])
        assert int(around.argmax()) == 2000


def test_aac_is_sent_as_it_is(tmp_path: Path) -> None:
    original = source(sound(tmp_path / "a.m4a", 5, 44_100))
    with av.open(str(original.path)) as container:
        wanted = [bytes(packet) for packet in container.demux(audio=0) if packet.pts is not None and packet.pts >= 0]
    plan = planned(original)
    (rung,) = plan.rungs
    assert (rung.name, rung.remux, rung.codecs, rung.rate) == ("a0-src", True, "mp4a.40.2", 44_100)
    frames = [frame for part in made(original, plan, rung) for frame in fragment(part).frames]
    assert frames == wanted[: len(frames)]
    assert len(wanted) - len(frames) in (0, 1)
    assert all(len(part) * 8 / seconds <= rung.bandwidth for part, seconds in spent(original, plan, rung))


def spent(original: Source, plan: StreamPlan, rung: Rung) -> list[tuple[bytes, float]]:
    return [
        (part, float(end - begin))
        for part, (begin, end) in zip(made(original, plan, rung), plan.segments(rung), strict=True)
    ]


def test_what_is_encoded_stays_below_the_bandwidth_that_is_told(tmp_path: Path) -> None:
    original = source(sound(tmp_path / "a.flac", 7, 48_000))
    plan = planned(original)
    (rung,) = plan.rungs
    assert (rung.name, rung.remux, rung.bandwidth >= rung.average) == ("a0-aac192", False, True)
    assert all(len(part) * 8 / seconds <= rung.bandwidth for part, seconds in spent(original, plan, rung))


def test_aac_that_ends_early_or_begins_late_goes_on_in_silence(tmp_path: Path) -> None:
    original = source(sound(tmp_path / "a.m4a", 3, 44_100))
    plan = planned(original, 0, 2, 4, 6)
    (rung,) = plan.rungs
    parts = made(original, plan, rung)
    got = decoded(rungs.head(original, plan, rung).data, *parts)
    assert got.shape[1] == math.ceil(6 * 44_100 / FRAME) * FRAME
    assert np.abs(got[:, : 2 * 44_100]).max() > 0.3
    assert np.abs(got[:, 4 * 44_100 :]).max() < 1e-3
    late = StreamPlan(plan.recipe, plan.version, plan.cuts, plan.rungs, Fraction(-2))
    got = decoded(rungs.head(original, late, rung).data, *made(original, late, rung))
    assert np.abs(got[:, : 44_100 * 19 // 10]).max() < 1e-3
    assert np.abs(got[:, 44_100 * 2 : 44_100 * 4]).max() > 0.3


@pytest.mark.parametrize(
    ("extra", "wanted"),
    [
        ("1210", AudioConfig(2, 44_100, "stereo", 1024)),
        ("1190", AudioConfig(2, 48_000, "stereo", 1024)),
        ("159056e500", AudioConfig(2, 8000, "stereo", 1024)),
        ("11b0", AudioConfig(2, 48_000, "5.1", 1024)),
        ("1214", AudioConfig(2, 44_100, "stereo", 960)),
        ("2b920800", AudioConfig(5, 22_050, "stereo", 1024)),
        ("1780", None),
        ("1200", None),
        ("12", None),
        ("", None),
    ],
)
def test_what_aac_says_of_itself_is_read(extra: str, wanted: AudioConfig | None) -> None:
    assert AudioConfig.read(bytes.fromhex(extra)) == wanted


def test_the_head_says_what_the_rung_says(tmp_path: Path) -> None:
    for name, rate in (("a.m4a", 44_100), ("a.wav", 44_100)):
        original = source(sound(tmp_path / name, 1, rate))
        plan = planned(original)
        (rung,) = plan.rungs
        head = rungs.head(original, plan, rung).data
        stsd = found(head, "moov", "trak", "mdia", "minf", "stbl", "stsd")
        assert stsd
        config = head[head.index(b"esds") :]
        said = AudioConfig.read(config[config.index(b"\x05\x80\x80\x80") + 5 :])
        assert said
        assert (f"mp4a.40.{said.type}", said.rate) == (rung.codecs, rung.rate)
        assert b"elst" not in head
        assert head == rungs.head(original, plan, rung).data


def test_every_track_has_a_rung_with_its_language(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mkv", seconds=2, sound="aac", sounds=("fre", "eng", "", "eng"))
    plan = planned(source(path))
    assert [rung.language for rung in plan.rungs] == ["fr", "en", "", "en"]
    assert [rung.title for rung in plan.rungs] == ["fr", "en", "sound", "en 2"]
    assert [rung.default for rung in plan.rungs].count(True) == 1
    assert [rung.name for rung in plan.rungs] == [f"a{number}-src" for number in range(4)]
    pitches = []
    for rung in plan.rungs:
        got = decoded(rungs.head(source(path), plan, rung).data, *made(source(path), plan, rung))
        pitches.append(int(np.abs(np.fft.rfft(got[0, 12_000:60_000])).argmax()))
    assert pitches == [440, 880, 1320, 1760]


def test_the_sound_of_a_film_keeps_its_place_beside_the_pictures(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", seconds=4, sound="ac3")
    plan = planned(source(path))
    (rung,) = plan.rungs
    assert (rung.name, plan.cuts[-1]) == ("a0-aac192", 4)
    got = decoded(rungs.head(source(path), plan, rung).data, *made(source(path), plan, rung))
    wanted = 0.4 * np.sin(2 * np.pi * 440 * np.arange(GRID) / GRID)
    error = got[0, GRID : 2 * GRID] - wanted
    assert 10 * np.log10((error**2).mean() / (wanted**2).mean()) < -30


def test_sound_that_was_cut_loses_nothing_at_its_ends(tmp_path: Path) -> None:
    original = source(sound(tmp_path / "a.flac", 2, 48_000))
    plan = planned(original, 0, 2)
    (rung,) = plan.rungs
    got = decoded(rungs.head(original, plan, rung).data, *made(original, plan, rung))
    error = got[:, FRAME : 2 * GRID - 10] - sweep(2, GRID)[:, FRAME : 2 * GRID - 10]
    assert np.abs(error).max() < 0.02


def test_packets_of_a_stream_that_was_not_there_at_first_are_passed_over() -> None:
    class Container:
        """As PyAV has it for MPEG-TS: it looks packets up among the streams that it knew when the file was opened."""

        packets = iter("ab?c")

        def demux(self, *streams: Any) -> Iterator[str]:
            for packet in self.packets:
                if packet == "?":
                    raise IndexError("list index out of range")
                yield packet

    container: Any = Container()
    assert list(demuxed(container)) == ["a", "b", "c"]


@pytest.mark.parametrize("name", ["a.m4a", "a.mkv", "a.ts", "a.mp3", "a.flac", "a.opus"])
def test_broken_bytes_give_segments_that_fit_or_a_refusal(tmp_path: Path, name: str) -> None:
    whole = sound(tmp_path / name, 2, 48_000).read_bytes()
    chance = random.Random(name)
    for attempt in range(6):
        data = bytearray(whole[: len(whole) if attempt % 2 else chance.randrange(200, len(whole))])
        for _ in range(attempt * 5):
            data[chance.randrange(100, len(data))] = chance.randrange(256)
        (tmp_path / name).write_bytes(data)
        original = source(tmp_path / name)
        with suppress(Refusal):
            plan = planned(original, 0, 1, 2)
            for rung in plan.rungs:
                for (begin, end), part in zip(plan.segments(rung), made(original, plan, rung), strict=True):
                    assert fragment(part).begin * rung.time_base == begin
                    assert len(fragment(part).frames) * rung.unit == end - begin
