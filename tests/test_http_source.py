"""Originals from other web sites: what is fetched, what is believed of it, and what is no original."""

import asyncio
import hashlib
import importlib.util
import io
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from proxy.failures import NoSuchOriginal, OriginFailed, OriginTimedOut
from proxy.sources.http import pinned
from proxy.sources.http.place import HttpPlace, Patience
from proxy.sources.http.source import HttpSource
from proxy.sources.http.validators import UNVALIDATED_FRESH
from proxy.sources.source import Closed, Ranged
from tests.origin_stub import Origin, Script, origin

pytestmark = pytest.mark.anyio

HERE = "127.0.0.1"
BODY = bytes(range(256)) * 1000
TAGGED = {"ETag": '"one"'}
DATED = {"Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"}
PATIENT = Patience(connect=20.0, first_byte=20.0, total=60.0)
BRISK = Patience(connect=1.0, first_byte=0.4, total=2.0)


def other_library() -> ModuleType:
    """The module of the connections as it is where the continuation of the library is not installed."""
    spec = importlib.util.spec_from_file_location("pinned_with_httpcore", pinned.__file__)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    kept = sys.modules["httpcore2"]
    sys.modules["httpcore2"] = None  # type: ignore[assignment]
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    finally:
        sys.modules["httpcore2"] = kept
    return module


LIBRARIES = {"httpcore2": pinned, "httpcore": other_library()}

Make = Callable[..., HttpSource]


@pytest.fixture
def site() -> Iterator[Origin]:
    with origin() as made:
        yield made


@pytest.fixture(params=LIBRARIES)
async def make(request: pytest.FixtureRequest, site: Origin) -> AsyncIterator[Make]:
    """Makes sources of what is below /p/ on the site, with one of the two libraries."""
    made: list[HttpSource] = []
    module = LIBRARIES[request.param]

    def source(url: str = f"http://{HERE}:{site.port}/p/", clock: Callable[[], float] | None = None, **place: Any):
        place = {"private_networks": ["127.0.0.0/8"], "patience": PATIENT, **place}
        found = HttpPlace.read(url, **place)
        connections = module.Connections(found.patience, found.private_networks, place.pop("resolve", None))
        made.append(HttpSource(found, connections, *([clock] if clock else [])))
        return made[-1]

    yield source
    for each in made:
        await each.close()


async def fetched(source: HttpSource, key: str) -> tuple[bytes, Any]:
    file = io.BytesIO(b"")
    stat = await source.fetch(key, file)
    return file.getvalue(), stat


def test_each_library_is_what_it_is_called() -> None:
    assert {name: module.httpcore.__name__ for name, module in LIBRARIES.items()} == {
        "httpcore2": "httpcore2",
        "httpcore": "httpcore",
    }


async def test_a_source_can_do_what_its_seams_say(make: Make) -> None:
    assert isinstance(make(), Ranged)
    assert isinstance(make(), Closed)


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("cat.jpg", "/p/cat.jpg"),
        ("a/new cat+1%.jpg", "/p/a/new%20cat%2B1%25.jpg"),
        ("café?x#y.jpg", "/p/caf%C3%A9%3Fx%23y.jpg"),
        ("a//b.jpg", "/p/a//b.jpg"),
        ("%2e%2e/cat.jpg", "/p/%252e%252e/cat.jpg"),
        ("https://other/cat.jpg", "/p/https%3A//other/cat.jpg"),
    ],
)
async def test_a_key_is_escaped_below_the_address(make: Make, site: Origin, key: str, path: str) -> None:
    site.scripts[path] = Script(BODY, fields=TAGGED)
    source = make()
    stat = await source.stat(key)
    body, found = await fetched(source, key)
    assert (body, found) == (BODY, stat)
    assert await source.read(key, stat.version, 100, 50) == BODY[100:150]


@pytest.mark.parametrize(
    "key", ["", ".", "..", "../x", "a/../x", "a/./x", "a\\..\\b", "..\\x", "x\n", "x\0", "\ud800", "x" * 9000]
)
async def test_a_key_that_leads_elsewhere_is_no_original(make: Make, site: Origin, key: str) -> None:
    source = make()
    for call in (source.stat(key), source.fetch(key, io.BytesIO()), source.read(key, "x", 0, 1)):
        with pytest.raises(NoSuchOriginal):
            await call
    assert site.connections == 0


async def test_one_connection_serves_many_requests(make: Make, site: Origin) -> None:
    site.scripts["/p/a"] = Script(BODY, fields=TAGGED)
    source = make()
    for _ in range(5):
        await source.stat("a")
        await fetched(source, "a")
    assert site.connections == 1
    assert site.count(method="HEAD") == site.count() == 5


