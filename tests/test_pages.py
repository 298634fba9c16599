"""The playground over HTTP: who gets in, what it tells, and what nobody else's page can make it do."""

import base64
import dataclasses
import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.pages.dropping import MOUNT
from proxy.pages.links import Links, Shown
from proxy.pages.options import described_options
from proxy.pages.playground import MEDIA_TYPES, STATIC, static_files
from signing import KeyRing, new_secret
from tests import pictures
from tests.markdown import ROOT
from tests.serving import LOCAL, Reply, Server, exchange, originals, serving
from transforms.operation import Operation
from transforms.pipeline import PIPELINE
from transforms.plan import Plan

KEY, TOKEN = new_secret(), "a token of sixteen characters or more"
AWAY = {"x_forwarded_for": "192.0.2.1"}
"""A client that is somewhere else."""
JSON, BYTES = "application/json", "application/octet-stream"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return originals(tmp_path_factory.mktemp("originals"))


@pytest.fixture(scope="module")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    limits = {"jpeg_bytes": 200_000, "picture_bytes": 300_000, "video_bytes": 250_000, "sound_bytes": 250_000}
    mounts = {"": str(folder), "pets/cats": str(folder / "cats"), "cats": str(folder / "ab_2024")}
    with serving(None, tmp_path_factory.mktemp("open"), mounts=mounts, limits=limits) as running:
        yield running


