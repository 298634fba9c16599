"""Playlists and manifests say what a plan is, by the rules of their formats."""

import dataclasses
import re
import xml.etree.ElementTree as ET
from fractions import Fraction
from itertools import accumulate

import pytest

from signing.leaves import is_leaf
from tests.streamed import seconds
from transforms.video import dash, hls
from transforms.video.stream_plan import Rung, StreamPlan

NTSC = Fraction(30000, 1001)
CUTS = tuple(map(Fraction, ("0", "2", "4", "6", "12", "18", "20.02")))
OWN = Rung("src", "picture", True, "avc1.640028", 6_000_000, 4_000_000, 0, CUTS[-1], width=1920, height=1080, rate=NTSC)
SMALL = dataclasses.replace(
    OWN,
    name="360",
    remux=False,
    codecs="avc1.64001e",
    bandwidth=880_000,
    average=520_000,
    end=600 / NTSC,
    unit=1 / NTSC,
    time_base=Fraction(1, 30_000),
    width=640,
    height=360,
)
WIDE = dataclasses.replace(OWN, name="hdr", codecs="hvc1.2.4.L120.90", range="PQ")
SOUND = Rung(
    name="a0-aac192",
    kind="sound",
    remux=False,
    codecs="mp4a.40.2",
    bandwidth=220_000,
    average=192_000,
    stream=1,
    end=939 * Fraction(1024, 48_000),
    unit=Fraction(1024, 48_000),
    time_base=Fraction(1, 48_000),
    rate=Fraction(48_000),
    channels=2,
    language="en",
    title='The "best" <&>\nsound',
    default=True,
)
OTHER = dataclasses.replace(SOUND, name="a1-aac192", language="", title="", default=False, bandwidth=230_000)
WORDS = Rung(
    "s0-de",
    "words",
    False,
    "wvtt",
    2000,
    2000,
    2,
    CUTS[-1],
    language="de",
    title="Deutsch",
    time_base=Fraction(1, 1000),
)
TEXT = dataclasses.replace(WORDS, name="t0-de", kind="text", unit=CUTS[-1])
PLAN = StreamPlan(1, "v", CUTS, (OWN, SMALL, SOUND, OTHER, WORDS, TEXT))


def _attributes(line: str) -> dict[str, str]:
    return dict(re.findall(r'([A-Z-]+)=("[^"]*"|[^,]*)', line.partition(":")[2]))


def _lines(text: str, tag: str) -> list[dict[str, str]]:
    return [_attributes(line) for line in text.splitlines() if line.startswith(f"#EXT-X-{tag}:")]


def test_the_playlist_of_playlists_says_what_each_rung_is() -> None:
    text = hls.master(PLAN)
    assert text.startswith("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n")
    small, own = _lines(text, "STREAM-INF")
    assert own == {
        "BANDWIDTH": "6230000",
        "AVERAGE-BANDWIDTH": "4192000",
        "CODECS": '"avc1.640028,mp4a.40.2"',
        "RESOLUTION": "1920x1080",
        "FRAME-RATE": "29.970",
        "VIDEO-RANGE": "SDR",
        "CLOSED-CAPTIONS": "NONE",
        "AUDIO": '"sound"',
        "SUBTITLES": '"words"',
    }
    assert small["RESOLUTION"] == "640x360"


def test_players_begin_with_a_rung_that_is_easy() -> None:
    addresses = [line for line in hls.master(PLAN).splitlines() if not line.startswith("#")]
    assert addresses == [f"~hls/{PLAN.id}/360/index.m3u8", f"~hls/{PLAN.id}/src/index.m3u8"]


def test_tracks_of_sound_and_words_are_chosen_by_language_and_name() -> None:
    first, second, words = _lines(hls.master(PLAN), "MEDIA")
    assert first == {
        "TYPE": "AUDIO",
        "GROUP-ID": '"sound"',
        "NAME": '"The  best  <&> sound"',
        "LANGUAGE": '"en"',
        "DEFAULT": "YES",
        "AUTOSELECT": "YES",
        "CHANNELS": '"2"',
        "URI": f'"~hls/{PLAN.id}/a0-aac192/index.m3u8"',
    }
    assert (second["LANGUAGE"], second["NAME"], second["DEFAULT"]) == ('"und"', '"a1-aac192"', "NO")
    assert (words["TYPE"], words["GROUP-ID"], words["LANGUAGE"]) == ("SUBTITLES", '"words"', '"de"')


def test_whatever_a_playlist_names_is_a_file_of_a_stream() -> None:
    text = hls.master(PLAN)
    named = [*re.findall(r'URI="~([^"]*)"', text), *re.findall(r"^~(.*)$", text, re.MULTILINE)]
    for rung in PLAN.rungs:
        folder = hls.folder(PLAN, rung).removeprefix("~")
        media = hls.media(PLAN, rung)
        named += [f"{folder}/{line}" for line in media.splitlines() if line and not line.startswith("#")]
        named += [f"{folder}/{name}" for name in re.findall(r'URI="([^"]*)"', media)]
    assert len(named) > 30
    assert all(is_leaf(name) for name in named)


