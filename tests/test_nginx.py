"""nginx in front of two fronts, with the configuration that is shipped: what it keeps, for whom, and what it tells."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.serving import free_port
from proxy.caching import parse_http_date
from proxy.negotiation import bucket
from signing import Signer
from tests.edging import KEY, Rig, checked, configured, nginx, rigged
from tests.serving import originals

WIDGET = "the key of the widget, of 32 bytes or more"
BROWSER = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return originals(tmp_path_factory.mktemp("originals"))


@pytest.fixture(scope="module")
def rig(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Two fronts that are never stopped before the end."""
    keys = [{"secret": KEY}, {"secret": WIDGET, "policy": {"ladder": [64, 128]}}]
    with rigged(folder, tmp_path_factory.mktemp("rig"), fronts=2, keys=keys) as made:
        yield made


def test_the_configuration_is_one(tmp_path: Path) -> None:
    said = checked(configured(tmp_path, [1, 2], free_port(), free_port(), tmp_path, {}))
    assert (said.returncode, said.stderr) == (0, "")


def test_a_hit_asks_no_front_for_the_picture(rig: Rig) -> None:
    url = rig.url("cats/1.jpg", w=101)
    first = rig.nginx.ask(url)
    asked = rig.asked()
    second = rig.nginx.ask(url)
    assert (first.status, second.status, second.body) == (200, 200, first.body)
    assert first["cache-status"] == "darkroom; fwd=miss; stored, nginx; fwd=uri-miss"
    assert second["cache-status"] == "nginx; hit"
    assert rig.asked() == asked


# One entry for every signature


def test_two_hundred_tokens_of_one_picture_are_one_entry(rig: Rig) -> None:
    urls = [rig.url("cats/1.jpg", w=102, expires=3600 + n, round_expiry=1) for n in range(200)]
    assert len(set(urls)) == 200
    made, said = rig.made(), [rig.nginx.ask(url) for url in urls]
    hits = sum(reply["cache-status"] == "nginx; hit" for reply in said)
    print(f"\n200 tokens: {hits} hits of nginx, {rig.made() - made:.0f} made")
    assert {reply.status for reply in said} == {200}
    assert len({reply.body for reply in said}) == 1
    assert hits >= 199
    assert rig.made() - made == 1


def test_an_entry_outlives_the_token_that_filled_it_and_the_token_is_refused(rig: Rig) -> None:
    brief = rig.url("cats/1.jpg", "w_103", expires=4, round_expiry=1)
    long = rig.url("cats/1.jpg", "w_103", expires=7200)
    first = rig.nginx.ask(brief)
    assert first.status == 200
    rig.fronts[0].until(lambda: rig.nginx.ask(brief).status == 410)
    asked = rig.asked()
    again = rig.nginx.ask(long)
    assert (again.status, again.body, again["cache-status"]) == (200, first.body, "nginx; hit")
    assert rig.asked() == asked
    refused = rig.nginx.ask(brief)
    assert (refused.code, refused.json["code"], refused["content-type"]) == (
        "expired",
        "expired",
        "application/problem+json",
    )


def expiry(url: str) -> int:
    return int(url.partition("exp_")[2].partition("/")[0].partition(",")[0])


@pytest.mark.parametrize("seconds", [8, 600, 100_000])
def test_no_client_is_told_to_keep_an_answer_beyond_its_own_expiry(rig: Rig, seconds: int) -> None:
    rig.nginx.ask(rig.url("cats/2.jpg", w=104))
    url = rig.url("cats/2.jpg", w=104, expires=seconds, round_expiry=1)
    reply = rig.nginx.ask(url)
    assert (reply.status, reply["cache-control"]) == (200, "public")
    kept = http_moment(reply["expires"])
    assert kept <= expiry(url)
    assert kept - time.time() <= 3600
    assert kept >= min(expiry(url), time.time() + 3590) - 1
    unsigned_age = rig.nginx.ask(rig.url("cats/2.jpg", w=104))
    assert "max-age=3600, s-maxage=86400" in unsigned_age["cache-control"]
    assert unsigned_age.get("expires") is None


def http_moment(text: str) -> float:
    found = parse_http_date(text.encode())
    assert found is not None
    return found


