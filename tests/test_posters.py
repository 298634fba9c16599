"""Posters, animations, covers and descriptions of films and sounds, asked for over HTTP."""

import json
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import av
import pytest
from pyvips import Image

from tests import clips, pictures
from tests.conftest import corpus
from tests.serving import Reply, Server, serving
from tests.test_hostile_server import CANARY, canary

WEBP = {"accept": "image/avif,image/webp,*/*"}
DEADLINE, QUEUE = 12.0, 20.0


def with_cover(path: Path, cover: bytes, codec: str = "mjpeg", **tags: str) -> Path:
    """A second of a tone as MP3, with a picture and words."""
    with av.open(str(path), "w") as out:
        track: Any = out.add_stream("libmp3lame", rate=44_100, layout="stereo")
        picture: Any = out.add_stream(codec)
        picture.width, picture.height, picture.pix_fmt = 60, 40, "yuvj420p" if codec == "mjpeg" else "rgb24"
        picture.disposition = av.stream.Disposition.attached_pic
        out.metadata.update(tags)
        out.start_encoding()
        packet = av.Packet(cover)
        packet.stream, packet.pts, packet.dts, packet.time_base = picture, 0, 0, Fraction(1, 1000)
        out.mux(packet)
        for frame in clips.tone(1, 44_100):
            out.mux(track.encode(frame))
        out.mux(track.encode(None))
    return path


def posted(path: Path, film: Path, cover: bytes) -> None:
    """The pictures of a film, and a cover beside them."""
    with av.open(str(film)) as source, av.open(str(path), "w", format="matroska") as out:
        pattern = source.streams.video[0]
        copied = out.add_stream_from_template(pattern)
        attached: Any = out.add_attachment("cover.jpg", "image/jpeg", cover)
        assert attached
        for packet in source.demux(pattern):
            if packet.size:
                packet.stream = copied
                out.mux(packet)


def originals(folder: Path) -> Path:
    folder.mkdir()
    clips.film(folder / "film.mp4", seconds=4, sound="aac", options=clips.B_FRAMES)
    clips.turned(clips.film(folder / "turned.mp4", seconds=1), 90)
    clips.film(folder / "film.webm", codec="libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8"}, seconds=1)
    with_cover(
        folder / "covered.mp3", pictures.encoded(pictures.photograph(60, 40), "jpg"), title="A tone", artist="Us"
    )
    with_cover(
        folder / "bomb.mp3",
        pictures.encoded(pictures.quadrants(60, 40), "png").replace(
            b"\0\0\0\x3c\0\0\0\x28", b"\0\0\xff\xff\0\0\xff\xff", 1
        ),
        "png",
    )
    with av.open(str(folder / "plain.flac"), "w") as out:
        track: Any = out.add_stream("flac", rate=48_000, layout="stereo")
        for frame in clips.tone(1):
            out.mux(track.encode(frame.reformat(format="s16") if hasattr(frame, "reformat") else frame))
        out.mux(track.encode(None))
    posted(folder / "posted.mkv", folder / "film.mp4", pictures.encoded(pictures.photograph(60, 40), "jpg"))
    whole = (folder / "film.mp4").read_bytes()
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (folder / "noise.mp4").write_bytes(whole[:40] + bytes(2000))
    (folder / "photo.jpg").write_bytes(pictures.encoded(pictures.photograph(60, 40), "jpg"))
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    place = tmp_path_factory.mktemp("posters")
    with serving(originals(place / "originals"), place / "server") as running:
        yield running


def seen(reply: Reply) -> Image:
    assert reply.status == 200, (reply.code, reply.body[:300])
    return Image.new_from_buffer(reply.body, "n=-1" if reply["content-type"] in ("image/webp", "image/gif") else "")


@pytest.mark.parametrize(
    ("form", "kind"), [("jpg", "image/jpeg"), ("webp", "image/webp"), ("avif", "image/avif"), ("png", "image/png")]
)
def test_a_film_has_a_poster_in_every_format_of_pictures(server: Server, form: str, kind: str) -> None:
    reply = server.ask(f"/so_1.5,w_80,f_{form}/film.mp4")
    assert reply["content-type"] == kind
    assert (seen(reply).width, seen(reply).height) == (80, 45)


