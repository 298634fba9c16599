"""Several servers, one Redis: what all of them are asked for is made once, and none of them needs the others."""

import asyncio
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import pictures
from tests.redis_server import RedisServer
from tests.serving import Reply, Server, fetch, serving, wait_until

pytestmark = pytest.mark.anyio

BOTH = {"shared": "memory:, disk:, redis:", "handed over": "memory:, disk:"}
"""The ways that a result takes to the other servers."""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    photo = pictures.encoded(pictures.photograph(1800, 1200), "jpg")
    for number in range(12):
        (folder / f"{number}.jpg").write_bytes(photo)
    return folder


@contextmanager
def fronts(photos: Path, folder: Path, redis: RedisServer, number: int = 3, **settings: Any) -> Iterator[list[Server]]:
    """Servers that share nothing but Redis. They wait for it for long, because this machine may be busy."""
    common = {"unsigned": True, "workers": 1, "redis": redis.url, "redis_prefix": f"{secrets.token_hex(4)}:"}
    common |= {"redis_seconds": 20, "shared_seconds": 20, **settings}
    with ExitStack() as stack:
        servers = [stack.enter_context(serving(photos, folder / str(n), **common)) for n in range(number)]
        wait_until(lambda: all(server.count("darkroom_bus_connected") for server in servers))
        yield servers


async def crowd(servers: Sequence[Server], path: str, clients: int = 150) -> list[Reply]:
    return await asyncio.gather(*(fetch(servers[n % len(servers)].port, path) for n in range(clients)))


def total(servers: Sequence[Server], name: str, **labels: str) -> float:
    return sum(server.count(name, **labels) for server in servers)


@pytest.mark.parametrize("results", BOTH.values(), ids=BOTH)
async def test_a_crowd_before_three_servers_has_each_picture_made_once(
    results: str, photos: Path, tmp_path: Path, redis: RedisServer
) -> None:
    with fronts(photos, tmp_path, redis, results=results) as servers:
        replies = await crowd(servers, "/w_600,f_webp/0.jpg")
        assert [reply.status for reply in replies] == [200] * 150
        assert len({reply.body for reply in replies}) == 1
        assert total(servers, "darkroom_transforms_total") == 1
        assert total(servers, "darkroom_results_received_total") == 2
        # Ten pictures at once, each asked of all.
        several = await asyncio.gather(*(crowd(servers, f"/w_500,f_webp/{n}.jpg", 9) for n in range(10)))
        assert {reply.status for replies in several for reply in replies} == {200}
        assert total(servers, "darkroom_transforms_total") == 11
