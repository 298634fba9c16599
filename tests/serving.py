"""A real server for tests: started as people start it, asked byte by byte, stopped and looked after."""

import asyncio
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests import pictures

SOAK = max(1, int(os.environ.get("DARKROOM_SOAK", "1")))
"""How many times the usual number of kills, clients and requests a run does."""

PATIENCE = 60.0
LOCAL = "127.0.0.1"


@dataclass(frozen=True)
class Reply:
    """An answer as it came: the names of its fields in lower case, repeated ones joined by commas."""

    status: int
    fields: Mapping[str, str]
    body: bytes
    seconds: float = 0.0

    @classmethod
    def read(cls, data: bytes, seconds: float = 0.0) -> "Reply":
        head, end, body = data.partition(b"\r\n\r\n")
        if not end:
            raise ConnectionError(f"no whole answer came, but {data[:100]!r}")
        start, *lines = head.decode("latin-1").split("\r\n")
        fields: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(": ")
            fields[name.lower()] = f"{fields[name.lower()]}, {value}" if name.lower() in fields else value
        return cls(int(start.split(" ")[1]), fields, body, seconds)

    def __getitem__(self, name: str) -> str:
        return self.fields[name]

    def get(self, name: str) -> str | None:
        return self.fields.get(name)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The stable code of an error; empty where it is none."""
        return (self.get("x-error") or "").partition(";")[0]


def request(path: str | bytes, fields: Mapping[str, str], method: str = "GET", close: bool = True) -> bytes:
    """A request whose path goes out as it is given; `if_none_match` is the field If-None-Match."""
    target = path if isinstance(path, bytes) else path.encode()
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    head = "\r\n".join(["host: localhost", *lines, *(["connection: close"] if close else []), "", ""])
    return b"%b %b HTTP/1.1\r\n%b" % (method.encode(), target, head.encode("latin-1"))


def exchange(port: int, sent: bytes, timeout: float = PATIENCE) -> bytes:
    """All that comes back on a connection of its own."""
    with socket.create_connection((LOCAL, port), timeout) as sock:
        sock.sendall(sent)
        parts = []
        while part := sock.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)


async def fetch(port: int, path: str, **fields: str) -> Reply:
    """Like `Server.ask`, for many at once."""
    started = time.perf_counter()
    reader, writer = await asyncio.open_connection(LOCAL, port)
    try:
        writer.write(request(path, fields))
        data = await reader.read()
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    return Reply.read(data, time.perf_counter() - started)


async def hammer(port: int, path: str, until: asyncio.Event, pause: float = 0.0) -> list[tuple[int, float]]:
    """Ask for one path again and again on one connection; status and seconds of each answer."""
    reader, writer = await asyncio.open_connection(LOCAL, port)
    sent, told = request(path, {}, close=False), []
    try:
        while not until.is_set():
            started = time.perf_counter()
            writer.write(sent)
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"\r\ncontent-length: (\d+)", head)
            assert length
            await reader.readexactly(int(length[1]))
            told.append((int(head[9:12]), time.perf_counter() - started))
            await asyncio.sleep(pause)
    finally:
        writer.close()
    return told


def percentile(seconds: list[float], share: float) -> float:
    return sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * share))]


@dataclass
class Server:
    """A running `darkroom serve`."""

    process: subprocess.Popen[str]
    port: int
    log_file: Path
    greeting: list[str] = field(default_factory=list)

    def ask(self, path: str | bytes, method: str = "GET", **fields: str) -> Reply:
        started = time.perf_counter()
        data = exchange(self.port, request(path, fields, method))
        return Reply.read(data, time.perf_counter() - started)

    def log(self) -> list[dict[str, Any]]:
        """The events so far; what workers write beside the log is left out."""
        events = []
        for line in self.log_file.read_text().splitlines():
            with suppress(ValueError):
                events.append(json.loads(line))
        return events

    def count(self, name: str, **labels: str) -> float:
        """The sum of a metric over everything that has these labels."""
        total = 0.0
        for line in self.ask("/metrics").body.decode().splitlines():
            found = re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line)
            if found and dict(re.findall(r'(\w+)="(.*?)"', found[1] or "")).items() >= labels.items():
                total += float(found[2])
        return total

    def workers(self) -> list[psutil.Process]:
        return [child for child in psutil.Process(self.process.pid).children() if re.search(r"transforms\.(film_)?worker", _line(child))]

    def until(self, true: Callable[[], object], timeout: float = PATIENCE) -> None:
        """Wait until something is so."""
        wait_until(true, timeout)

    def stop(self, how: signal.Signals = signal.SIGINT, timeout: float = PATIENCE) -> None:
        """Stop it, and see that it ends well and leaves nothing behind."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(how)
        assert self.process.wait(timeout) == 0, self.log_file.read_text()[-4000:]
        _, alive = psutil.wait_procs(family, timeout=5)
        assert not alive, f"workers outlive their server: {alive}"