async def test_the_request_says_who_asks_and_wants_the_bytes_as_they_are(make: Make, site: Origin) -> None:
    site.scripts["/p/a"] = Script(BODY, fields=TAGGED)
    await fetched(make(headers={"Authorization": "Bearer secret"}), "a")
    fields = site.asked[0].fields
    assert fields["host"] == f"{HERE}:{site.port}"
    assert (fields["user-agent"], fields["accept-encoding"], fields["via"]) == ("darkroom", "identity", "1.1 darkroom")
    assert fields["authorization"] == "Bearer secret"


# Versions and freshness


async def test_a_version_is_the_strong_entity_tag(make: Make, site: Origin) -> None:
    source, versions = make(), set()
    for fields in ({"ETag": '"1"'}, {"ETag": '"2"'}, {"ETag": '"2"', **DATED}, {"ETag": 'W/"2"', **DATED}):
        site.scripts["/p/a"] = Script(BODY, fields=fields)
        stat = await source.stat("a")
        assert (await fetched(source, "a"))[1] == stat
        versions.add(stat.version)
    assert len(versions) == 3


async def test_a_version_is_the_date_and_the_size_where_there_is_no_strong_tag(make: Make, site: Origin) -> None:
    source, versions = make(), set()
    later = {"Last-Modified": "Wed, 21 Oct 2015 07:28:01 GMT"}
    for body, fields in ((BODY, DATED), (BODY[1:], DATED), (BODY, later)):
        site.scripts["/p/a"] = Script(body, fields=fields)
        stat = await source.stat("a")
        assert (stat.size, stat.modified) == (len(body), 1445412480 + (fields is later))
        versions.add(stat.version)
    assert len(versions) == 3


async def test_a_version_is_that_of_the_bytes_where_the_origin_has_none(make: Make, site: Origin) -> None:
    site.scripts["/p/a"] = Script(BODY)
    source = make()
    stat = await source.stat("a")
    body, found = await fetched(source, "a")
    assert (body, found, stat.size, stat.fresh) == (BODY, stat, len(BODY), UNVALIDATED_FRESH)
    site.scripts["/p/a"] = Script(BODY[::-1], fields={"Cache-Control": "max-age=5"})
    assert (await source.stat("a")).version != stat.version
    assert (await source.stat("a")).fresh == 5


async def test_an_origin_without_a_length_is_measured(make: Make, site: Origin) -> None:
    site.scripts["/p/a"] = Script(BODY, fields=TAGGED, chunked=True)
    stat = await make().stat("a")
    assert stat.size == len(BODY)


@pytest.mark.parametrize("status", [400, 403, 405, 501])
@pytest.mark.parametrize("ranges", [True, False])
async def test_an_origin_that_refuses_head_is_asked_for_a_byte(
    make: Make, site: Origin, status: int, ranges: bool
) -> None:
    site.scripts["/p/a"] = Script(BODY, fields=TAGGED, head=status, ranges=ranges)
    source = make()
    assert (await source.stat("a")).size == (await source.stat("a")).size == len(BODY)
    assert site.count(method="HEAD") == (1 if status in (405, 501) else 2)
    assert site.count() == 2


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({}, 0),
        ({"Cache-Control": "max-age=30"}, 30),
        ({"Cache-Control": "public, MAX-AGE=30, s-maxage=20"}, 20),
        ({"Cache-Control": "max-age=30", "Age": "10"}, 20),
        ({"Cache-Control": "max-age=30", "Age": "40"}, 0),
        ({"Cache-Control": "max-age=99999999"}, 86400),
        ({"Cache-Control": "max-age=99999999999999999999999999"}, 0),
        ({"Cache-Control": "max-age=-1"}, 0),
        ({"Cache-Control": "no-store, max-age=30"}, 0),
        ({"Cache-Control": 'no-cache="set-cookie", max-age=30'}, 0),
        ({"Cache-Control": "private, max-age=30"}, 0),
        ({"Expires": "Wed, 21 Oct 2015 07:28:30 GMT", "Date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 30),
        ({"Expires": "Wed, 21 Oct 2015 07:28:30 GMT"}, 20),
        ({"Expires": "0"}, 0),
        ({"Expires": "Wed, 21 Oct 2015 07:28:30 GMT", "Cache-Control": "max-age=7"}, 7),
    ],
)
async def test_an_original_is_fresh_for_as_long_as_its_origin_says(
    make: Make, site: Origin, fields: dict[str, str], seconds: float
) -> None:
    site.scripts["/p/a"] = Script(BODY, fields={**TAGGED, **fields})
    assert (await make(clock=lambda: 1445412490.0).stat("a")).fresh == seconds


