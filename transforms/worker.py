"""A worker process: jobs come in by a socket one at a time, and nothing that goes back can run code in the front.

A frame is the length of a JSON header in 4 bytes, the length of a body in 8 (both big-endian), the header, the body.
With a job comes its original as an open descriptor: a path could lead elsewhere by now than when the front followed it.
Of one that is elsewhere the worker says during its job which bytes it needs, and waits until it is told that they are
there, or that they are not to be had.
"""

import ctypes
import json
import os
import resource
import shutil
import signal
import socket
import struct
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from transforms import huge_pages, privileges
from transforms.carried import refusal_to_fields
from transforms.elsewhere import Ask, PartedPath, Unreached
from transforms.errors import Refusal


def _untold(share: float) -> None:
    """What nobody asked for."""


class Aside(NamedTuple):
    """A place for a file beside the result, which others may use before the result is there."""

    path: Path
    announce: Callable[[dict[str, Any]], None]
    """Told once, when the file is there, what JSON values say of it; a film's grows while the work goes on."""
    progress: Callable[[float], None] = _untold
    """Told now and then how much of the work is done, from 0 to 1."""


Perform = Callable[[dict[str, Any], Path, Aside], tuple[dict[str, Any], bytes | Path]]

PREFIX = struct.Struct(">IQ")
INLINE_BODY = 256 * 1024  # bytes; a larger body costs less as a file, which the cache renames instead of writing
OUT_OF_MEMORY = 86  # exit status of a worker that met its memory limit

ORIGINALS = "/proc/self/fd"  # opened by this name a file is read from its start, and is the very file, renamed or gone

_OWN = (b"RssAnon", b"RssShmem")  # pages of mapped files are the kernel's to take back

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38


def frame(header: Mapping[str, object], body: bytes = b"") -> bytes:
    """One message as it crosses the socket."""
    return framed(as_json(header), body)


def framed(text: bytes, body: bytes = b"") -> bytes:
    """The same of a header that is JSON already."""
    return b"".join((PREFIX.pack(len(text), len(body)), text, body))


def as_json(values: Mapping[str, object]) -> bytes:
    """An object of JSON; raises TypeError and ValueError for what that cannot carry."""
    return json.dumps(values, separators=(",", ":"), allow_nan=False).encode()


def joined(one: bytes, other: bytes) -> bytes:
    """The object that has the members of two, whose names differ."""
    return one[:-1] + b"," + other[1:] if len(one) > 2 and len(other) > 2 else max(one, other, key=len)


def serve(sock: socket.socket, perform: Perform, scratch: Path, largest_body: int = INLINE_BODY) -> None:
    """Do jobs until the front hangs up; `scratch` is this worker's own folder and is emptied after each job."""
    sock.sendall(frame({"ready": True, **_memory()}))
    for order in _orders(sock):
        sock.sendall(_answer(order, perform, scratch, largest_body, sock))
        empty(scratch)


def _orders(sock: socket.socket) -> Iterator[dict[str, Any]]:
    """What the front asks for, until it hangs up; each original is open until the next order is taken."""
    while True:
        handed: list[int] = []
        try:
            if (order := _receive(sock, handed)) is None:
                return
            if handed:
                size = order["job"].pop("parts", None)
                parts = size is not None and PartedPath.of(handed[0], size, _asking(sock, order["id"]))
                order["job"]["path"] = parts or f"{ORIGINALS}/{handed[0]}"
            yield order
        finally:
            for descriptor in handed:
                os.close(descriptor)


def _asking(sock: socket.socket, number: int) -> Ask:
    """How a job asks the front for bytes of its original."""

    def ask(start: int, length: int) -> tuple[int, int]:
        sock.sendall(frame({"id": number, "need": [start, length]}))
        if (said := _receive(sock, [])) is None:
            raise ConnectionError("the front has hung up")
        if said["there"] is None:
            raise Unreached(start)
        return said["there"][0], said["there"][1]

    return ask


def empty(folder: Path) -> None:
    """Remove all that is in a folder, as far as that can be done."""
    with suppress(OSError):
        for leftover in folder.iterdir():
            if leftover.is_dir() and not leftover.is_symlink():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink()


def aside_of(result: Path) -> Path:
    """Where the file beside a result is put."""
    return result.with_name(f"{result.name}.aside")


def _answer(order: Mapping[str, Any], perform: Perform, scratch: Path, largest_body: int, sock: socket.socket) -> bytes:
    before = time.process_time()
    _begin_peak()

    def announce(facts: dict[str, Any]) -> None:
        sock.sendall(frame({"id": order["id"], "aside": facts}))

    def progress(share: float) -> None:
        sock.sendall(frame({"id": order["id"], "progress": share}))

    def measured() -> dict[str, Any]:
        return {"id": order["id"], "cpu": time.process_time() - before, **_memory(), **_state(order["job"])}

    try:
        meta, body = perform(order["job"], scratch, Aside(aside_of(Path(order["result"])), announce, progress))
        where, inline = _put(body, Path(order["result"]), largest_body)
        return frame({"meta": meta, **where, **measured()}, inline)
    except MemoryError:
        # What else failed for want of memory cannot be known: the process is given up with its job.
        traceback.print_exc()
        os._exit(OUT_OF_MEMORY)
    except Unreached as unreached:
        return frame({"failure": type(unreached).__name__, **measured()})
    except Refusal as refusal:
        return frame({"refusal": refusal_to_fields(refusal), **measured()})
    except Exception as failure:
        traceback.print_exc()
        return frame({"failure": type(failure).__name__, **measured()})


