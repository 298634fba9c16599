"""IPX: sharp, which is libvips, behind a server of node."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.load import Http
from bench.peers.peer import Running, Wish
from bench.serving import answers, free_port, running

HERE = Path(__file__).parent


class Ipx:
    """The package of npm, over a folder."""

    name = "IPX"
    about = "its own server for node over the same folder, `jpegProgressive` off, nothing cached (it has no cache)"
    measure = "quality"

    def install(self, out: Path) -> str:
        """npm puts it and its sharp into a folder."""
        folder = out / "ipx"
        folder.mkdir(parents=True, exist_ok=True)
        wanted = (HERE / "package.json").read_bytes()
        if not (folder / "installed").exists() or (folder / "installed").read_bytes() != wanted:
            shutil.copy(HERE / "package.json", folder / "package.json")
            subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", folder], check=True)
            (folder / "installed").write_bytes(wanted)
        asked = "const s = require('sharp'); console.log('sharp ' + s.versions.sharp + ', libvips ' + s.versions.vips)"
        said = subprocess.run(["node", "-e", asked], cwd=folder, check=True, capture_output=True, text=True)
        return f"3.1.1, {said.stdout.strip()}"

    @contextmanager
    def start(self, out: Path, folder: Path) -> Iterator[Running]:
        """Its server over a folder."""
        port = free_port()
        command = ["node", str(HERE / "ipx.mjs"), str(out / "ipx"), str(folder), str(port)]
        with running(command, lambda: answers(port), os.environ) as pid:
            yield Running(pid, lambda _: Http.open(port), ipx_path)


def ipx_path(wish: Wish, name: str) -> str:
    """`/f_webp,q_80,w_600/name`."""
    quality = f"q_{wish.quality}," if wish.quality is not None else ""
    return f"/f_{wish.format.replace('jpg', 'jpeg')},{quality}w_{wish.width}/{name}"