# Parts


async def test_parts_end_where_the_original_ends(make: Make, site: Origin) -> None:
    site.scripts["/p/a"] = Script(BODY, fields=TAGGED)
    source = make()
    version = (await source.stat("a")).version
    assert await source.read("a", version, len(BODY) - 5, 100) == BODY[-5:]
    assert await source.read("a", version, len(BODY), 100) == b""
    assert await source.read("a", version, 0, 0) == b""


async def test_a_part_of_another_version_is_refused(make: Make, site: Origin) -> None:
    site.scripts["/p/a"] = Script(BODY, fields=TAGGED)
    source = make()
    version = (await source.stat("a")).version
    site.scripts["/p/a"] = Script(BODY, fields={"ETag": '"two"'})
    for start in (0, len(BODY)):
        with pytest.raises(OriginFailed):
            await source.read("a", version, start, 10)


@pytest.mark.parametrize(
    "script",
    [
        Script(BODY, fields=TAGGED, ranges=False),
        Script(b"abc", 206, {**TAGGED, "Content-Range": "bytes 1-3/256000"}),
        Script(b"abc", 206, {**TAGGED, "Content-Range": "bytes 0-2/256000"}),
        Script(b"x" * 20, 206, {**TAGGED, "Content-Range": "bytes 0-9/256000"}),
        Script(b"x" * 10, 206, TAGGED),
    ],
)
async def test_a_part_that_was_not_asked_for_is_refused(make: Make, site: Origin, script: Script) -> None:
    site.scripts["/p/a"] = Script(BODY, fields=TAGGED)
    source = make()
    version = (await source.stat("a")).version
    site.scripts["/p/a"] = script
    with pytest.raises(OriginFailed):
        await source.read("a", version, 0, 10)


@pytest.mark.parametrize("chunked", [True, False])
async def test_of_a_part_no_more_is_held_than_was_asked_for(make: Make, site: Origin, chunked: bool) -> None:
    site.scripts["/p/a"] = Script(BODY, fields=TAGGED)
    source = make()
    version = (await source.stat("a")).version
    given = {**TAGGED, "Content-Range": f"bytes 0-99/{len(BODY)}"}
    site.scripts["/p/a"] = Script(BODY * 100, 206, given, ranges=False, chunked=chunked)
    with pytest.raises(OriginFailed, match="more of the original than it was asked for"):
        await source.read("a", version, 0, 100)
    assert site.sent < len(BODY) * 100


# What is no original


@pytest.mark.parametrize(
    ("status", "refusal"),
    [
        *[(status, NoSuchOriginal) for status in (404, 410)],
        *[(status, OriginFailed) for status in (201, 204, 206, 300, 304, 401, 402, 403, 429, 500, 502, 503, 504)],
    ],
)
async def test_a_status_is_told_in_our_words(make: Make, site: Origin, status: int, refusal: type[Exception]) -> None:
    site.scripts["/p/a"] = Script(b"" if status in (204, 304) else BODY, status, TAGGED)
    for call in (make().stat("a"), make().fetch("a", io.BytesIO())):
        with pytest.raises(refusal) as told:
            await call
        assert type(told.value) is refusal
        assert ("does not let" in str(told.value)) == (status in (401, 403))


