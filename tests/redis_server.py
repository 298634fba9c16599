"""A real Redis for tests: empty, on a port of its own, stopped in the end."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.serving import LOCAL, PATIENCE, wait_until


@dataclass
class RedisServer:
    """A `redis-server` that keeps nothing on disk; it can be stopped, frozen and started again on its port."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://{LOCAL}:{self.port}/0"

    def start(self) -> None:
        """Begin, empty."""
        command = ["redis-server", "--port", str(self.port), "--bind", LOCAL, "--save", "", "--appendonly", "no"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--dir", str(self.folder)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_until(self._answers, 20)

    def stop(self) -> None:
        """End at once, as if the machine were gone."""
        if self.process:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait(PATIENCE)
            self.process = None

    def freeze(self) -> None:
        """Stop answering, while the kernel still accepts connections."""
        assert self.process
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGCONT)

    def do(self, *command: str | bytes) -> str:
        """What `redis-cli` says to a command, typed by hand so that no library of ours is in between."""
        words = [os.fsencode(word) for word in command]
        sent = b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
        with socket.create_connection((LOCAL, self.port), PATIENCE) as sock:
            sock.sendall(sent)
            return sock.recv(1 << 16).decode()

    def _answers(self) -> bool:
        try:
            return self.do("PING") == "+PONG\r\n"
        except OSError:
            return False


@contextmanager
def redis_server(folder: Path) -> Iterator[RedisServer]:
    """A Redis on a free port, gone in the end whatever was done to it."""
    folder.mkdir(parents=True, exist_ok=True)
    with socket.create_server((LOCAL, 0)) as free:
        port = free.getsockname()[1]
    server = RedisServer(port, folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
