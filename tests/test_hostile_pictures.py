"""Files made to harm end in a result or a refusal: in a worker's own process, within its memory and its time."""

import ctypes
import json
import os
import random
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import zlib
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests import pictures
from tests.conftest import corpus
from tests.developing import develop
from transforms.carried import refusal_from_fields
from transforms.errors import DamagedOriginal, Refusal, TooManyPixels
from transforms.headers import Header
from transforms.limits import Limits
from transforms.worker import OUT_OF_MEMORY, PREFIX, frame

ROOT = Path(__file__).parent.parent
MEMORY = 704 << 20
DEADLINE = 8.0
# The one way to take long that no header tells: the deadline ends it.
TOO_LONG = {"svg_turbulence.svg"}

ENDINGS = {
    *("result", "damaged_original", "unsupported_format", "no_such_stream"),
    *("too_many_pixels", "too_many_frames", "original_too_large", "result_too_large"),
}

Made = tuple[dict[str, Any], bytes]


class Worker:
    """A worker process as the server starts it, asked one job at a time."""

    def __init__(self, folder: Path, memory: int = MEMORY) -> None:
        self._folder, self._memory = folder, memory
        self._start()

    def _start(self) -> None:
        self._sock, theirs = socket.socketpair()
        self._sock.settimeout(30)
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "transforms.worker",
                str(theirs.fileno()),
                *map(str, (self._folder, self._memory, 10**6)),
            ],
            pass_fds=[theirs.fileno()],
            cwd=ROOT,
            env={**os.environ, "VIPS_CONCURRENCY": "1", "MALLOC_ARENA_MAX": "2", "PYTHONPATH": str(ROOT)},
            stderr=subprocess.DEVNULL,
        )
        theirs.close()
        self._receive()  # it is ready

    def perform(self, job: dict[str, Any]) -> Made:
        """The job's reply. Raises Refusals, TimeoutError after which another process is there, and EOFError."""
        self._sock.settimeout(DEADLINE)
        result = self._folder.with_suffix(".result")
        result.unlink(missing_ok=True)
        self._sock.sendall(frame({"id": 1, "job": job, "result": str(result)}))
        try:
            header, body = self._receive()
        except TimeoutError:
            self.end()
            self._start()
            raise
        if "refusal" in header:
            refusal = refusal_from_fields(header["refusal"])
            assert refusal
            raise refusal
        assert "failure" not in header, header
        return {**header["meta"], "peak": header["peak"]}, result.read_bytes() if "file" in header else body

    @property
    def spent(self) -> float:
        """Seconds of processor time."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def end(self) -> None:
        self._sock.close()
        self.process.kill()
        self.process.wait()

    def _receive(self) -> tuple[dict[str, Any], bytes]:
        header_size, body_size = PREFIX.unpack(self._exactly(PREFIX.size))
        return json.loads(self._exactly(header_size)), self._exactly(body_size)

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self._sock.recv(size - len(data))
            if not part:
                raise EOFError
            data += part
        return data


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    folder = Path(tempfile.mkdtemp())
    worker = Worker(folder)
    yield worker
    worker.end()
    shutil.rmtree(folder)


def attempt(worker: Worker, path: Path, text: str, suffix: str = "webp") -> Made:
    """What the server does with an original: probe, limits, render."""
    header = Header.from_dict(worker.perform({"do": "probe", "path": str(path)})[0]["header"])
    Limits().check_original(header)
    job = {"do": "render", "path": str(path), "header": header.to_dict(), "plan": text, "format": suffix}
    return worker.perform({**job, "grade": "first", "limits": asdict(Limits()), "focus": None})


@contextmanager
def canaries() -> Iterator[None]:
    """Files and a port that hostile originals name; whoever touches one of them is told of afterwards."""
    folder = Path(tempfile.gettempdir()) / "mediacanary"
    folder.mkdir(exist_ok=True)
    for name in ("canary.png", "canary.txt", "canary.ts", "canary.mp4"):
        if not (folder / name).exists():
            (folder / name).write_bytes(pictures.encoded(pictures.quadrants()))
    libc = ctypes.CDLL(None, use_errno=True)
    opened = libc.inotify_init1(os.O_NONBLOCK)
    assert libc.inotify_add_watch(opened, str(folder).encode(), 0x21) > 0  # opened or read
    with socket.create_server(("127.0.0.1", 18999), reuse_port=True) as server:
        server.setblocking(False)
        yield
        with pytest.raises(BlockingIOError):
            server.accept()
    with pytest.raises(BlockingIOError):
        os.read(opened, 4096)
    os.close(opened)


FOLDERS = ("hostile", "audio", "video", "image-png", "image-colour", "image-animated", "image-format", "doc")
FILES = [path for folder in FOLDERS for path in corpus(folder)]


def test_every_file_ends_in_a_result_or_a_refusal_and_no_canary_is_touched(worker: Worker) -> None:
    ended: dict[str, str] = {}
    with canaries():
        for path in FILES:
            try:
                meta, body = attempt(worker, path, "w_400")
                assert pictures.size_of(body) == (meta["width"], meta["height"])
                assert not pictures.canaries_in(body)
                ended[path.name] = "result"
            except Refusal as refusal:
                ended[path.name] = refusal.code
            except TimeoutError:
                assert path.name in TOO_LONG, path.name
            except EOFError:
                pytest.fail(f"{path.name} ended the worker: {worker.process.wait()}")
    assert set(ended.values()) <= ENDINGS
    assert sum(how == "result" for how in ended.values()) > len(FILES) / 3 or not FILES


# The same kinds of file, made here


def png(width: int, height: int, bits: int = 1, colour: int = 0, extra: bytes = b"", interlace: int = 0) -> bytes:
    """A PNG of nothing but zeros, with other chunks behind its header."""
    channels = {0: 1, 2: 3, 6: 4}[colour]
    row = b"\0" + bytes((width * bits * channels + 7) // 8)
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def drawing(inner: str, attributes: str = 'width="100" height="100"') -> bytes:
    return f'<svg xmlns="http://www.w3.org/2000/svg" {attributes}>{inner}</svg>'.encode()


def uses(levels: int = 9, each: int = 10, element: str = '<use href="#g{}"/>') -> bytes:
    """A drawing of `each` to the power of `levels` rectangles."""
    groups = "".join(f'<g id="g{level}">{element.format(level - 1) * each}</g>' for level in range(1, levels))
    return drawing(f'<defs><rect id="g0" width="1" height="1"/>{groups}</defs><use href="#g{levels - 1}"/>')


def progressive() -> bytes:
    return pictures.progressive_jpeg()[2:-2]


JPEG = pictures.encoded(pictures.photograph(200, 150), "jpg")
LOUD = zlib.compress(bytes(64 << 20), 9)  # 64 kB that inflate to 64 MB
HOSTILE = {
    "many pixels in little": (png(20_000, 20_000), "too_many_pixels"),
    "many pixels, interlaced": (png(9000, 9000, 16, 6, interlace=1)[:4000], "too_many_pixels"),
    "a profile that inflates": (png(4, 4, extra=chunk(b"iCCP", b"p\0\0" + LOUD)), "result"),
    "text that inflates": (png(4, 4, extra=chunk(b"zTXt", b"Comment\0\0" + LOUD)), "result"),
    "text that is no text": (png(4, 4, extra=chunk(b"tEXt", b"Comm\xffent\0\xff\xfe")), "result"),
    "ten thousand texts": (png(4, 4, extra=chunk(b"tEXt", b"Comment\0x") * 10_000), "result"),
    "a header without end": (
        JPEG[:2] + pictures.segment(0xFE, b"x") * 5000 + JPEG[2:],
        "result",
    ),
    "many scans behind a header without end": (
        JPEG[:2] + pictures.segment(0xFE, b"x") * 5000 + progressive() + b"\xff\xda" * 300,
        "too_many_pixels",
    ),
    "a cut picture": (JPEG[:-500], "damaged_original"),
    "a cut PNG": (pictures.encoded(pictures.photograph(200, 150))[:-500], "damaged_original"),
    "a cut WebP": (pictures.encoded(pictures.photograph(200, 150), "webp")[:-500], "damaged_original"),
    "a cut AVIF": (pictures.encoded(pictures.photograph(200, 150), "avif")[:-500], "damaged_original"),
    "a cut TIFF": (pictures.encoded(pictures.photograph(200, 150), "tiff")[:-500], "damaged_original"),
    "repeated without end": (uses(), "damaged_original"),
    "repeated by patterns": (
        uses(9, 10, '<rect width="9" height="9" fill="url(#g{})"/>')
        .replace(b"<g id", b"<pattern id")
        .replace(b"</g>", b"</pattern>")
        .replace(b'<use href="#g8"/>', b'<rect width="9" height="9" fill="url(#g8)"/>'),
        "damaged_original",
    ),
    "repeated in a circle": (drawing('<g id="a"><use href="#b"/></g><g id="b"><use href="#a"/></g>'), "result"),
    "many elements": (drawing("<path/>" * 250_000), "damaged_original"),
    "a large picture inside": (
        drawing(
            f'<image width="9" height="9" href="data:image/png;base64,{b64encode(png(20_000, 20_000)).decode()}"/>'
        ),
        "too_many_pixels",
    ),
    "nested deeply": (drawing("<g>" * 5000 + "</g>" * 5000), "damaged_original"),
    "large without end": (drawing("<path/>", 'width="9999999" height="9999999"'), "result"),
}


@pytest.mark.parametrize(("data", "ending"), HOSTILE.values(), ids=HOSTILE)
def test_files_made_to_harm_end_soon(data: bytes, ending: str, worker: Worker, tmp_path: Path) -> None:
    path = tmp_path / "original"
    path.write_bytes(data)
    before = worker.spent
    try:
        meta, body = attempt(worker, path, "w_400")
        ended = "result"
        assert pictures.size_of(body) == (meta["width"], meta["height"])
    except Refusal as refusal:
        ended = refusal.code
    assert ended == ending
    assert worker.spent - before < DEADLINE / 2


def mutated(data: bytes, rng: random.Random) -> bytes:
    """The same bytes with a few changed, lost or put between."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at = rng.randrange(len(changed))
        changed[at : at + rng.choice((1, 1, 1, 0, 9))] = rng.randbytes(rng.choice((1, 1, 1, 0, 5)))
    return bytes(changed)


