"""nginx for tests, with the very configuration of nginx/: only ports, folders and rates differ."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.serving import answers, free_port
from signing import Signer
from tests.serving import Reply, Server, exchange, request, serving, wait_until

KEY = "an example of a key, 32 bytes or more"
SITE = Path(__file__).parent.parent / "nginx"


@dataclass
class Nginx:
    """A running nginx."""

    process: subprocess.Popen[bytes]
    port: int
    private_port: int
    folder: Path

    def ask(self, path: str | bytes, method: str = "GET", **fields: str) -> Reply:
        return Reply.read(exchange(self.port, request(path, fields, method)))

    def privately(self, path: str | bytes, method: str = "GET", **fields: str) -> Reply:
        return Reply.read(exchange(self.private_port, request(path, fields, method)))

    def purge(self, path: str, **fields: str) -> int:
        return self.privately(f"/purge{path}", "DELETE", **fields).status

    def errors(self) -> str:
        return (self.folder / "errors").read_text()


def replaced(text: str, values: Mapping[str, str]) -> str:
    """The text with every value exchanged; each is there."""
    for old, new in values.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def configured(
    folder: Path, ports: Sequence[int], public: int, private: int, originals: Path, values: Mapping[str, str]
) -> Path:
    """The configuration in a folder of its own, for fronts on these ports."""
    shutil.copytree(SITE, folder, dirs_exist_ok=True)
    fronts = "\n    ".join(f"server 127.0.0.1:{port} max_fails=3 fail_timeout=5s;" for port in ports)
    named = "\n    ".join(f"server front-{number}:8300 max_fails=3 fail_timeout=5s;" for number in (1, 2))
    places = {"/var/cache/nginx": str(folder / "cache")}
    site = {
        named: fronts,
        "listen 8080;": f"listen 127.0.0.1:{public};",
        "listen 8081;": f"listen 127.0.0.1:{private};",
        "/srv/originals/": f"{originals}/",
        "rate=100r/s": "rate=100000r/s",
        **places,
    }
    main = {"/tmp/nginx.pid": str(folder / "pid"), "access_log /dev/stdout darkroom": "access_log off", **places}
    main |= {"worker_rlimit_nofile 65536;": "", "worker_connections 8192": "worker_connections 1024"}
    main["error_log stderr warn"] = f"error_log {folder}/errors warn"
    (folder / "darkroom.conf").write_text(replaced((SITE / "darkroom.conf").read_text(), {**site, **values}))
    config = folder / "nginx.conf"
    # As root, workers would give up rights that the folders of tests ask for.
    user = "user root;\n" if os.geteuid() == 0 else ""
    config.write_text(user + replaced((SITE / "nginx.conf").read_text(), main))
    (folder / "cache").mkdir(exist_ok=True)
    return config


def checked(config: Path) -> subprocess.CompletedProcess[str]:
    """What `nginx -t` says."""
    command = ["nginx", "-t", "-q", "-e", "stderr", "-c", str(config)]
    return subprocess.run(command, capture_output=True, text=True)


@contextmanager
def nginx(
    folder: Path,
    ports: Sequence[int],
    originals: Path = Path("/srv/originals"),
    values: Mapping[str, str] | None = None,
    private: int | None = None,
) -> Iterator[Nginx]:
    """nginx before fronts on these ports; `values` exchanges more of the site's file, `private` is a port."""
    public, private = free_port(), private or free_port()
    config = configured(folder, ports, public, private, originals, values or {})
    command = ["nginx", "-g", "daemon off;", "-e", str(folder / "errors"), "-c", str(config)]
    process = subprocess.Popen(command)
    try:
        wait_until(lambda: process.poll() is not None or answers(public, "/health"))
        assert process.poll() is None, (folder / "errors").read_text()
        yield Nginx(process, public, private, folder)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


@dataclass
class Rig:
    """Some fronts and an nginx before them."""

    nginx: Nginx
    fronts: list[Server]
    signer: Signer

    def url(self, source: str, *steps: str, **options: Any) -> str:
        return self.signer.url(source, *steps, **options)

    def made(self) -> float:
        """How many renditions the fronts have made."""
        return sum(front.count("darkroom_transforms_total") for front in self.fronts)

    def asked(self) -> float:
        """How many requests for renditions have reached a front."""
        return sum(front.count("darkroom_requests_total") for front in self.fronts)


@contextmanager
def rigged(
    folder: Path, scratch: Path, fronts: int, values: Mapping[str, str] | None = None, **settings: Any
) -> Iterator[Rig]:
    """Fronts with one worker each over one folder, and nginx."""
    usual: dict[str, Any] = {
        "keys": [KEY],
        "behind_nginx": True,
        "accel": "/api/accel/",
        "first": "final",
        "workers": 1,
    }
    settings = usual | settings
    with ExitStack() as stack:
        started = [
            stack.enter_context(serving(folder, scratch / f"front-{number}", **settings)) for number in range(fronts)
        ]
        ports = [front.port for front in started]
        before = stack.enter_context(nginx(scratch / "nginx", ports, folder, values))
        yield Rig(before, started, Signer(KEY))