def test_a_front_tells_nginx_ages_without_the_expiry_and_refuses_what_has_expired(rig: Rig) -> None:
    url, front = rig.url("cats/2.jpg", w=105, expires=1, round_expiry=1), rig.fronts[0]
    told = front.ask(url)["cache-control"]
    assert "max-age=3600" in told
    assert "stale-if-error=86400" in told
    front.until(lambda: front.ask(url).status == 410)


def test_errors_of_urls_that_expire_are_not_kept_by_clients(rig: Rig) -> None:
    reply = rig.nginx.ask(rig.url("cats/none.jpg", w=105, expires=60, round_expiry=1))
    assert (reply.status, reply["cache-control"]) == (404, "no-store")
    assert rig.nginx.ask(rig.url("cats/none.jpg", w=105))["cache-control"] == "public, max-age=10"


# Refusals


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/w_600/cats/1.jpg", 403, "unsigned"),
        ("/sig_2QRZpuY0000000000000000000000000000000000000/w_600/cats/1.jpg", 403, "bad_signature"),
        ("/sig_x,w_600/cats/1.jpg", 400, "bad_address"),
        ("/w_600/a//b.jpg", 400, "bad_address"),
        ("/w_600/%FF.jpg", 400, "bad_address"),
    ],
)
def test_what_is_refused_is_told_by_a_front_in_full(rig: Rig, path: str, status: int, code: str) -> None:
    reply = rig.nginx.ask(path)
    assert (reply.status, reply.code, reply["content-type"]) == (status, code, "application/problem+json")
    assert reply.json["code"] == code


def test_an_option_that_is_wrong_is_named_through_nginx(rig: Rig) -> None:
    reply = rig.nginx.ask(rig.url("cats/1.jpg", "e_blr"))
    assert (reply.status, reply.json["part"], reply.json["suggestion"]) == (400, "e_blr", "e_blur")


def test_other_methods_are_answered_by_a_front(rig: Rig) -> None:
    url = rig.url("cats/1.jpg", w=106)
    assert rig.nginx.ask(url, "OPTIONS").status == 204
    assert rig.nginx.ask(url, "POST").status == 405
    assert rig.nginx.ask("/cats/1.jpg", "OPTIONS").status == 204
    head = rig.nginx.ask(url, "HEAD")
    assert (head.status, head.body) == (200, b"")
    assert rig.nginx.ask(url, "HEAD")["cache-status"] == "nginx; hit"


# Kinds of client


def accepts() -> Iterator[str]:
    """Fields as browsers send them, as people write them, and as nobody should."""
    yield from (
        "",
        "*/*",
        "image/*",
        BROWSER,
        "image/avif",
        "IMAGE/AVIF , image/webp",
        "image/avif;q=0",
        "image/avif;q=0.0, image/webp;q=0.001",
        "image/avif;q=0.0000",
        "image/avif;q=0., image/webp",
        "image/avif;Q=0",
        "image/avif,image/avif;q=0",
        "image/avif;q=1.000;x=y",
        "image/avif;q=1.001",
        'image/avif;x="a,b\\"c";q=0.5, image/webp',
        'text/plain;x="image/avif,",image/webp',
        'text/plain;x="image/avif',
        'text/plain;x="a\\", image/webp',
        'image/avif;x="',
        'image/avif;x=y"z"',
        "image/avifx, ximage/webp",
        "image/avif image/webp",
        "image/avif;;q=0;, image/webp;;",
        "image/avif;=, image/webp; q=0",
        "image/webp;q =0",
        "image/webp;q=0 ;v=1",
        ",,image/webp,,",
        "image/avif;q=0;q=1",
    )
    chance = random.Random(7)
    pieces = (
        "image/avif",
        "image/webp",
        "*/*",
        ";",
        ",",
        " ",
        "q=0",
        "q=0.5",
        "q=1",
        "a=b",
        '"',
        "\\",
        "=",
        "q",
        "x",
        "\t",
    )
    for _ in range(600):
        yield "".join(chance.choice(pieces) for _ in range(chance.randint(1, 12))).strip(" \t")


