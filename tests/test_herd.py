"""Several servers, one Redis: what all of them are asked for is made once, and none of them needs the others."""

import asyncio
import hashlib
import itertools
import json
import secrets
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from proxy.addresses import RedisAddress
from proxy.coordination.local import LocalLocks
from proxy.coordination.redis import RedisBus
from proxy.failures import Busy
from proxy.herd import Handover, Herd
from proxy.redis import RedisClient
from proxy.stores.memory import MemoryStore
from proxy.stores.result import Result
from tests import pictures
from tests.redis_server import RedisServer, redis_server
from tests.seaweed import ACCESS_KEY, SECRET_KEY, Seaweed
from tests.serving import PATIENCE, Reply, Server, fetch, serving, wait_until

pytestmark = pytest.mark.anyio

WAYS = {"redis": "memory:, disk:, redis:", "s3": "memory:, disk:, {s3}", "handed over": "memory:, disk:"}
"""The ways that a result takes to the other servers, by what `results` says."""


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


def key(name: object) -> str:
    return hashlib.sha256(str(name).encode()).hexdigest()


class CountedLocks(LocalLocks):
    """Locks that tell how often they were asked for."""

    asked = 0

    def held(self, key: str, seconds: float) -> AbstractAsyncContextManager[bool]:
        self.asked += 1
        return super().held(key, seconds)