def test_moments_are_seconds_shares_and_the_first_that_shows_something(server: Server) -> None:
    first, later = seen(server.ask("/f_png/film.mp4")), seen(server.ask("/so_2,f_png/film.mp4"))
    share = seen(server.ask("/so_50p,f_png/film.mp4"))
    assert (later - share).abs().max() == 0
    assert (first - later).abs().max() > 20
    assert (seen(server.ask("/so_auto,f_png/film.mp4")) - first).abs().max() == 0


def test_a_keyframe_is_the_last_one_before_the_moment(server: Server) -> None:
    near = seen(server.ask("/so_1.9,fl_keyframe,f_png/film.mp4"))
    assert (near - seen(server.ask("/so_1,f_png/film.mp4"))).abs().max() == 0


def test_posters_take_the_options_of_pictures(server: Server) -> None:
    made = seen(server.ask("/so_1,w_50,h_50,c_fill,g_center,e_grayscale,r_max,f_png/film.mp4"))
    assert (made.width, made.height, made.hasalpha()) == (50, 50, True)
    assert seen(server.ask("/so_1,w_40,f_jpg,q_20/film.webm")).width == 40
    assert len(server.ask("/so_1,f_jpg,q_10/film.mp4").body) < len(server.ask("/so_1,f_jpg,q_90/film.mp4").body)


def test_a_film_that_lies_on_its_side_is_shown_upright(server: Server) -> None:
    assert (seen(server.ask("/f_jpg/turned.mp4")).width, seen(server.ask("/f_jpg/turned.mp4")).height) == (90, 160)
    assert seen(server.ask("/w_45,f_gif,du_0.5/turned.mp4")).get("page-height") == 80
    told = json.loads(server.ask("/w_45,f_explain/turned.mp4").body)
    assert [(step["width"], step["height"]) for step in told["steps"]] == [(45, 80)]


@pytest.mark.parametrize("form", ["webp", "gif"])
def test_a_part_of_a_film_is_an_animation(server: Server, form: str) -> None:
    made = seen(server.ask(f"/so_1,du_1.5,w_80,f_{form}/film.mp4"))
    assert (made.get("n-pages"), made.get("page-height"), made.width) == (15, 45, 80)
    assert made.get("delay") == [100] * 15
    assert made.get("loop") == 0
    still = seen(server.ask("/so_1.3,w_80,f_png/film.mp4"))
    away = [(made.crop(0, 45 * number, 80, 45)[:3] - still).abs().avg() for number in range(15)]
    assert min(away) == away[3]


def test_the_rate_of_an_animation_can_be_chosen(server: Server) -> None:
    made = seen(server.ask("/so_1,eo_2,fps_12,w_40,f_webp/film.mp4"))
    assert made.get("n-pages") == 12
    assert sum(made.get("delay")) == 1000


def test_a_preview_takes_parts_of_the_whole_film(server: Server) -> None:
    made = seen(server.ask("/e_preview:2:4,w_40,f_webp/film.mp4"))
    assert made.get("n-pages") == 20
    parts = [made.crop(0, 22 * number, 40, 22)[:3] for number in (0, 5, 10, 15)]
    assert all((one - other).abs().max() > 20 for one, other in pairwise(parts))


def test_formats_that_do_not_move_show_the_first_frame_of_a_part(server: Server) -> None:
    still = seen(server.ask("/so_1,f_png/film.mp4"))
    assert (seen(server.ask("/so_1,du_2,f_png/film.mp4")) - still).abs().max() == 0
    assert seen(server.ask("/so_1,du_2,f_avif,w_80/film.mp4")).height == 45


def test_the_best_format_of_a_film_follows_from_what_is_wanted_of_it(server: Server) -> None:
    assert server.ask("/so_1,f_auto,w_40/film.mp4", **WEBP)["content-type"] == "image/avif"
    assert server.ask("/so_1,f_auto,w_40/film.mp4")["content-type"] == "image/jpeg"
    assert server.ask("/so_1,du_1,f_auto,w_40/film.mp4", **WEBP)["content-type"] == "image/webp"
    assert server.ask("/so_1,du_1,f_auto,w_40/film.mp4")["content-type"] == "image/gif"