def test_the_maps_read_accept_as_the_server_does(tmp_path: Path) -> None:
    included = "include darkroom/server.conf;"
    show = 'location = /kind { add_header X-Kind "[$darkroom_avif$darkroom_webp]"; return 204; }'
    with nginx(tmp_path, [free_port()], values={included: f"{included}\n{show}"}) as alone:
        for accept in accepts():
            taken = bucket(accept.encode())
            expected = ("image/avif," if taken.avif else "") + ("image/webp," if taken.webp else "")
            assert alone.ask("/kind", accept=accept)["x-kind"] == f"[{expected}]", accept


def test_each_kind_of_client_has_its_own_entry_and_no_more(rig: Rig) -> None:
    url, types = rig.url("cats/1.jpg", f="auto", w=107), {}
    for accept in (BROWSER, "image/webp,*/*", "*/*", "image/avif"):
        reply = rig.nginx.ask(url, accept=accept)
        assert reply["vary"] == "Accept"
        types[accept] = reply["content-type"]
    assert list(types.values()) == ["image/avif", "image/webp", "image/jpeg", "image/avif"]
    for accept in ("image/avif;q=0.9, image/webp", "text/html,image/webp;q=0.1", "image/png", "image/avif,text/*"):
        assert rig.nginx.ask(url, accept=accept)["cache-status"] == "nginx; hit"


def test_a_url_that_names_its_format_is_one_entry_for_all(rig: Rig) -> None:
    url = rig.url("cats/1.jpg", f="webp", w=108)
    rig.nginx.ask(url, accept=BROWSER)
    assert rig.nginx.ask(url)["cache-status"] == "nginx; hit"


def test_keys_with_different_policies_share_nothing(rig: Rig) -> None:
    widget = Signer(WIDGET)
    exact = rig.nginx.ask(rig.url("cats/1.jpg", w=100))
    snapped = rig.nginx.ask(widget.url("cats/1.jpg", w=100))
    assert exact.body != snapped.body
    again = rig.nginx.ask(widget.url("cats/1.jpg", w=100, expires=60))
    assert (again.body, again["cache-status"]) == (snapped.body, "nginx; hit")


# What is passed on, and what is not


def test_a_query_is_ignored(rig: Rig) -> None:
    url = rig.url("cats/1.jpg", w=109)
    first = rig.nginx.ask(url)
    for query in ("?", "?x=1", "?w=5&sig=z", "?a/b?c"):
        again = rig.nginx.ask(url + query)
        assert (again.status, again["cache-status"], again.body) == (200, "nginx; hit", first.body)
    assert not any("query" in event["event"] for front in rig.fronts for event in front.log())


def test_a_fragment_is_no_part_of_a_path(rig: Rig) -> None:
    url = rig.url("cats/1.jpg", w=123)
    first, asked = rig.nginx.ask(url), rig.asked()
    for fragment in ("#", "#x", "#/a?b", "?a#b"):
        again = rig.nginx.ask(url + fragment)
        assert (again.status, again["cache-status"], again.body) == (200, "nginx; hit", first.body)
    assert rig.asked() == asked
    assert rig.nginx.purge(f"{url}#x") == 200


def test_a_front_that_asks_for_an_original_is_refused_what_would_lead_in_a_circle(rig: Rig) -> None:
    url = rig.url("cats/1.jpg", w=124)
    for via in ("1.1 darkroom", "1.0 other, 1.1 darkroom", "HTTP/1.1 darkroom"):
        looped = rig.nginx.ask(url, via=via)
        assert (looped.status, looped.code, looped["cache-control"]) == (508, "looped", "no-store")
    plain = rig.nginx.ask(url, via="1.1 another, 1.1 darkrooms")
    assert (plain.status, plain["cache-status"]) == (200, "darkroom; fwd=miss; stored, nginx; fwd=uri-miss")


NAMES = (
    "cats/new cat.jpg",
    "cats/a,b.jpg",
    "cats/a:b.jpg",
    "cats/a~b.jpg",
    "cats/100%.jpg",
    "cats/what?.jpg",
    "cats/café.jpg",
    "cats/+plus&more=.jpg",
    "ab_2024/a.jpg",
    "-/a.jpg",
    "api/a.jpg",
)


