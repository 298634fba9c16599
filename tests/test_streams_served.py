"""Streams from end to end: what a player puts together from the parts of real servers is the film."""

import re
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import clips
from tests.seaweed import Seaweed
from tests.serving import Reply, Server, environment, serving
from tests.test_served_from_elsewhere import bucket, put

HERE = Path(__file__).parent.parent
SECONDS, RATE, KEY = 9, 10, 10
PADDING = 6 << 20
WORDS = "WEBVTT\n\n00:01.000 --> 00:03.000\nGood evening\n\n00:04.500 --> 00:06.000\nAnd good night\n"
LADDERS = {
    "test": {"steps": [{"side": 90, "bits": "150k"}]},
    "small": {"steps": [{"side": 90, "bits": "150k"}], "remux": False},
}

Ask = Callable[[str], Reply]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    clips.film(folder / "film.mp4", size=(320, 180), seconds=SECONDS, rate=RATE, key=KEY, sound="aac")
    (folder / "film.en.vtt").write_text(WORDS)
    (folder / "film.notes.txt").write_text(WORDS)
    (folder / "damaged.mp4").write_bytes((folder / "film.mp4").read_bytes()[:3000])
    return folder


@pytest.fixture(scope="module")
def server(films: Path, seaweed_server: Seaweed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    prefix = seaweed_server.fresh()
    there = {path.name: path.read_bytes() for path in films.iterdir()}
    # So large that it is read in parts.
    there["film.mp4"] += struct.pack(">I4s", PADDING, b"free") + bytes(PADDING - 8)
    put(seaweed_server, prefix, there)
    mounts = {"local": str(films), "bucket": bucket(seaweed_server, prefix)}
    scratch = tmp_path_factory.mktemp("server")
    with serving(None, scratch, unsigned=True, mounts=mounts, ladders=LADDERS) as made:
        yield made


def played(ask: Ask, base: str) -> dict[str, bytes]:
    """What a player has of each rung when it has read all: the head and all segments, one after the other."""
    master = ask(f"{base}/~master.m3u8")
    assert master.status == 200, master.body
    whole = {}
    for uri in re.findall(r'^(?!#)(\S+)|URI="([^"]+)"', master.body.decode(), re.MULTILINE):
        playlist = f"{base}/{''.join(uri)}"
        folder = playlist.rpartition("/")[0]
        names = re.findall(r'^(?!#)(\S+)|MAP:URI="([^"]+)"', ask(playlist).body.decode(), re.MULTILINE)
        parts = [ask(f"{folder}/{''.join(name)}") for name in names]
        assert {part.status for part in parts} == {200}
        whole[folder.rpartition("/")[2]] = b"".join(part.body for part in parts)
    return whole


@pytest.mark.parametrize("mount", ["local", "bucket"])
def test_what_a_player_puts_together_is_the_film(server: Server, mount: str) -> None:
    rungs = played(server.ask, f"/f_hls,sp_test/{mount}/film.mp4")
    pictures = {name: data for name, data in rungs.items() if name in ("src", "90")}
    assert set(pictures) == {"src", "90"}
    for data in pictures.values():
        assert len(clips.decoded(data)) == SECONDS * RATE
    assert any(name.startswith("a0") for name in rungs)
    words = next(data for name, data in rungs.items() if name.startswith("s"))
    assert b"Good evening" in words
    assert b"And good night" in words
    if mount == "bucket":
        assert 0 < server.count("darkroom_fetched_bytes_total", mount="bucket") < PADDING
    for kind in ("remux", "encode", "words"):
        assert server.count("darkroom_parts_total", work=kind) > 0


def test_a_manifest_names_the_same_parts(server: Server) -> None:
    manifest = server.ask("/f_dash,sp_test/local/film.mp4/~manifest.mpd").body.decode()
    master = server.ask("/f_hls,sp_test/local/film.mp4/~master.m3u8").body.decode()
    plan = re.findall(r"hls/([0-9a-f]+)/", master)[0]
    assert f"hls/{plan}/90/" in manifest
    assert server.ask(f"/f_dash,sp_test/local/film.mp4/~hls/{plan}/90/0.m4s").status == 200
    whole = server.ask(f"/f_dash,sp_test/local/film.mp4/~hls/{plan}/t0-en/0.vtt")
    assert (whole.status, b"Good evening" in whole.body) == (200, True)


def test_a_file_beside_a_film_that_changes_makes_another_plan(films: Path, tmp_path: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    (folder / "film.mp4").write_bytes((films / "film.mp4").read_bytes())
    with serving(folder, tmp_path / "server", unsigned=True, ladders=LADDERS) as server:
        first = played(server.ask, "/f_hls,sp_small/film.mp4")
        assert not any(name.startswith("s") for name in first)
    (folder / "film.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nLate words\n")
    with serving(folder, tmp_path / "server", unsigned=True, ladders=LADDERS) as server:
        second = played(server.ask, "/f_hls,sp_small/film.mp4")
        assert b"Late words" in next(data for name, data in second.items() if name.startswith("s"))


def test_a_film_that_is_damaged_is_told_of_and_no_more(server: Server) -> None:
    reply = server.ask("/f_hls/local/damaged.mp4/~master.m3u8")
    assert reply.status in (415, 422)


def warm(*arguments: object, **settings: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "proxy", "warm", *map(str, arguments)],
        env=environment(workers=2, unsigned=True, ladders=LADDERS, **settings) | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=HERE,
    )


def test_a_stream_is_made_ready_with_all_its_parts(films: Path, tmp_path: Path) -> None:
    url = "/f_hls,sp_small/film.mp4"
    first = warm(films, "--hls", url, "--segments", 1, cache=str(tmp_path / "cache"))
    assert first.returncode == 0, first.stdout + first.stderr
    told = warm(films, "--hls", f"https://media.example.com{url}/~master.m3u8", cache=str(tmp_path / "cache"))
    assert told.returncode == 0, told.stdout + told.stderr
    assert re.search(r"made\s+[1-9]", told.stdout)
    assert re.search(r"there already\s+[1-9]", told.stdout)
    with serving(films, tmp_path, unsigned=True, ladders=LADDERS, cache=str(tmp_path / "cache")) as server:
        played(server.ask, url)
        assert server.count("darkroom_parts_total") == 0


def test_a_server_is_asked_for_all_parts_of_a_stream(server: Server, tmp_path: Path) -> None:
    urls = tmp_path / "urls"
    urls.write_text("/f_hls,sp_small/local/film.mp4\n")
    told = warm("--urls", urls, "--server", f"http://127.0.0.1:{server.port}", "--rate", 1000)
    assert told.returncode == 0, told.stdout + told.stderr
    made = server.count("darkroom_parts_total")
    played(server.ask, "/f_hls,sp_small/local/film.mp4")
    assert server.count("darkroom_parts_total") == made
