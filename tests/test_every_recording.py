"""Every film and sound there is through every product, on one server: results and clear refusals, and nothing else."""

import json
import re
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from tests import clips, tones
from tests.conftest import corpus
from tests.serving import Reply, Server, serving
from transforms.containers import DEMUXERS

DEADLINE = 20.0
QUEUE = 10.0
TRIES = 8
LONGEST_WAIT = 5.0
ENDS = ("deadline", "memory", "crash", "outside", "protocol")

PLAIN = {
    "poster": "f_jpg,w_160",
    "keyframe": "f_jpg,w_160,so_50p,fl_keyframe",
    "so_auto": "f_webp,w_160,so_auto",
    "animated": "f_webp,w_96,du_1,fps_4",
    "mp4": "f_mp4,w_96,du_1",
    "webm": "f_webm,w_96,du_1",
    "mp3": "f_mp3,du_1",
    "opus": "f_opus,du_1",
    "wave": "f_png,w_200,h_40,e_waveform",
    "json": "f_json",
}
"""Products of one file each, and how they are asked for."""
MANY = ("hls", "dash", "storyboard")
"""Products of several files."""

BUSY = ("busy", "preempted")
MAGIC = {
    "poster": b"\xff\xd8\xff",
    "keyframe": b"\xff\xd8\xff",
    "so_auto": b"RIFF",
    "animated": b"RIFF",
    "webm": b"\x1aE\xdf\xa3",
    "opus": b"OggS",
    "wave": b"\x89PNG",
    "json": b"{",
    "hls": b"#EXTM3U",
    "dash": b"<?xml",
    "storyboard": b"WEBVTT",
}


@dataclass(frozen=True)
class Asked:
    """What came of one product of one original: the first answer that is no 200, or the last of all."""

    name: str
    product: str
    url: str
    reply: Reply
    files: int
    """How many were had."""

    @property
    def shown(self) -> str:
        many = self.files if self.product in MANY else ""
        return f"200 {many}".strip() if self.reply.status == 200 else f"{self.reply.status} {self.reply.code}"