WHOLE = {
    "jpg": pictures.canary_jpeg(6),
    "png": pictures.palette_png(alpha=True),
    "webp": pictures.animated("webp"),
    "gif": pictures.animated("gif"),
    "tiff": pictures.tiff_pages(),
    "avif": pictures.canary("avif"),
    "svg": pictures.svg(),
    "pdf": pictures.pdf(),
    "CMYK": pictures.cmyk_jpeg(profile=False),
    "profile": pictures.display_p3("png"),
}
PLANS = ("w_30", "e_blur/w_20", "pg_2,w_30", "fl_keep_metadata.keep_gps,w_20", "c_fill,w_20,h_30,g_auto", "cs_copy")


@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE)
def test_damaged_bytes_end_in_a_result_or_a_refusal(data: bytes, worker: Worker, tmp_path: Path) -> None:
    path, rng = tmp_path / "original", random.Random(7)
    ended = Counter[str]()
    for _ in range(40):
        path.write_bytes(mutated(data, rng))
        try:
            attempt(worker, path, rng.choice(PLANS))
            ended["result"] += 1
        except Refusal as refusal:
            ended[refusal.code] += 1
    assert ended["result"] or ended["damaged_original"]


def test_want_of_memory_is_not_damage(tmp_path: Path) -> None:
    """The process is given up, and its exit says why: the same original may do elsewhere."""
    path = tmp_path / "original"
    path.write_bytes(pictures.encoded(pictures.flat(width=7000, height=5000), "png"))
    folder = tmp_path / "worker"
    folder.mkdir()
    worker = Worker(folder, memory=200 << 20)
    try:
        assert attempt(worker, path, "w_400")[0]["width"] == 400  # it is read row by row
        with pytest.raises(EOFError):
            attempt(worker, path, "a_10")
        assert worker.process.wait() == OUT_OF_MEMORY
    finally:
        worker.end()


