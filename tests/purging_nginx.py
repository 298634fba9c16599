"""A real nginx with a cache that can be purged, as little of it as a purge needs."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.serving import LOCAL, Reply, exchange, request, wait_until

MODULE = "/usr/lib/nginx/modules/ngx_http_cache_purge_module.so"

CONFIGURATION = """
load_module {module};
{user}
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    proxy_cache_path {folder}/cache levels=1:2 keys_zone=media:4m;
    map $http_accept $kind {{ default "-"; "~image/avif" "avif"; "~image/webp" "webp"; }}
    map $request_uri $public {{
        default $request_uri;
        "~^(?:/purge)?(?:/sig_[^/]+)?(?<rest>/.*)$" $rest;
    }}
    server {{
        listen {host}:{port};
        merge_slashes off;
        location ^~ /purge/ {{ allow 127.0.0.1; deny all; proxy_cache_purge media "$kind$public"; }}
        location / {{
            proxy_pass http://{host}:{origin};
            proxy_cache media;
            proxy_cache_key "$kind$public";
            proxy_ignore_headers Vary;
            add_header X-Nginx $upstream_cache_status always;
        }}
    }}
}}
"""


def free_port() -> int:
    with socket.socket() as held:
        held.bind((LOCAL, 0))
        return int(held.getsockname()[1])


@dataclass(frozen=True)
class Nginx:
    """A running nginx."""

    port: int

    def ask(self, path: str, **fields: str) -> Reply:
        return Reply.read(exchange(self.port, request(path, fields)))


@contextmanager
def caching(folder: Path, port: int, origin: int) -> Iterator[Nginx]:
    """nginx on this port before a server on the other; what it has cached stays in the folder."""
    folder.mkdir(exist_ok=True)
    # Its workers would lose root's rights, and the folders of tests are for their owner alone.
    user = "user root;" if os.geteuid() == 0 else ""
    (file := folder / "nginx.conf").write_text(
        CONFIGURATION.format(module=MODULE, folder=folder, host=LOCAL, port=port, origin=origin, user=user)
    )
    command = ["nginx", "-e", str(folder / "error.log"), "-p", str(folder), "-c", str(file)]

    def listening() -> bool:
        with suppress(OSError), socket.create_connection((LOCAL, port), 1):
            return True
        assert process.poll() is None, (folder / "error.log").read_text()
        return False

    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(listening)
            yield Nginx(port)
        finally:
            process.terminate()
            process.wait(10)