WRONG = {
    "short": Script(BODY, fields=TAGGED, truncate=len(BODY) - 1),
    "short and chunked": Script(BODY, fields=TAGGED, truncate=1000, chunked=True),
    "broken off": Script(BODY, fields=TAGGED, reset=len(BODY) // 2),
    "longer than it says": Script(BODY, fields=TAGGED, behind=b"!"),
    "a little longer than it says": Script(b"tiny", fields=TAGGED, behind=b"!"),
    "empty, and then not": Script(b"", fields=TAGGED, behind=b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad"),
    "without an end": Script(BODY, fields=TAGGED, length=-1),
    "encoded": Script(BODY, fields={**TAGGED, "Content-Encoding": "gzip"}),
    "too long": Script(b"x" * 300_001, fields=TAGGED),
    "too long and chunked": Script(b"x" * 300_001, fields=TAGGED, chunked=True),
    "endless": Script(fields=TAGGED, endless=True),
}


@pytest.mark.parametrize("script", WRONG.values(), ids=WRONG)
async def test_a_body_that_is_not_what_was_announced_is_no_original(make: Make, site: Origin, script: Script) -> None:
    site.scripts["/p/a"], site.scripts["/p/b"] = script, Script(b"good", fields=TAGGED)
    source = make(largest=300_000)
    with pytest.raises(OriginFailed):
        await source.fetch("a", io.BytesIO())
    assert (await fetched(source, "b"))[0] == b"good"


LATE = {
    "a header that does not come": Script(BODY, fields=TAGGED, delay=30),
    "a body that stands still": Script(BODY, fields=TAGGED, rate=1),
    "a body that trickles": Script(BODY, fields=TAGGED, rate=300),
    "an endless trickle": Script(fields=TAGGED, rate=300, endless=True),
    "more than can come in time": Script(BODY, fields=TAGGED, rate=20_000),
}


@pytest.mark.parametrize("script", LATE.values(), ids=LATE)
async def test_an_origin_that_is_late_is_waited_for_no_longer_than_it_may_take(
    make: Make, site: Origin, script: Script
) -> None:
    site.scripts["/p/a"] = script
    with pytest.raises(OriginTimedOut):
        async with asyncio.timeout(30):
            await make(patience=BRISK).fetch("a", io.BytesIO())
    assert 1 <= site.count() <= 3


async def test_a_port_where_nobody_listens_cannot_be_reached(make: Make, site: Origin) -> None:
    with pytest.raises(OriginFailed, match=r"^The original cannot be reached\.$"):
        await make(f"http://127.0.0.8:{site.port}/p/").stat("a")


# Attempts


async def test_what_fails_for_a_moment_is_asked_for_again(make: Make, site: Origin) -> None:
    answers = [Script(status=503), Script(BODY, fields=TAGGED, reset=100), Script(BODY, fields=TAGGED)]
    site.scripts["/p/a"] = lambda asked: answers[site.count() - 1]
    assert (await fetched(make(), "a"))[0] == BODY
    assert site.count() == 3


async def test_what_fails_lastingly_is_asked_for_three_times(make: Make, site: Origin) -> None:
    site.scripts["/p/a"] = Script(status=500)
    with pytest.raises(OriginFailed, match=r"^The origin is in trouble\.$"):
        await make().fetch("a", io.BytesIO())
    assert site.count() == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429])
async def test_an_answer_is_not_asked_for_again(make: Make, site: Origin, status: int) -> None:
    site.scripts["/p/a"] = Script(status=status)
    with pytest.raises((OriginFailed, NoSuchOriginal)):
        await make().fetch("a", io.BytesIO())
    assert site.count() == 1


async def test_further_attempts_are_a_tenth_of_all_when_an_origin_is_in_trouble(make: Make, site: Origin) -> None:
    # Every other request fails, so that the breaker stays closed.
    site.scripts["/p/bad"], site.scripts["/p/good"] = Script(status=500), Script(b"x", fields=TAGGED)
    source = make()
    for _ in range(100):
        with pytest.raises(OriginFailed):
            await source.fetch("bad", io.BytesIO())
        await source.fetch("good", io.BytesIO())
    assert 200 < site.count() <= 200 + 5 + 20


async def test_a_host_that_fails_again_and_again_is_left_alone_and_others_are_not(make: Make, site: Origin) -> None:
    down, up = f"http://{HERE}:{site.port}", f"http://localhost:{site.port}"
    site.scripts["/down"], site.scripts["/up"] = Script(status=500), Script(b"x", fields=TAGGED)
    source = make("", hosts=[f"{HERE}:{site.port}", f"localhost:{site.port}"])
    for _ in range(20):
        with pytest.raises(OriginFailed):
            await source.fetch(f"{down}/down", io.BytesIO())
    assert site.count("/down") == 5
    with pytest.raises(OriginFailed, match="not asked for a moment"):
        await source.fetch(f"{down}/up", io.BytesIO())
    assert (await fetched(source, f"{up}/up"))[0] == b"x"


async def test_no_more_than_so_many_requests_are_in_flight_to_one_host(make: Make, site: Origin) -> None:
    site.scripts["/p/a"] = Script(BODY, fields=TAGGED, delay=0.05)
    source = make()
    found = await asyncio.gather(*(fetched(source, "a") for _ in range(40)), return_exceptions=True)
    assert [body for body, _ in found] == [BODY] * 40  # type: ignore[misc]
    assert site.most_open <= 16


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", ["/q/b", "../q/b", "//{host}/q/b", "http://{host}/q/b", "http://{host}/q/b#part"])
async def test_a_redirect_is_followed(make: Make, site: Origin, status: int, location: str) -> None:
    to = location.replace("{host}", f"{HERE}:{site.port}")
    site.scripts["/p/a"] = Script(b"moved", status, {"Location": to})
    site.scripts["/q/b"] = Script(BODY, fields=TAGGED)
    assert (await fetched(make(), "a"))[0] == BODY
    assert (await make().stat("a")).size == len(BODY)