@pytest.fixture(scope="module")
def closed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with keys and an admin token."""
    scratch = tmp_path_factory.mktemp("closed")
    with serving(folder, scratch, keys=[KEY, new_secret()], admin_token=TOKEN, presets={"card": "w_60"}) as running:
        yield running


def say(server: Server, method: str, path: str, body: bytes, **fields: str) -> Reply:
    """A request with a body."""
    named = {"host": "localhost", "connection": "close", "content-length": str(len(body))}
    named |= {name.replace("_", "-"): value for name, value in fields.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return Reply.read(exchange(server.port, f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body))


def urls(server: Server, source: str, steps: str, **fields: str) -> Reply:
    body = json.dumps({"source": source, "steps": steps}).encode()
    return say(server, "POST", "/ui/urls", body, **{"content_type": JSON, **fields})


def drop(server: Server, body: bytes, **fields: str) -> Reply:
    return say(server, "PUT", "/ui/dropped", body, **{"content_type": BYTES, **fields})


def password(token: str) -> str:
    return "Basic " + base64.b64encode(f"anybody:{token}".encode()).decode()


READ = ["/ui", "/ui/", "/ui/main.js", "/ui/options.json", "/ui/originals.json", "/ui/nothing"]


# Who gets in


@pytest.mark.parametrize("path", READ)
def test_a_stranger_is_turned_away_where_there_is_no_token(server: Server, path: str) -> None:
    reply = server.ask(path, **AWAY)
    assert (reply.status, reply.json["code"], reply["x-error"]) == (403, "insiders_only", "insiders_only")
    assert reply["content-type"] == "application/problem+json"
    assert reply.get("www-authenticate") is None
    assert server.ask(path, authorization=password(TOKEN), **AWAY).status == 403


@pytest.mark.parametrize("path", [path for path in READ if path != "/ui/"])
def test_a_stranger_is_asked_for_the_token_where_there_is_one(closed: Server, path: str) -> None:
    reply = closed.ask(path, **AWAY)
    assert (reply.status, reply["www-authenticate"]) == (401, 'Basic realm="Darkroom", charset="UTF-8"')
    assert reply.json["code"] == "no_token"
    for wrong in (password("another token of sixteen"), password(""), "Basic ???", "Basic", f"Digest {TOKEN}", TOKEN):
        assert closed.ask(path, authorization=wrong, **AWAY).status == 401
    right = 404 if path == "/ui/nothing" else 200
    for given in (password(TOKEN), f"Bearer {TOKEN}", password(TOKEN).replace("Basic", "basic")):
        assert closed.ask(path, authorization=given, **AWAY).status == right


def test_the_token_is_asked_for_where_browsers_then_give_it_to_renditions_too(closed: Server) -> None:
    reply = closed.ask("/ui/", **AWAY)
    assert (reply.status, reply["location"]) == (303, "/ui")
    assert closed.ask("/ui/", authorization=password(TOKEN), **AWAY).status == 200


def test_a_page_whose_name_leads_to_this_machine_gets_nothing(server: Server) -> None:
    head = b"GET /ui/originals.json HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n"
    assert Reply.read(exchange(server.port, head)).status == 403
    assert drop(server, b"x", host="evil.example", origin="http://evil.example").status == 403


def test_strangers_cannot_change_anything(closed: Server) -> None:
    assert urls(closed, "cats/1.jpg", "w_60", **AWAY).status == 401
    assert drop(closed, pictures.rgba(), **AWAY).status == 401


def test_without_the_playground_there_is_nothing(folder: Path, tmp_path: Path) -> None:
    with serving(folder, tmp_path, playground=False) as running:
        for path in READ:
            assert (running.ask(path).status, running.ask(path).code) == (404, "no_such_original")
        assert drop(running, b"x" * 1000).status == 404
        assert running.ask(f"/w_60/{MOUNT}/x").status == 404
        assert running.ask("/").status == 400


def test_who_asks_for_no_picture_is_led_to_the_page(server: Server) -> None:
    led = server.ask("/")
    assert (led.status, led["location"], led["cache-control"]) == (303, "/ui/", "no-store")
    assert server.ask("/", method="HEAD").status == 303
    assert server.ask("/", method="POST").status == 405


def test_a_stranger_who_asks_for_no_picture_is_led_nowhere(server: Server, closed: Server) -> None:
    for running in (server, closed):
        reply, elsewhere = running.ask("/", **AWAY), running.ask("//", **AWAY)
        assert (reply.status, reply.code) == (elsewhere.status, elsewhere.code)
        assert reply.status in (400, 403)
        assert reply.code != "insiders_only"


# What pages of other sites can do

ELSEWHERE = [
    {"sec_fetch_site": "cross-site"},
    {"sec_fetch_site": "same-site"},
    {"sec_fetch_site": "none"},
    {"sec_fetch_site": "cross-site", "origin": "http://localhost"},
    {"origin": "http://evil.example"},
    {"origin": "http://localhost:1"},
    {"origin": "null"},
]


@pytest.mark.parametrize("fields", ELSEWHERE, ids=str)
def test_pages_of_other_sites_cannot_change_anything(server: Server, fields: dict[str, str]) -> None:
    assert urls(server, "cats/1.jpg", "w_60", **fields).json["code"] == "other_site"
    assert drop(server, pictures.rgba(), **fields).status == 403


@pytest.mark.parametrize("fields", [{}, {"sec_fetch_site": "same-origin"}, {"origin": "http://localhost"}], ids=str)
def test_our_own_page_and_programs_can(server: Server, fields: dict[str, str]) -> None:
    assert urls(server, "grey.png", "w_60", **fields).json["url"] == "/w_60/grey.png"
    assert drop(server, pictures.rgba(), **fields).status == 201


@pytest.mark.parametrize("media_type", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_what_a_form_of_another_site_could_send_is_refused(server: Server, media_type: str) -> None:
    assert urls(server, "grey.png", "w_60", content_type=media_type).json["code"] == "wrong_media_type"
    assert drop(server, pictures.rgba(), content_type=media_type).status == 415


@pytest.mark.parametrize("path", ["/ui/urls", "/ui/dropped", "/ui/originals.json"])
def test_no_leave_is_given_to_other_origins(server: Server, path: str) -> None:
    reply = server.ask(path, "OPTIONS", origin="http://evil.example", access_control_request_method="PUT")
    assert reply.status >= 400
    assert not [name for name in reply.fields if name.startswith("access-control")]


def test_the_data_is_not_for_pages_of_other_sites_but_links_to_the_page_are(server: Server) -> None:
    for site in ("cross-site", "same-site"):
        assert server.ask("/ui/originals.json", sec_fetch_site=site, sec_fetch_mode="no-cors").status == 403
        assert server.ask("/ui/", sec_fetch_site=site, sec_fetch_mode="navigate").status == 200


@pytest.mark.parametrize("path", READ)
def test_nothing_of_another_origin_runs_frames_or_reads(server: Server, path: str) -> None:
    reply = server.ask(path)
    policy = dict(part.split(" ", 1) for part in reply["content-security-policy"].split("; "))
    assert (policy["default-src"], policy["script-src"], policy["frame-ancestors"]) == ("'none'", "'self'", "'none'")
    assert "unsafe" not in reply["content-security-policy"]
    assert (reply["x-frame-options"], reply["x-content-type-options"]) == ("DENY", "nosniff")
    assert (reply["cross-origin-resource-policy"], reply["cache-control"]) == ("same-origin", "no-store")


def test_the_page_has_no_inline_script_or_style_and_needs_nobody_else() -> None:
    page = (STATIC / "index.html").read_text()
    assert re.findall(r"<script[^>]*>(.*?)</script>", page) == [""]
    assert not re.search(r"<style|\sstyle=|\son\w+=|https?://", page)
    for path in STATIC.glob("*.js"):
        text = path.read_text()
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|https?://", text), path
        for imported in re.findall(r'from "\./(.+?)"', text):
            assert (STATIC / imported).exists()


def test_every_file_of_the_page_is_served(server: Server) -> None:
    assert {path.suffix for path in STATIC.iterdir()} <= MEDIA_TYPES.keys()
    for name, (body, media_type) in static_files().items():
        if name != "index.html":
            reply = server.ask(f"/ui/{name}")
            assert (reply.body, reply["content-type"]) == (body, media_type)


def test_one_spelling_of_a_path_is_the_page(server: Server) -> None:
    for path in ("/ui/%6Dain.js", "/ui/../ui/", "/ui/main.js/", "/ui/%0A", "/ui//"):
        assert server.ask(path).status == 404, path
    for path in ("/%75i/", "/uix", "//ui/"):
        assert server.ask(path).status in (400, 404), path


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/ui", "GET, HEAD"),
        ("POST", "/ui/", "GET, HEAD"),
        ("PROPFIND", "/ui/", "GET, HEAD"),
        ("DELETE", "/ui/main.js", "GET, HEAD"),
        ("GET", "/ui/urls", "POST"),
        ("POST", "/ui/dropped", "PUT"),
    ],
)
def test_a_method_that_a_page_has_not_is_refused_by_name(server: Server, method: str, path: str, allowed: str) -> None:
    reply = server.ask(path, method)
    assert (reply.status, reply["allow"], reply.json["code"]) == (405, allowed, "method_not_allowed")
    assert server.ask(path, method, **AWAY).status == 403


def test_a_body_that_is_not_what_was_expected_is_refused(server: Server) -> None:
    for body in (b"", b"{", b"[]", b'{"source": 5, "steps": ""}'):
        reply = say(server, "POST", "/ui/urls", body, content_type=JSON)
        assert (reply.status, reply.json["code"], reply.json["expected"]) == (400, "bad_body", "source, steps")


# What it tells


def test_the_form_has_every_option_as_it_is_declared() -> None:
    described = {operation["name"]: operation for operation in described_options()}
    assert described.keys() == {operation.name for operation in PIPELINE}
    for operation in PIPELINE:
        told = described[operation.name]
        assert [value["key"] for value in told["values"]] == list(operation.params())
        letters = [told["name"], *(value["letter"] for value in told["values"] if value["letter"])]
        assert letters == [letter for letter, _ in operation.letters()]
        assert told["summary"]
        for value in told["values"]:
            assert value["meaning"]
            assert value["schema"].get("enum") or value["schema"]["type"] in ("integer", "number", "string")
    json.dumps(described)


def test_the_page_names_no_option_of_its_own() -> None:
    """An option that is added is in the form without a change of the page: nothing there says what there is."""
    names = {operation.name for operation in PIPELINE if operation.is_word()}
    for path in STATIC.glob("*.js"):
        assert not [name for name in names if re.search(rf"\b{name}\b", path.read_text())], path


def test_an_option_that_is_added_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    class Glow(Operation):
        """Let the picture shine."""

        example = "e_glow"

    # Not named in the class statement, or it would count among the operations that there are.
    Glow.name = "e_glow"
    dataclasses.dataclass(frozen=True)(Glow)
    monkeypatch.setattr("proxy.pages.options.PIPELINE", (*PIPELINE, Glow))
    assert [told["summary"] for told in described_options() if told["name"] == "e_glow"] == ["Let the picture shine."]


def test_what_the_form_needs_is_told(closed: Server, server: Server) -> None:
    told = closed.ask("/ui/options.json").json
    assert (told["presets"], told["signed"]) == (["card"], True)
    assert {"jpg", "png", "svg"} <= set(told["extensions"])
    told = server.ask("/ui/options.json").json
    assert (told["presets"], told["signed"], told["largest"]) == ([], False, 300_000)


def test_the_page_goes_on_with_settings_that_are_read_anew(folder: Path, tmp_path: Path) -> None:
    config = tmp_path / "darkroom.toml"
    config.write_text(f'[mounts]\nold = "{folder}"\n')
    with serving(None, tmp_path / "server", "--config", str(config), workers=1) as running:
        kept = drop(running, pictures.rgba()).json["source"]
        assert running.ask("/ui/originals.json").json["folders"][0]["name"] == "old"
        config.write_text(f'keys = ["{KEY}"]\n[presets]\ncard = "w_9"\n[mounts]\nnew = "{folder}"\n')
        running.process.send_signal(signal.SIGHUP)
        running.until(lambda: running.ask("/ui/originals.json").json["folders"][0]["name"] == "new")
        told = running.ask("/ui/options.json").json
        assert (told["presets"], told["signed"]) == (["card"], True)
        assert running.ask(f"/w_60/{kept}").code == "unsigned"
        assert running.ask(urls(running, kept, "t_card").json["url"]).status == 200


def listed(server: Server, prefix: str) -> tuple[list[str], list[str]]:
    reply = server.ask(f"/ui/originals.json?prefix={prefix}")
    assert reply.status == 200, reply.body
    return [folder["name"] for folder in reply.json["folders"]], [o["name"] for o in reply.json["originals"]]


def test_originals_are_listed_by_folder_and_beginning(server: Server) -> None:
    folders, names = listed(server, "")
    assert {"ab_2024", "cats", "img_2024", "pets"} <= set(folders)
    assert MOUNT not in folders
    assert names == sorted(names)
    assert {"alpha.png", "drawing.svg", "moving.gif"} <= set(names)
    assert "w_600" not in names
    assert listed(server, "al") == ([], ["alpha.png"])
    assert listed(server, "pets/") == (["cats"], [])
    assert listed(server, "pets/cats/1") == ([], ["1.jpg", "100%.jpg"])


def test_a_mount_stands_before_a_folder_of_its_name(server: Server) -> None:
    assert listed(server, "cats/") == ([], ["a.jpg"])


@pytest.mark.parametrize("prefix", ["nothing/", "../", "pets/../", ".git/", "%00/", "https://example.com/", "w_600/"])
def test_a_folder_that_is_not_there_is_not_listed(server: Server, prefix: str) -> None:
    assert server.ask(f"/ui/originals.json?prefix={prefix}").status == 404
    assert server.ask(f"/ui/originals.json?prefix={MOUNT}/").status == 404


def test_every_thumbnail_that_is_listed_can_be_had(closed: Server) -> None:
    found = [*closed.ask("/ui/originals.json").json["originals"]]
    found += closed.ask("/ui/originals.json?prefix=cats/").json["originals"]
    found += closed.ask("/ui/originals.json?prefix=ab_2024/").json["originals"]
    for original in found:
        broken = original["name"] in ("damaged.jpg", "empty.jpg", "text.jpg")
        assert (closed.ask(original["thumbnail"]).status == 200) != broken, original


# Signing


def test_urls_are_signed_where_the_server_has_keys(closed: Server) -> None:
    told = urls(closed, "cats/1.jpg", "w_60,f_auto").json
    assert closed.ask("/w_60,f_auto/cats/1.jpg").status == 403
    for url in (told["url"], told["canonical"], *told["original"].values(), told["drawable"], told["explain"]):
        assert url.startswith("/sig_")
        assert closed.ask(url).status == 200
    assert told["canonical"].endswith("/f_auto,w_60/cats/1.jpg")
    assert closed.ask(told["explain"]).json["steps"][0]["width"] == 60


@pytest.mark.parametrize("steps", ["w_wide", "e_blr", "t_none", "w_1/w_2/w_3/w_4/w_5/w_6/w_7/w_8/w_9/w_10/w_11"])
def test_steps_that_are_wrong_have_a_url_whose_answer_says_so(closed: Server, steps: str) -> None:
    told = urls(closed, "cats/1.jpg", steps).json
    assert "canonical" not in told
    reply = closed.ask(told["url"])
    assert (reply.status, reply["content-type"]) == (400, "application/problem+json")


@pytest.mark.parametrize("steps", ["cats", "sig_x", "w_60/-", "w_60/cats"])
def test_what_no_url_can_say_is_refused(server: Server, steps: str) -> None:
    reply = urls(server, "1.jpg", steps)
    assert (reply.status, reply.code) == (400, "bad_address")


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"source": 1, "steps": ""}', b"[" * 50_000, b"\xff", b"{"])
def test_a_body_that_is_none_is_refused(server: Server, body: bytes) -> None:
    assert say(server, "POST", "/ui/urls", body, content_type=JSON).status == 400
    assert say(server, "POST", "/ui/markup", body, content_type=JSON).status == 400


def markup(server: Server, **known: Any) -> dict[str, str]:
    shown = {"width": 400, "height": 300, "format": "webp", "alpha": False, "moving": False}
    body = json.dumps({"source": "cats/1.jpg", "steps": "w_400,f_auto", **shown, **known}).encode()
    reply = say(server, "POST", "/ui/markup", body, content_type=JSON, origin="http://localhost")
    assert reply.status == 200, reply.body
    told: dict[str, str] = reply.json
    return told


def test_every_url_of_the_markup_can_be_had(closed: Server) -> None:
    told = markup(closed)
    found = set(re.findall(r"http://localhost(/\S+?)[\s\"']", "\n".join(told.values()) + "\n"))
    assert len(found) == 7  # three formats in two widths, and f_auto
    for url in found:
        assert closed.ask(url).status == 200, url
    assert told["picture"].startswith('<picture>\n<source type="image/avif"')
    assert told["curl"].startswith("curl -o result.webp -H 'Accept: ")


def test_markup_cannot_be_broken_out_of() -> None:
    links = Links(KeyRing.read([KEY]), {})
    name = """x"><script>alert(1);';$(id) `id`.jpg"""
    told = links.markup(name, "w_60", Shown(60, 40, "jpg"), "http://localhost")
    for text in (told["img"], told["picture"]):
        assert "<script" not in text
        assert "&quot;&gt;&lt;script&gt;" in text
    assert not re.search(r"[$`;() ]", told["curl"].rpartition("http")[2].strip("'"))


