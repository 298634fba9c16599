"""Originals and names that mean harm, asked for over HTTP: nothing but a refusal or a picture comes of them."""

import ctypes
import gzip
import os
import socket
import statistics
import struct
import tempfile
import threading
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest

from tests import pictures
from tests.conftest import corpus
from tests.serving import Reply, Server, serving, wait_until

CANARY = "the canary sings"
PORT = 18999
PLANS = ("w_200", "f_json", "f_webp,w_100/e_blur")
HARMLESS = {200, 400, 413, 415, 422}
CPU_BOMBS = (
    "svg_use_bomb",
    "svg_blur_bomb",
    "svg_turbulence",
    "svg_long_path",
    "jpeg_scan_bomb",
    "svg_pattern",
    "tiff_bomb",
)
DEADLINE, DEADLINE_SVG, QUEUE = 4.0, 2.0, 5.0
IN_ACCESS, IN_OPEN = 0x1, 0x20


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, *more: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + chunk(b"IDAT", zlib.compress(bytes(4))) + chunk(b"IEND", b"")


def svg(inside: str, head: str = "") -> bytes:
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'{head}<svg {spaces} width="100" height="100">{inside}</svg>'.encode()


def own(folder: Path) -> Iterator[Path]:
    """A few hostile files of each sort, so that there are some where no corpus is."""
    canary = Path(tempfile.gettempdir(), "mediacanary")
    entities = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 9))
    uses = "".join(f'<g id="g{n}">{f"""<use xlink:href="#g{n - 1}"/>""" * 10}</g>' for n in range(1, 9))
    files = {
        "png_large_header.png": png(60_000, 60_000),
        "png_zero.png": png(0, 5),
        "png_text_bomb.png": png(1, 1, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(30_000_000)))),
        "png_profile_bomb.png": png(1, 1, chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(30_000_000)))),
        "png_odd_text.png": png(1, 1, chunk(b"tEXt", b"\xff\xfe\0\xff\xfe")),
        "gif_canvas.gif": b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b",\0\0\0\0\1\0\1\0\0\2\2D\1\0;",
        "jpg_cut.jpg": pictures.encoded(pictures.noise(200, 200), "jpg")[:3000],
        "jpg_header_alone.jpg": b"\xff\xd8\xff\xe0\0\x10JFIF\0",
        "svg_entities.svg": svg("<text>&a8;</text>", f'<!DOCTYPE s [<!ENTITY a0 "b">{entities}]>'),
        "svg_file.svg": svg(f'<image xlink:href="file://{canary}/canary.png" width="9" height="9"/>'),
        "svg_http.svg": svg(f'<image xlink:href="http://127.0.0.1:{PORT}/x.png" width="9" height="9"/>'),
        "svg_entity_file.svg": svg("<text>&x;</text>", f'<!DOCTYPE s [<!ENTITY x SYSTEM "{canary}/canary.txt">]>'),
        "svg_use_bomb.svg": svg(f'<defs><rect id="g0" width="1" height="1"/>{uses}</defs><use xlink:href="#g8"/>'),
        "svg_deep.svg": svg("<g>" * 20_000 + "</g>" * 20_000),
        "svg_huge.svg": svg("").replace(b'"100"', b'"100000000"'),
        "svgz_bomb.svgz": gzip.compress(svg(" " * 40_000_000)),
        "script.mp4": f"ffconcat version 1.0\nfile {canary}/canary.mp4\n".encode(),
        "playlist.jpg": f"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:{PORT}/a.ts\n".encode(),
        "page.gif": b"<html><script>alert(1)</script></html>",
        "zip.png": b"PK\x03\x04" + bytes(100),
        "nothing.webp": b"",
        "noise.jpg": os.urandom(2000),
        "webp_cut.webp": pictures.encoded(pictures.noise(99, 99), "webp")[:300],
        "tiff_loop.tif": b"II*\0\x08\0\0\0\0\0\x08\0\0\0",
        "pdf_stub.pdf": b"%PDF-1.4\n1 0 obj<</Type/Catalog>>",
    }
    for name, data in files.items():
        path = folder / name
        path.write_bytes(data)
        yield path