@pytest.mark.parametrize("name", NAMES)
def test_any_key_gets_from_the_signer_to_the_source(rig: Rig, name: str) -> None:
    url = rig.url(name, w=110)
    reply = rig.nginx.ask(url)
    assert reply.status == 200, reply.body
    assert rig.nginx.ask(url)["cache-status"] == "nginx; hit"


@pytest.mark.parametrize(
    "name", ["a//b.jpg", "/a.jpg", "cats/%2B.jpg", "cats/a b+c%20d.jpg", "ключ/猫 #1.jpg", "a/../b.jpg"]
)
def test_a_key_that_no_folder_has_is_missing_and_not_misread(rig: Rig, name: str) -> None:
    reply = rig.nginx.ask(rig.url(name, w=110))
    assert (reply.status, reply.code) == (404, "no_such_original"), reply.body


def test_a_plus_and_its_escape_are_one_text(rig: Rig) -> None:
    url = rig.url("cats/+plus&more=.jpg", w=111)
    first = rig.nginx.ask(url)
    assert "%2B" in url
    other = rig.nginx.ask(url.replace("%2B", "+"))
    assert (other.status, other.body, other["cache-status"]) == (200, first.body, "nginx; hit")


def test_what_a_client_sends_beside_its_path_changes_nothing(rig: Rig) -> None:
    url = rig.url("cats/1.jpg", w=112)
    strange = {
        "authorization": "Bearer x",
        "cookie": "a=b",
        "x_forwarded_for": "127.0.0.1",
        "x_forwarded_host": "evil.example",
        "forwarded": "for=127.0.0.1",
        "x_original_uri": "/-/other.jpg",
        "x_darkroom_late": "1",
        "range": "bytes=0-3",
        "accept_encoding": "gzip",
        "origin": "https://evil.example",
    }
    odd, plain = rig.nginx.ask(url, **strange), rig.nginx.ask(url)
    assert odd.status == 206
    assert (plain.status, plain["cache-status"], odd.body) == (200, "nginx; hit", plain.body[:4])
    assert odd["etag"] == plain["etag"]


@pytest.mark.parametrize(
    "path",
    ["/metrics", "/ready", "/ui", "/ui/", "/ui/../cats/1.jpg", "/metrics?x", "/metrics#x", "/ui#", "/api/v1/auth"],
)
def test_what_is_private_is_not_there_in_public(rig: Rig, path: str) -> None:
    reply = rig.nginx.ask(path, x_forwarded_for="127.0.0.1")
    assert reply.status == 404


def test_health_is_nginx_own_and_strangers_are_none_of_us(rig: Rig) -> None:
    assert rig.nginx.ask("/health").body == b"ok\n"
    explained = rig.nginx.ask(rig.url("cats/1.jpg", "w_9,f_explain"))
    assert (explained.status, explained.code) == (404, "no_such_rendition")
    assert rig.nginx.privately("/metrics").status == 403
    assert "server-timing" not in rig.nginx.ask(rig.url("cats/1.jpg", w=113)).fields


def test_nothing_between_fronts_and_nginx_leaks(rig: Rig) -> None:
    for path in (
        rig.url("cats/1.jpg", w=114, f="auto"),
        rig.url("cats/1.jpg", w=114, expires=60),
        "/w_1/x.jpg",
        "/health",
    ):
        for _ in range(2):
            reply = rig.nginx.ask(path)
            leaked = [name for name in reply.fields if name.startswith(("x-accel", "x-darkroom")) or name == "via"]
            assert not leaked
            assert reply.get("server") == "nginx"


def test_each_request_has_an_id_of_its_own(rig: Rig) -> None:
    url = rig.url("cats/1.jpg", w=115)
    assert len({rig.nginx.ask(url)["x-request-id"] for _ in range(3)}) == 3


def test_json_is_compressed_and_pictures_are_not(rig: Rig) -> None:
    facts = rig.nginx.ask(rig.url("cats/1.jpg", f="json"), accept_encoding="gzip")
    assert facts["content-encoding"] == "gzip"
    assert "content-encoding" not in rig.nginx.ask(rig.url("cats/1.jpg", w=300), accept_encoding="gzip").fields


