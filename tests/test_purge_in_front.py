"""Purges reach what stands in front: a real nginx drops what it was given, hooks hear of tags and paths."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from signing import Signer, new_secret
from tests.edging import nginx
from tests.purging import SECRET, TOKENS, draw, post, purge
from tests.purging_nginx import caching, free_port
from tests.redis_server import redis_server
from tests.serving import LOCAL, Reply, serving, wait_until

KEY = new_secret()
ACCEPTS = ("image/avif,image/webp", "image/webp", "*/*")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    draw(tmp_path / "originals/cats/new cat.jpg", 0)
    draw(tmp_path / "originals/cats/other.jpg", 0)
    return tmp_path / "originals"


def urls(source: str = "cats/new cat.jpg") -> list[str]:
    """Several renditions, each under signatures that end at different times."""
    media = Signer(KEY)
    wanted = ({"w": 50, "f": "auto"}, {"w": 60}, {"h": 20, "f": "png"})
    return [media.url(source, **options, expires=expires) for options in wanted for expires in (None, 3600, 7200)]


def test_nginx_drops_just_what_was_purged_whatever_signature_it_came_under(folder: Path, tmp_path: Path) -> None:
    port = free_port()
    settings: dict[str, Any] = {"keys": [KEY], "tokens": TOKENS[:1], "purge_urls": [f"http://{LOCAL}:{port}/purge"]}
    asked = [(url, accept) for url in urls() for accept in ACCEPTS]
    other = urls("cats/other.jpg")[0]

    def everything() -> dict[tuple[str, str], Reply]:
        return {(url, accept): before.ask(url, accept=accept) for url, accept in asked}

    def check_purged(version: int) -> dict[str, Any]:
        draw(folder / "cats/new cat.jpg", version)
        old = everything()
        assert {reply["x-nginx"] for reply in everything().values()} == {"HIT"}
        assert before.ask(other)["x-nginx"] == "HIT"
        found = purge(server, {"source": "cats/new cat.jpg"})
        new = everything()
        assert {reply.status for reply in new.values()} == {200}
        assert not {reply.body for reply in old.values()} & {reply.body for reply in new.values()}
        assert before.ask(other)["x-nginx"] == "HIT"
        return found

    with serving(folder, tmp_path / "server", **settings) as server:
        with caching(tmp_path / "nginx", port, server.port) as before:
            everything()
            before.ask(other)
            found = check_purged(1)
            assert (found["state"], found["not_reached"]) == ("done", [])
            assert found["caches"]["paths"] == 3, "a path under nine signatures is one"
            check_purged(2)
            everything()
        # While nginx is down its files stay, and so does what it is to drop.
        draw(folder / "cats/new cat.jpg", 3)
        reply = post(server, {"prefix": "cats/"})
        assert (reply.status, reply.json["state"]) == (202, "running")
        assert reply.json["caches"]["requests_left"] > 0
        with caching(tmp_path / "nginx", port, server.port) as before:
            wait_until(lambda: server.ask(reply["location"], authorization=f"Bearer {SECRET}").json["state"] == "done")
            assert {found["x-nginx"] for found in everything().values()} == {"MISS", "HIT"}
            assert before.ask(other)["x-nginx"] == "MISS"
    # A server that was started anew knows what the one before it has answered.
    with serving(folder, tmp_path / "server", **settings) as server:
        with caching(tmp_path / "nginx", port, server.port) as before:
            found = check_purged(4)
            assert found["caches"]["paths"] == 3
        assert server.count("darkroom_purge_requests_total", to="cache", outcome="dropped") > 0


# Hooks


class Heard(ThreadingHTTPServer):
    """Hears messages, and answers the first of them with these statuses."""

    def __init__(self, statuses: list[int]) -> None:
        super().__init__((LOCAL, 0), Hearer)
        self.statuses, self.messages, self.fields = statuses, list[Any](), list[dict[str, str]]()
        self.paths: list[str] = []


class Hearer(BaseHTTPRequestHandler):
    server: Heard

    def do_POST(self) -> None:
        self.server.paths.append(self.path)
        self.server.fields.append({name.lower(): value for name, value in self.headers.items()})
        self.server.messages.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        status = self.server.statuses.pop(0) if self.server.statuses else 204
        self.send_response(status)
        if status == 302:
            self.send_header("location", f"http://{LOCAL}:{self.server.server_port}/elsewhere")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def hearing(*statuses: int) -> Iterator[Heard]:
    with Heard(list(statuses)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_a_hook_hears_tags_and_paths_and_hears_them_again_until_it_takes_them(folder: Path, tmp_path: Path) -> None:
    with hearing(503, 302) as heard:
        hook = {"url": f"http://{LOCAL}:{heard.server_port}/cdn?", "secret": "Bearer of-the-hook", "header": "X-Key"}
        hook["url"] = hook["url"].rstrip("?")
        settings: dict[str, Any] = {
            "keys": [KEY], "tokens": TOKENS[:1], "purge_hooks": [hook], "tag_header": "Surrogate-Key"
        }  # fmt: skip
        with serving(folder, tmp_path / "server", **settings) as server:
            url = urls()[0]
            tags = server.ask(url)["surrogate-key"].split(" ")
            assert [tag.partition(":")[0] for tag in tags] == ["source", "mount", "prefix"]
            purge(server, {"prefix": "cats/"})
            message = {"tags": [tags[2]], "urls": ["/" + url.lstrip("/").partition("/")[2]]}
            assert heard.messages == [message] * 3
            assert {fields["x-key"] for fields in heard.fields} == {"Bearer of-the-hook"}
            assert set(heard.paths) == {"/cdn"}, "a redirect is not followed"
            assert server.count("darkroom_purge_requests_total", to="hook", outcome="failed") == 2
            log = server.log_file.read_text()
    assert "of-the-hook" not in log


# The configuration that is shipped


def test_every_front_has_nginx_forget_what_it_has_answered_under_any_signature(folder: Path, tmp_path: Path) -> None:
    private = free_port()
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server(tmp_path / "redis"))
        settings: dict[str, Any] = {
            "keys": [KEY], "tokens": TOKENS[:1], "behind_nginx": True, "first": "final", "workers": 1,
            "redis": redis.url, "redis_seconds": 20, "purge_urls": [f"http://{LOCAL}:{private}/purge"],
        }  # fmt: skip
        fronts = [stack.enter_context(serving(folder, tmp_path / f"front-{n}", **settings)) for n in range(2)]
        wait_until(lambda: all(front.count("darkroom_bus_connected") for front in fronts))
        ports = [front.port for front in fronts]
        before = stack.enter_context(nginx(tmp_path / "nginx", ports, folder, private=private))
        asked = [(url, accept) for url in urls() for accept in ACCEPTS]

        def everything() -> list[Reply]:
            return [before.ask(url, accept=accept) for url, accept in asked]

        for number, front in enumerate(fronts):
            everything()
            old = everything()
            assert {reply["cache-status"] for reply in old} == {"nginx; hit"}
            draw(folder / "cats/new cat.jpg", 20 + number)
            # One of the two has answered; it is told by either.
            assert purge(front, {"source": "cats/new cat.jpg"})["not_reached"] == []
            bodies = {reply.body for reply in old}
            wait_until(lambda: not bodies & {reply.body for reply in everything()})  # noqa: B023 -- called here
        # Through nginx one front is asked for all of a purge, since it alone knows how far that is.
        for _ in range(4):
            assert purge(before, {"source": "cats/new cat.jpg"})["state"] == "done"