@dataclass
class Canary:
    """Files that nobody may open and a port that nobody may call."""

    folder: Path
    touched: list[str] = field(default_factory=list)


def listening(kind: int) -> socket.socket:
    """The port of the canary, as soon as no other run of these tests has it."""
    sock = socket.socket(socket.AF_INET, kind)
    sock.settimeout(0.2)

    def bound() -> bool:
        with suppress(OSError):
            sock.bind(("127.0.0.1", PORT))
            return True
        return False

    if kind == socket.SOCK_STREAM:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    wait_until(bound)
    if kind == socket.SOCK_STREAM:
        sock.listen()
    return sock


@contextmanager
def canary() -> Iterator[Canary]:
    """Plant both and watch them."""
    libc = ctypes.CDLL(None, use_errno=True)
    kept = Canary(Path(tempfile.gettempdir(), "mediacanary"))
    kept.folder.mkdir(exist_ok=True)
    for name in ("canary.mp4", "canary.png", "canary.ts", "canary.txt"):
        (kept.folder / name).write_text(CANARY)
    watch, over = libc.inotify_init1(os.O_NONBLOCK), threading.Event()
    assert libc.inotify_add_watch(watch, os.fsencode(kept.folder), IN_ACCESS | IN_OPEN) >= 0

    def listen(sock: socket.socket) -> None:
        while not over.is_set():
            with suppress(TimeoutError):
                if sock.type == socket.SOCK_STREAM:
                    sock.accept()[0].close()
                else:
                    sock.recvfrom(1)
                kept.touched.append(f"port {PORT}")

    socks = [listening(kind) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)]
    threads = [threading.Thread(target=listen, args=(sock,)) for sock in socks]
    for thread in threads:
        thread.start()
    try:
        yield kept
        with suppress(BlockingIOError):
            while events := os.read(watch, 4096):
                kept.touched.append(f"inotify {events!r}")
    finally:
        over.set()
        for thread, sock in zip(threads, socks, strict=True):
            thread.join()
            sock.close()
        os.close(watch)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[Server]:
    (place / "own").mkdir()
    files = [*own(place / "own")]
    mounts: dict[str, object] = {"": str(place / "own"), "raw": {"url": str(place / "own"), "originals": True}}
    if found := corpus("hostile"):
        mounts["corpus"] = str(found[0].parent)
    assert files
    limits: dict[str, Any] = {"deadline": DEADLINE, "deadline_svg": DEADLINE_SVG, "queue_seconds": QUEUE}
    with serving(None, place / "server", mounts=mounts, **limits) as running:
        yield running


def test_hostile_files_come_to_nothing(server: Server, place: Path) -> None:
    paths = sorted(path.name for path in (place / "own").iterdir())
    paths += [f"corpus/{path.name}" for path in corpus("hostile") if path.name != "names.txt"]
    pid, before = server.process.pid, kills(server)
    told: list[tuple[str, Reply]] = []
    with canary() as kept:
        for path in paths:
            for plan in PLANS:
                url = f"/{plan}/-/{quote(path)}"
                told.append((url, server.ask(url)))
        hot = server.ask("/health")
    report(told, Counter(kills(server)) - Counter(before))
    wrong = [(url, reply.status, reply.code) for url, reply in told if not is_harmless(url, reply)]
    assert not wrong
    assert not kept.touched
    assert hot.status == 200
    assert server.process.pid == pid
    assert server.process.poll() is None
    for url, reply in told:
        limit = DEADLINE_SVG if ".svg" in url else DEADLINE
        # A header and a picture may take a deadline each, and may wait for a worker that is just being replaced.
        assert reply.seconds < QUEUE + limit * 2 + 1, url
        assert CANARY.encode() not in reply.body
        if reply.status == 200 and not url.startswith("/f_json"):
            assert not reply["content-type"].startswith(("text/", "application/", "image/svg"))
            assert pictures.size_of(reply.body)
    # Nobody has taken harm: what is well comes as ever.
    (place / "own/well.png").write_bytes(pictures.encoded(pictures.quadrants(), "png"))
    assert server.ask("/w_20/well.png").status == 200
    server.until(lambda: server.count("darkroom_workers", state="idle") == 6)  # two of them for films
    rss = psutil.Process(server.process.pid).memory_info().rss
    assert rss < 300 << 20