def test_a_poster_that_a_client_has_is_not_sent_again(server: Server) -> None:
    for path in ("/so_1,w_60,f_jpg/film.mp4", "/so_1,du_1,w_60,f_webp/film.mp4", "/f_json/film.mp4"):
        tag = server.ask(path)["etag"]
        assert server.ask(path, if_none_match=tag).status == 304


def test_the_cover_of_a_sound_is_its_picture(server: Server) -> None:
    made = seen(server.ask("/w_30,f_webp/covered.mp3"))
    assert (made.width, made.height) == (30, 20)
    assert (seen(server.ask("/f_jpg/covered.mp3")).width) == 60
    told = json.loads(server.ask("/f_json/covered.mp3").body)
    assert told["cover"]["format"] == "jpg"
    assert (told["cover"]["width"], told["cover"]["height"]) == (60, 40)
    assert told["tags"] == {"title": "A tone", "artist": "Us", "encoder": told["tags"]["encoder"]}
    assert told["blurhash"]


def test_a_picture_within_a_film_is_not_its_poster(server: Server) -> None:
    told = json.loads(server.ask("/f_json/posted.mkv").body)
    assert (told["width"], told["height"], told["medium"]) == (160, 90, "film")
    assert told["cover"]["width"] == 60
    assert (seen(server.ask("/f_png/posted.mkv")).width, seen(server.ask("/f_png/posted.mkv")).height) == (160, 90)


def test_a_cover_that_moves_stands_still(server: Server) -> None:
    assert server.ask("/f_auto,w_30/covered.mp3", **WEBP)["content-type"] == "image/avif"
    assert server.ask("/f_gif,w_30/covered.mp3").status == 200


REFUSED = {
    "/so_9,f_jpg/film.mp4": (422, "no_such_moment", "so_9: the original lasts 4 seconds"),
    "/so_5,eo_7,f_webp/film.mp4": (422, "no_such_moment", "so_5: the original lasts 4 seconds"),
    "/so_3,eo_2,f_webp/film.mp4": (400, "conflicting_options", "eo_2: it does not lie behind the start, 3 s"),
    "/so_x,f_jpg/film.mp4": (400, "invalid_option", "so_"),
    "/so_1,f_jpg/photo.jpg": (400, "conflicting_options", "it means nothing for a picture"),
    "/pg_2,f_jpg/film.mp4": (400, "conflicting_options", "it means nothing for a film"),
    "/f_jpg/plain.flac": (422, "no_such_stream", "a sound without a cover; e_waveform draws the sound itself"),
    "/fl_keyframe,f_jpg/covered.mp3": (400, "conflicting_options", "it means nothing for a sound"),
    "/so_3.9,f_jpg/cut.mp4": (422, "damaged_original", "not a whole MP4 film"),
    "/f_jpg/noise.mp4": (422, "damaged_original", "not a whole MP4 film"),
    "/f_json/noise.mp4": (422, "damaged_original", "not a whole MP4 film"),
    "/f_jpg/bomb.mp3": (422, "too_many_pixels", "megapixels"),
}


@pytest.mark.parametrize("path", REFUSED)
def test_what_cannot_be_shown_is_refused_in_words(server: Server, path: str) -> None:
    status, code, words = REFUSED[path]
    reply = server.ask(path)
    assert (reply.status, reply.code) == (status, code), reply.body
    assert words in reply.body.decode() + reply.fields.get("x-error", "")
    assert b"/tmp" not in reply.body
    assert b"av." not in reply.body


def test_an_animation_has_so_many_frames_and_pixels_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    clips.film(tmp_path / "films/film.mp4", seconds=4)
    limits = {"limits": {"frames": 20, "frame_megapixels": 0.2}}
    with serving(tmp_path / "films", tmp_path / "server", **limits) as running:
        assert running.ask("/du_2,w_80,f_webp/film.mp4").status == 200
        for path, words in (
            ("/du_3,w_80,f_webp/film.mp4", "30 frames; up to 20 are made"),
            ("/du_2,f_gif/film.mp4", "up to 0.2 are made"),
            ("/du_2,w_40/w_400,h_400,c_pad,f_gif/film.mp4", "up to 0.2 are made"),
        ):
            reply = running.ask(path)
            assert (reply.status, reply.code) == (400, "result_too_large"), (path, reply.body)
            assert words in reply.body.decode()


