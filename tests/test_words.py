"""Words of a film and of files beside it, as WebVTT: what is shown, when, in which language, and what never is."""

import random
import re
from fractions import Fraction
from pathlib import Path

import pytest

from tests.sounds import source, worded
from transforms.errors import DamagedOriginal, NoSuchStream
from transforms.languages import tag
from transforms.video import cues, reading, words
from transforms.video.beside import Beside, common, suffixes
from transforms.video.ladders import LADDERS
from transforms.video.parts import Question, Source
from transforms.video.recipes import CURRENT, RECIPES
from transforms.video.stream_plan import Rung, StreamPlan
from transforms.video.titles import titled

SRT = b"""1
00:00:01,000 --> 00:00:02,500
<i>One</i>

2
00:00:03,500 --> 00:00:05,000
Two &
lines
"""
VTT = b"""WEBVTT a title

STYLE
::cue { color: red }

NOTE --
nothing

name
00:01.000 --> 00:00:02.500 align:start region:x line:0
<v Ann>One</v>

00:03.500 --> 00:05.000
Two
"""


def planned(original: Source, *edges: int) -> StreamPlan:
    index = reading.read(original.path, original.kind, original.limits)
    places = tuple(map(Fraction, edges or (0, 2, 4, 8)))
    asked = Question(original, index, LADDERS["auto"], RECIPES[CURRENT], places)
    return StreamPlan(CURRENT, "1", places, words.rungs(asked) + words.whole(asked), index.start)


def shown(original: Source, plan: StreamPlan, rung: Rung, number: int) -> list[tuple[str, str]]:
    """Times and text of the cues of a segment."""
    head, *blocks = words.segment(original, plan, rung, number).data.decode().split("\n\n")
    assert head == f"WEBVTT\n{cues.MAP}" if rung.kind == "words" else "WEBVTT"
    return [(times, text.strip()) for times, _, text in (block.partition("\n") for block in blocks) if times]


def timed_text(text: str) -> bytes:
    return len(text.encode()).to_bytes(2) + text.encode()


ONE, TWO = ("00:00:01.000 --> 00:00:02.500", "One"), ("00:00:03.500 --> 00:00:05.000", "Two")


@pytest.mark.parametrize(
    ("name", "codec", "texts"),
    [
        ("a.mkv", "subrip", (b"One", b'<font color="red">Two</font>')),
        ("a.mkv", "ass", (b"0,0,Default,,0,0,0,,{\\an8\\i1}One", b"1,0,Default,,0,0,0,,Two")),
        ("a.mkv", "webvtt", (b"One", b"Two")),
        ("a.webm", "webvtt", (b"One", b"Two")),
        ("a.mp4", "mov_text", (timed_text("One"), timed_text("Two"))),
        ("a.mov", "mov_text", (timed_text("One"), timed_text("Two"))),
    ],
)
def test_words_of_every_kind_are_shown_when_they_are_said(
    tmp_path: Path, name: str, codec: str, texts: tuple[bytes, bytes]
) -> None:
    path = worded(tmp_path / name, {"ger": (codec, [(1000, 2500, texts[0]), (3500, 5000, texts[1])])})
    plan = planned(source(path))
    segments, whole = plan.rungs
    assert (segments.name, segments.kind, segments.language) == ("s0-de", "words", "de")
    assert (whole.name, whole.kind, len(plan.segments(whole))) == ("t0-de", "text", 1)
    # What is shown across an edge is in the segments on both sides of it.
    wanted = {0: [ONE], 1: [ONE, TWO], 2: [TWO]}
    numbers = list(wanted)
    random.Random(3).shuffle(numbers)
    for number in numbers:
        assert shown(source(path), plan, segments, number) == wanted[number]
        twice = [words.segment(source(path), plan, segments, number).data for _ in range(2)]
        assert twice[0] == twice[1]
    assert shown(source(path), plan, whole, 0) == [ONE, TWO]


def test_words_far_into_a_film_are_found(tmp_path: Path) -> None:
    said = [(second * 1000, second * 1000 + 900, str(second).encode()) for second in range(0, 60, 5)]
    path = worded(tmp_path / "a.mkv", {"eng": ("subrip", [*said, (20_000, 52_000, b"long")])}, seconds=60)
    plan = planned(source(path), 0, 10, 50, 60)
    assert [text for _, text in shown(source(path), plan, plan.rungs[0], 2)] == ["long", "50", "55"]


def test_each_track_has_a_rung_and_pictures_of_words_have_none(tmp_path: Path) -> None:
    cue = [(1000, 2000, b"x")]
    path = worded(tmp_path / "a.mkv", {"eng": ("subrip", cue), "": ("webvtt", cue), "fre": ("dvb_subtitle", cue)})
    plan = planned(source(path))
    assert [(rung.name, rung.title) for rung in plan.of_kind("words")] == [("s0-en", "en"), ("s1-und", "subtitles")]
    assert not any(rung.default for rung in plan.rungs)


@pytest.mark.parametrize(("suffix", "data"), [(".en.srt", SRT), (".en.vtt", VTT)])
def test_files_beside_a_film_are_tracks_of_it(tmp_path: Path, suffix: str, data: bytes) -> None:
    path = worded(tmp_path / "a.mp4", {})
    original = source(path, beside=(Beside(suffix, data), Beside(".srt", b"nothing")))
    plan = planned(original)
    assert [(rung.name, rung.language, rung.stream) for rung in plan.rungs] == [
        ("s0-en", "en", None),
        ("t0-en", "en", None),
    ]
    segments = plan.rungs[0]
    assert [len(shown(original, plan, segments, number)) for number in range(3)] == [1, 2, 1]
    changed = source(path, beside=(Beside(suffix, data + b"\n\n"),))
    with pytest.raises(NoSuchStream, match="not there"):
        words.segment(changed, plan, segments, 0)
    with pytest.raises(NoSuchStream, match="init"):
        words.head(original, plan, segments)