def _state(job: Mapping[str, Any]) -> dict[str, Any]:
    """When the original was last changed, and its size: the front knows both from before."""
    with suppress(KeyError, OSError, TypeError):
        status = os.stat(job["path"])  # noqa: PTH116 -- with every reply
        return {"state": [status.st_mtime_ns, status.st_size]}
    return {}


def _put(body: bytes | Path, result: Path, largest_body: int) -> tuple[dict[str, int], bytes]:
    """Put a large body where the front looks for it and say its size in bytes; a small one goes through the socket."""
    if isinstance(body, Path):
        size = body.stat().st_size
        body.rename(result)
        return {"file": size}, b""
    if len(body) <= INLINE_BODY:
        return {}, body
    try:
        with result.open("xb") as file:
            file.write(body)
    except OSError:
        if len(body) > largest_body:
            raise
        return {}, body  # a full disk means a slower way, not a failure
    return {"file": len(body)}, b""


def _receive(sock: socket.socket, handed: list[int]) -> dict[str, Any] | None:
    """One order; descriptors that come with it are added to `handed`."""
    prefix = _exactly(sock, PREFIX.size, handed)
    if prefix is None:
        return None
    header_size, _ = PREFIX.unpack(prefix)
    text = _exactly(sock, header_size, handed)
    return None if text is None else dict(json.loads(text))


def _exactly(sock: socket.socket, size: int, handed: list[int]) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        part, descriptors, _, _ = socket.recv_fds(sock, size - len(data), 1, socket.MSG_CMSG_CLOEXEC)
        handed += descriptors
        if not part:
            return None
        data += part
    return bytes(data)


def _begin_peak() -> None:
    """Let the peak of this process begin with what it holds now (see proc_pid_clear_refs(5))."""
    with suppress(OSError), open("/proc/self/clear_refs", "wb") as peak:  # noqa: PTH123 -- written with every job
        peak.write(b"5")


def _memory() -> dict[str, int]:
    # Not getrusage: its peak begins with that of the process that started this one.
    with open("/proc/self/status", "rb") as status:  # noqa: PTH123 -- read with every reply
        lines = dict(line.split(b":", 1) for line in status)
    own, peak = (sum(int(lines[name].split()[0]) for name in names) * 1024 for names in (_OWN, (b"VmHWM",)))
    return {"rss": own, "peak": peak}


def confine(memory: int) -> None:
    """Make this process die with its front, leave signals to it, and hold `memory` bytes at most.

    Of what root may do it keeps the opening of files. SVT-AV1 makes a process that may a real-time one of the highest
    priority (svt_switch_to_real_time), before which all else on its core has to wait, a signal that would end it too.
    """
    with suppress(OSError):
        privileges.keep(1 << privileges.CAP_DAC_OVERRIDE | 1 << privileges.CAP_DAC_READ_SEARCH)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # Ctrl-C and a supervisor's SIGTERM reach the whole group, but the front drains first; it ends workers by SIGKILL.
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # RLIMIT_DATA counts what is allocated; RLIMIT_AS would count libraries, mapped originals and reserved arenas too.
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    with suppress(OSError):  # /proc may be read-only
        Path("/proc/self/oom_score_adj").write_text("500")


def keep_private() -> None:
    """Hide the memory and the environment of this process from others of its user; for the front, which has the keys.

    Debuggers and profilers such as py-spy then need root, and no core is dumped. What it executes is not hidden.
    """
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def main(arguments: Sequence[str], load: Callable[[], Perform]) -> None:
    """Be a worker; `arguments`: the descriptor of its socket, its own folder, its memory and largest body in bytes."""
    descriptor, scratch, memory, largest_body = arguments
    if not Path(ORIGINALS, descriptor).exists():
        raise SystemExit(f"a worker reads originals by way of {ORIGINALS}, which is not there: is /proc mounted?")
    confine(int(memory))
    huge_pages.forbid()
    perform = load()
    folder = Path(scratch)
    os.nice(10)  # work yields to the front; starting does not, since others wait for it
    os.chdir(folder)  # a relative name in hostile media finds an empty folder
    with suppress(ConnectionError), socket.socket(fileno=int(descriptor)) as sock:
        serve(sock, perform, folder, int(largest_body))
    os._exit(0)  # without the libraries' farewells: the front is gone


def _load() -> Perform:
    from transforms.work import perform

    return perform


if __name__ == "__main__":
    main(sys.argv[1:], _load)