def test_a_description_tells_streams_rates_and_turns(server: Server) -> None:
    told = json.loads(server.ask("/f_json/film.mp4").body)
    picture, sound = told["streams"]
    assert (told["format"], told["medium"], told["duration"], told["frame_rate"]) == ("mp4", "film", 4000, 25.0)
    assert (told["width"], told["height"], told["aspect_ratio"]["terms"]) == (160, 90, "16:9")
    assert (picture["type"], picture["codec"], picture["profile"]) == ("picture", "h264", "High")
    assert (sound["type"], sound["codec"], sound["channels"], sound["sample_rate"]) == ("sound", "aac", 2, 48_000)
    assert sound["language"] == "eng"
    assert told["bit_rate"] > 1000
    assert {"palette", "blurhash", "thumbhash", "average", "placeholder"} <= told.keys()
    turned = json.loads(server.ask("/f_json/turned.mp4").body)
    assert (turned["width"], turned["height"], turned["rotation"], turned["orientation"]) == (90, 160, 90, 6)


PRODUCTS = {
    "poster": "w_160,f_jpg",
    "middle": "so_50p,w_160,f_webp",
    "keyframe": "so_50p,fl_keyframe,w_160,f_jpg",
    "auto": "so_auto,w_160,f_jpg",
    "animation": "du_1,w_120,f_webp",
    "json": "f_json",
}
SOUND_ALONE = {"middle", "keyframe", "auto", "animation"}
"""What means nothing for a sound."""


def table(server: Server, mount: str, paths: list[Path]) -> dict[str, list[int]]:
    """What came of each file, by product."""
    told: dict[str, list[int]] = {}
    for path in paths:
        told[path.name] = []
        for product, plan in PRODUCTS.items():
            reply = server.ask(f"/{plan}/-/{mount}/{quote(path.name)}")
            told[path.name].append(reply.status)
            assert reply.status in (200, 400, 415, 422), (path.name, product, reply.status, reply.body[:200])
            assert reply.status == 200 or reply.code, path.name
            assert reply.seconds < 2 * DEADLINE + QUEUE, path.name
            assert CANARY.encode() not in reply.body
    print(f"\n{'file':48}", *PRODUCTS)
    for name, statuses in told.items():
        print(f"{name:48}", *statuses)
    print(dict(Counter(status for statuses in told.values() for status in statuses)))
    return told


@pytest.fixture(scope="module")
def everywhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    place = tmp_path_factory.mktemp("everywhere")
    (place / "own").mkdir()
    folders = {name: files[0].parent for name in ("video", "audio", "hostile") if (files := corpus(name))}
    mounts = {"": str(place / "own"), **{name: str(folder) for name, folder in folders.items()}}
    with serving(None, place / "server", mounts=mounts, deadline=DEADLINE, queue_seconds=QUEUE) as running:
        yield running


READ_NOT = (".flv", ".wma", ".aiff")


def test_films_from_everywhere_come_to_pictures(everywhere: Server) -> None:
    for name, statuses in table(everywhere, "video", corpus("video")).items():
        if "invalid" not in name:
            assert set(statuses) == ({415} if name.endswith(READ_NOT) else {200}), name


def test_sounds_from_everywhere_come_to_their_covers(everywhere: Server) -> None:
    for name, statuses in table(everywhere, "audio", corpus("audio")).items():
        answered = dict(zip(PRODUCTS, statuses, strict=True))
        if name.endswith(READ_NOT) or "garbage" in name:
            assert set(statuses) == {415}, name
        elif answered["json"] == 200:
            assert answered["poster"] == (200 if "image" in name or "picture" in name or "id3.mp3" in name else 422)


def test_hostile_films_and_sounds_come_to_nothing(everywhere: Server) -> None:
    pid = everywhere.process.pid
    kinds = (".mp4", ".mov", ".mkv", ".avi", ".ts", ".flv", ".mp3", ".ogg", ".flac", ".wav", ".m3u8", ".mpd")
    with canary() as kept:
        told = table(everywhere, "hostile", [path for path in corpus("hostile") if path.suffix in kinds])
    assert not kept.touched
    assert everywhere.process.pid == pid
    assert everywhere.ask("/health").status == 200
    assert all(
        200 not in statuses for name, statuses in told.items() if name.startswith(("ffconcat", "hls", "mov_dref"))
    )
