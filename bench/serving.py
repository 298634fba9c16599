"""Servers to be measured, started as real processes and ended with the measurement."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

PATIENCE = 30.0

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
    with darkroom_process(folder, *words, core=core, settings=settings) as (_, port):
        yield port


@contextmanager
def darkroom_process(
    folder: Path, *words: str, core: int | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[tuple[int, int]]:
    """A server of our own over a folder; yields its process and its port."""
    port = free_port()
    command = [*pinned(core), sys.executable, "-m", "proxy", "serve", str(folder), "--port", str(port), *words]
    environment = {**os.environ, "DARKROOM_LOG_LEVEL": "warning", **(settings or {})}
    with running(command, lambda: answers(port, "/health"), environment) as pid:
        yield pid, port


@contextmanager
def nginx(folder: Path, core: int | None = None) -> Iterator[int]:
    """nginx over a folder, with one worker and nothing in its way; yields its port."""
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, port=port))
    with running([*pinned(core), "nginx", "-c", str(config)], lambda: answers(port), os.environ):
        yield port


@contextmanager
def running(command: Sequence[str], ready: Callable[[], bool], environment: Mapping[str, str]) -> Iterator[int]:
    """A process that is there once it is ready, and is ended by SIGINT, by SIGKILL if it must be; yields its number."""
    process = subprocess.Popen(command, env=dict(environment), stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + PATIENCE
        while not ready():
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{' '.join(command)} did not start")
            time.sleep(0.05)
        yield process.pid
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(port: int, path: str = "/") -> bool:
    """Whether something answers there, if only with an error."""
    try:
        urlopen(f"http://127.0.0.1:{port}{path}", timeout=1).close()
    except HTTPError:
        return True
    except OSError:
        return False
    return True