def test_what_moves_or_shines_through_gets_formats_that_can() -> None:
    links = Links(None, {})
    moving = links.markup("a.gif", "w_60", Shown(60, 40, "gif", moving=True), "")["picture"]
    assert re.findall(r"f_(\w+)", moving) == ["webp", "gif", "gif"]
    assert "f_png" in links.markup("a.png", "w_60", Shown(60, 40, "png", alpha=True), "")["picture"]
    assert "f_jpg" in links.markup("a.png", "b_red,w_60", Shown(60, 40, "png", alpha=True), "")["picture"]
    assert Plan.read("b_red,w_60")


# Dropping


def test_a_file_that_is_dropped_is_an_original_like_others(server: Server) -> None:
    reply = drop(server, pictures.encoded(pictures.quadrants(300, 200), "jpg"))
    assert reply.status == 201
    kept = reply.json
    assert (kept["format"], kept["width"], kept["height"]) == ("jpg", 300, 200)
    assert re.fullmatch(rf"{MOUNT}/[0-9a-f]{{32}}", kept["source"])
    for steps in ("w_60", "f_json", "f_webp,w_60", "f_explain"):
        assert server.ask(f"/{steps}/{kept['source']}").status == 200
    assert server.ask(urls(server, kept["source"], "").json["url"]).status == 200
    assert server.ask(f"/w_60/{MOUNT}/{'0' * 32}").status == 404