class Two:
    """Two fronts in one process, with stores of their own and one between them."""

    def __init__(self, patience: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self.made: list[int] = []
        self.go = asyncio.Event()
        self.locks, self.between = CountedLocks(), MemoryStore(1 << 20)
        self.stores = [MemoryStore(1 << 20) for _ in range(2)]
        self.herds = [Herd(self.locks, Handover(self.between, store), patience, clock) for store in self.stores]
        self.fail: dict[int, Exception] = {}

    def ask(self, front: int) -> "asyncio.Task[tuple[Result, bool]]":
        async def make() -> Result:
            self.made.append(front)
            await self.go.wait()
            if error := self.fail.get(front):
                raise error
            return Result({}, b"picture")

        return asyncio.create_task(self.herds[front].share(key(1), make))

    async def both(self) -> "tuple[asyncio.Task[tuple[Result, bool]], asyncio.Task[tuple[Result, bool]]]":
        """The first front at work, and the second one waiting for it."""
        first = self.ask(0)
        await begun(lambda: self.made)
        second = self.ask(1)
        await begun(lambda: self.locks.asked == 2)
        return first, second


async def begun(true: Callable[[], object]) -> None:
    await asyncio.to_thread(wait_until, true)


async def test_one_front_makes_it_and_the_other_takes_it_over() -> None:
    two = Two()
    first, second = await two.both()
    two.go.set()
    assert [(result.body, here) for result, here in await asyncio.gather(first, second)] == [
        (b"picture", True),
        (b"picture", False),
    ]
    assert two.made == [0]
    assert await two.stores[1].get(key(1))
    assert [herd.received for herd in two.herds] == [0, 1]


async def test_what_was_made_between_a_look_and_the_lock_is_not_made_again() -> None:
    two = Two()
    two.go.set()
    await two.ask(0)
    taken, here = await two.ask(1)
    assert (taken.body, here) == (b"picture", False)
    assert two.made == [0]


async def test_a_front_that_fails_is_followed_by_the_next() -> None:
    two = Two()
    two.fail[0] = Busy("no time")
    first, second = await two.both()
    two.go.set()
    failed, result = await asyncio.gather(first, second, return_exceptions=True)
    assert isinstance(failed, Busy)
    assert result == (Result({}, b"picture"), True)
    assert two.made == [0, 1]


async def test_a_front_that_closes_lets_go_of_its_work() -> None:
    two = Two()
    first, second = await two.both()
    await two.herds[0].close()
    two.go.set()
    given_up, result = await asyncio.gather(first, second, return_exceptions=True)
    assert isinstance(given_up, asyncio.CancelledError)
    assert result == (Result({}, b"picture"), True)


async def test_who_has_waited_long_enough_does_the_work_himself() -> None:
    two = Two(patience=0.02)
    first, second = await two.both()
    await begun(lambda: two.made == [0, 1])
    two.go.set()
    assert [here for _, here in await asyncio.gather(first, second)] == [True, True]


async def test_what_was_finished_unheard_is_found_by_who_had_to_wait() -> None:
    hours = itertools.count(step=3600.0)
    two = Two(clock=lambda: next(hours))
    await two.between.put(key(1), Result({}, b"picture"))
    assert not (await two.ask(0))[1]
    assert two.made == []


async def test_who_asks_no_longer_takes_nothing_from_the_others() -> None:
    two = Two()
    first, second = await two.both()
    first.cancel()
    two.go.set()
    given_up, result = await asyncio.gather(first, second, return_exceptions=True)
    assert isinstance(given_up, asyncio.CancelledError)
    assert not isinstance(result, BaseException)
    assert (result[0].body, result[1]) == (b"picture", False)
    assert two.made == [0]


@pytest.fixture(params=WAYS)
def results(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    way = WAYS[request.param]
    if "{s3}" not in way:
        return way
    seaweed: Seaweed = request.getfixturevalue("seaweed_server")
    # Where everybody who speaks to S3 looks for them.
    credentials = tmp_path / ".aws" / "credentials"
    credentials.parent.mkdir()
    credentials.write_text(f"[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    return way.format(s3=seaweed.url(f"results-{secrets.token_hex(4)}"))


async def test_a_crowd_before_three_servers_has_each_picture_made_once(
    results: str, photos: Path, tmp_path: Path, redis: RedisServer
) -> None:
    with fronts(photos, tmp_path, redis, results=results) as servers:
        replies = await crowd(servers, "/w_600,f_webp/0.jpg")
        assert [reply.status for reply in replies] == [200] * 150
        assert len({reply.body for reply in replies}) == 1
        assert total(servers, "darkroom_transforms_total") == 1
        # Ten pictures at once, each asked of all.
        several = await asyncio.gather(*(crowd(servers, f"/w_500,f_webp/{n}.jpg", 9) for n in range(10)))
        assert {reply.status for replies in several for reply in replies} == {200}
        assert total(servers, "darkroom_transforms_total") == 11


async def test_a_server_hears_of_an_original_that_another_has_seen_to_change(
    tmp_path: Path, redis: RedisServer
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.png").write_bytes(pictures.encoded(pictures.flat(pictures.RED, 80, 60), "png"))
    heard: list[str] = []
    client = RedisClient(RedisAddress.read(redis.url), PATIENCE)
    bus = RedisBus(client, "records:")
    bus.listen("record", heard.append)
    bus.start()
    with fronts(folder, tmp_path, redis, 2, redis_prefix="records:") as servers:
        await begun(lambda: bus.connected)
        first = [server.ask("/w_20,f_png/a.png")["etag"] for server in servers]
        (folder / "a.png").write_bytes(pictures.encoded(pictures.flat(pictures.RED, 40, 30), "png"))
        await begun(lambda: servers[0].ask("/w_20,f_png/a.png")["etag"] != first[0])
        await begun(lambda: heard)
        assert json.loads(heard[0])[:2] == ["", "a.png"]
        await begun(lambda: servers[1].ask("/w_20,f_png/a.png")["etag"] != first[1])
    await bus.close()
    await client.close()


async def test_a_server_killed_at_work_is_followed_by_another(photos: Path, tmp_path: Path, redis: RedisServer) -> None:
    with fronts(photos, tmp_path, redis, results=WAYS["redis"]) as servers:
        workers = {server.port: server.workers() for server in servers}
        for worker in _all(workers):
            worker.send_signal(signal.SIGSTOP)
        asking = [
            asyncio.create_task(crowd([server], "/w_600,f_webp/0.jpg", 50))  # one crowd before each
            for server in servers
        ]
        try:
            await begun(lambda: total(servers, "darkroom_lock_waits_total") == 2)
            leader = next(n for n, server in enumerate(servers) if not server.count("darkroom_lock_waits_total"))
            servers[leader].process.kill()
            for worker in workers.pop(servers[leader].port):
                worker.kill()
        finally:
            for worker in _all(workers):
                worker.send_signal(signal.SIGCONT)
        answered = await asyncio.gather(*asking, return_exceptions=True)
        assert isinstance(answered.pop(leader), OSError)
        assert [reply.status for replies in answered for reply in replies] == [200] * 100  # type: ignore[union-attr]
        servers.pop(leader)
        assert total(servers, "darkroom_transforms_total") == 1


def _all(workers: dict[int, list[psutil.Process]]) -> list[psutil.Process]:
    return [worker for some in workers.values() for worker in some]


FAULTS: dict[str, tuple[Callable[[RedisServer], object], Callable[[RedisServer], object]]] = {
    "stopped": (RedisServer.stop, RedisServer.start),
    "frozen": (RedisServer.freeze, RedisServer.thaw),
    "paused": (
        lambda redis: redis.do("CLIENT", "PAUSE", "3600000", "ALL"),
        lambda redis: (redis.stop(), redis.start()),
    ),
    "restarted empty": (lambda redis: (redis.stop(), redis.start()), lambda redis: None),
    "full": (
        lambda redis: redis.do("CONFIG", "SET", "maxmemory", "1"),
        lambda redis: redis.do("CONFIG", "SET", "maxmemory", "0"),
    ),
}


async def test_whatever_happens_to_redis_no_request_fails(photos: Path, tmp_path: Path) -> None:
    # Hot and cold pictures all the while, each cold one asked of both servers at once.
    made = 0

    async def ask(servers: Sequence[Server], times: int) -> None:
        nonlocal made
        for _ in range(times):
            made += 1
            hot = asyncio.create_task(crowd(servers, "/w_300,f_webp/0.jpg", 4))
            cold = crowd(servers, f"/w_{300 + made},f_webp/{made % 12}.jpg", 4)
            replies = [*await hot, *await cold]
            assert [reply.status for reply in replies] == [200] * 8

    with (
        redis_server(tmp_path / "redis") as redis,
        fronts(photos, tmp_path, redis, 2, results=WAYS["redis"], redis_seconds=0.1, shared_seconds=0.1) as servers,
    ):
        for fault, (harm, mend) in FAULTS.items():
            harm(redis)
            await ask(servers, 6)
            assert [server.ask("/ready").status for server in servers] == [200, 200], fault
            mend(redis)
            await ask(servers, 1)

            def back() -> bool:
                return all(
                    server.count("darkroom_bus_connected") == 1 and server.count("darkroom_breaker_state") == 0
                    for server in servers
                )

            for _ in range(200):
                if back():
                    break
                # Only somebody who asks finds out that Redis is there again.
                await ask(servers, 1)
            assert back(), fault
            received = total(servers, "darkroom_results_received_total")
            for _ in range(50):
                await ask(servers, 1)
                if total(servers, "darkroom_results_received_total") > received:
                    break
            assert total(servers, "darkroom_results_received_total") > received, fault
        assert total(servers, "darkroom_redis_failures_total") > 0
        assert not [event for server in servers for event in server.log() if event["level"] == "error"]
