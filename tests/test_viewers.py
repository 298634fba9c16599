"""Streams as their players see them: hls.js and dash.js in a real browser, on films in a folder and in a bucket.

Nothing is missing where a film was played to its end and what is buffered then is one range.
"""

import shutil
import socket
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from docs.browsing import chromium
from tests import clips, films, viewing
from tests.seaweed import Seaweed
from tests.serving import LOCAL, Server, serving
from tests.test_served_from_elsewhere import bucket, put
from tests.viewing import Act, Seen, view

PLAYERS = pytest.mark.parametrize("player", ["hls", "dash"])
FIRST = {"hls": "master.m3u8", "dash": "manifest.mpd"}
SECONDS = 8
"""Of films in which nobody looks for anything."""
SEEKS: dict[str, tuple[float, list[Act]]] = {
    "hls": (0.0, [(0.5, "seek", 9.0), (9.5, "seek", 4.0), (4.5, "seek", 0.0)]),
    "dash": (9.0, [(9.5, "seek", 4.0), (4.5, "seek", 0.0)]),
}
"""Where films begin that are sought in, and where one seeks.

Where something is buffered at the place that dash.js comes to, and the end of the film too, it takes all for loaded and
asks for nothing that is missing in between. So it has nothing buffered when it makes its way forwards.
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, seaweed_server: Seaweed) -> Iterator[Server]:
    """Every test has a film of its own, which nobody else makes parts of."""
    folder, prefix = tmp_path_factory.mktemp("films"), seaweed_server.fresh()
    short = films.film(folder, "played.mp4", SECONDS)
    long = films.film(folder, "switched.mp4")
    for film, *others in ((short, "tracks-hls", "tracks-dash"), (long, "sought-hls", "sought-dash")):
        for name in others:
            shutil.copy(film, folder / f"{name}.mp4")
    for player in FIRST:
        (folder / f"tracks-{player}.en.vtt").write_text(films.WORDS)
    clips.film(folder / "old.avi", size=(160, 90), seconds=4, codec="mpeg4", options={})
    elsewhere = ("played.mp4", "played.en.vtt", "sought-dash.mp4")
    put(seaweed_server, prefix, {name: (folder / name).read_bytes() for name in elsewhere})
    # Where everything is slow, viewers wait instead of being turned away.
    patient = {"connect_seconds": 10, "first_byte_seconds": 20, "total_seconds": 60}
    mounts = {"": str(folder), "bucket": bucket(seaweed_server, prefix, **patient)}
    settings = {"mounts": mounts, "ladders": films.LADDERS, "queue_seconds": 30}
    with serving(None, tmp_path_factory.mktemp("server"), **settings) as running:
        yield running


@pytest.fixture(scope="module")
def browser(server: Server) -> Iterator[Browser]:
    # It has the thread's event loop from here on, which the server's bucket is filled by.
    with sync_playwright() as playwright:
        running = chromium(playwright)
        yield running
        running.close()


def stream(player: str, source: str) -> str:
    return f"/f_{player}/{source}/~{FIRST[player]}"


def segments(seen: Seen, rung: str) -> list[str]:
    """The Cache-Status of what was loaded of a rung."""
    return [tier for _, path, tier in seen.answers if f"/{rung}/" in path and path.endswith(".m4s")]


@pytest.mark.parametrize(("place", "rung"), [("", "90"), ("bucket/", "src")], ids=["folder-made", "bucket-copied"])
def test_a_stream_is_played_to_its_end_cold_by_one_player_and_warm_by_the_other(
    browser: Browser, server: Server, place: str, rung: str
) -> None:
    cold = view(browser, server.port, "hls", stream("hls", f"{place}played.mp4"), rung)
    cold.check(SECONDS)
    assert sorted(cold.names) == ["90", "src"]
    assert set(cold.rungs) == {rung}
    assert any("fwd=miss" in tier for tier in segments(cold, rung))
    warm = view(browser, server.port, "dash", stream("dash", f"{place}played.mp4"), rung)
    warm.check(SECONDS)
    # The very segments that the other player had.
    found = segments(warm, rung)
    assert found
    assert not any("fwd=miss" in tier for tier in found)


@PLAYERS
def test_rungs_are_switched_in_the_middle(browser: Browser, server: Server, player: str) -> None:
    acts = [(2.0, "choose", "src"), (6.0, "choose", "90")]
    # Slowly enough for a busy machine to load the last part after the last choice.
    seen = view(browser, server.port, player, stream(player, "switched.mp4"), "90", acts, ahead=2, speed=2)
    seen.check(films.SECONDS)
    # A player tells of a rung only when it is another than the one before.
    assert "src" in seen.rungs
    assert segments(seen, "90")
    assert segments(seen, "src")


@pytest.mark.parametrize(("player", "place", "rung"), [("hls", "", "src"), ("dash", "bucket/", "90")])
def test_who_seeks_forwards_and_back_has_the_whole_film_in_the_end(
    browser: Browser, server: Server, player: str, place: str, rung: str
) -> None:
    begin, acts = SEEKS[player]
    seen = view(browser, server.port, player, stream(player, f"{place}sought-{player}.mp4"), rung, acts, begin=begin)
    seen.check(films.SECONDS)


@PLAYERS
def test_a_film_that_no_browser_plays_is_played_all_the_same(browser: Browser, server: Server, player: str) -> None:
    seen = view(browser, server.port, player, stream(player, "old.avi"))
    seen.check(4)
    assert "src" not in seen.names


@PLAYERS
def test_tracks_and_words_are_there_to_be_chosen(browser: Browser, server: Server, player: str) -> None:
    acts = [(1.0, "speak", 1.0), (2.0, "read", 0.0)]
    seen = view(browser, server.port, player, stream(player, f"tracks-{player}.mp4"), acts=acts, ahead=2)
    assert [language for language, *_ in seen.tracks["sound"]] == ["en", "de"]
    assert [language for language, *_ in seen.tracks["words"]] == ["en"]
    seen.check(SECONDS, begins=4)  # both throw away what they have of the other track
    assert any("/a1" in path for _, path, _ in seen.answers)
    assert any(path.endswith(".vtt") for _, path, _ in seen.answers)


@PLAYERS
def test_a_viewer_who_gets_no_answer_ends_by_its_patience_and_says_what_was_missing(
    browser: Browser, player: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewing, "PATIENCE", 1500)
    with socket.create_server((LOCAL, 0)) as silent:
        seen = view(browser, silent.getsockname()[1], player, f"/~{FIRST[player]}")
    with pytest.raises(AssertionError, match=rf"not over after 1\.5 seconds.*unanswered \['{FIRST[player]}'\]"):
        seen.check(SECONDS)
