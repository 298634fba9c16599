"""Verdicts on URLs, as a cache in front asks for them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.caching import Freshness, parse_http_date
from proxy.gate import HOLDS, HOLDS_WITHOUT_US, Gate, fields_of
from proxy.reading import Place, Reader
from proxy.settings import Policy
from proxy.sources.file import FileSource
from proxy.sources.mounts import Mounts
from signing import Key, KeyRing, Signer, looks_like_step
from tests.serving import Reply, Server, originals, serving

KEY, WIDGET = "an example of a key, 32 bytes or more", "the key of the widget, of 32 bytes or more"
NOW = 1_700_000_000.0
URLS, WIDGET_URLS = (Signer(secret, clock=lambda: NOW) for secret in (KEY, WIDGET))


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gate(tmp_path: Path, clock: Clock) -> Gate:
    mounts = Mounts({"": FileSource(tmp_path)}, looks_like_step=looks_like_step)
    policies = {Key.read(KEY).kid: Policy(), Key.read(WIDGET).kid: Policy(ladder=(320, 640))}
    ring = KeyRing.read([KEY, WIDGET])
    reader = Reader(ring, policies, {}, mounts, {"": Place()}, open_to_all=False, clock=clock)
    return Gate(reader, lambda mount: Freshness(), clock)


def told(gate: Gate, path: str, **fields: str) -> dict[str, str]:
    named = {"x-original-uri": path, **{name.replace("_", "-"): value for name, value in fields.items()}}
    verdict = gate.verdict([(name.encode(), value.encode()) for name, value in named.items()])
    return {"status": str(verdict.status), **fields_of(verdict)}


def test_urls_that_mean_one_answer_have_one_name(gate: Gate) -> None:
    plain = told(gate, URLS.url("cats/1.jpg", "q_85,w_600"))
    assert plain["status"] == "204"
    same = (
        URLS.url("cats/1.jpg", "q_85,w_600", expires=60),
        URLS.url("cats/1.jpg", "w_600,q_85"),
        URLS.url("cats/1.jpg", "q_85,w_600").replace(",q", "%2Cq"),
        Signer(KEY, kid=True).url("cats/1.jpg", "q_85,w_600"),
        URLS.url("cats/1.jpg", "q_85,w_600") + "?a=b",
    )
    assert {told(gate, path)["x-darkroom-key"] for path in same} == {plain["x-darkroom-key"]}


def test_urls_that_mean_others_have_others(gate: Gate) -> None:
    different = (
        URLS.url("cats/1.jpg", "w_600"),
        URLS.url("cats/2.jpg", "w_600"),
        URLS.url("cats/1.jpg", "w_601"),
        URLS.url("cats/1.jpg", "w_600", name="hello.jpg"),
        URLS.url("cats/1.jpg", "w_600,v_2"),
        URLS.url("cats/1.jpg", "w_600,d_missing.jpg"),
        URLS.url("cats/1.jpg", "f_auto,w_600"),
        URLS.url("cats/1.jpg", "fl_attachment,w_600"),
        URLS.url("cats/1.jpg"),
        WIDGET_URLS.url("cats/1.jpg", "w_600"),
    )
    assert len({told(gate, path)["x-darkroom-key"] for path in different}) == len(different)


def test_renditions_of_an_original_name_it(gate: Gate) -> None:
    urls = (URLS.url("cats/1.jpg", "w_600"), URLS.url("cats/1.jpg", "w_60,f_webp", expires=9), "/w_1/cats/1.jpg")
    first, second, refused = (told(gate, url) for url in urls)
    assert first["x-darkroom-source"] == second["x-darkroom-source"]
    assert first["x-darkroom-source"] != told(gate, URLS.url("cats/2.jpg", "w_600"))["x-darkroom-source"]
    assert (refused["status"], refused["x-error"], refused["cache-control"]) == ("403", "unsigned", "no-store")
    assert "x-darkroom-source" not in refused


def test_only_what_is_negotiated_varies(gate: Gate) -> None:
    assert told(gate, URLS.url("cats/1.jpg", f="auto"))["x-darkroom-vary"] == "Accept"
    assert "x-darkroom-vary" not in told(gate, URLS.url("cats/1.jpg", f="webp"))


@pytest.mark.parametrize("left", [1, 2, 3, 5, 12, 60, 86_000, 90_000, 10_000_000])
def test_a_verdict_never_outlives_its_url(gate: Gate, clock: Clock, left: int) -> None:
    url = URLS.url("cats/1.jpg", w=600, expires=left, round_expiry=1)
    said = told(gate, url)
    kept = [int(part.partition("=")[2]) for part in said["cache-control"].split(", ") if "=" in part]
    assert sum(kept) < left
    assert not kept or (kept[0] <= HOLDS and kept[1] <= HOLDS_WITHOUT_US)
    until = parse_http_date(said["x-darkroom-until"].encode())
    assert until is not None
    assert NOW < until <= min(NOW + left, NOW + 3600)
    clock.now = NOW + left
    assert told(gate, url) == {"status": "403", "cache-control": "no-store", "x-error": "expired"}
    assert told(gate, url, x_darkroom_late="1")["x-darkroom-key"] == said["x-darkroom-key"]


def test_who_is_late_learns_of_a_url_that_had_expired_before_anybody_asked(gate: Gate, clock: Clock) -> None:
    url = URLS.url("cats/1.jpg", w=601, expires=60)
    clock.now += 100_000
    assert told(gate, url, x_darkroom_late="1")["status"] == "204"
    assert told(gate, url)["x-error"] == "expired"
    assert told(gate, "/w_601/cats/1.jpg", x_darkroom_late="1")["x-error"] == "unsigned"


@pytest.mark.parametrize("path", ["", "/", "/api/v1/auth", "x", "/w_600/%FF", "/" + "a" * 9000])
def test_what_is_no_path_of_a_rendition_is_refused(gate: Gate, path: str) -> None:
    assert told(gate, path)["status"] == "403"


# On a server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = originals(tmp_path_factory.mktemp("originals"))
    with serving(folder, tmp_path_factory.mktemp("server"), keys=[KEY], workers=1) as running:
        yield running


def ask(server: Server, path: str, **fields: str) -> Reply:
    return server.ask("/api/v1/auth", x_original_uri=path, **fields)


def test_a_server_answers_at_once_and_through_its_router_alike(server: Server) -> None:
    url = Signer(KEY).url("cats/1.jpg", w=60, expires=600)
    quick, slow = ask(server, url), ask(server, url, range="bytes=0-1")
    assert (quick.status, quick.body) == (204, b"")
    for name in ("x-darkroom-key", "x-darkroom-source", "x-darkroom-until"):
        assert quick[name] == slow[name]
    assert ask(server, "/w_1/x.jpg").status == ask(server, "/w_1/x.jpg", range="bytes=0-1").status == 403


def test_a_verdict_touches_no_original(server: Server) -> None:
    before = server.count("darkroom_requests_total")
    assert ask(server, Signer(KEY).url("no/such/original.jpg", w=60)).status == 204
    assert server.count("darkroom_requests_total") == before


def test_a_server_without_nginx_cuts_ages_at_the_expiry(server: Server) -> None:
    reply = server.ask(Signer(KEY).url("cats/1.jpg", w=61, expires=100, round_expiry=1))
    ages = [int(part.partition("=")[2]) for part in reply["cache-control"].split(", ") if "max" in part]
    assert max(ages) <= 100
    assert "stale" not in reply["cache-control"]
