"""One worker process as the front sees it: started, asked, killed, reaped."""

import asyncio
import json
import math
import os
import signal
import socket
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from transforms.worker import OUT_OF_MEMORY, PREFIX, empty

LARGEST_HEADER = 1024 * 1024
MEANWHILE = {"aside", "progress"}
"""What a worker says of before it is done."""
AT_ONCE = 96 * 1024  # bytes that are read of a socket: most replies whole

# What the kernel's memory killer and people send. Everything else that ends a worker, its own work has done.
OUTSIDE = {signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT}

JEMALLOC = (
    Path("/usr/lib/x86_64-linux-gnu/libjemalloc.so.2"),
    Path("/usr/lib/aarch64-linux-gnu/libjemalloc.so.2"),
    Path("/usr/lib64/libjemalloc.so.2"),
    Path("/usr/lib/libjemalloc.so.2"),
    Path("/usr/local/lib/libjemalloc.so.2"),
)
# Not retained, since kept address space counts against a worker's limit: 685 MB where 438 were in use.
# Huge pages are requested for all of it, and had when a worker allows them (transforms/huge_pages.py).
DECAY = "dirty_decay_ms:1000,muzzy_decay_ms:0,background_thread:true,narenas:4,retain:false,thp:always"

PASSED_ON = ("PATH", "HOME", "LANG", "TZ", "LD_LIBRARY_PATH")
PASSED_ON_FAMILIES = ("LC_", "PYTHON", "FONTCONFIG_", "XDG_", "VIPS_")


def worker_environment(front: Mapping[str, str], allocators: Sequence[Path] = JEMALLOC) -> dict[str, str]:
    """The environment of workers: of the front's only what is harmless, no credentials; and an allocator's tuning."""
    passed = {name: value for name, value in front.items() if name in PASSED_ON or name.startswith(PASSED_ON_FAMILIES)}
    jemalloc = next((path for path in allocators if path.exists()), None)
    tuning = {"MALLOC_ARENA_MAX": "2"} if jemalloc is None else {"LD_PRELOAD": str(jemalloc), "MALLOC_CONF": DECAY}
    # One encoder would tell of each film that it makes.
    return {**passed, "VIPS_CONCURRENCY": "1", "OPENBLAS_NUM_THREADS": "1", "SVT_LOG": "1", **tuning}


class WorkerEnded(Exception):
    """The process ended or hung up."""


class WorkerUnreached(WorkerEnded):
    """The process ended before it read what it was asked."""


class WorkerLied(Exception):
    """The process sent what no worker sends."""


Heard = Callable[[dict[str, Any]], None]
Answered = Callable[[dict[str, Any]], Awaitable[bytes]]


def _nothing_more(header: dict[str, Any]) -> None:
    raise WorkerLied("more than a reply")


async def _nothing_to_ask(header: dict[str, Any]) -> bytes:
    raise WorkerLied("a question")


