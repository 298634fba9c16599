"""Segments of pictures fit together: frames, times, bytes and pictures of all kinds of films."""

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from tests.clips import B_FRAMES, Film, film, turned
from tests.streamed import Stream, grey, pictures, seconds, stream, times
from transforms.errors import DamagedOriginal, NotSupported, Refusal
from transforms.video import hls
from transforms.video.ladders import LADDERS, Ladder, Step
from transforms.video.planning import part

VP9 = {"deadline": "realtime", "cpu-used": "8"}
H265 = {"preset": "ultrafast", "x265-params": "log-level=none:open-gop=0"}
NTSC = Fraction(30000, 1001)
BOTH = Ladder((Step(64, 200_000),))
"""The original's own rung where there is one, and one that is smaller."""

FILMS: dict[str, tuple[str, Film]] = {
    "plain": ("mp4", Film(seconds=7)),
    "B-frames and sound": ("mov", Film(seconds=7, options=B_FRAMES, sound="aac")),
    "29.97 frames a second in milliseconds": ("mkv", Film(seconds=7, rate=NTSC, options=B_FRAMES, key=30)),
    "irregular keyframes": ("mkv", Film(seconds=7, key=250, keys=[0, 13, 55, 60, 118, 119, 160], options=B_FRAMES)),
    "film in ticks that do not divide": ("mp4", Film(seconds=5, rate=Fraction(24000, 1001), options=B_FRAMES)),
    "VP9": ("webm", Film(seconds=5, codec="libvpx-vp9", options=VP9)),
    "H.265 of ten bits": ("mp4", Film(seconds=5, codec="libx265", pixels="yuv420p10le", options=H265)),
    "fragmented": ("mp4", Film(seconds=5, muxer={"movflags": "frag_keyframe+empty_moov"})),
    "anamorphic": ("mp4", Film(seconds=3, aspect=Fraction(4, 3))),
    "fast": ("mp4", Film(seconds=3, rate=60, key=60)),
}
ENCODED_ONLY: dict[str, tuple[str, Film]] = {
    "AVI": ("avi", Film(seconds=5, codec="mpeg4", options={})),
    "MPEG-TS": ("ts", Film(seconds=5, options=B_FRAMES, sound="aac")),
    "a single keyframe": ("mp4", Film(seconds=13, rate=10, key=1000)),
    "open groups": (
        "mp4",
        Film(seconds=5, key=24, options={"preset": "superfast", "x264-params": "open-gop=1:bframes=3:b-adapt=0"}),
    ),
    "ten bits of H.264": ("mp4", Film(seconds=3, pixels="yuv420p10le", options={"preset": "ultrafast"})),
    "VP8": ("webm", Film(seconds=3, codec="libvpx", options=VP9)),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Streams of films by name, each made once."""
    folder, known = tmp_path_factory.mktemp("films"), {}

    def make(name: str) -> tuple[Stream, Film]:
        if name not in known:
            kind, what = {**FILMS, **ENCODED_ONLY}[name]
            known[name] = stream(film(folder / f"{len(known)}.{kind}", what), BOTH), what
        return known[name]

    return make


@pytest.mark.parametrize("name", FILMS)
def test_packets_of_a_film_are_sent_as_they_are(made: Any, name: str) -> None:
    streamed, what = made(name)
    assert streamed.index.picture.why == ""
    _fits(streamed, "src", what.frames, steady=False)


@pytest.mark.parametrize("name", [*FILMS, *ENCODED_ONLY])
def test_a_film_is_encoded_in_segments_that_fit(made: Any, name: str) -> None:
    streamed, what = made(name)
    assert streamed.encoded.rate == what.rate
    _fits(streamed, streamed.encoded.name, what.frames, steady=True)


@pytest.mark.parametrize("name", ENCODED_ONLY)
def test_what_cannot_be_sent_as_it_is_says_why(made: Any, name: str) -> None:
    streamed, _ = made(name)
    assert [rung.remux for rung in streamed.plan.of_kind("picture")] == [False]
    assert streamed.index.picture.why


def _fits(streamed: Stream, name: str, frames: int, *, steady: bool) -> None:
    """All that is promised of the segments of a rung, whatever film they are of."""
    rung, plan = streamed.rung(name), streamed.plan
    head, parts = streamed.head(rung), streamed.segments(rung)
    told = seconds(hls.media(plan, rung))
    assert len(parts) == len(told) == len(plan.segments(rung))
    clock, at, steps = rung.time_base, 0, set()
    for data, (begin, end), length in zip(parts, plan.segments(rung), told, strict=True):
        found = times(data)
        assert found.begin == at == round(begin / clock), "a segment begins where the one before ends"
        assert min(found.shown) == found.shown[0] == found.begin, "the first frame is shown first"
        assert max(found.shown) < found.end == round(end / clock)
        assert len(set(found.shown)) == len(found.shown)
        assert abs(found.end - found.begin - length / clock) * clock < Fraction(1, 100_000)
        at, steps = found.end, steps | set(found.durations)
    assert not steady or len(steps) == 1, "frames come regularly, across joins too"
    assert abs(at * clock - sum(told)) < Fraction(1, 100_000)
    decoded = pictures(head + b"".join(parts))
    assert len(decoded) == frames
    assert not any(frame.is_corrupt for frame in decoded)
    assert len({frame.pts for frame in decoded}) == frames
    alone = pictures(head + parts[-1])
    assert len(alone) == len(times(parts[-1]).durations), "a segment needs no other"
    assert alone[0].key_frame


@pytest.mark.parametrize("name", ["B-frames and sound", "29.97 frames a second in milliseconds", "VP9"])
def test_the_same_part_has_the_same_bytes_whenever_it_is_made(made: Any, name: str) -> None:
    streamed, _ = made(name)
    for rung in streamed.plan.of_kind("picture"):
        count = len(streamed.plan.segments(rung))
        assert streamed.segments(rung) == streamed.segments(rung, range(count))
        assert streamed.head(rung) == streamed.head(rung)


def test_more_threads_that_decode_make_the_same_bytes(made: Any) -> None:
    streamed, _ = made("B-frames and sound")
    hurried = streamed._replace(source=type(streamed.source)(**{**vars(streamed.source), "threads": 3}))
    assert hurried.segments(streamed.encoded) == streamed.segments(streamed.encoded)


@pytest.mark.parametrize(
    "name", ["29.97 frames a second in milliseconds", "MPEG-TS", "film in ticks that do not divide"]
)
def test_each_slot_shows_the_frame_of_its_moment(made: Any, name: str) -> None:
    streamed, _ = made(name)
    rung = streamed.encoded
    with av.open(str(streamed.source.path)) as container:
        originals = [frame.reformat(rung.width, rung.height) for frame in container.decode(video=0)]
    for number in (0, 1, len(streamed.plan.segments(rung)) - 1):
        begin = round(streamed.plan.segments(rung)[number][0] / rung.unit)
        shown = grey(pictures(streamed.head(rung) + streamed.segments(rung)[number])[0])
        near = [at for at in range(begin - 2, begin + 3) if 0 <= at < len(originals)]
        best = min(near, key=lambda at: abs(grey(originals[at]) - shown).mean())
        assert best == begin


def test_a_film_whose_frames_come_irregularly_is_shown_regularly(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", seconds=4, moments=lambda number: Fraction(number, 25) + Fraction(number % 3, 100))
    streamed = stream(path, BOTH)
    _fits(streamed, "src", 100, steady=False)
    _fits(streamed, "64", round(streamed.index.seconds * streamed.encoded.rate), steady=True)


def test_a_gap_in_a_film_is_filled_with_the_frame_before_it(tmp_path: Path) -> None:
    """Two seconds of nothing in the midst, which players would stumble over."""
    path = film(tmp_path / "a.mkv", seconds=4, key=10, moments=lambda n: Fraction(n, 25) + (2 if n >= 50 else 0))
    streamed = stream(path, BOTH)
    rung = streamed.encoded
    decoded = pictures(streamed.head(rung) + b"".join(streamed.segments(rung)))
    assert len(decoded) == 150
    assert abs(grey(decoded[60]) - grey(decoded[90])).mean() < 2
    assert abs(grey(decoded[120]) - grey(decoded[140])).mean() > 2


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_film_is_upright_in_a_stream(tmp_path: Path, degrees: int) -> None:
    plain = stream(film(tmp_path / "a.mp4", size=(160, 96), seconds=2), BOTH)
    streamed = stream(turned(film(tmp_path / "b.mp4", size=(160, 96), seconds=2), degrees), BOTH)
    rung = streamed.encoded
    assert "turned" in streamed.index.picture.why  # type: ignore[union-attr]
    assert (rung.width < rung.height) == (degrees != 180)
    upright, shown = (
        grey(pictures(one.head(one.encoded) + one.segments(one.encoded)[0])[3]) for one in (plain, streamed)
    )
    expected = {90: upright.T[:, ::-1], 180: upright[::-1, ::-1], 270: upright.T[::-1]}[degrees]
    assert shown.shape == expected.shape
    assert abs(shown - expected).mean() < 6


def _frame(streamed: Stream, number: int = 3) -> Any:
    return grey(pictures(streamed.head(streamed.encoded) + streamed.segments(streamed.encoded)[0])[number])


def test_pixels_that_are_not_square_become_square(made: Any) -> None:
    streamed, _ = made("anamorphic")
    assert (streamed.rung("src").width, streamed.rung("src").height) == (213, 90)
    assert (streamed.encoded.width, streamed.encoded.height) == (152, 64)
    frame = pictures(streamed.head(streamed.encoded) + streamed.segments(streamed.encoded)[0])[0]
    assert (frame.width, frame.height) == (152, 64)


def test_interlaced_films_are_made_whole(tmp_path: Path) -> None:
    options = {"preset": "ultrafast", "flags": "+ildct+ilme", "x264-params": "tff=1:interlaced=1"}
    streamed = stream(film(tmp_path / "a.ts", seconds=3, size=(160, 96), options=options), BOTH)
    again = stream(film(tmp_path / "a.mp4", seconds=3, size=(160, 96), options=options), BOTH)
    assert again.index.picture.why == "it is interlaced"  # type: ignore[union-attr]
    for one in (streamed, again):
        _fits(one, "64", 75, steady=True)
        frame = pictures(one.head(one.encoded) + one.segments(one.encoded)[0])[0]
        assert not frame.interlaced_frame


@pytest.mark.parametrize("transfer", [16, 18])
def test_high_range_becomes_that_of_every_screen(tmp_path: Path, transfer: int) -> None:
    path = film(
        tmp_path / "a.mp4", seconds=2, codec="libx265", pixels="yuv420p10le", options=H265, colour=(9, transfer, 9)
    )
    streamed = stream(path, BOTH)
    assert streamed.rung("src").range == {16: "PQ", 18: "HLG"}[transfer]
    rung = streamed.encoded
    assert rung.range == "SDR"
    frame = pictures(streamed.head(rung) + streamed.segments(rung)[0])[0]
    assert (frame.format.name, frame.colorspace, frame.color_trc, frame.color_primaries) == ("yuv420p", 1, 1, 1)
    bright = grey(frame).max()
    assert bright > 200


def test_a_film_of_many_frames_a_second_has_half_of_them(tmp_path: Path) -> None:
    streamed = stream(film(tmp_path / "a.mp4", seconds=2, rate=120, key=120), BOTH)
    assert streamed.index.picture.why == "it has 120 frames a second"  # type: ignore[union-attr]
    assert streamed.encoded.rate == 60
    _fits(streamed, "64", 120, steady=True)


def test_rungs_are_cut_at_the_same_moments(made: Any) -> None:
    streamed, what = made("irregular keyframes")
    own, small = streamed.plan.edges(streamed.rung("src")), streamed.plan.edges(streamed.encoded)
    assert len(own) == len(small)
    assert all(abs(one - other) <= 1 / Fraction(what.rate) for one, other in zip(own, small, strict=True))


def test_a_film_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", seconds=4, muxer={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(DamagedOriginal, match="its end is missing"):
        stream(path)


def test_a_film_is_not_over_for_a_frame_that_is_broken(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", seconds=3)
    with av.open(str(path)) as container:
        place = [packet.pos for packet in container.demux(video=0) if packet.size][30]
    data = bytearray(path.read_bytes())
    data[place + 4 : place + 60] = b"\xff" * 56
    path.write_bytes(data)
    _fits(stream(path, BOTH), "64", 75, steady=True)


def test_a_film_that_becomes_another_under_its_plan_is_refused_or_made(tmp_path: Path) -> None:
    """What cannot be known beforehand is a refusal, and never a failure."""
    streamed = stream(film(tmp_path / "a.mp4", seconds=5, sound="aac"), BOTH)
    for other in (film(tmp_path / "b.mp4", seconds=1), film(tmp_path / "c.mp4", seconds=5, key=40, codec="libx265")):
        streamed.source.path.write_bytes(other.read_bytes())
        for rung in streamed.plan.rungs:
            for number in range(len(streamed.plan.segments(rung))):
                with suppress(Refusal):
                    part(streamed.source, streamed.plan, rung.name, number)


def test_bytes_that_are_no_film_are_refused(tmp_path: Path) -> None:
    for kind in ("mp4", "mkv", "webm", "avi", "ts", "mov", "3gp"):
        path = tmp_path / f"a.{kind}"
        whole = film(tmp_path / "whole.mp4", seconds=1).read_bytes()
        for data in (b"", b"\0" * 4096, whole[:300], whole[-3000:], bytes(255 - byte for byte in whole)):
            path.write_bytes(data)
            with pytest.raises(Refusal):
                stream(path)


def test_a_plan_has_no_parts_but_its_own(made: Any) -> None:
    streamed, _ = made("plain")
    count = len(streamed.plan.segments(streamed.rung("src")))
    for name, which in (("src", count), ("src", -1), ("999", 0), ("src", "head")):
        with pytest.raises(NotSupported):
            part(streamed.source, streamed.plan, name, which)


def test_frames_of_more_pixels_than_are_allowed_are_not_decoded(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", seconds=1, size=(320, 180))
    assert stream(path, video_megapixels=0.06).plan.rungs
    with pytest.raises(Refusal):
        stream(path, video_megapixels=0.05)


def test_the_usual_ladder_gives_two_sizes_that_differ(tmp_path: Path) -> None:
    path = film(tmp_path / "a.avi", seconds=1, size=(640, 360), codec="mpeg4", options={})
    streamed = stream(path, LADDERS["auto"])
    assert [(rung.name, rung.width, rung.height) for rung in streamed.plan.rungs] == [
        ("360", 640, 360),
        ("240", 426, 240),
    ]
