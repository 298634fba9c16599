"""libvips in a loop with no server round it: as a good program would call it, and as imgproxy does."""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.load import Line
from bench.machine import cores
from bench.peers.peer import Running, Wish
from bench.serving import running
from transforms.formats import DEFAULT_QUALITY, FORMATS

IMGPROXY: Mapping[str, Mapping[str, Any]] = {
    "jpg": {"Q": 80, "subsample_mode": "auto", "optimize_coding": False, "interlace": False, "keep": "none"},
    "webp": {"Q": 79, "effort": 4, "keep": "none"},
    # It writes AVIF at speed 8; libvips' effort is 9 less speed.
    "avif": {"Q": 63, "effort": 1, "keep": "none"},
}
"""imgproxy's defaults."""


class Libvips:
    """`vips thumbnail`, with our own encoders' settings; `Wish.quality` is `q_` of ours."""

    name = "libvips"
    about = "`vips thumbnail` and our encoders' settings through pyvips in one process, a thread to a core, no server"
    measure = "q_"

    def install(self, out: Path) -> str:
        """It is among our own dependencies."""
        return f"{version('pyvips-binary')} through pyvips {version('pyvips')}"

    @contextmanager
    def start(self, out: Path, folder: Path) -> Iterator[Running]:
        """A loop in one process."""
        with loop("libvips") as (pid, socket):

            def line(wish: Wish, name: str) -> str:
                row = FORMATS[wish.format]
                quality = row.quality(wish.quality or DEFAULT_QUALITY)
                return job(wish, folder / name, {**row.first, "Q": quality, "keep": "none"})

            yield Running(pid, lambda _: Line.open(socket), line, cores())


class ImgproxyEmulation:
    """What imgproxy 4 asks of libvips by default, without imgproxy: it could not be built where this was made."""

    name = "imgproxy's settings"
    about = (
        "an emulation: no imgproxy, but what it asks of libvips, in a loop; libjpeg shrinks as far as it can, JPEG "
        "quality 80, WebP 79 at effort 4, AVIF 63 at speed 8, a thread to a core, no server"
    )
    measure = "quality"

    def install(self, out: Path) -> str:
        """As for libvips."""
        return Libvips().install(out)

    @contextmanager
    def start(self, out: Path, folder: Path) -> Iterator[Running]:
        """A loop in one process."""
        with loop("shrink") as (pid, socket):

            def line(wish: Wish, name: str) -> str:
                options = IMGPROXY[wish.format]
                return job(wish, folder / name, options if wish.quality is None else {**options, "Q": wish.quality})

            yield Running(pid, lambda _: Line.open(socket), line, cores())


def job(wish: Wish, path: Path, options: Mapping[str, Any]) -> str:
    """A line for `bench.peers.loop`."""
    suffix = FORMATS[wish.format].writer
    return json.dumps({"path": str(path), "width": wish.width, "suffix": suffix, "options": dict(options)})


@contextmanager
def loop(kind: str, environment: Callable[[], Mapping[str, str]] = lambda: os.environ) -> Iterator[tuple[int, Path]]:
    """One process of `bench.peers.loop`: its number and its socket."""
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as folder:
        socket = Path(folder, "socket")
        command = [sys.executable, "-m", "bench.peers.loop", kind, str(socket)]
        with running(command, socket.exists, {**environment(), "VIPS_CONCURRENCY": "1"}) as pid:
            yield pid, socket