class Worker:
    """A process at the other end of a socket pair.

    It is made in the thread of the event loop: the signal of a parent's death is sent when the starting thread ends.
    """

    def __init__(
        self, command: Sequence[str], folder: Path, *, memory: int, largest_body: int, environment: Mapping[str, str]
    ) -> None:
        self.folder, self.doing = folder, ""
        self.base = 0  # bytes that it had in memory when it was ready
        self._largest_body, self._why, self._read = largest_body, "", b""
        self._loop = asyncio.get_running_loop()
        self.leaving: asyncio.Future[None] = self._loop.create_future()  # done when it is to take no more work
        self.ended: asyncio.Future[int] = self._loop.create_future()  # its exit status, as subprocess tells it
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sock, theirs = socket.socketpair()
        try:
            self._process = subprocess.Popen(
                [*command, str(theirs.fileno()), str(folder), str(memory), str(largest_body)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env={**environment, "TMPDIR": str(folder)},
            )
            try:
                self._sentinel = os.pidfd_open(self._process.pid)
            except OSError:
                self._process.kill()
                self._process.wait()
                raise
        except OSError:
            self._sock.close()
            raise
        finally:
            theirs.close()
        self._sock.setblocking(False)
        self._loop.add_reader(self._sentinel, self._reap)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ready(self) -> None:
        """Wait until it says that it can work; raises WorkerEnded or WorkerLied."""
        said, _ = await self._receive()
        match said:
            case {"peak": int(base)}:
                self.base = base
            case _:
                raise WorkerLied("what is no greeting")

    async def ask(
        self,
        frame: bytes,
        original: int | None = None,
        heard: Heard = _nothing_more,
        answered: Answered = _nothing_to_ask,
    ) -> tuple[dict[str, Any], bytes]:
        """Send one job, with a descriptor of its original, and wait for the reply.

        `heard` is told what the worker says before, and `answered` makes what it is told when it asks; both raise
        WorkerLied where that cannot be.
        Raises WorkerEnded, WorkerUnreached or WorkerLied.
        """
        try:
            sent = 0 if original is None else await self._hand_over(frame, original)
            if sent < len(frame):
                await self._loop.sock_sendall(self._sock, memoryview(frame)[sent:])
            while True:
                header, body = await self._receive()
                if "need" in header:
                    await self._tell(await answered(header))
                elif MEANWHILE & header.keys():
                    heard(header)
                else:
                    return header, body
        except OSError as unread:
            # A socket that is closed with bytes unread resets the connection; after they were read it is a plain end.
            raise WorkerUnreached from unread

    def dismiss(self) -> None:
        """Let it take no more work than it has."""
        if not self.leaving.done():
            self.leaving.set_result(None)

    def kill(self, why: str) -> None:
        """End it now, whatever it does; the first reason given stays."""
        self.dismiss()
        if not self.ended.done():
            self._why = self._why or why
            self._process.kill()

    async def cause(self) -> str:
        """Why it ended: what `kill` was told, else memory, outside or crash by its exit status."""
        if not self._why:
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self.ended), 1)
            self.kill("protocol")  # it hung up, but lives
        if self._why:
            return self._why
        status = self.ended.result()
        return "memory" if status == OUT_OF_MEMORY else "outside" if -status in OUTSIDE else "crash"

    async def bury(self) -> None:
        """Wait until a process that was killed is gone, and empty its folder."""
        await asyncio.shield(self.ended)
        self._sock.close()
        await asyncio.to_thread(empty, self.folder)

    def _reap(self) -> None:
        self._loop.remove_reader(self._sentinel)
        os.close(self._sentinel)
        with suppress(OSError):
            # Whoever reads gets what was sent before, then the end, even if a child of the worker holds the other side.
            self._sock.shutdown(socket.SHUT_RDWR)
        self.ended.set_result(self._process.wait())
        self.dismiss()

    async def _tell(self, frame: bytes) -> None:
        """Answer a question; who is gone meanwhile has ended in the middle of its work."""
        if self._read:
            raise WorkerLied("more than one question")
        try:
            await self._loop.sock_sendall(self._sock, frame)
        except OSError as unread:
            raise WorkerEnded from unread

    async def _hand_over(self, frame: bytes, original: int) -> int:
        """Send a descriptor with the first bytes of a frame; returns how many went."""
        while True:
            try:
                return socket.send_fds(self._sock, [frame], [original])
            except BlockingIOError:
                writable: asyncio.Future[None] = self._loop.create_future()
                self._loop.add_writer(self._sock, _wake, writable)
                try:
                    await writable
                finally:
                    self._loop.remove_writer(self._sock)

    async def _receive(self) -> tuple[dict[str, Any], bytes]:
        header_size, body_size = PREFIX.unpack(await self._exactly(PREFIX.size))
        if header_size > LARGEST_HEADER or body_size > self._largest_body:
            raise WorkerLied(f"a header of {header_size} and a body of {body_size} bytes")
        try:
            header = json.loads(await self._exactly(header_size), parse_float=_finite, parse_constant=_finite)
        except (ValueError, RecursionError) as error:
            raise WorkerLied("a header that is not JSON") from error
        if not isinstance(header, dict):
            raise WorkerLied("a header that is not an object")
        return header, await self._exactly(body_size)

    async def _exactly(self, size: int) -> bytes:
        """So many bytes; what comes with them is kept for the next time."""
        parts, got = [self._read], len(self._read)
        while got < size:
            part = await self._loop.sock_recv(self._sock, max(AT_ONCE, size - got))
            if not part:
                raise WorkerEnded
            parts.append(part)
            got += len(part)
        data = b"".join(parts)
        self._read = data[size:]
        return data[:size]


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


def _finite(text: str) -> float:
    """A number; NaN would outlive the job in every sum that it gets into."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value
