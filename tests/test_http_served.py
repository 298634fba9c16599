"""Originals from other web sites through a running server: pictures come, and no door leads inside."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from signing.escapes import b64
from tests import pictures
from tests.origin_stub import Origin, Script, origin
from tests.serving import Reply, Server, serving
from tests.spellings import LITERALS, ODD

OPEN = "127.0.0.9"
"""An address of this machine that stands for a public one: the only one that is allowed."""

SAMPLE = [*LITERALS[::4], *ODD[::4], "localhost", "127.0.0.1", "[::1]", "[::ffff:7f00:1]", "169.254.169.254"]


@pytest.fixture(scope="module")
def site() -> Iterator[Origin]:
    with origin(OPEN) as made:
        photo = pictures.encoded(pictures.photograph(300, 200), "jpg")
        for path in ("/p/cat.jpg", "/p/new%20cat%25.jpg", "/q/cat.jpg?size=1"):
            made.scripts[path] = Script(photo, fields={"ETag": '"1"', "Cache-Control": "max-age=3600"})
        made.scripts["/p/page.jpg"] = Script(b"<html>Sorry!</html>", fields={"Content-Type": "image/jpeg"})
        made.scripts["/p/short.jpg"] = Script(photo, fields={"ETag": '"1"'}, truncate=len(photo) - 1)
        made.scripts["/p/huge.jpg"] = Script(photo, fields={"ETag": '"1"'}, length=10**11)
        yield made


@pytest.fixture(scope="module")
def canary() -> Iterator[Origin]:
    with origin("127.0.0.1", "::1") as made:
        photo = pictures.encoded(pictures.photograph(300, 200), "jpg")
        made.scripts["/x"] = Script(photo, fields={"ETag": '"1"'})
        yield made


@pytest.fixture(scope="module")
def server(site: Origin, canary: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    literals = [f"{text}:{canary.port}" for text in LITERALS]
    listed = [*literals, f"localhost:{canary.port}", f"missing.invalid:{canary.port}"]
    mount = {"url": f"http://{OPEN}:{site.port}/p/", "private_networks": [OPEN], "hosts": listed}
    remote = {"hosts": [f"{OPEN}:{site.port}", *listed], "private_networks": [OPEN]}
    with serving(None, tmp_path_factory.mktemp("server"), mounts={"shop": mount}, remote=remote) as running:
        yield running


def told(reply: Reply) -> tuple[int, str, str]:
    return reply.status, reply.code, reply.json.get("detail", "")


def test_pictures_come_from_a_mount_and_from_whole_addresses(server: Server, site: Origin) -> None:
    whole = f"http://{OPEN}:{site.port}"
    encoded = (b64(f"{whole}/p/cat.jpg"), b64(f"{whole}/q/cat.jpg?size=1"), b64(f"{whole}/p/new%20cat%25.jpg"))
    for source in ("shop/cat.jpg", "shop/new%20cat%25.jpg", *encoded):
        reply = server.ask(f"/w_50/{source}")
        assert (reply.status, reply["content-type"]) == (200, "image/jpeg"), reply.body


def test_one_download_serves_every_size(server: Server, site: Origin) -> None:
    for width in range(20, 30):
        assert server.ask(f"/w_{width}/shop/cat.jpg").status == 200
    assert site.count("/p/cat.jpg") <= 2  # once by each of two names


@pytest.mark.parametrize(
    ("source", "status", "code"),
    [
        ("shop/none.jpg", 404, "no_such_original"),
        ("shop/short.jpg", 502, "origin_failed"),
        ("shop/page.jpg", 415, "unsupported_format"),
        ("shop/huge.jpg", 413, "original_too_large"),
        ("https://example.com/cat.jpg", 403, "forbidden"),
    ],
)
def test_what_is_no_original_is_told(server: Server, source: str, status: int, code: str) -> None:
    assert told(server.ask(f"/w_50/{source}"))[:2] == (status, code)


def test_an_original_that_says_that_it_is_too_large_is_not_fetched(server: Server, site: Origin) -> None:
    server.ask("/w_60/shop/huge.jpg")
    assert site.count("/p/huge.jpg", "HEAD") > 0
    assert site.count("/p/huge.jpg") == 0


def test_no_door_of_the_server_leads_inside(server: Server, site: Origin, canary: Origin) -> None:
    missing = told(server.ask(f"/w_50/{b64(f'http://missing.invalid:{canary.port}/x')}"))
    unlisted = told(server.ask("/w_50/https://missing.invalid/x"))
    assert (missing[:2], unlisted[:2]) == ((502, "origin_failed"), (403, "forbidden"))
    tried = 0
    for number, spelling in enumerate(SAMPLE):
        url = f"{spelling}:{canary.port}/x"
        site.scripts[f"/p/to{number}"] = site.scripts[f"/q/to{number}"] = Script(
            status=(301, 302, 303, 307, 308)[number % 5],
            fields={"Location": f"http://{url}".encode().decode("latin-1").translate({10: None, 0: None})},
        )
        doors = {
            "plain": f"https://{url}",
            "encoded": b64(f"https://{url}"),
            "encoded without TLS": b64(f"http://{url}"),
            "redirect of a mount": f"shop/to{number}",
            "redirect of an address": b64(f"http://{OPEN}:{site.port}/q/to{number}"),
        }
        for door, source in doors.items():
            path = f"/w_50/{source}".encode().translate(None, b" \t\r\n\0#?")
            reply = server.ask(path)
            assert reply.status in (400, 403, 502), (door, spelling, reply.body)
            assert reply.status == 400 or told(reply) in (missing, unlisted), (door, spelling)
            tried += 1
        for path in (f"/d_shop/to{number},w_50/shop/none.jpg", f"/w_50,d_{b64(f'http://{url}')}/shop/none.jpg"):
            assert server.ask(path.encode().translate(None, b" \t\r\n\0#?")).status in (400, 403, 404, 502)
            tried += 1
    assert canary.connections == 0
    print(f"a running server: {tried} refused, {canary.connections} connections to the canary")


def test_a_request_for_an_original_is_not_answered_by_a_server_like_the_one_that_asks(server: Server) -> None:
    looped = server.ask("/w_51/shop/cat.jpg", via="1.1 darkroom")
    assert (looped.status, looped.code) == (508, "looped")
    assert server.ask("/w_52/shop/cat.jpg", via="1.1 varnish, HTTP/1.1 darkroom , 2 edge").status == 508
    assert server.ask("/w_53/shop/cat.jpg", via="1.1 darkroom.example.com, 1.1 nginx").status == 200


def test_two_servers_that_are_each_others_origin_end(server: Server, tmp_path: Path) -> None:
    mount = {"url": f"http://127.0.0.1:{server.port}/w_100/shop/", "private_networks": ["127.0.0.1"]}
    with serving(None, tmp_path / "other", mounts={"other": mount}, workers=1) as other:
        reply = other.ask("/w_50/other/cat.jpg")
        assert told(reply) == (502, "origin_failed", "The origin answers with the status 508.")


def test_the_log_says_why_what_the_client_does_not_learn(server: Server, canary: Origin) -> None:
    server.ask(f"/w_50/{b64(f'http://127.0.0.1:{canary.port}/x')}")
    server.until(lambda: any("no public address" in str(event.get("why")) for event in server.log()))
