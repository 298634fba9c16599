"""Where results are kept is one setting: stores by their URLs, the nearest first."""

import re
from pathlib import Path
from typing import Any

import pytest

from proxy.settings import SettingsError, effective, load
from proxy.stores.disk_entry import Tail, digest, write_tail
from tests.redis_server import RedisServer
from tests.serving import originals, serving, wait_until

HOST = "redis://user:hunter2-hunter2@cache.example:7000/2"


def told(results: object, **others: object) -> str:
    """What is said of stores that cannot be used."""
    with pytest.raises(SettingsError) as error:
        load({"results": results, **others})
    return str(error.value)


def test_stores_are_read_from_their_urls() -> None:
    assert [str(tier) for tier in load().results] == ["memory:", "disk:"]
    several = load({"results": f"memory:, {HOST}?bodies=64KiB&ttl=5m"}).results
    assert [(tier.kind, tier.shared, str(tier)) for tier in several] == [
        ("memory", False, "memory:"),
        ("redis", True, "redis://cache.example:7000/2"),
    ]
    assert several[1].options == {"bodies": 64 << 10, "ttl": 300}
    assert load({"results": ["redis:"], "redis": HOST}).results[0].options == {"bodies": 256 << 10, "ttl": 86_400}
    assert load({"results": []}).results == ()


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ("file:/tmp", "expected a list of stores, each by its URL: memory:, disk:, redis:"),
        (["memory:", 7], "expected a list of stores"),
        ("memory:, memory:", "memory: is there twice"),
        ("redis://a, rediss://b", "redis: is there twice"),
        ("redis://a, memory:", "memory: and disk: come first"),
        ("disk:/tmp", "disk: has no address"),
        ("memory:?ttl=5", "memory: there is no ttl"),
        ("redis://a?size=5", "redis: there is no size; there are bodies, ttl"),
        ("redis://a?bodies=1MiB", "redis: bodies: expected 256KiB or less"),
        ("redis://a?bodies=many", "redis: bodies: expected a size such as 512MiB or 10MB, got 'many'"),
        ("redis://a?ttl=-5", "redis: ttl: expected a time such as"),
        ("redis://hunter2@host:port", "redis: expected an address such as redis://host:6379/0"),
        ("redis:", "results: redis: needs `redis`"),
    ],
)
def test_what_is_no_list_of_stores_is_refused(results: object, said: str) -> None:
    problem = told(results)
    assert said in problem
    assert "hunter2" not in problem


@pytest.mark.parametrize("prefix", ["", "a b", "a*", "x" * 65])
def test_a_prefix_that_would_be_a_pattern_is_refused(prefix: str) -> None:
    with pytest.raises(SettingsError, match="redis_prefix: expected 1 to 64 letters"):
        load({"redis_prefix": prefix})


def test_no_password_is_shown() -> None:
    settings = load({"redis": HOST, "results": f"memory:, {HOST}"})
    assert settings.redis
    assert settings.redis.password == "hunter2-hunter2"
    assert "hunter2" not in f"{effective(settings)} {settings} {settings!r}"
    with pytest.raises(SettingsError) as error:
        load({"redis": f"{HOST}/hunter2"})
    assert "redis: expected an address such as" in str(error.value)
    assert "hunter2" not in str(error.value)


def test_a_server_starts_while_redis_is_not_there_and_finds_it_later(tmp_path: Path, redis: RedisServer) -> None:
    redis.do("SET", "nothing", "here")
    nobody = "redis://127.0.0.1:1/0"
    with serving(
        originals(tmp_path / "photos"), tmp_path / "own", unsigned=True, redis=nobody, results="memory:, redis:"
    ) as server:
        assert server.ask("/ready").status == 200
        assert [server.ask(f"/w_{n},f_webp/cats/1.jpg").status for n in range(100, 110)] == [200] * 10
        wait_until(lambda: server.count("darkroom_redis_failures_total"))


def test_a_result_made_by_one_server_is_found_by_another(tmp_path: Path, redis: RedisServer) -> None:
    photos = originals(tmp_path / "photos")
    common = {"unsigned": True, "redis": redis.url, "redis_prefix": "found:", "results": "memory:, redis:?ttl=1h"}
    common |= {"redis_seconds": 20, "shared_seconds": 20}
    with serving(photos, tmp_path / "one", **common) as one:
        made = one.ask("/w_300,f_webp/cats/1.jpg")
    # What is written behind is written when the server has ended.
    with serving(photos, tmp_path / "two", **common) as two:
        found = two.ask("/w_300,f_webp/cats/1.jpg")
        assert (found.body, found["etag"]) == (made.body, made["etag"])
        assert two.count("darkroom_transforms_total") == 0
        assert two.count("darkroom_store_hits_total", tier="redis") >= 1
        assert "hit; detail=memory" in two.ask("/w_300,f_webp/cats/1.jpg")["cache-status"]


def test_a_result_that_no_server_can_have_made_is_made_anew(tmp_path: Path, redis: RedisServer) -> None:
    photos = originals(tmp_path / "photos")
    common = {"unsigned": True, "redis": redis.url, "redis_prefix": "odd:", "results": "redis:", "first": "final"}
    common |= {"redis_seconds": 20, "shared_seconds": 20, "workers": 1}
    odd: list[Any] = [{}, {"grade": 5}, {"grade": 'final"\r\nx-evil: y'}, [], None, "final"]
    paths = [f"/w_{300 + number}/cats/1.jpg" for number in range(len(odd))]
    with serving(photos, tmp_path / "one", **common) as one:
        made = [one.ask(path) for path in paths]
    names = re.findall("odd:result:([0-9a-f]+)", redis.do("KEYS", "odd:result:*"))
    assert len(names) >= len(odd)
    for name, meta in zip(names, odd * len(names), strict=False):
        tail = write_tail(name, Tail(meta, (), 1, digest(b"x")))
        redis.do("HSET", f"odd:result:{name}", "tail", tail, "body", b"x")
    with serving(photos, tmp_path / "two", **common) as two:
        again = [two.ask(path) for path in paths]
        assert [(reply.status, reply["etag"]) for reply in again] == [(200, reply["etag"]) for reply in made]
        assert all(reply.body[:2] == b"\xff\xd8" for reply in again)
        assert not [event for event in two.log() if event["level"] == "error"]
