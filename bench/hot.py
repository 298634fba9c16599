"""Answers that were given before, signed and negotiated, beside nginx with the same bytes in a file."""

import re
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from bench.serving import darkroom, nginx, pinned
from signing import Signer, new_secret

CONNECTIONS = 32
ACCEPT = "image/avif,image/webp,image/apng,image/*,*/*;q=0.8"
SIZES = range(38_000, 43_000)
"""Bytes of a body that counts as 40 KB."""


@dataclass(frozen=True)
class Row:
    """One comparison: answers per second on one core, and our slowest of a hundred."""

    name: str
    ours: float
    nginx: float
    ratio: float
    p99: float


def compare(photo: Path, rounds: int, seconds: float, say: Callable[[str], None]) -> Iterator[Row]:
    """Interleaved rounds on one core, the load on another: whole answers, and 304s."""
    secret = new_secret()
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as cache:
        files = Path(tempfile.mkdtemp(prefix="darkroom-bench-nginx-"))
        settings = {"DARKROOM_KEYS": secret}
        try:
            with darkroom(photo.parent, "--cache", cache, core=0, settings=settings) as port:
                path, body, etag = _forty_kilobytes(port, Signer(secret), photo.name)
                (files / "body.jpg").write_bytes(body)
                files.chmod(0o755)
                with nginx(files, core=0) as static:
                    tag = _request(static, "/body.jpg")[1]
                    ours, theirs = f"http://127.0.0.1:{port}{path}", f"http://127.0.0.1:{static}/body.jpg"
                    for name, field, other in (
                        ("200", f"Accept: {ACCEPT}", "Accept: */*"),
                        ("304", f"If-None-Match: {etag}", f"If-None-Match: {tag}"),
                    ):
                        fields = (f"Accept: {ACCEPT}", field) if name == "304" else (field,)
                        yield _interleaved(
                            f"{name}, {len(body):,} bytes", ours, fields, theirs, (other,), rounds, seconds, say
                        )
        finally:
            shutil.rmtree(files, ignore_errors=True)


def _interleaved(
    name: str,
    ours: str,
    fields: Sequence[str],
    theirs: str,
    others: Sequence[str],
    rounds: int,
    seconds: float,
    say: Callable[[str], None],
) -> Row:
    figures = []
    for number in range(rounds):
        (one, p99), (other, _) = _wrk(ours, fields, seconds), _wrk(theirs, others, seconds)
        figures.append((one, other, one / other, p99))
        say(f"  {name} round {number + 1}: {one:,.0f} and {other:,.0f} a second")
    return Row(name, *(statistics.median(column) for column in zip(*figures, strict=True)))


def _request(port: int, path: str, accept: str = "*/*") -> tuple[bytes, str]:
    connection = HTTPConnection("127.0.0.1", port)
    connection.request("GET", path, headers={"Accept": accept})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{answer.status}: {body[:300]!r}")
    return body, answer.getheader("etag", "")


def _forty_kilobytes(port: int, signer: Signer, name: str) -> tuple[str, bytes, str]:
    """The path, body and tag of a negotiated rendition of about 40 KB, found by its width."""
    least, most = 100, 3000
    while True:
        width = (least + most) // 2
        path = signer.url(name, f="auto", w=width)
        body, etag = _request(port, path, ACCEPT)
        if len(body) in SIZES or most - least < 8:
            _request(port, path, ACCEPT)
            return path, body, etag
        least, most = (width, most) if len(body) < SIZES[0] else (least, width)


def _wrk(url: str, fields: Sequence[str], seconds: float) -> tuple[float, float]:
    """Answers per second, and the 99th percentile in milliseconds."""
    words = [word for field in fields for word in ("-H", field)]
    command = [*pinned(1), "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "--latency", *words, url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    slow = re.search(r"99%\s+([\d.]+)(us|ms|s)", said)
    if not rate or not slow or "Non-2xx" in said:
        raise RuntimeError(said)
    return float(rate[1]), float(slow[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[slow[2]]