async def test_three_redirects_are_followed_and_no_more(make: Make, site: Origin) -> None:
    for number in range(5):
        site.scripts[f"/p/{number}"] = Script(b"", 302, {"Location": f"/p/{number + 1}"})
    site.scripts["/p/5"] = Script(BODY, fields=TAGGED)
    source = make()
    assert (await fetched(source, "2"))[0] == BODY
    with pytest.raises(OriginFailed, match="too often"):
        await fetched(source, "1")
    site.scripts["/p/round"] = Script(b"", 302, {"Location": "/p/round"})
    with pytest.raises(OriginFailed, match="too often"):
        await fetched(source, "round")


async def test_credentials_go_to_the_host_of_the_mount_alone(make: Make, site: Origin) -> None:
    elsewhere = f"localhost:{site.port}"
    site.scripts["/p/a"] = Script(b"", 302, {"Location": f"http://{elsewhere}/q/b"})
    site.scripts["/p/c"] = Script(b"", 302, {"Location": "/q/b"})
    site.scripts["/q/b"] = Script(BODY, fields=TAGGED)
    source = make(hosts=[elsewhere], headers={"X-Api-Key": "secret", "Cookie": "a=b"})
    for key in ("a", "c"):
        assert (await fetched(source, key))[0] == BODY
    assert [("x-api-key" in asked.fields, "cookie" in asked.fields) for asked in site.asked] == [
        (True, True), (False, False), (True, True), (True, True),
    ]  # fmt: skip


# Names and encryption


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("certificate")
    key, crt = folder / "key.pem", folder / "crt.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-keyout", key, "-out", crt, "-subj", "/CN=photos.example.com", "-addext",
         "subjectAltName=DNS:photos.example.com"],
        check=True, capture_output=True,
    )  # fmt: skip
    return crt, key


@pytest.mark.parametrize("library", LIBRARIES)
async def test_the_name_is_what_is_verified_and_sent_though_the_address_is_what_is_connected_to(
    library: str, certificate: tuple[Path, Path]
) -> None:
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(*certificate)
    named: list[str | None] = []
    server_side.sni_callback = lambda _, name, __: named.append(name)

    async def resolve(host: str, port: int) -> Sequence[str]:
        return [HERE]

    with origin(tls=server_side) as site:
        site.scripts["/a"] = Script(BODY, fields=TAGGED)
        hosts = [f"*.example.com:{site.port}"]
        place = HttpPlace.read(hosts=hosts, private_networks=["127.0.0.1"], patience=PATIENT)
        trusted = ssl.create_default_context(cafile=str(certificate[0]))
        for context, host, is_right in (
            (trusted, "photos.example.com", True),
            (trusted, "other.example.com", False),
            (None, "photos.example.com", False),
        ):
            networks = place.private_networks
            connections = LIBRARIES[library].Connections(place.patience, networks, resolve, context)
            source = HttpSource(place, connections)
            if is_right:
                assert (await fetched(source, f"https://{host}:{site.port}/a"))[0] == BODY
            else:
                with pytest.raises(OriginFailed):
                    await source.stat(f"https://{host}:{site.port}/a")
            await source.close()
    assert {"photos.example.com", "other.example.com"} == set(named)
    assert {asked.fields["host"] for asked in site.asked} == {f"photos.example.com:{site.port}"}


async def test_proxies_of_the_environment_are_not_used(
    make: Make, site: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.scripts["/p/a"] = Script(BODY, fields=TAGGED)
    with origin() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://{HERE}:{proxy.port}")
        assert (await fetched(make(), "a"))[0] == BODY
    assert proxy.connections == 0


async def test_a_file_that_held_something_is_written_anew(make: Make, site: Origin) -> None:
    answers = [Script(BODY * 2, fields=TAGGED, reset=len(BODY) + 999), Script(b"short", fields=TAGGED)]
    site.scripts["/p/a"] = lambda asked: answers[site.count() - 1]
    assert (await fetched(make(), "a"))[0] == b"short"


async def test_a_large_original_goes_through_in_blocks(make: Make, site: Origin) -> None:
    body = BODY * 20
    site.scripts["/p/a"], site.scripts["/p/b"] = Script(body), Script(body, fields=TAGGED, chunked=True)
    source = make()
    for key in "ab":
        found, stat = await fetched(source, key)
        assert hashlib.sha256(found).digest() == hashlib.sha256(body).digest()
        assert stat.size == len(body)
