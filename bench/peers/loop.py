"""Work without a server round it, for what a server costs: a process that does jobs which come in by a socket.

`python -m bench.peers.loop <libvips|shrink|darkroom> <socket>`: each connection has a thread; a job is a line of JSON,
the answer the length of the result in a line, then the result.
"""

import json
import os
import socketserver
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

Job = dict[str, Any]


def thumbnail(job: Job) -> bytes:
    """`vips thumbnail`, which keeps twice the size when it shrinks while reading."""
    import pyvips

    image = pyvips.Image.thumbnail(job["path"], job["width"], height=10_000_000, size="down")
    return bytes(image.write_to_buffer(job["suffix"], **job["options"]))


def shrink(job: Job) -> bytes:
    """All of the shrinking that libjpeg can do, then Lanczos: what sharp and imgproxy do with JPEGs."""
    import pyvips

    image = pyvips.Image.new_from_file(job["path"])
    step = max((step for step in (1, 2, 4, 8) if image.width / step >= job["width"]), default=1)
    image = pyvips.Image.new_from_file(job["path"], shrink=step, access="sequential")
    small = image.resize(job["width"] / image.width, kernel="lanczos3")
    return bytes(small.write_to_buffer(job["suffix"], **job["options"]))


def rendition(job: Job) -> bytes:
    """What a worker of ours does."""
    from transforms.headers import read_header
    from transforms.limits import Limits
    from transforms.work import perform
    from transforms.worker import Aside

    path = Path(job["path"])
    with path.open("rb") as file:
        header = read_header(file, path.stat().st_size)
    if header is None:
        raise ValueError(f"{path.name} has no header that the front reads")
    order = {
        "do": "render",
        "path": str(path),
        "header": header.to_dict(),
        "plan": job["plan"],
        "format": job["format"],
        "grade": "first",
        "limits": asdict(Limits()),
    }
    made = perform(order, path.parent, Aside(Path(os.devnull), lambda facts: None))[1]  # shares nothing
    return made if isinstance(made, bytes) else made.read_bytes()


KINDS: dict[str, Callable[[Job], bytes]] = {"libvips": thumbnail, "shrink": shrink, "darkroom": rendition}


class Server(socketserver.ThreadingUnixStreamServer):
    """A thread to a connection, which ends with it."""

    daemon_threads = True


def serve(kind: str, path: str) -> None:
    """Do jobs until interrupted."""
    import pyvips

    pyvips.cache_set_max(0)
    make = KINDS[kind]
    if make is rendition:
        from transforms import huge_pages

        huge_pages.forbid()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for line in self.rfile:
                result = make(json.loads(line))
                self.wfile.write(b"%d\n" % len(result) + result)

    with Server(path, Handler) as server, suppress(KeyboardInterrupt):
        server.serve_forever()


if __name__ == "__main__":
    serve(*sys.argv[1:])
