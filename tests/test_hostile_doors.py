"""Recordings that name other files and other machines, through every door: nobody opens or calls what they name."""

import asyncio
import io
import os
import re
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import psutil
import pytest

from proxy.sources.s3 import S3Source
from tests import clips, tones
from tests.conftest import corpus
from tests.origin_stub import Script, origin
from tests.places import s3_bucket
from tests.seaweed import ACCESS_KEY, SECRET_KEY, Seaweed
from tests.serving import Reply, Server, exchange, serving
from tests.test_hostile_recordings import SCRIPT
from tests.test_hostile_server import CANARY, PORT, Canary, canary

CALM = {"connect_seconds": 5, "first_byte_seconds": 10, "total_seconds": 20}
HTTP = f"http://127.0.0.1:{PORT}/x.ts"
PLANS = ("f_jpg,w_64", "f_mp4,w_64,du_1", "f_mp3,du_1", "f_json")
HARMLESS = {200, 400, 413, 415, 422}
WORDS = f"""WEBVTT

STYLE
::cue {{ background: url({HTTP}) }}

NOTE <script src="{HTTP}"></script>

1
00:00:00.000 --> 00:00:02.000 region:{HTTP}
<script>alert(1)</script><img src={HTTP} onerror=alert(1)>Shown<c.x onclick=a()>!</c>&#60;script&#62;
"""


def box(name: bytes, *inside: bytes) -> bytes:
    data = b"".join(inside)
    return struct.pack(">I4s", 8 + len(data), name) + data


def alias(path: str) -> bytes:
    """A reference of QuickTime to another file: an alias with an absolute path, as FFmpeg reads them."""
    record = bytes(10) + b"\x01v".ljust(28, b"\0") + bytes(12) + b"\x01f".ljust(64, b"\0") + bytes(16)
    record += struct.pack(">HH", 1, 1) + bytes(16)
    text = path.encode()
    record += struct.pack(">HH", 2, len(text)) + text + b"\0" * (len(text) % 2) + struct.pack(">hH", -1, 0)
    return box(b"alis", bytes(4), record)


def led_elsewhere(film: bytes, reference: bytes) -> bytes:
    """An MP4 whose tracks are said to lie in another file; its index has to be its end."""
    moov = film.index(b"moov") - 4
    assert film.index(b"mdat") < moov
    return film[:moov] + _replaced(film[moov:], reference)


def _replaced(data: bytes, reference: bytes) -> bytes:
    out, place = [], 0
    while place < len(data):
        size, name = struct.unpack_from(">I4s", data, place)
        body = data[place + 8 : place + size]
        if name == b"dref":
            body = body[:8] + reference
        elif name in (b"moov", b"trak", b"mdia", b"minf", b"dinf"):
            body = _replaced(body, reference)
        out.append(box(name, body))
        place += size
    return b"".join(out)


