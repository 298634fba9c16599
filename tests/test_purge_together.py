"""Two servers and one Redis: a purge at either holds at both, also when they could not reach each other."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.purging import TOKENS, draw, post, purge
from tests.redis_server import RedisServer, redis_server
from tests.serving import Server, serving, wait_until

PATHS = ("/w_50/cats/1.jpg", "/w_40,f_webp/cats/1.jpg", "/w_50/cats/2.jpg", "/w_50/dogs/1.jpg")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for number, name in enumerate(("cats/1.jpg", "cats/2.jpg", "dogs/1.jpg")):
        draw(folder / name, number)
    return folder


@contextmanager
def fronts(photos: Path, folder: Path, redis: RedisServer, **settings: Any) -> Iterator[list[Server]]:
    common = {"workers": 1, "redis": redis.url, "results": "memory:, disk:, redis:", "first": "final"} | settings
    with ExitStack() as stack:
        servers = [stack.enter_context(serving(photos, folder / str(n), tokens=TOKENS[:1], **common)) for n in range(2)]
        wait_until(lambda: all(server.count("darkroom_bus_connected") for server in servers))
        yield servers


def keys(server: Server) -> list[str]:
    """The keys of some results."""
    return [server.ask(path)["etag"] for path in PATHS]


def test_a_purge_at_one_server_holds_at_the_other(photos: Path, tmp_path: Path) -> None:
    with redis_server(tmp_path / "redis") as redis, fronts(photos, tmp_path, redis, redis_seconds=20) as servers:
        one, other = servers
        old = keys(one)
        assert keys(other) == old
        bodies = {server.ask(PATHS[0]).body for server in servers}
        draw(photos / "cats/1.jpg", 10)
        assert purge(one, {"source": "cats/1.jpg"})["not_reached"] == []
        wait_until(lambda: other.ask(PATHS[0])["etag"] != old[0])
        assert not bodies & {server.ask(PATHS[0]).body for server in servers}
        assert keys(one) == keys(other)
        assert [a == b for a, b in zip(old, keys(one), strict=True)] == [False, False, True, True]
        purge(other, {"prefix": "cats/"})
        wait_until(lambda: keys(one) == keys(other))
        assert other.count("darkroom_purges_total", by="server") == one.count("darkroom_purges_total", by="server") == 1
        # A server that comes later, with a cache of its own, begins where the others are.
        common: dict[str, Any] = {"redis": redis.url, "first": "final", "workers": 1}
        with serving(photos, tmp_path / "later", **common) as third:
            assert keys(third) == keys(one)


def test_a_purge_while_redis_is_down_holds_at_once_here_and_elsewhere_later(photos: Path, tmp_path: Path) -> None:
    with redis_server(tmp_path / "redis") as redis, fronts(photos, tmp_path, redis, redis_seconds=1) as servers:
        one, other = servers
        purge(one, {"prefix": "dogs/"})
        wait_until(lambda: keys(one) == keys(other))
        old = keys(one)
        for out_of_reach, back in ((redis.freeze, redis.thaw), (redis.stop, redis.start)):
            out_of_reach()
            found = post(one, {"source": "cats/1.jpg"})
            assert found.status == 202
            assert found.json["not_reached"][0].startswith("the other servers")
            assert post(other, {"source": "dogs/1.jpg"}).status == 202
            assert [a == b for a, b in zip(old, keys(one), strict=True)] == [False, False, True, True]
            assert [a == b for a, b in zip(old, keys(other), strict=True)] == [True, True, True, False]
            back()  # with nothing in it, the second time
            wait_until(lambda: keys(one) == keys(other))
            new = keys(one)
            assert [a == b for a, b in zip(old, new, strict=True)] == [False, False, True, False]
            old = new
        assert purge(one, {"mount": "/"})["not_reached"] == []
        wait_until(lambda: keys(one) == keys(other))
        assert not set(keys(one)) & set(old)
        assert not [event for server in servers for event in server.log() if event["level"] == "error"]