def test_24_megapixels_made_small_take_little_memory(tmp_path: Path) -> None:
    image = pictures.photograph(1500, 1000).replicate(4, 4)
    folder = tmp_path / "worker"
    folder.mkdir()
    worker = Worker(folder)
    try:
        for suffix, most in (("jpg", 90), ("png", 110), ("webp", 90)):
            path = tmp_path / f"large.{suffix}"
            path.write_bytes(
                pictures.encoded(image, suffix, **({"Q": 80, "lossless": False} if suffix == "webp" else {}))
            )
            assert attempt(worker, path, "w_600")[0]["peak"] < most << 20, suffix
    finally:
        worker.end()


def test_what_a_drawing_repeats_is_counted_and_what_it_only_defines_is_not() -> None:
    assert develop(uses(4), "w_50").size == (50, 50)
    with pytest.raises(DamagedOriginal, match="200000 elements"):
        develop(uses(7), "w_50")


def test_a_picture_inside_a_drawing_may_be_of_usual_size() -> None:
    inside = b64encode(pictures.encoded(pictures.flat(pictures.RED, 50, 50))).decode()
    made = develop(drawing(f'<image width="100" height="100" href="data:image/png;base64,{inside}"/>'), "")
    assert pictures.corners(made.data) == ("red",) * 4
    with pytest.raises(TooManyPixels):
        develop(
            drawing(f'<image width="100" height="100" href="data:image/png;base64,{inside}"/>'),
            "",
            limits=Limits(picture_megapixels=0.001),
        )