@pytest.mark.parametrize("rung", PLAN.rungs, ids=lambda rung: rung.name)
def test_a_playlist_tells_the_length_of_every_segment(rung: Rung) -> None:
    text = hls.media(PLAN, rung)
    lengths, edges = seconds(text), PLAN.edges(rung)
    assert text.endswith("#EXT-X-ENDLIST\n")
    assert "#EXT-X-PLAYLIST-TYPE:VOD\n" in text
    assert all(re.fullmatch(r"#EXTINF:\d+\.\d{6},", line) for line in text.splitlines() if "EXTINF" in line)
    for sum_, edge in zip(accumulate(lengths), edges[1:], strict=True):
        assert abs(sum_ - (edge - edges[0])) <= Fraction(1, 1_000_000)
    if rung.kind != "text":
        target = int(re.search(r"TARGETDURATION:(\d+)", text)[1])  # type: ignore[index]
        assert target == 6
        assert all(round(length) <= target and length <= target + Fraction(1, 2) for length in lengths)
    assert ('#EXT-X-MAP:URI="init.mp4"' in text) == (rung.kind in ("picture", "sound"))


def test_a_sound_without_pictures_is_a_stream_of_its_own() -> None:
    text = hls.master(dataclasses.replace(PLAN, rungs=(OTHER, SOUND)))
    (variant,) = _lines(text, "STREAM-INF")
    assert variant == {"BANDWIDTH": "220000", "AVERAGE-BANDWIDTH": "192000", "CODECS": '"mp4a.40.2"'}
    assert "/a0-aac192/index.m3u8" in text
    assert "#EXT-X-MEDIA:" not in text


def test_high_range_is_told() -> None:
    ranges = [
        line["VIDEO-RANGE"] for line in _lines(hls.master(dataclasses.replace(PLAN, rungs=(WIDE, SMALL))), "STREAM-INF")
    ]
    assert ranges == ["SDR", "PQ"]


MPD = "{urn:mpeg:dash:schema:mpd:2011}"


def _manifest(plan: StreamPlan) -> ET.Element:
    return ET.fromstring(dash.manifest(plan))


def test_the_manifest_is_over_the_segments_of_hls() -> None:
    root = _manifest(PLAN)
    assert root.get("type") == "static"
    assert root.get("mediaPresentationDuration") == "PT20.020000S"
    shown = {found.get("id"): found for found in root.iter(f"{MPD}Representation")}
    assert set(shown) == {"src", "360", "a0-aac192", "a1-aac192", "t0-de"}
    for rung in (OWN, SMALL, SOUND, OTHER):
        template = shown[rung.name].find(f"{MPD}SegmentTemplate")
        assert template is not None
        assert template.get("initialization") == f"{hls.folder(PLAN, rung)}/init.mp4"
        assert template.get("media") == f"{hls.folder(PLAN, rung)}/$Number$.m4s"
        assert template.get("startNumber") == "0"
        scale, at, edges = int(template.get("timescale", "")), None, []
        for line in template.iter(f"{MPD}S"):
            at = int(line.get("t", "")) if at is None else at
            assert at == int(line.get("t", ""))
            for _ in range(int(line.get("r", "0")) + 1):
                edges.append(Fraction(at, scale))
                at += int(line.get("d", ""))
        edges.append(Fraction(at or 0, scale))
        assert all(abs(one - other) <= rung.time_base for one, other in zip(edges, PLAN.edges(rung), strict=True))


def test_the_manifest_describes_what_players_choose_by() -> None:
    root = _manifest(PLAN)
    pictures, first, second, words = root.iter(f"{MPD}AdaptationSet")
    assert [found.get("frameRate") for found in pictures.iter(f"{MPD}Representation")] == ["30000/1001"] * 2
    assert (first.get("lang"), second.get("lang"), words.get("lang")) == ("en", "und", "de")
    roles = [found.get("value") for found in root.iter(f"{MPD}Role")]
    assert roles == ["main", "alternate", "subtitle"]
    labels = [found.text for found in root.iter(f"{MPD}Label")]
    assert labels == ['The "best" <&>\nsound', "Deutsch"]
    assert [found.text for found in words.iter(f"{MPD}BaseURL")] == [f"~hls/{PLAN.id}/t0-de/0.vtt"]


def test_players_do_not_switch_between_codecs_and_begin_with_the_one_that_all_play() -> None:
    sets = list(_manifest(dataclasses.replace(PLAN, rungs=(WIDE, SMALL))).iter(f"{MPD}AdaptationSet"))
    assert [[found.get("id") for found in one.iter(f"{MPD}Representation")] for one in sets] == [["360"], ["hdr"]]
    assert int(sets[0].get("selectionPriority", "")) > int(sets[1].get("selectionPriority", ""))
    assert next(sets[1].iter(f"{MPD}EssentialProperty")).get("value") == "16"
