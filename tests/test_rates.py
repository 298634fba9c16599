"""Rates: who a client is, how often it may ask, and how several servers hold it to that together."""

import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.addresses import RedisAddress
from proxy.clients.addresses import Addresses
from proxy.clients.buckets import Buckets, Rate
from proxy.clients.rates import Allowance, Limiter, Rates
from proxy.clients.shared import WINDOW, Sharing
from proxy.failures import RateLimited
from proxy.redis import RedisClient
from tests.redis_server import RedisServer, redis_server
from tests.serving import LOCAL

pytestmark = pytest.mark.anyio

OURS = Addresses([ip_network("10.0.0.0/8"), ip_network("fd00::/8"), ip_network("127.0.0.1")])


class Clock:
    """Time that a test sets."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


# Who it is


def forwarded(*values: str) -> list[tuple[bytes, bytes]]:
    return [(b"host", b"x"), *((b"x-forwarded-for", value.encode("latin-1")) for value in values)]


@pytest.mark.parametrize(
    ("peer", "said", "client"),
    [
        ("203.0.113.7", (), "203.0.113.7"),
        ("203.0.113.7", ("198.51.100.1",), "203.0.113.7"),
        ("10.1.2.3", ("198.51.100.1",), "198.51.100.1"),
        ("10.1.2.3", ("6.6.6.6, 198.51.100.1, 10.9.9.9",), "198.51.100.1"),
        ("10.1.2.3", ("6.6.6.6", "198.51.100.1", "10.9.9.9"), "198.51.100.1"),
        ("10.1.2.3", ("6.6.6.6,198.51.100.1:4711",), "198.51.100.1"),
        ("10.1.2.3", ("[2001:db8:1:2:3::4]:443",), "2001:db8:1:2::/64"),
        ("10.1.2.3", ("6.6.6.6, nonsense",), "unknown"),
        ("10.1.2.3", ("",), "unknown"),
        ("10.1.2.3", (), ""),
        ("10.1.2.3", ("10.4.4.4, 127.0.0.1",), ""),
        ("2001:db8:1:2:3:4:5:6", (), "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", (), "203.0.113.7"),
        ("::ffff:10.1.2.3", ("198.51.100.1",), "198.51.100.1"),
        ("fe80::1%eth0", (), "fe80::/64"),
        (None, ("198.51.100.1",), ""),
    ],
)
def test_a_client_is_the_rightmost_address_that_is_no_proxy_of_ours(
    peer: str | None, said: tuple[str, ...], client: str
) -> None:
    assert OURS.client(peer, forwarded(*said)) == client


def test_nobody_is_believed_unless_it_is_said() -> None:
    assert Addresses().client("127.0.0.1", forwarded("198.51.100.1")) == "127.0.0.1"


@given(st.lists(st.text(st.characters(max_codepoint=255), max_size=30), max_size=4))
def test_whatever_a_client_writes_it_cannot_choose_who_it_is(lies: list[str]) -> None:
    said = [*lies, "198.51.100.1"]
    assert OURS.client("10.0.0.1", forwarded(*said)) == "198.51.100.1"
    assert OURS.client("203.0.113.7", forwarded(*said)) == "203.0.113.7"


# How often it may


def test_a_burst_is_let_through_and_then_the_rate() -> None:
    clock = Clock()
    buckets = Buckets(Rate(10, 1, 5), clock)
    assert [buckets.take("a") for _ in range(5)] == [0.0] * 5
    assert buckets.take("a") == pytest.approx(0.1)
    assert buckets.take("b") == 0.0
    clock.now += 0.1
    assert [buckets.take("a") > 0 for _ in range(2)] == [False, True]
    clock.now += 100
    assert [buckets.take("a") > 0 for _ in range(6)] == [False] * 5 + [True]


@given(st.lists(st.floats(0, 3), min_size=1, max_size=300), st.integers(1, 50), st.integers(1, 20))
def test_over_any_time_no_more_is_let_through_than_the_rate_and_one_burst(
    pauses: list[float], count: int, burst: int
) -> None:
    clock = Clock()
    buckets, passed = Buckets(Rate(count, 10, burst), clock), 0
    for pause in pauses:
        clock.now += pause
        passed += buckets.take("a") == 0.0
    assert passed <= burst + (sum(pauses[1:]) + 0.001) * count / 10


def test_many_clients_take_bounded_room_and_the_busy_ones_are_kept() -> None:
    clock = Clock()
    buckets = Buckets(Rate(1, 60, 1), clock, most=1000)
    for number in range(5000):
        buckets.take(f"client {number}")
        assert len(buckets) <= 1000
    assert buckets.take("client 4999") > 0


def test_asking_costs_a_hit_next_to_nothing() -> None:
    limiter, clients = Limiter(Rates(Allowance(Rate(10**9, 1, 10**9)))), Addresses()
    started = time.perf_counter()
    for _ in range(20_000):
        limiter.asked(clients.client("203.0.113.7", ()))
    print(f"\na hit is counted in {(time.perf_counter() - started) / 20_000 * 1e6:.2f} µs")


# Clients and keys


def test_clients_and_keys_have_rates_of_their_own() -> None:
    refused: list[tuple[str, str]] = []
    once = Rate(1, 3600, 1)
    limiter = Limiter(
        Rates(Allowance(requests=once, renders=once), {"k1": Allowance(renders=once), "k2": Allowance(requests=once)}),
        lambda what, whose, who: refused.append((what, whose)),
    )
    limiter.asked("a")
    limiter.asked("b")
    limiter.asked("")
    limiter.asked("")
    with pytest.raises(RateLimited, match="this client asks too often") as told:
        limiter.asked("a")
    assert told.value.quota == '"requests";q=1;w=3600'
    assert 3500 < told.value.retry_after <= 3600
    limiter.signed("k2")
    limiter.signed("k1")
    with pytest.raises(RateLimited, match="URLs of this key"):
        limiter.signed("k2")
    limiter.rendered("c", "k1")
    with pytest.raises(RateLimited):
        limiter.rendered("d", "k1")
    with pytest.raises(RateLimited):
        limiter.rendered("c", "k2")
    assert refused == [("requests", "client"), ("requests", "key"), ("renders", "key"), ("renders", "client")]


def test_other_rates_begin_anew_and_the_same_go_on() -> None:
    once, twice = Rate(1, 3600, 1), Rate(2, 3600, 2)
    limiter = Limiter(Rates(Allowance(requests=once)))
    limiter.asked("a")
    limiter.use(Rates(Allowance(requests=once, renders=once)))
    with pytest.raises(RateLimited):
        limiter.asked("a")
    limiter.use(Rates(Allowance(requests=twice)))
    limiter.asked("a")
    limiter.use(Rates())
    assert not limiter.any
    for _ in range(10):
        limiter.asked("a")


# Several servers


@asynccontextmanager
async def connected(redis: RedisServer) -> AsyncIterator[RedisClient]:
    client = RedisClient(RedisAddress(LOCAL, redis.port), budget=5.0)
    try:
        yield client
    finally:
        await client.close()


def passed(limiters: Sequence[Limiter], client: str, tries: int) -> int:
    """How many of so many requests, in turn at each, are let through."""
    number = 0
    for turn in range(tries):
        with suppress(RateLimited):
            limiters[turn % len(limiters)].asked(client)
            number += 1
    return number


async def test_what_is_taken_elsewhere_is_taken_here_as_well(redis: RedisServer) -> None:
    prefix, rates = f"{secrets.token_hex(4)}:", Rates(Allowance(requests=Rate(60, 3600, 10)))
    clock = Clock()
    here, there = Limiter(rates), Limiter(rates)
    async with connected(redis) as client:
        sharing = [Sharing(limiter, client, prefix, clock) for limiter in (here, there)]

        async def exchange() -> None:
            for one in (*sharing, *sharing):
                await one.exchange()

        assert passed((here, there), "a", 8) == 8
        await exchange()
        assert passed((here, there), "a", 2) == 2  # each tells, and hears what the other has told
        await exchange()
        assert passed((here, there), "a", 20) <= 1  # of 12 more, had they not told each other
        assert passed((here, there), "b", 4) == 4
        clock.now += WINDOW  # another number, which begins at nothing
        await exchange()
        assert passed((here, there), "b", 4) == 4
        # Numbers are not kept for ever.
        keys = await client.ask("KEYS", f"{prefix}*")
        assert keys
        assert all([0 < await client.ask("TTL", key) <= 3 * WINDOW for key in keys])


async def test_while_redis_is_away_each_holds_its_clients_by_itself(tmp_path: Path) -> None:
    with redis_server(tmp_path) as redis:
        limiter = Limiter(Rates(Allowance(requests=Rate(60, 3600, 5))))
        async with connected(redis) as client:
            sharing = Sharing(limiter, client, "x:", Clock())
            assert passed([limiter], "a", 3) == 3
            redis.stop()
            with pytest.raises(OSError, match="Redis does not answer"):
                await sharing.exchange()
            assert passed([limiter], "a", 3) == 2
            redis.start()
            assert passed([limiter], "c", 1) == 1
            await sharing.exchange()