def own(folder: Path) -> Iterator[Path]:
    """A handful of recordings, well and broken."""
    whole = clips.film(folder / "whole.mp4", seconds=3, sound="aac")
    yield whole
    yield clips.turned(clips.film(folder / "turned.mov", seconds=2), 90)
    yield clips.film(folder / "reordered.mkv", seconds=3, options=clips.B_FRAMES, sound="libopus")
    yield clips.film(folder / "old.avi", seconds=2, codec="mpeg4", options={}, sound="libmp3lame")
    yield clips.film(folder / "sent.ts", seconds=3, sound="aac")
    yield clips.film(folder / "odd.webm", seconds=1, codec="libvpx", options={"deadline": "realtime"}, size=(98, 54))
    data = whole.read_bytes()
    more = {
        "cover.mp3": tones.encoded("mp3", tones.tone(2), tags=tones.TAGS, cover=tones.cover()),
        "plain.wav": tones.wav(tones.tone(2)),
        "halved.mp4": data[: len(data) // 2],
        "headless.mp4": data[:36],
        "noise.mkv": b"\x1aE\xdf\xa3" + bytes(range(256)) * 20,
        "script.mp4": b"ffconcat version 1.0\nfile whole.mp4\n",
        "playlist.ts": b"#EXTM3U\n#EXTINF:1,\nwhole.mp4\n",
        "nothing.flac": b"fLaC",
    }
    for name, content in more.items():
        (folder / name).write_bytes(content)
        yield folder / name


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("every")


@pytest.fixture(scope="module")
def names(place: Path) -> list[str]:
    (place / "own").mkdir()
    found = [f"own/{path.name}" for path in own(place / "own")]
    for folder in ("video", "audio", "hostile"):
        found += [f"{folder}/{path.name}" for path in corpus(folder) if folder != "hostile" or _is_recording(path)]
    return found


@pytest.fixture(scope="module")
def server(place: Path, names: list[str]) -> Iterator[Server]:
    mounts = {"own": str(place / "own")}
    mounts |= {folder: str(files[0].parent) for folder in ("video", "audio", "hostile") if (files := corpus(folder))}
    limits = {"deadline": DEADLINE, "deadline_moving": DEADLINE, "queue_seconds": QUEUE}
    with serving(None, place / "server", mounts=mounts, workers=1, **limits) as running:
        yield running


def test_every_recording_comes_to_a_result_or_a_clear_refusal(server: Server, names: list[str]) -> None:
    began, pid = time.monotonic(), server.process.pid
    told = [one for name in names for one in _products(server, name)]
    kills = {reason: int(server.count("darkroom_worker_ends_total", reason=reason)) for reason in ENDS}
    _print(told, kills, time.monotonic() - began)
    wrong = [(one.url, one.reply.status, one.reply.code) for one in told if not _is_clear(one)]
    assert not wrong
    late = [one.url for one in told if one.reply.seconds > QUEUE + 2 * DEADLINE]
    assert not late
    assert server.ask("/health").status == 200
    assert server.process.pid == pid
    assert server.process.poll() is None
    # What is well is had in every way; what has no sound, or no picture, says so.
    for product in (*PLAIN, *MANY):
        assert _of(told, "own/whole.mp4", product).reply.status == 200, product
    assert _of(told, "own/turned.mov", "mp3").reply.code == "no_such_stream"
    assert _of(told, "own/plain.wav", "mp4").reply.code == "no_such_stream"
    assert _of(told, "own/cover.mp3", "poster").reply.status == 200
    assert {_of(told, f"own/{name}", "json").reply.status for name in ("script.mp4", "playlist.ts")} == {415}


def _is_recording(path: Path) -> bool:
    return path.suffix[1:] in {*DEMUXERS, "flv", "m3u8", "mpd", "sdp", "y4m"}


def _products(server: Server, name: str) -> Iterator[Asked]:
    for product, plan in PLAIN.items():
        url = f"/{plan}/-/{quote(name)}"
        yield Asked(name, product, url, _patiently(server, url), 1)
    for product, base, first in (
        ("hls", "f_hls", "master.m3u8"),
        ("dash", "f_dash", "manifest.mpd"),
        ("storyboard", "f_vtt,w_64", "storyboard.vtt"),
    ):
        yield _followed(server, name, product, f"/{base}/-/{quote(name)}/", f"~{first}")


def _followed(server: Server, name: str, product: str, base: str, first: str) -> Asked:
    """A product of several files: the first one, and of those that it names the first of each kind."""
    url, files = base + first, 1
    reply = whole = _patiently(server, url)
    waiting = _leads(product, reply) if reply.status == 200 else []
    while waiting and reply.status == 200:
        url, files = base + waiting.pop(0), files + 1
        reply = _patiently(server, url)
        if url.endswith("/index.m3u8") and reply.status == 200:
            folder = url.removeprefix(base).rpartition("/")[0]
            parts = [line for line in reply.body.decode().splitlines() if line and not line.startswith("#")]
            head = re.findall(r'EXT-X-MAP:URI="(.*?)"', reply.body.decode())
            waiting += [f"{folder}/{part}" for part in (*head, *parts[:1])]
    return Asked(name, product, url, whole if reply.status == 200 else reply, files)


def _leads(product: str, reply: Reply) -> list[str]:
    text = reply.body.decode()
    if product == "hls":
        return list(dict.fromkeys(re.findall(r"~hls/[^\"\s]+", text)))
    if product == "dash":
        heads = re.findall(r'initialization="(.*?)"', text)
        medias = re.findall(r'media="(.*?)"', text)
        return [*heads, *(media.replace("$Number$", "0") for media in medias), *re.findall("<BaseURL>(.*?)<", text)]
    return [found.partition("#")[0] for found in re.findall(r"^~\S+", text, re.M)[:1]]


def _patiently(server: Server, url: str) -> Reply:
    """The answer to a request, asked again as long as it is a job or there is no time for it."""
    for _ in range(TRIES):
        reply = server.ask(url)
        again = reply.status == 202 or (reply.status == 503 and reply.code in BUSY)
        if not again:
            return reply
        over = threading.Event()
        over.wait(min(float(reply.get("retry-after") or 1), LONGEST_WAIT))
    return reply


def _is_clear(one: Asked) -> bool:
    reply = one.reply
    if reply.status == 200:
        magic = MAGIC.get(one.product)
        return bool(reply.body) and (magic is None or reply.body.startswith(magic))
    if not 400 <= reply.status < 500 or reply["content-type"] != "application/problem+json":
        return False
    said = json.loads(reply.body)
    return said["status"] == reply.status and said["code"] == reply.code and bool(said.get("detail"))


def _of(told: list[Asked], name: str, product: str) -> Asked:
    return next(one for one in told if (one.name, one.product) == (name, product))


def _print(told: list[Asked], kills: dict[str, int], seconds: float) -> None:
    """The table, and what it comes to."""
    products = (*PLAIN, *MANY)
    print()
    for name in dict.fromkeys(one.name for one in told):
        row = {one.product: one.shown for one in told if one.name == name}
        cells = [f"{product} {row[product]}" for product in products]
        print(f"{name}: {', '.join(cells) if len(set(row.values())) > 1 else f'all {row[products[0]]}'}")
    for product in products:
        statuses = Counter(one.shown.partition(" ")[0] for one in told if one.product == product)
        print(f"  {product:11}{dict(sorted(statuses.items()))}")
    codes = Counter(one.reply.code for one in told if one.reply.status != 200)
    files = sum(one.files for one in told)
    print(f"{len(told)} products, {files} files in {seconds:.1f} s; refusals {dict(codes.most_common())}")
    waited = [one.reply.seconds for one in told]
    print(f"median {statistics.median(waited) * 1000:.0f} ms, longest {max(waited):.2f} s; workers ended: {kills}")
