"""The server in a corner like a container's: nobody's rights, only the cache writable, 1 GB, 64 MB of shared memory."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.pictures import encoded, photograph

GIGABYTE = 1 << 30
NOBODY = 65534
PROJECT = Path(__file__).parent.parent

# In a mount namespace of its own: the cache stays writable, all else becomes read-only, and rights are given up last.
CORNER = """
set -eu
mount --make-rprivate /
mount -t tmpfs -o size=64m tmpfs /dev/shm
mount --bind "$CACHE" "$CACHE"
mkdir "$CACHE/python" "$CACHE/project"
mount --bind "$PYTHON_HOME" "$CACHE/python"
mount --bind "$PROJECT" "$CACHE/project"
for path in "$PYTHON_HOME" "$PROJECT"; do
    top="/$(echo "$path" | cut -d/ -f2)"
    # A home that nobody may enter is replaced by one that holds only what is needed.
    if [ "$(stat -c %A "$top" | cut -c10)" = "-" ]; then mount -t tmpfs -o mode=755 tmpfs "$top"; fi
done
for pair in "python:$PYTHON_HOME" "project:$PROJECT"; do
    path="${pair#*:}"
    if [ ! -e "$path" ]; then mkdir -p "$path"; mount --bind "$CACHE/${pair%%:*}" "$path"; fi
done
mount -o remount,bind,ro /
exec setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --no-new-privs "$@"
"""


def memory_group() -> Path | None:
    """A memory cgroup of one gigabyte, version 2 or 1, where this machine lets us make one."""
    for root, limit in (("/sys/fs/cgroup", "memory.max"), ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")):
        folder = Path(root, f"darkroom-test-{os.getpid()}")
        with suppress(OSError):
            folder.mkdir()
            if (folder / limit).exists():
                (folder / limit).write_text(str(GIGABYTE))
                return folder
            folder.rmdir()
    return None


@pytest.fixture
def group() -> Iterator[Path | None]:
    folder = memory_group()
    yield folder
    for _ in range(50 if folder else 0):
        with suppress(OSError):  # the last process may not be gone yet
            assert folder
            folder.rmdir()
            break
        time.sleep(0.1)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that nobody may enter; pytest's own are for their owner alone."""
    folder = Path(tempfile.mkdtemp(prefix="darkroom-corner-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def get(port: int, path: str) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def can_build() -> bool:
    """Whether this process may have mounts of its own; without them there is no corner to be in."""
    tried = ["unshare", "--mount", "mount", "--make-rprivate", "/"]
    return subprocess.run(tried, stderr=subprocess.DEVNULL, check=False).returncode == 0


@pytest.mark.skipif(not can_build(), reason="only root outside of a container can build one")
def test_it_serves_from_a_corner(place: Path, group: Path | None) -> None:
    originals, cache = place / "originals", place / "cache"
    originals.mkdir(mode=0o755)
    cache.mkdir()
    os.chown(cache, NOBODY, NOBODY)
    (originals / "photo.jpg").write_bytes(encoded(photograph(6000, 4000), "jpg", Q=85))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def join() -> None:
        if group:
            (group / "cgroup.procs").write_text(str(os.getpid()))

    command = [
        sys.executable,
        "-m",
        "proxy",
        "serve",
        str(originals),
        "--cache",
        str(cache / "results"),
        "--port",
        str(port),
    ]
    environment = {
        "PATH": os.environ["PATH"],
        "CACHE": str(cache),
        "PYTHON_HOME": sys.base_prefix,
        "PROJECT": str(PROJECT),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    corner = subprocess.Popen(
        [shutil.which("unshare") or "unshare", "--mount", "sh", "-c", CORNER, "corner", *command],
        cwd=PROJECT,
        env=environment,
        preexec_fn=join,
        stdout=subprocess.DEVNULL,
    )
    try:
        for _ in range(300):
            with suppress(OSError):
                if get(port, "/health")[0] == 200:
                    break
            assert corner.poll() is None
            time.sleep(0.1)
        status = Path(f"/proc/{corner.pid}/status").read_text()
        assert f"Uid:\t{NOBODY}\t{NOBODY}" in status
        for path in ("/w_600/photo.jpg", "/f_webp,w_1200/photo.jpg", "/f_avif,w_1920/photo.jpg", "/f_json/photo.jpg"):
            code, body = get(port, path)
            assert code == 200, (path, body)
            assert get(port, path) == (200, body)
        assert any((cache / "results").rglob("*"))
        if group:
            events = (group / "memory.events") if (group / "memory.events").exists() else (group / "memory.oom_control")
            assert "oom_kill 0" in events.read_text()
    finally:
        corner.send_signal(signal.SIGINT)
        assert corner.wait(30) in (0, 128 + signal.SIGINT)
