"""Servers to be measured, started as real processes and ended with the measurement."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

NGINX = """
worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/errors;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; types {{ image/jpeg jpg; }}
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{ listen 127.0.0.1:{port}; root {folder}; }}
}}
"""


def free_port() -> int:
    """A port of loopback that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pinned(core: int | None) -> list[str]:
    """The words before a command that keep it on one core; none where there is but one."""
    return ["taskset", "-c", str(core)] if core is not None and len(os.sched_getaffinity(0)) > 1 else []


@contextmanager
def darkroom(
    folder: Path, *words: str, core: int | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[int]:
    """A server of our own over a folder; yields its port."""
    port = free_port()
    command = [*pinned(core), sys.executable, "-m", "proxy", "serve", str(folder), "--port", str(port), *words]
    environment = {**os.environ, "DARKROOM_LOG_LEVEL": "warning", **(settings or {})}
    with _running(command, f"http://127.0.0.1:{port}/health", environment):
        yield port


@contextmanager
def nginx(folder: Path, core: int | None = None) -> Iterator[int]:
    """nginx over a folder, with one worker and nothing in its way; yields its port."""
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, port=port))
    with _running([*pinned(core), "nginx", "-c", str(config)], f"http://127.0.0.1:{port}/", dict(os.environ)):
        yield port


@contextmanager
def _running(command: Sequence[str], url: str, environment: Mapping[str, str]) -> Iterator[None]:
    process = subprocess.Popen(command, env=dict(environment), stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                urlopen(url, timeout=1).close()
                break
            except OSError as error:
                if getattr(error, "code", None):
                    break  # it answers, if only with an error
                time.sleep(0.05)
        else:
            raise RuntimeError(f"{command[0]} did not start")
        yield
    finally:
        process.send_signal(2)
        process.wait(30)