def tagged(*frames: tuple[bytes, bytes]) -> bytes:
    """A head of ID3v2.3."""
    data = b"".join(struct.pack(">4sIH", name, len(body), 0) + body for name, body in frames)
    size = bytes((len(data) >> shift) & 127 for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + size + data


def with_words(path: Path, files: Path) -> Path:
    """Matroska with words that are none, and an attachment that names a file."""
    with av.open(str(path), "w", format="matroska") as out:
        film: Any = out.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        film.width, film.height, film.pix_fmt = 64, 48, "yuv420p"
        words: Any = out.add_stream("ass")
        words.codec_context.extradata = SCRIPT.encode()
        out.add_attachment(f"../../..{files}/canary.txt", "text/plain", b"attached")
        out.metadata.update({"title": HTTP, "PREV_FILENAME": f"{files}/canary.mp4"})
        out.start_encoding()
        packet: Any = av.Packet(f"0,0,Default,,0,0,0,,<script>alert(1)</script><img src={HTTP}>Shown".encode())
        packet.stream, packet.pts, packet.dts, packet.duration = words, 0, 0, 1000
        out.mux(packet)
        for number in range(25):
            frame = av.VideoFrame(64, 48, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(film.encode(frame))
        out.mux(film.encode(None))
    return path


def written(folder: Path, files: Path) -> list[str]:
    """The names of such originals, which are in a folder then; `files` are those that nobody may open."""
    film = clips.film(folder / "plain.mp4", seconds=1, size=(64, 48), rate=10, key=5).read_bytes()
    file = f"file://{files}/canary.ts"
    sound = tones.encoded("mp3", tones.tone(0.5))
    link = b"\0-->\0\x03\0" + HTTP.encode()
    made = {
        "call.mp4": b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        + f"m=video {PORT} RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n".encode(),
        "list.m3u8": f"#EXTM3U\n#EXTINF:1,\n{file}\n".encode(),
        "list.mp4": f"#EXTM3U\n#EXTINF:1,\n{HTTP}\n#EXT-X-ENDLIST\n".encode(),
        "list.ts": f'#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{HTTP}"\n#EXTINF:1,\n{file}\n'.encode(),
        "parts.mp4": f"ffconcat version 1.0\nfile '{files}/canary.mp4'\n".encode(),
        "parts.mkv": b"\x1aE\xdf\xa3" + f"\nffconcat version 1.0\nfile '{files}/canary.mp4'\n".encode(),
        "manifest.webm": f'<MPD><BaseURL>{HTTP}</BaseURL><Period/></MPD>'.encode(),
        "url.mov": led_elsewhere(film, box(b"url ", bytes(4), HTTP.encode() + b"\0")),
        "url.mp4": led_elsewhere(film, box(b"url ", bytes(4), file.encode() + b"\0")),
        "alias.mov": led_elsewhere(film, alias(f"{files}/canary.mp4")),
        "alias.mp4": led_elsewhere(film, alias(HTTP)),
        "movie.mov": box(b"ftyp", b"qt  ", bytes(4), b"qt  ")
        + box(b"moov", box(b"rmra", box(b"rmda", box(b"rdrf", bytes(4), b"url ", bytes(4), HTTP.encode() + b"\0")))),
        "link.mp3": tagged((b"APIC", link), (b"WXXX", b"\0\0" + HTTP.encode())) + sound,
        "link.flac": b"fLaC\0\0\0\x22" + bytes(34) + b"\x86" + struct.pack(">I", 32 + 3 + len(HTTP))[1:]
        + struct.pack(">II3sI", 3, 3, b"-->", 0) + bytes(16) + struct.pack(">I", len(HTTP)) + HTTP.encode(),
    }  # fmt: skip
    for name, data in made.items():
        (folder / name).write_bytes(data)
    with_words(folder / "words.mkv", files)
    more = [path for path in corpus("hostile") if path.suffix in (".mov", ".m3u8", ".mpd") or "named" in path.name]
    for path in more:
        (folder / path.name).write_bytes(path.read_bytes())
    return ["plain.mp4", *made, "words.mkv", *(path.name for path in more)]


@pytest.fixture(scope="module")
def kept() -> Iterator[Canary]:
    with canary() as planted:
        yield planted


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, kept: Canary) -> Path:
    return tmp_path_factory.mktemp("doors")


@pytest.fixture(scope="module")
def names(folder: Path, kept: Canary) -> list[str]:
    return written(folder, kept.folder)


Door = Callable[[str], str | Reply]
"""How an original is asked for that comes by a door, or why it does not come in."""


@contextmanager
def by_folder(folder: Path, names: list[str], scratch: Path, bucket: Seaweed) -> Iterator[tuple[Server, Door]]:
    with serving(folder, scratch, workers=1) as server:
        yield server, lambda name: name


@contextmanager
def by_drop(folder: Path, names: list[str], scratch: Path, bucket: Seaweed) -> Iterator[tuple[Server, Door]]:
    (scratch / "empty").mkdir(parents=True)
    with serving(scratch / "empty", scratch, workers=1) as server:

        def dropped(name: str) -> str | Reply:
            data = (folder / name).read_bytes()
            head = f"host: localhost\r\ncontent-type: application/octet-stream\r\ncontent-length: {len(data)}"
            sent = f"PUT /ui/dropped HTTP/1.1\r\n{head}\r\nconnection: close\r\n\r\n".encode() + data
            reply = Reply.read(exchange(server.port, sent))
            return str(reply.json["source"]) if reply.status == 201 else reply

        yield server, dropped


@contextmanager
def by_web(folder: Path, names: list[str], scratch: Path, bucket: Seaweed) -> Iterator[tuple[Server, Door]]:
    with origin() as site:
        for path in folder.iterdir():
            site.scripts[f"/p/{path.name}"] = Script(path.read_bytes(), fields={"ETag": '"1"'})
        mount = {"url": f"http://127.0.0.1:{site.port}/p/", "private_networks": ["127.0.0.0/8"], **CALM}
        with serving(None, scratch, mounts={"web": mount}, workers=1) as server:
            yield server, lambda name: f"web/{name}"


@contextmanager
def by_bucket(folder: Path, names: list[str], scratch: Path, bucket: Seaweed) -> Iterator[tuple[Server, Door]]:
    prefix = bucket.fresh()

    async def write() -> None:
        source = S3Source(s3_bucket(bucket, fast=False, url=bucket.url(prefix)))
        for name in names:
            await source.put(name, io.BytesIO((folder / name).read_bytes()))
        await source.close()

    asyncio.run(write())
    keys = {"access_key": ACCESS_KEY, "secret_key": SECRET_KEY}
    mount = {"url": f"s3://media/{prefix}", "endpoint": bucket.endpoint, **keys, **CALM}
    with serving(None, scratch, mounts={"bucket": mount}, workers=1) as server:
        yield server, lambda name: f"bucket/{name}"


@pytest.mark.parametrize("door", [by_folder, by_drop, by_web, by_bucket])
def test_nothing_that_a_recording_names_is_opened_or_called(
    door: Any, folder: Path, names: list[str], kept: Canary, tmp_path: Path, seaweed_server: Seaweed
) -> None:
    told: dict[str, list[int]] = {}
    with door(folder, names, tmp_path, seaweed_server) as (server, way):
        for name in names:
            replies = list(asked(server, way(name)))
            told[name] = [reply.status for reply in replies]
            for reply in replies:
                assert reply.status in HARMLESS, (name, reply.code)
                assert CANARY.encode() not in reply.body
                assert str(kept.folder).encode() not in reply.body or reply.status == 200
            for worker in server.workers():
                assert not worker.net_connections("inet")
                assert not [target for target in opened(worker) if target.startswith(str(kept.folder))]
        assert server.count("darkroom_worker_ends_total") == 0
    print(f"\n{door.__name__}: {told}")
    assert not kept.touched
    assert set(told["plain.mp4"]) == {200, 422}  # it has no sound
    assert set(told["words.mkv"]) == {200, 422}
    assert {*told["call.mp4"], *told["list.mp4"], *told["parts.mp4"], *told["list.m3u8"]} <= {415}


def asked(server: Server, source: str | Reply) -> Iterator[Reply]:
    """What comes of an original as a file of each kind, and as a stream up to its first segments."""
    if isinstance(source, Reply):
        yield source
        return
    for plan in PLANS:
        yield server.ask(f"/{plan}/-/{source}")
    for base, first in (("f_hls", "master.m3u8"), ("f_vtt,w_64", "storyboard.vtt")):
        reply = server.ask(f"/{base}/-/{source}/~{first}")
        yield reply
        for rung in sorted(set(re.findall(r"~hls/[^\"\s]+/", reply.body.decode()))) if reply.status == 200 else ():
            head = rung.endswith("-und/") or ("/s" in rung.removeprefix("~hls/") and "/src/" not in rung)
            yield server.ask(f"/{base}/-/{source}/{rung}{'0.vtt' if head else 'init.mp4'}")


def opened(process: psutil.Process) -> list[str]:
    """What the descriptors of a process lead to."""
    folder = Path(f"/proc/{process.pid}/fd")
    return [str(Path(os.readlink(descriptor))) for descriptor in folder.iterdir() if descriptor.is_symlink()]


def test_words_beside_a_film_and_in_it_are_nothing_but_words(kept: Canary, tmp_path: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    clips.film(folder / "film.mp4", seconds=1, size=(64, 48), rate=10, key=5)
    with_words(folder / "words.mkv", kept.folder)
    (folder / "film.en.vtt").write_text(WORDS)
    (folder / "film.de.srt").write_text(
        f"1\n00:00:00,000 --> 00:00:02,000\n<font face='{HTTP}'><script>x</script>Shown"
    )
    (folder / "film.fr.vtt").write_text(
        "WEBVTT\n\n" + "00:00.000 --> 00:01.000\nlong\n\n" * 60_000
    )  # more than a film has
    (folder / "film.it.vtt").symlink_to(kept.folder / "canary.txt")
    (folder / "film.es.srt").write_bytes(os.urandom(5000))
    os.mkfifo(folder / "film.pt.vtt")
    with serving(folder, tmp_path / "server", workers=1) as server:
        for name, count in (("film.mp4", 2), ("words.mkv", 1)):
            base = f"/f_hls/-/{name}/"
            master = server.ask(f"{base}~master.m3u8")
            assert master.status == 200
            rungs = re.findall(r'TYPE=SUBTITLES.*URI="(.*?)index.m3u8"', master.body.decode())
            assert len(rungs) == count, master.body.decode()
            for rung in rungs:
                reply = server.ask(f"{base}{rung}0.vtt")
                assert reply.status == 200
                assert reply["content-type"] == "text/vtt; charset=utf-8"
                assert reply["x-content-type-options"] == "nosniff"
                text = reply.body.decode()
                assert "Shown" in text
                for bad in ("<script", "<img", "<font", "STYLE", "NOTE", "onclick", "onerror", "region", "&#"):
                    assert bad not in text, (bad, text)
    assert not kept.touched
