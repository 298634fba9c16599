"""Sounds over HTTP: tags of their content, ranges, types, waves, and refusals that say what there is."""

import io
import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import av
import pytest
from pyvips import Image

from tests import tones
from tests.conftest import corpus
from tests.serving import Server, serving
from tests.tones import encoded, tone, wav
from transforms.audio.encoders import ENCODERS
from transforms.formats import FORMATS
from transforms.sniff import sniff

FORMS = tuple(ENCODERS)
WAVES = ("f_png,e_waveform", "f_svg,e_waveform", "f_json,e_waveform")
REFUSED = {400, 413, 415, 422}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("originals")
    files = {
        "song.mp3": encoded("mp3", tone(1.0), tags=tones.TAGS, cover=tones.cover()),
        "long.wav": wav(tone(9.0)),
        "film.mp4": tones.film(1.0),
        "silent.mp4": tones.film(0.5, sound=False),
        "damaged.mp3": b"ID3" + bytes(300),
        "noise.flac": b"fLaC" + bytes(range(256)) * 4,
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(folder, tmp_path_factory.mktemp("scratch"), workers=1) as running:
        yield running


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["song.mp3", "film.mp4"])
def test_a_sound_comes_whole_with_its_type_and_the_tag_of_its_bytes(server: Server, name: str, form: str) -> None:
    reply = server.ask(f"/f_{form},du_0.5/{name}")
    assert (reply.status, reply["content-type"]) == (200, FORMATS[form].media_type)
    assert reply["etag"] == f'"{sha256(reply.body).hexdigest()}"'
    assert reply["accept-ranges"] == "bytes"
    with av.open(io.BytesIO(reply.body)) as container:
        assert container.streams.audio[0].codec_context.sample_rate == 48_000


def test_a_sound_is_asked_for_in_parts(server: Server) -> None:
    whole = server.ask("/f_wav/long.wav")
    assert len(whole.body) == 9 * 48_000 * 4 + 44
    part = server.ask("/f_wav/long.wav", range="bytes=1000-1999")
    assert (part.status, part["content-range"]) == (206, f"bytes 1000-1999/{len(whole.body)}")
    assert part.body == whole.body[1000:2000]
    assert part["etag"] == whole["etag"]
    last = server.ask("/f_wav/long.wav", range="bytes=-10", if_range=whole["etag"])
    assert (last.status, last.body) == (206, whole.body[-10:])
    other = server.ask("/f_wav/long.wav", range="bytes=-10", if_range='"another"')
    assert (other.status, len(other.body)) == (200, len(whole.body))
    assert server.ask("/f_wav/long.wav", range="bytes=99999999-").code == "range_not_satisfiable"


def test_a_sound_that_a_client_has_is_not_sent_again(server: Server) -> None:
    tag = server.ask("/f_mp3/song.mp3")["etag"]
    reply = server.ask("/f_mp3/song.mp3", if_none_match=tag)
    assert (reply.status, reply.body) == (304, b"")
    assert server.ask("/f_opus/song.mp3", if_none_match=tag).status == 200


def test_a_result_is_kept(server: Server) -> None:
    server.ask("/br_128k,f_mp3/song.mp3")
    assert "fwd=miss" not in server.ask("/f_mp3,br_128k/song.mp3")["cache-status"]


def test_a_sound_without_a_format_keeps_its_own(server: Server) -> None:
    assert server.ask("/du_0.2/song.mp3")["content-type"] == "audio/mpeg"
    assert server.ask("/du_0.2/long.wav")["content-type"] == "audio/wav"


def test_a_wave_comes_as_a_picture_a_drawing_or_numbers(server: Server) -> None:
    png, drawing, numbers = (server.ask(f"/{options},w_200,h_40/song.mp3") for options in WAVES)
    assert [reply["content-type"] for reply in (png, drawing, numbers)] == [
        "image/png", "image/svg+xml", "application/json",
    ]  # fmt: skip
    image = Image.new_from_buffer(png.body, "")
    assert (image.width, image.height, image.hasalpha()) == (200, 40, True)
    assert drawing.body.startswith(b"<svg ")
    assert "sandbox" in drawing["content-security-policy"]
    assert len(numbers.json["peaks"]) == 200
    assert numbers.json["seconds"] == pytest.approx(1.0, abs=0.1)
    assert server.ask("/e_waveform/song.mp3")["content-type"] == "image/png"
    assert server.ask("/e_waveform,f_webp,w_100/film.mp4").status == 200