@pytest.mark.parametrize("make", [pictures.svg, lambda: pictures.encoded(pictures.photograph(60, 40), "avif")])
def test_formats_whose_header_takes_a_library_are_dropped_too(server: Server, make: Any) -> None:
    kept = drop(server, make()).json
    assert server.ask(f"/f_png,w_30/{kept['source']}").status == 200


def test_signatures_hold_for_what_is_dropped(closed: Server) -> None:
    kept = drop(closed, pictures.rgba()).json
    assert closed.ask(f"/w_60/{kept['source']}").code == "unsigned"
    assert closed.ask(urls(closed, kept["source"], "w_60").json["url"]).status == 200


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 422, "damaged_original"),
        (b"I am not a picture.", 415, "unsupported_format"),
        (b"<html><script>alert(1)</script></html>", 415, "unsupported_format"),
        (b"\xff\xd8\xff\xe0 no picture at all", 422, "damaged_original"),
        (b"GIF89a" + bytes(20), 422, "damaged_original"),
    ],
)
def test_what_is_no_picture_is_not_kept(server: Server, body: bytes, status: int, code: str) -> None:
    reply = drop(server, body)
    assert (reply.status, reply.code, reply["content-type"]) == (status, code, "application/problem+json")


def test_a_file_that_is_too_large_is_not_taken(server: Server) -> None:
    """Neither one that says so, nor one that goes on and on, nor one of a kind that may not be so large."""
    promised = f"PUT /ui/dropped HTTP/1.1\r\nhost: {LOCAL}\r\ncontent-type: {BYTES}\r\ncontent-length: 300001\r\n\r\n"
    assert Reply.read(exchange(server.port, promised.encode())).code == "original_too_large"
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    head = f"PUT /ui/dropped HTTP/1.1\r\nhost: {LOCAL}\r\ncontent-type: {BYTES}\r\ntransfer-encoding: chunked\r\n\r\n"
    try:
        answer = exchange(server.port, head.encode() + chunk * 100)
    except ConnectionError:  # it was closed while the rest was still on its way
        answer = b""
    assert b" 413 " in answer.partition(b"\r\n")[0] or not answer
    large = pictures.encoded(pictures.photograph(300, 200), "jpg")
    reply = drop(server, large + bytes(250_000 - len(large)))
    assert (reply.status, reply.code) == (413, "original_too_large")


def test_bodies_elsewhere_stay_small(server: Server) -> None:
    for method, path in (
        ("PUT", "/ui/urls"),
        ("POST", "/ui/dropped"),
        ("PUT", "/ui/dropped?x"),
        ("PUT", "/w_60/a.jpg"),
    ):
        try:
            reply = say(server, method, path, bytes(200_000), content_type=BYTES)
        except ConnectionError:
            continue
        assert reply.status in (404, 405, 413), (method, path)
    assert server.ask("/health").status == 200


def test_dropped_files_leave_no_file_behind(server: Server) -> None:
    before = {path for path in server.log_file.parent.rglob("*") if path.is_file()}
    drop(server, pictures.encoded(pictures.flat(pictures.RED, 61, 67), "png"))
    after = {path for path in server.log_file.parent.rglob("*") if path.is_file()}
    body = pictures.encoded(pictures.flat(pictures.RED, 61, 67), "png")
    assert not [path for path in after - before if body in path.read_bytes()]


def test_the_page_is_in_the_package() -> None:
    packages = (ROOT / "pyproject.toml").read_text()
    assert 'packages = ["proxy", "transforms", "signing"]' in packages
    assert {"index.html", "main.js", "style.css"} <= {path.name for path in STATIC.iterdir()}
