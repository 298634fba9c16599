"""thumbor: Pillow behind a server of Tornado."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.load import Http
from bench.machine import cores
from bench.peers.peer import Running, Wish
from bench.serving import answers, free_port, running

REQUIREMENTS = Path(__file__).with_name("thumbor.txt")

CONFIG = """
LOADER = "thumbor.loaders.file_loader"
FILE_LOADER_ROOT_PATH = {folder!r}
STORAGE = "thumbor.storages.no_storage"
RESULT_STORAGE = None
ALLOW_UNSAFE_URL = True
PROGRESSIVE_JPEG = False
ENGINE_THREADPOOL_SIZE = {threads}
"""


class Thumbor:
    """The package of PyPI, in a virtual environment of its own."""

    name = "thumbor"
    about = "file loader, no storage, no result storage, `PROGRESSIVE_JPEG` off, a thread of its engine to a core"
    measure = "quality"

    def install(self, out: Path) -> str:
        """pip puts it into a virtual environment."""
        folder = out / "thumbor"
        wanted = REQUIREMENTS.read_text()
        if not (folder / "installed").exists() or (folder / "installed").read_text() != wanted:
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
            subprocess.run([*pip, "--requirement", str(REQUIREMENTS)], check=True)
            (folder / "installed").write_text(wanted)
        pins = dict(line.split("==") for line in wanted.split())
        return f"{pins['thumbor']}, Pillow {pins['pillow']}"

    @contextmanager
    def start(self, out: Path, folder: Path) -> Iterator[Running]:
        """Its server over a folder, in one process."""
        port = free_port()
        config = folder.parent / "thumbor.conf"
        config.write_text(CONFIG.format(folder=str(folder), threads=cores()))
        command = [out / "thumbor" / "bin" / "thumbor", "--ip", "127.0.0.1", "--port", port, "--conf", config]
        with running(
            [*map(str, command), "--log-level", "critical"], lambda: answers(port, "/healthcheck"), os.environ
        ) as pid:
            yield Running(pid, lambda _: Http.open(port), thumbor_path)


def thumbor_path(wish: Wish, name: str) -> str:
    """`/unsafe/600x/filters:format(webp):quality(80)/name`."""
    quality = f":quality({wish.quality})" if wish.quality is not None else ""
    return f"/unsafe/{wish.width}x/filters:format({wish.format.replace('jpg', 'jpeg')}){quality}/{name}"