def test_subrip_and_webvtt_are_read_and_written() -> None:
    first, second = cues.read(SRT, "srt")
    assert (first, second.text) == (cues.Cue(1000, 2500, "<i>One</i>"), "Two &amp;\nlines")
    first, second = cues.read(VTT, "vtt")
    assert first == cues.Cue(1000, 2500, "<v Ann>One</v>", "align:start line:0")
    assert cues.read(cues.written((first, second), mapped=False), "vtt") == (first, second)
    assert cues.read(SRT.replace(b"\n", b"\r\n"), "srt") == cues.read(SRT, "srt")
    assert cues.read("1\n0:00:01,5 --> 0:00:02,5\nÄ".encode("utf-16"), "srt") == (cues.Cue(1500, 2500, "Ä"),)
    assert cues.read("1\n0:00:01,5 --> 0:00:02,5\nÄ".encode("cp1252"), "srt")[0].text == "Ä"


@pytest.mark.parametrize(
    ("kind", "data", "match"),
    [
        ("vtt", b"1\n00:00:01,000 --> 00:00:02,500\nx", "does not begin"),
        ("vtt", b"WEBVTT\n\n\xff", "UTF-8"),
        ("srt", b"nothing", "no cue"),
        ("srt", b"", "no cue"),
        ("srt", b"x" * (cues.MOST_BYTES + 1), "bytes"),
        ("srt", b"0:1:02,0 --> 0:1:03,0\nx\n\n".replace(b":1:", b":01:") * (cues.MOST_CUES + 1), "cues"),
    ],
)
def test_what_is_no_file_of_subtitles_is_refused(kind: str, data: bytes, match: str) -> None:
    with pytest.raises(DamagedOriginal, match=match):
        cues.read(data, kind)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("<b>a</b> <i.loud>b</i>", "<b>a</b> <i.loud>b</i>"),
        ("<script>a</script>", "a"),
        ("<img src=x onerror=alert(1)>", ""),
        ("<b onclick=x>a</b>", "<b>a</b>"),
        ('<v "><script>x>a', '<v ">x&gt;a'),
        ("a < b > c & d &lt;b&gt;", "a &lt; b &gt; c &amp; d &lt;b&gt;"),
        ("a\x00\x1b[0m\u2028b\ufeff", "a[0mb"),
        ("a\n\n\n00:00.000 --> 00:01.000\nb", "a\n00:00.000 --&gt; 00:01.000\nb"),
        ("a&#10;&#10;WEBVTT&#0;", "a\nWEBVTT\ufffd"),
        ("{\\an8}a {b}", "a {b}"),
        ("<00:01.000>a<00:00:02.000>b", "<00:01.000>a<00:00:02.000>b"),
        ("<v \nAnn>a", "&lt;v\nAnn&gt;a"),
        ("<" * 3000, "&lt;" * cues.LONGEST_TEXT),
    ],
)
def test_what_is_shown_holds_no_other_tags_and_no_control_characters(text: str, wanted: str) -> None:
    got = cues.fit(text)
    assert got == wanted
    assert "-->" not in got
    assert "\n\n" not in got
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", got)
    assert not re.search(r"<(?!/?(?:b|i|u|c|v|ruby|rt|lang)[ .>]|[\d:.]+>)", got)


@pytest.mark.parametrize(("start", "end"), [(2000, 1000), (1000, 1000), (-2000, -1000), (0, 10**9)])
def test_a_cue_lasts_for_a_while_within_a_day(start: int, end: int) -> None:
    assert cues.made(start, end, "x") is None


def test_files_beside_are_found_by_their_names() -> None:
    names = ["d/a.mp4", "d/a.vtt", "d/a.srt", "d/a.pt-br.srt", "d/a.eng.vtt", "d/a.en.srt", "d/a.commentary.vtt"]
    assert list(suffixes("d/a.mp4", names)) == [".eng.vtt", ".vtt", ".pt-br.srt"]
    assert Beside(".pt-br.srt", b"").language == "pt-BR"
    assert Beside(".eng.forced.vtt", b"").forced
    assert Beside(".vtt", b"").language == ""
    assert list(common(["en"])) == [".vtt", ".en.vtt", ".srt", ".en.srt"]


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("eng", "en"),
        ("ger", "de"),
        ("deu", "de"),
        ("chi", "zh"),
        ("haw", "haw"),
        ("en-us", "en-US"),
        ("zho-hant-tw", "zh-Hant-TW"),
        ("und", ""),
        ("mul", ""),
        ("", ""),
        ("klingon!", ""),
        ('e"n', ""),
    ],
)
def test_languages_are_said_as_the_web_says_them(said: str, wanted: str) -> None:
    assert tag(said) == wanted


def test_no_two_tracks_have_one_name() -> None:
    assert titled([("A", "en", "x"), ("A", "de", "x"), ("A 2", "", "x"), ('"\n', "", "x")]) == [
        "A",
        "A 2",
        "A 2 2",
        "x",
    ]