def test_a_wave_of_numbers_is_as_long_as_it_says(server: Server) -> None:
    assert len(server.ask("/e_waveform,f_json/song.mp3").json["peaks"]) == 1000


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/f_mp3/silent.mp4", 422, "without sound"),
        ("/e_waveform/silent.mp4", 422, "without sound"),
        ("/f_mp3,br_900k/song.mp3", 400, "one of 32k"),
        ("/f_opus,af_44100/song.mp3", 400, "one of 8000"),
        ("/f_flac,br_192k/song.mp3", 400, "keeps every sample"),
        ("/f_mp3,ac_opus/song.mp3", 400, "holds mp3"),
        ("/f_mp3,w_100/song.mp3", 400, "a sound"),
        ("/f_mp3,so_100/song.mp3", 422, "lasts"),
        ("/f_mp3,so_auto/song.mp3", 400, "this is a sound"),
        ("/f_mp3,so_0.5,eo_0.2/song.mp3", 400, "behind the start"),
        ("/f_svg,e_waveform,e_blur/song.mp3", 400, "a w_ and an h_ alone"),
        ("/e_waveform,w_9000,h_10/song.mp3", 400, "8192"),
        ("/f_json,e_waveform,w_9000/song.mp3", 400, "8192"),
        ("/f_mp3/damaged.mp3", 422, "not a whole"),
        ("/f_mp3/noise.flac", 422, "not a whole"),
    ],
)
def test_what_cannot_be_is_refused_in_words(server: Server, path: str, status: int, words: str) -> None:
    reply = server.ask(path)
    assert reply.status == status
    assert words in reply.json["detail"]


def test_a_sound_has_the_name_and_extension_that_are_asked_for(server: Server) -> None:
    reply = server.ask("/f_m4a,fl_attachment:night/song.mp3")
    assert re.search(r'attachment; filename="?night\.m4a', reply["content-disposition"])


def flac(rate: int) -> bytes:
    """The head of a FLAC of one channel that has so many samples a second, and a picture that ends too early."""
    told = (rate << 44 | 15 << 36).to_bytes(8)
    return b"fLaC" + b"\0\0\0\x22" + b"\x10\0" * 2 + bytes(6) + told + bytes(16) + b"\x86\xff\xff\xff" + bytes(8)


OWN = {
    "no rate.flac": flac(0),
    "no samples.flac": flac(44_100),
    "cut.wav": wav(tone(0.1))[:50],
    "lies.wav": wav(tone(0.1)).replace(b"data", b"fact"),
    "pages.ogg": b"OggS" + bytes(23) + b"OggS" + bytes(200),
    "tags.mp3": b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + bytes(500),
    "boxes.m4a": b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42" + b"\xff\xff\xff\xffmoov" + bytes(100),
}
"""Sounds that mean harm, of which there are some where no corpus is."""
ENDINGS = {".mp3", ".flac", ".ogg", ".wav", ".m4a", ".aac", ".mp4", ".mkv", ".mov", ".webm", ".avi", ".ts"}
HARMFUL = {path.name: path for path in corpus("hostile") if path.suffix in ENDINGS}
WORLD = {path.name: path for path in (*corpus("audio"), *corpus("video")) if sniff(path.read_bytes()[:4096]) in FORMATS}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """All of the corpus that sounds, and all that means harm."""
    folder = tmp_path_factory.mktemp("world")
    for name, path in {**WORLD, **HARMFUL}.items():
        (folder / name).write_bytes(path.read_bytes())
    for name, data in OWN.items():
        (folder / name).write_bytes(data)
    with serving(folder, tmp_path_factory.mktemp("worldly"), workers=1, deadline_moving=20) as running:
        yield running


@pytest.mark.parametrize("name", [*OWN, *HARMFUL, *WORLD])
def test_everything_is_a_sound_and_a_wave_or_is_refused(world: Server, name: str) -> None:
    asked = (*(f"f_{form},du_1" for form in FORMS), *WAVES, "f_mp3,e_loudness,so_0.01")
    told = {options: world.ask(f"/{options}/{quote(name)}").status for options in asked}
    print(name, *(f"{status}" for status in told.values()))
    assert set(told.values()) <= {200, *REFUSED}, told
    if name in WORLD and 200 in told.values():
        # What one format can be made of, all can; one of them begins later than the shortest sounds end.
        assert {status for options, status in told.items() if "so_" not in options} == {200}, told