def test_names_of_films_and_paths_of_an_interface_reach_a_front(rig: Rig) -> None:
    url = rig.url("cats/1.jpg", w=122)
    for leaf in ("/~hls/5f0c2a91/720/12.m4s", "/~hls/5f0c2a91/720/init.mp4"):
        reply = rig.nginx.ask(url + leaf)
        assert (reply.status, reply.code) == (404, "no_such_rendition")
    missing = rig.nginx.ask("/api/v1/nothing")
    assert (missing.status, missing.code) == (400, "bad_address")
    assert rig.nginx.ask("/api/v1/nothing", "POST").status == 405
    assert rig.nginx.ask("/api/v1/auth", x_original_uri=url).status == 404


# Validators and ranges


def test_conditions_and_ranges_are_met_by_nginx(rig: Rig) -> None:
    url = rig.url("cats/1.jpg", w=116)
    whole = rig.nginx.ask(url)
    asked = rig.asked()
    unchanged = rig.nginx.ask(url, if_none_match=whole["etag"])
    assert (unchanged.status, unchanged.body, unchanged["etag"]) == (304, b"", whole["etag"])
    assert unchanged["cache-control"] == whole["cache-control"]
    assert rig.nginx.ask(url, if_none_match='"other"').status == 200
    assert rig.nginx.ask(url, if_modified_since=whole["last-modified"]).status == 304
    part = rig.nginx.ask(url, range="bytes=10-19")
    assert (part.status, part.body) == (206, whole.body[10:20])
    assert rig.nginx.ask(url, range="bytes=99999999-").status == 416
    assert rig.asked() == asked


# Purges


def test_a_purge_forgets_one_answer(rig: Rig) -> None:
    url, other = rig.url("cats/1.jpg", w=117), rig.url("cats/1.jpg", w=118)
    for path in (url, other):
        rig.nginx.ask(path)
    assert rig.nginx.purge(url) == 200
    assert rig.nginx.purge(url) == 404
    assert rig.nginx.ask(url)["cache-status"].endswith("nginx; fwd=uri-miss")
    assert rig.nginx.ask(other)["cache-status"] == "nginx; hit"


def test_a_purge_by_any_token_forgets_the_answer_of_all(rig: Rig) -> None:
    brief, long = rig.url("cats/1.jpg", w=119, expires=2, round_expiry=1), rig.url("cats/1.jpg", w=119)
    rig.nginx.ask(brief)
    rig.fronts[0].until(lambda: rig.nginx.ask(brief).status == 410)
    assert rig.nginx.ask(long)["cache-status"] == "nginx; hit"
    assert rig.nginx.purge(brief) == 200
    assert rig.nginx.ask(long)["cache-status"].endswith("nginx; fwd=uri-miss")


def test_each_kind_of_client_is_purged_by_its_accept(rig: Rig) -> None:
    url = rig.url("cats/1.jpg", f="auto", w=120)
    kinds = ("image/avif,image/webp", "image/avif", "image/webp", "*/*")
    for accept in kinds:
        rig.nginx.ask(url, accept=accept)
    assert [rig.nginx.purge(url, accept=accept) for accept in kinds] == [200] * 4
    assert [rig.nginx.purge(url, accept=accept) for accept in kinds] == [404] * 4


def test_nobody_purges_in_public_or_without_a_signature(rig: Rig) -> None:
    url = rig.url("cats/1.jpg", w=121)
    rig.nginx.ask(url)
    assert rig.nginx.ask(f"/purge{url}", "PURGE").status in (400, 403, 405)
    assert rig.nginx.purge("/w_121/cats/1.jpg") == 403
    assert rig.nginx.ask(url)["cache-status"] == "nginx; hit"


# Which front


def test_all_renditions_of_an_original_are_asked_of_one_front(rig: Rig) -> None:
    def made() -> list[float]:
        return [front.count("darkroom_transforms_total") for front in rig.fronts]

    before = made()
    for width in range(130, 142):
        rig.nginx.ask(rig.url("cats/2.jpg", w=width, expires=3600 + width, round_expiry=1))
    grown = [after - earlier for earlier, after in zip(before, made(), strict=True)]
    assert sorted(grown) == [0, 12]