def wait_until(true: Callable[[], object], timeout: float = PATIENCE) -> None:
    """Look again and again until something is so."""
    end = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < end, f"not so within {timeout} seconds"
        time.sleep(0.02)


def _line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def environment(**settings: object) -> dict[str, str]:
    """Of our own variables only what is harmless, and the settings."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    kept |= {"PYTHONWARNINGS": "error", "DARKROOM_LOG_FORM": "json"}
    for name, value in settings.items():
        plain = isinstance(value, str | int | float) and not isinstance(value, bool)
        kept[f"DARKROOM_{name.upper()}"] = str(value) if plain else json.dumps(value)
    return kept


@contextmanager
def serving(
    folder: Path | None,
    scratch: Path,
    *arguments: str,
    largest_file: int | None = None,
    module: str = "proxy",
    **settings: Any,
) -> Iterator[Server]:
    """`darkroom serve` with these settings, stopped in the end; `scratch` is for its log and its cache.

    `largest_file` is how many bytes a file may have that it or its workers write: a disk that is full. `module` is what
    is run in place of `proxy`.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    settings = {"cache": str(scratch / "cache"), "workers": 2, "drain_seconds": 0, **settings}
    log_file = scratch / "log"
    command = [sys.executable, "-m", module, "serve", *([str(folder)] if folder else []), "--port", "0", *arguments]

    def limit() -> None:
        if largest_file is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

    with log_file.open("w") as log:
        process = subprocess.Popen(
            command,
            env=environment(**settings),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=Path(__file__).parent.parent,
            preexec_fn=limit,
        )
    assert process.stdout
    first = process.stdout.readline()
    place = re.search(r".* http://\S+:(\d+)", first)  # behind the addresses of mounts
    if not place:
        with process:
            process.kill()
        raise AssertionError(f"it did not start: {first}\n{log_file.read_text()}")
    server = Server(process, int(place[1]), log_file, [first])
    assert server.ask("/health").status == 200
    try:
        yield server
    finally:
        if process.poll() is None:
            try:
                server.stop()
            finally:
                process.kill()
        process.stdout.close()


def originals(folder: Path) -> Path:
    """A folder of small originals of several kinds, some under names that could be read as something else."""
    photo = pictures.encoded(pictures.photograph(600, 400), "jpg")
    quarters = pictures.encoded(pictures.quadrants(300, 200), "jpg")
    files = {
        "cats/1.jpg": photo,
        "cats/2.jpg": pictures.encoded(pictures.photograph(600, 400, seed=2), "jpg"),
        "cats/new cat.jpg": quarters,
        "cats/a,b.jpg": quarters,
        "cats/a:b.jpg": quarters,
        "cats/a~b.jpg": quarters,
        "cats/100%.jpg": quarters,
        "cats/~mine.jpg": quarters,
        "cats/what?.jpg": quarters,
        "cats/café.jpg": quarters,
        "cats/+plus&more=.jpg": quarters,
        "ab_2024/a.jpg": quarters,
        "img_2024/a.jpg": quarters,
        "user_uploads/a.jpg": quarters,
        "-/a.jpg": quarters,
        "api/a.jpg": quarters,
        "w_600": quarters,
        "missing.jpg": pictures.encoded(pictures.flat(pictures.RED, 80, 60), "jpg"),
        "alpha.png": pictures.rgba(),
        "grey.png": pictures.encoded(pictures.ramp(), "png"),
        "moving.gif": pictures.animated("gif"),
        "drawing.svg": pictures.svg(),
        "pages.tiff": pictures.tiff_pages(),
        "where.jpg": pictures.canary_jpeg(),
        "damaged.jpg": photo[: len(photo) // 2],
        "empty.jpg": b"",
        "text.jpg": b"I am not a picture.",
    }
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder
