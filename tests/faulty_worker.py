"""A worker with faults to inject: what its job names, it does."""

import ctypes
import mmap
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

from transforms.errors import InvalidOption
from transforms.worker import Aside, Perform, frame, main

HELD: list[bytearray | mmap.mmap] = []


def front() -> socket.socket:
    """The socket to the front, to say on it what no worker should."""
    return socket.socket(fileno=os.dup(int(sys.argv[1])))


def perform(job: dict[str, Any], scratch: Path, aside: Aside) -> tuple[dict[str, Any], bytes | Path]:
    body: bytes | Path = b""
    match job["do"]:
        case "nothing":
            pass
        case "body":
            body = bytes(job["size"])
        case "file":
            body = scratch / "drawn"
            body.write_bytes(bytes(job["size"]))
        case "aside":
            for _ in range(job.get("times", 1)):
                if "bytes" in job:
                    aside.path.write_text(job["bytes"])
                if "folder" in job:
                    aside.path.mkdir()
                aside.announce(job["facts"])
            time.sleep(job.get("seconds", 0))
            if "flag" in job and not Path(job["flag"]).exists():
                Path(job["flag"]).touch()
                os.kill(os.getpid(), 9)
        case "half aside":
            aside.path.write_text("half")
        case "sleep":
            time.sleep(job["seconds"])
        case "spin":
            while True:
                pass
        case "exit":
            os._exit(job.get("status", 0))
        case "leave":
            sys.exit(0)
        case "segfault":
            ctypes.string_at(0)
        case "bomb":
            while True:
                HELD.append(bytearray(os.urandom(1 << 20) * 16))
        case "hold":
            HELD.extend(bytearray(os.urandom(1 << 20)) for _ in range(job["mib"]))
        case "borrow":
            bytearray(b"x") * (job["mib"] << 20)
        case "map":
            with open(job["path"], "rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
            HELD.append(mapped)
            sum(mapped[place] for place in range(0, len(mapped), mmap.PAGESIZE))
        case "refuse":
            raise InvalidOption("w_: a whole number", part="w_wide", expected="1 to 8192", suggestion="w_1", offset=5)
        case "fail":
            (scratch / "half").write_bytes(b"left behind")
            (scratch / "folder").mkdir()
            raise RuntimeError("the secret of the worker")
        case "lie":
            front().sendall(bytes.fromhex(job["bytes"]))
            time.sleep(60)
        case "claim":
            if target := job.get("link"):
                (scratch.parent / "result-1").symlink_to(target)
            front().sendall(frame(job["header"]))
            time.sleep(60)
        case "hang up":
            front().shutdown(socket.SHUT_RDWR)
            time.sleep(60)
        case "die once":
            flag = Path(job["flag"])
            if not flag.exists():
                flag.touch()
                os.kill(os.getpid(), 9)
        case "read":
            if "flag" in job and not Path(job["flag"]).exists():
                Path(job["flag"]).touch()
                os.kill(os.getpid(), 9)
            return {"path": job["path"]}, Path(job["path"]).read_bytes()
        case "read in parts":
            with job["path"].open("rb", buffering=0) as file:
                told, data = [], b""
                for start, length in job["ranges"]:
                    file.seek(start)
                    told.append(len(part := file.read(length)))
                    data += part
            return {"told": told}, data
        case "read in parts all the same":
            try:
                with job["path"].open("rb") as file:
                    return {}, file.read(10)
            except Exception:
                return {}, b"made of nothing"
        case "count descriptors":
            return {"open": len(os.listdir("/proc/self/fd"))}, b""
        case "look":
            return {"cwd": os.getcwd(), "files": os.listdir(scratch), "nice": os.nice(0), **dict(os.environ)}, b""
        case unknown:
            raise LookupError(unknown)
    return {"pid": os.getpid(), **job}, body


def load() -> Perform:
    match os.environ.get("FAULT_AT_START"):
        case None:
            pass
        case "hang":
            time.sleep(60)
        case flag if Path(flag).exists():
            os._exit(1)
    return perform


if __name__ == "__main__":
    main(sys.argv[1:], load)
