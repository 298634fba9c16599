"""A server with keys: who may ask for what, and what a signature covers."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from signing import Address, Key, Signer, new_secret, sign
from signing.escapes import unescape
from tests import pictures
from tests.serving import Server, exchange, originals, request, serving

NEW, OLD, LADDER, PRESETS, SMALL, STRANGER = (new_secret() for _ in range(6))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return originals(tmp_path_factory.mktemp("originals"))


@pytest.fixture(scope="module")
def settings(folder: Path) -> dict[str, Any]:
    return {
        "keys": [
            NEW,
            OLD,
            {"secret": LADDER, "policy": {"ladder": [320, 640, 1280]}},
            {"secret": PRESETS, "policy": {"presets_only": True, "presets": ["card", "kind", "led", "bound"]}},
            {"secret": SMALL, "policy": {"mounts": ["photos"], "largest": 100, "formats": ["webp", "jpg"]}},
        ],
        "presets": {
            "card": "c_fill,h_60,w_90",
            "other": "w_10",
            "kind": "d_missing.jpg,w_20",
            "led": "f_auto:redirect,w_30",
            "bound": "w_40,f_auto",
        },
        "mounts": {
            "": str(folder),
            "photos": str(folder / "cats"),
            "public": {"url": str(folder / "cats"), "policy": "public", "presets": ["card", "kind"]},
            "shop": {"url": str(folder / "cats"), "policy": "public", "ladder": [320, 640]},
            "gifts": {"url": str(folder / "cats"), "policy": "public", "presets": ["card"], "originals": True},
        },
        "first": "final",
    }


@pytest.fixture(scope="module")
def server(settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(None, tmp_path_factory.mktemp("server"), **settings) as running:
        yield running


def refused(server: Server, path: str, code: str = "forbidden") -> None:
    reply = server.ask(path)
    assert (reply.status, reply.code, reply["cache-control"]) == (403, code, "no-store"), (path, reply.body)


# Signatures


def test_without_a_signature_nothing_is_served(server: Server) -> None:
    for path in ("/w_60/cats/1.jpg", "/cats/1.jpg", "/w_60/nothing.jpg", "/f_json/cats/1.jpg", "/f_explain/cats/1.jpg"):
        refused(server, path, "unsigned")
    refused(server, "/exp_4102444800/w_60/cats/1.jpg", "unsigned")
    refused(server, "/w_60/https://example.com/a.jpg", "unsigned")


def test_what_is_wrong_is_told_only_to_who_may_ask(server: Server) -> None:
    """A signature is verified before anything behind it is read."""
    path = Signer(NEW).url("cats/1.jpg", w=60)
    auth = path.split("/")[1]
    for rest in (
        "w_wide/cats/1.jpg",
        "w_61/cats/1.jpg",
        "w_60/cats/2.jpg",
        "w_60/cats/1.jpg/~a.jpg",
        "w_60/nothing.jpg",
    ):
        refused(server, f"/{auth}/{rest}", "bad_signature")
    assert server.ask(path).status == 200


@pytest.mark.parametrize("kid", [False, True])
@pytest.mark.parametrize("secret", [NEW, OLD])
def test_every_key_of_the_ring_verifies(server: Server, secret: str, kid: bool) -> None:
    for expires in (None, 3600):
        path = Signer(secret, kid=kid).url("cats/new cat.jpg", "w_60/e_grayscale", expires=expires, name="grey.jpg")
        assert server.ask(path).status == 200, path


def test_a_signature_that_is_wrong_in_any_way_is_refused(server: Server) -> None:
    good = Signer(NEW, kid=True).url("cats/1.jpg", w=60, expires=3600)
    auth, rest = good[1:].split("/", 1)
    signature, *members = auth.split(",")
    wrong = {
        Signer(STRANGER).url("cats/1.jpg", w=60): "bad_signature",
        Signer(STRANGER, kid=True).url("cats/1.jpg", w=60): "bad_signature",
        f"/{signature}/{rest}": "bad_signature",
        f"/{signature},{members[0]}/{rest}": "bad_signature",
        f"/{signature},{members[1]}/{rest}": "bad_signature",
        f"/{signature[:-1]}{'A' if signature[-1] != 'A' else 'E'},{','.join(members)}/{rest}": "bad_signature",
        f"/{signature}=,{','.join(members)}/{rest}": "bad_signature",
        f"/sig_,{','.join(members)}/{rest}": "bad_signature",
    }
    for path, code in wrong.items():
        refused(server, path, code)
    # The members may stand in any order, and escapes change nothing.
    assert server.ask(f"/{members[1]},{members[0]},{signature}/{rest}").status == 200
    assert server.ask(f"/{auth}/{rest.replace('_', '%5F').replace('/', '%2F')}").status == 200
    assert server.ask(good, "HEAD").status == 200
    assert server.ask(f"{good}?w=1").status == 200


def test_what_is_signed_is_what_is_asked_for_however_it_is_written(server: Server) -> None:
    for source in (
        "cats/new cat.jpg",
        "cats/a,b.jpg",
        "cats/a:b.jpg",
        "cats/100%.jpg",
        "cats/café.jpg",
        "cats/what?.jpg",
    ):
        path = Signer(NEW).url(source, w=60)
        assert server.ask(path).status == 200, path
        assert server.ask(f"/{path.split('/')[1]}/{Address(('w_60',), source).write()}").status == 200


def test_an_expiry_ends_it_at_its_second(server: Server) -> None:
    end = int(time.time()) + 2
    rest = "w_63/cats/1.jpg"
    path = f"/{sign(rest, Key.read(NEW), expires=end)}/{rest}"
    assert server.ask(path).status == 200
    gone = f"/{sign(rest, Key.read(NEW), expires=1)}/{rest}"
    assert (server.ask(gone).status, server.ask(gone).code) == (410, "expired")
    # A wrong signature is refused as such, expired or not.
    refused(server, gone.replace("w_63", "w_64"), "bad_signature")
    while time.time() < end:
        assert server.ask(path).status in (200, 410)
        time.sleep(0.1)
    assert server.ask(path).status == 410


def test_nothing_of_a_signature_or_key_is_logged(server: Server) -> None:
    path = Signer(NEW).url("cats/1.jpg", w=65)
    server.ask(path)
    refused(server, path.replace("w_65", "w_66"), "bad_signature")
    server.until(lambda: any("w_66" in str(event.get("path")) for event in server.log()))
    text = server.log_file.read_text()
    assert path.split("/")[1].removeprefix("sig_") not in text
    assert NEW not in text
    assert "sig_***" in text


# Policies of keys


def test_a_ladder_gives_the_next_rung(server: Server) -> None:
    signer = Signer(LADDER)
    assert pictures.size_of(server.ask(signer.url("cats/1.jpg", w=213)).body) == (320, 213)
    tags = {server.ask(signer.url("cats/1.jpg", w=width))["etag"] for width in (321, 500, 613, 640)}
    assert len(tags) == 1
    assert tags == {server.ask(Signer(NEW).url("cats/1.jpg", w=640))["etag"]}
    refused(server, signer.url("cats/1.jpg", "w_320/e_blur:5"))
    refused(server, signer.url("cats/1.jpg", w=320, q=50))
    refused(server, signer.url("nothing.jpg", w=320, d="missing.jpg"))


def test_a_key_for_presets_takes_presets(server: Server) -> None:
    signer = Signer(PRESETS)
    assert pictures.size_of(server.ask(signer.url("cats/1.jpg", "t_card")).body) == (90, 60)
    assert server.ask(signer.url("cats/1.jpg", "t_bound"), accept="image/webp")["content-type"] == "image/webp"
    for steps in ("w_90", "t_other", "t_card/w_10", "t_led", ""):
        refused(server, signer.url("cats/1.jpg", steps) if steps else signer.url("cats/1.jpg"))


def test_a_key_can_be_for_mounts_sizes_and_formats(server: Server) -> None:
    signer = Signer(SMALL)
    assert server.ask(signer.url("photos/1.jpg", w=100)).status == 200
    assert server.ask(signer.url("photos/1.jpg", w=90, f="auto"), accept="image/avif,image/webp")["content-type"] == (
        "image/webp"
    )
    refused(server, signer.url("cats/1.jpg", w=100))
    refused(server, signer.url("photos/1.jpg", w=101))
    refused(server, signer.url("photos/1.jpg"))
    refused(server, signer.url("photos/1.jpg", w=100, f="png"))
    refused(server, signer.url("photos/nothing.jpg", w=100, d="missing.jpg"))
    refused(server, signer.url("photos/nothing.jpg", "t_card", d="missing.jpg"))
    refused(server, signer.url("photos/nothing.jpg", "d_missing.jpg/t_card"))
    assert server.ask(signer.url("photos/nothing.jpg", "t_kind")).status == 404
    assert server.ask(signer.url("photos/nothing.jpg", w=100, d="photos/2.jpg"))["content-type"] == "image/jpeg"


# Scopes


def test_who_has_a_scope_chooses_among_sizes_below_it(server: Server) -> None:
    auth = Signer(LADDER).scoped("cats")
    for rest in ("w_213/cats/1.jpg", "f_webp,w_320/cats/2.jpg", "h_400/cats/new%20cat.jpg", "w_320/cats/1.jpg/~a.jpg"):
        assert server.ask(f"/{auth}/{rest}").status == 200, rest
    for rest in ("w_320/ab_2024x/a.jpg", "w_320/missing.jpg", "w_320/catsx/1.jpg", "w_320/-/ab_2024/a.jpg"):
        refused(server, f"/{auth}/{rest}", "bad_signature")
    refused(server, f"/{auth}/w_320/e_blur:5/cats/1.jpg")
    refused(server, f"/{auth}/w_10p/cats/1.jpg")
    assert server.ask(f"/{auth}/w_320/cats/../missing.jpg").status == 400
    assert server.ask(f"/{auth}/w_320/cats/%2e%2e/missing.jpg").status == 400


def test_a_scope_goes_with_a_finite_policy_alone(server: Server) -> None:
    for secret in (NEW, OLD, SMALL):
        prefix = "photos" if secret == SMALL else "cats"
        refused(server, f"/{Signer(secret).scoped(prefix)}/w_90/{prefix}/1.jpg")
    auth = Signer(PRESETS).scoped("cats")
    assert server.ask(f"/{auth}/t_card/cats/1.jpg").status == 200
    refused(server, f"/{auth}/w_90/cats/1.jpg")


def test_a_scope_covers_the_picture_that_is_shown_instead(server: Server) -> None:
    """Else it would open every original under the name of one that is missing."""
    for auth in (Signer(LADDER).scoped("cats"), Signer(PRESETS).scoped("cats")):
        refused(server, f"/{auth}/d_where.jpg,w_320/cats/nothing.jpg")
        refused(server, f"/{auth}/d_where.jpg/cats/nothing.jpg")
        refused(server, f"/{auth}/d_b64:d2hlcmUuanBn,w_320/cats/nothing.jpg")
    # What a preset shows is the word of whoever set the server up.
    shown = server.ask(f"/{Signer(PRESETS).scoped('cats')}/t_kind/cats/nothing.jpg")
    assert (shown.status, shown["content-type"]) == (404, "image/jpeg")


def test_a_scope_can_expire_and_a_redirect_stays_in_it(server: Server) -> None:
    auth = Signer(LADDER).scoped("cats", expires=3600)
    assert server.ask(f"/{auth}/w_320/cats/1.jpg")["cache-control"].startswith("public, max-age=")
    led = server.ask(f"/{auth}/f_auto:redirect,w_313/cats/1.jpg", accept="image/webp")
    assert led["location"] == f"/{auth}/f_webp,w_320/cats/1.jpg"
    assert server.ask(led["location"])["content-type"] == "image/webp"


# Public mounts


def test_a_public_mount_gives_what_it_offers(server: Server) -> None:
    assert server.ask("/t_card/public/1.jpg").status == 200
    assert server.ask("/w_313/shop/1.jpg")["etag"] == server.ask("/w_320/shop/1.jpg")["etag"]
    for path in ("/w_60/public/1.jpg", "/public/1.jpg", "/t_other/public/1.jpg", "/t_card/e_grayscale/public/1.jpg"):
        refused(server, path)
    for path in ("/w_320/e_blur:5/shop/1.jpg", "/d_where.jpg,w_320/shop/nothing.jpg", "/f_webp,q_5,w_320/shop/1.jpg"):
        refused(server, path)
    refused(server, "/t_card/cats/1.jpg", "unsigned")
    # With a signature more can be had.
    assert server.ask(Signer(NEW).url("public/1.jpg", w=77)).status == 200
    refused(server, f"/sig_{'A' * 43}/t_card/public/1.jpg", "bad_signature")
    assert server.ask("/t_kind/public/nothing.jpg").status == 404
    led = server.ask("/f_auto:redirect,w_300/shop/1.jpg")
    assert led["location"] == "/f_jpg,w_320/shop/1.jpg"
    assert server.ask(led["location"]).status == 200


def test_a_public_mount_can_give_its_originals(server: Server, folder: Path) -> None:
    assert server.ask("/gifts/1.jpg").body == (folder / "cats/1.jpg").read_bytes()
    refused(server, "/w_60/gifts/1.jpg")
    refused(server, Signer(PRESETS).url("gifts/1.jpg"))


# Elsewhere


def test_a_server_for_everybody_takes_signed_and_unsigned_urls(folder: Path, tmp_path: Path) -> None:
    with serving(folder, tmp_path, "--unsigned", keys=[NEW], workers=1) as server:
        assert server.ask("/w_60/cats/1.jpg").status == 200
        assert server.ask(Signer(NEW).url("cats/1.jpg", w=61)).status == 200
        refused(server, Signer(STRANGER).url("cats/1.jpg", w=61), "bad_signature")
        assert server.ask(f"/{sign('w_60/cats/1.jpg', Key.read(NEW), expires=1)}/w_60/cats/1.jpg").status == 410


def test_keys_presets_and_mounts_can_change_while_it_runs(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "darkroom.toml"

    def write(keys: list[str], **more: str) -> None:
        presets = "".join(f'presets.{name} = "{steps}"\n' for name, steps in more.items())
        file.write_text(f"keys = {keys}\nmounts = '{folder}'\nfirst = 'final'\n{presets}".replace('"""', '"'))

    def reloaded(server: Server, words: str) -> None:
        before = sum(words in event["event"] for event in server.log())
        server.process.send_signal(1)
        server.until(lambda: sum(words in event["event"] for event in server.log()) > before)

    write([OLD])
    with serving(None, tmp_path / "server", "--config", str(file), workers=1) as server:
        old, new = (Signer(secret).url("cats/1.jpg", w=60) for secret in (OLD, NEW))
        assert [server.ask(path).status for path in (old, old, new)] == [200, 200, 403]
        write([NEW, OLD], card="w_70")
        reloaded(server, "what may change is that of the settings")
        assert [server.ask(path).status for path in (old, new)] == [200, 200]
        assert server.ask(Signer(NEW).url("cats/1.jpg", "t_card")).status == 200
        # A file that cannot be read changes nothing at all.
        file.write_text("keys = [")
        reloaded(server, "are as before")
        write(["weak"])
        reloaded(server, "are as before")
        assert [server.ask(path).status for path in (old, new)] == [200, 200]
        assert server.ask(Signer(NEW).url("cats/1.jpg", "t_card")).status == 200
        # A key that is gone opens nothing, not even what was just served.
        write([NEW])
        reloaded(server, "what may change is that of the settings")
        assert [server.ask(path).status for path in (old, new)] == [403, 200]
        assert OLD not in server.log_file.read_text()
        assert server.process.poll() is None


def test_signed_urls_hold_on_one_connection_as_well(server: Server) -> None:
    paths = [Signer(NEW).url("cats/1.jpg", w=width) for width in (60, 61, 60)]
    wrong = paths[0].replace("w_60", "w_62")
    sent = b"".join(request(path, {}, close=False) for path in (paths[0], wrong, paths[1])) + request(paths[2], {})
    statuses = [answer[:3] for answer in exchange(server.port, sent).split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200", b"403", b"200", b"200"]
    assert unquote(unescape(paths[0])) == paths[0]
