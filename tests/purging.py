"""Purges in tests: asked for as applications do, and a picture that tells which of its versions it is."""

import json
from pathlib import Path
from typing import Any, Protocol

from tests import pictures
from tests.serving import Reply, exchange, request, wait_until

SECRET = "a-secret-of-some-length"
TOKENS: list[dict[str, Any]] = [
    {"name": "deploy", "secret": SECRET},
    {"name": "photographer", "secret": SECRET[::-1], "mounts": ["photos"]},
]
FINISHED = ("done", "incomplete")


class Asked(Protocol):
    """A server, or what stands before some."""

    port: int

    def ask(self, path: str | bytes, method: str = "GET", **fields: str) -> Reply: ...


def post(server: Asked, body: object, secret: str = SECRET, **fields: str) -> Reply:
    """`POST /api/v1/purge`; bytes are sent as they are, anything else as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    known = {"content_type": "application/json", "content_length": str(len(data)), "authorization": f"Bearer {secret}"}
    head = request("/api/v1/purge", {name: value for name, value in (known | fields).items() if value}, "POST")
    return Reply.read(exchange(server.port, head + data))


def purge(server: Asked, *targets: dict[str, str]) -> dict[str, Any]:
    """Purge, and wait until all of it is done; returns what the server said last."""
    reply = post(server, list(targets))
    assert reply.status == 202, reply.body
    found: dict[str, Any] = reply.json

    def finished() -> bool:
        nonlocal found
        found = server.ask(reply["location"], authorization=f"Bearer {SECRET}").json
        return found["state"] in FINISHED

    wait_until(finished)
    return found


def draw(path: Path, version: int) -> None:
    """Overwrite an original with another picture of the same size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    copy = path.with_name(f".{path.name}")
    copy.write_bytes(pictures.encoded(pictures.photograph(120, 80, seed=version), path.suffix.lstrip(".")))
    copy.replace(path)