def kills(server: Server) -> dict[str, float]:
    reasons = ("deadline", "memory", "crash", "outside", "protocol")
    return {reason: server.count("darkroom_worker_ends_total", reason=reason) for reason in reasons}


def is_harmless(url: str, reply: Reply) -> bool:
    bomb = any(name in url for name in CPU_BOMBS)
    return reply.status in HARMLESS or (bomb and reply.code in ("timeout", "poisoned", "worker_lost"))


def report(told: list[tuple[str, Reply]], ended: Counter[str]) -> None:
    seconds = [reply.seconds for _, reply in told]
    statuses = sorted(Counter(reply.status for _, reply in told).items())
    print(f"\n{len(told)} requests for hostile files: {dict(statuses)}; workers ended: {dict(+ended)}")
    print(f"median {statistics.median(seconds) * 1000:.1f} ms; the slowest:")
    for url, reply in sorted(told, key=lambda one: -one[1].seconds)[:6]:
        print(f"  {reply.seconds:5.2f} s  {reply.status} {reply.code:16} {url}")


def test_an_original_that_is_given_as_it_is_runs_nowhere(server: Server) -> None:
    for name in ("svg_file.svg", "svg_http.svg"):
        reply = server.ask(f"/raw/{name}")
        if reply.status == 200:
            assert "sandbox" in reply["content-security-policy"]
            assert reply["x-content-type-options"] == "nosniff"
    for name in ("page.gif", "zip.png", "script.mp4", "playlist.jpg", "noise.jpg"):
        assert server.ask(f"/raw/{name}").status in (415, 422)


NAMES = r"""
../../../etc/passwd
..\\..\\windows\\win.ini
/etc/passwd
....//....//etc/passwd
%2e%2e%2f%2e%2e%2fetc%2fpasswd
%252e%252e%252fetc
..%c0%afetc
a/../../b.jpg
a//b.jpg
./a.jpg
a\x00.jpg
a%00.jpg
-rf.jpg
--help
%n%n.jpg
photo.jpg;ls
$(id).jpg
`id`.jpg
a'b"c.jpg
a\r\nX-Injected: 1.jpg
\u202egpj.exe
.htaccess
.
..
http://127.0.0.1:18999/x.jpg
file:///etc/passwd
//evil/x.jpg
s3://other/x
data:image/png;base64,AAAA
key.jpg/
\ufeffkey.jpg
\ud800bad.jpg
b64:Li4vLi4vZXRjL3Bhc3N3ZA
"""
"""One name a line, with the escapes of Python."""


def hostile_names() -> list[str]:
    files = corpus("hostile", "names.txt")
    text = NAMES + (files[0].read_text("latin-1") if files else "")
    names = [line.encode("latin-1").decode("unicode_escape", "surrogatepass") for line in text.split("\n")]
    return [*names, "A" * 300 + ".jpg", "a/" * 200 + "b.jpg"]


def test_hostile_names_are_refused(server: Server) -> None:
    with canary() as kept:
        for name in hostile_names():
            data = name.encode("utf-8", "surrogatepass")
            for path in (quote(data), quote(data, safe="/%:;=?#+"), quote(data, safe="")):
                for prefix in ("/w_60/", "/", "/raw/"):
                    url = prefix + path
                    if url in ("/", "//") or "\n" in url:
                        continue
                    reply = server.ask(url)
                    assert 400 <= reply.status < 500, (url, reply.status)
                    assert "x-injected" not in reply.fields
                    assert b"root:" not in reply.body
    assert not kept.touched


def test_links_lead_nowhere_outside(server: Server, place: Path) -> None:
    outside = place / "outside.png"
    outside.write_bytes(pictures.encoded(pictures.quadrants(), "png"))
    (place / "own/link.png").symlink_to(outside)
    (place / "own/folder").symlink_to(place)
    (place / "own/device.png").symlink_to("/dev/zero")
    os.mkfifo(place / "own/pipe.png")
    for name in ("link.png", "folder/outside.png", "device.png", "pipe.png", "folder"):
        assert server.ask(f"/w_60/{name}").status == 404
        assert server.ask(f"/raw/{name}").status == 404
