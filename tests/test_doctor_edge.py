"""The doctor outside: what nginx can do to answers is found, and nothing where nginx/ is used as it is."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.serving import answers, free_port
from proxy.doctor.check import Check
from proxy.doctor.edge import Seen, check_edge
from proxy.doctor.outside import check_outside
from proxy.settings import Settings
from signing import Signer
from tests.edging import KEY, rigged
from tests.serving import Server, environment, originals, serving, wait_until

FORWARDED = "proxy_set_header X-Forwarded-For $remote_addr;"
CACHE = "proxy_cache kept; proxy_cache_key $uri; proxy_ignore_headers Vary;"
KEEPS_ALL = "proxy_cache kept; proxy_cache_valid 403 1m; proxy_ignore_headers Cache-Control Vary;"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return originals(tmp_path_factory.mktemp("originals"))


@pytest.fixture(scope="module")
def settings(folder: Path) -> Settings:
    return Settings(keys=[KEY], mounts=folder)


@pytest.fixture(scope="module")
def front(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(folder, tmp_path_factory.mktemp("front"), keys=[KEY], workers=1) as running:
        yield running


@contextmanager
def edge(front: Server, folder: Path, *lines: str) -> Iterator[str]:
    """An nginx of somebody else before the front, with these lines in its one location; yields its URL."""
    port, config = free_port(), folder / "other.conf"
    places = "".join(f"{name}_temp_path {folder}/{name};\n" for name in ("proxy", "fastcgi", "uwsgi", "scgi"))
    config.write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/errors; user root;\nevents {{}}\nhttp {{ access_log off;\n"
        f"client_body_temp_path {folder}/bodies; {places}"
        f"proxy_cache_path {folder}/kept keys_zone=kept:1m;\n"
        f"server {{ listen 127.0.0.1:{port}; location / {{\n{chr(10).join(lines)}\n}} }} }}"
    )
    process = subprocess.Popen(["nginx", "-e", str(folder / "errors"), "-c", str(config)])
    try:
        wait_until(lambda: process.poll() is not None or answers(port))
        assert process.poll() is None, (folder / "errors").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def bad(found: Iterator[Check]) -> dict[str, str]:
    return {check.name: check.said for check in found if check.state != "ok"}


def test_our_own_nginx_has_nothing_bad(folder: Path, settings: Settings, tmp_path: Path) -> None:
    with rigged(folder, tmp_path, fronts=1) as rig:
        found = list(check_outside(settings, f"http://127.0.0.1:{rig.nginx.port}"))
    assert bad(iter(found)) == {}
    names = [check.name for check in found]
    assert names == [
        "picture", "Accept", "validators", "fields", "strangers", "path", "errors", "expiry", "refusals",
    ]  # fmt: skip


def test_a_proxy_that_only_says_for_whom_it_asks_has_nothing_bad(
    front: Server, settings: Settings, tmp_path: Path
) -> None:
    with edge(front, tmp_path, f"proxy_pass http://127.0.0.1:{front.port};", FORWARDED) as url:
        assert bad(check_outside(settings, url)) == {}


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (('proxy_set_header Accept "";',), {"Accept": "Accept does not reach the server"}),
        ((CACHE,), {"Accept": "a client that takes neither AVIF nor WebP gets image/avif"}),
        (("proxy_hide_header Vary;",), {"Accept": "Vary was taken away"}),
        (("proxy_hide_header ETag;",), {"validators": "ETag was taken away"}),
        (('proxy_set_header If-None-Match "";',), {"validators": "is answered with 200"}),
        ((KEEPS_ALL,), {"refusals": "a 403 is kept"}),
        (
            ("proxy_hide_header Cache-Control; add_header Cache-Control max-age=86400 always;",),
            {"errors": "to be kept for 86400 seconds", "expiry": "is said to hold for 86400"},
        ),
        (("add_header X-Accel-Redirect /a always;",), {"fields": "x-accel-redirect can be seen"}),
    ],
)
def test_what_an_edge_does_to_answers_is_found(
    front: Server, settings: Settings, tmp_path: Path, lines: tuple[str, ...], found: Mapping[str, str]
) -> None:
    with edge(front, tmp_path, f"proxy_pass http://127.0.0.1:{front.port};", FORWARDED, *lines) as url:
        said = bad(check_outside(settings, url))
    assert said.keys() == found.keys()
    for name, words in found.items():
        assert words in said[name]


def test_a_proxy_that_says_for_nobody_that_it_asks_is_found(front: Server, settings: Settings, tmp_path: Path) -> None:
    with edge(front, tmp_path, f"proxy_pass http://127.0.0.1:{front.port};") as url:
        assert "it takes them for insiders" in bad(check_outside(settings, url))["strangers"]


def test_a_proxy_that_decodes_the_path_is_found(front: Server, settings: Settings, tmp_path: Path) -> None:
    with edge(front, tmp_path, f"proxy_pass http://127.0.0.1:{front.port}$uri;", FORWARDED) as url:
        assert "instead of 404" in bad(check_outside(settings, url))["path"]


def test_a_path_alone_is_looked_at_as_far_as_it_goes(front: Server, tmp_path: Path) -> None:
    path = Signer(KEY).url("cats/1.jpg", "w_50,f_auto")
    with edge(front, tmp_path, f"proxy_pass http://127.0.0.1:{front.port};", FORWARDED) as url:
        found = list(check_outside(Settings(), url, path))
    assert [(check.name, check.state) for check in found] == [
        (name, "ok") for name in ("picture", "Accept", "validators", "fields", "strangers")
    ]


def test_a_picture_that_is_not_there_and_a_server_that_is_not_there_are_told_apart(
    front: Server, settings: Settings
) -> None:
    (missing,) = check_outside(settings, f"http://127.0.0.1:{front.port}", "no/such.jpg")
    assert (missing.name, missing.state) == ("picture", "bad")
    assert "404 (no_such_original" in missing.said
    (gone,) = check_outside(settings, f"http://127.0.0.1:{free_port()}")
    assert (gone.name, gone.state) == ("reach", "bad")
    (nothing,) = check_outside(Settings(), "http://127.0.0.1:1")
    assert nothing.said == "the settings have no folder with a picture in it"


def test_formats_that_are_not_allowed_are_not_missed() -> None:
    def ask(path: str, fields: Mapping[str, str]) -> Seen:
        taken = "image/webp" if "image/webp" in fields.get("accept", "") else "image/jpeg"
        status = 404 if path == "/metrics" else 304 if "if-none-match" in fields else 200
        return Seen(status, {"content-type": taken, "etag": "x", "vary": "Accept"}, b"")

    assert bad(check_edge(ask, "/f_auto/a.jpg", formats=["webp", "jpg"])) == {}
    assert "Accept" in bad(check_edge(ask, "/f_auto/a.jpg"))


@pytest.mark.parametrize("url", ["media.example.com", "ftp://media.example.com", "https://"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is no URL"):
        list(check_outside(Settings(), url))


def test_the_command_prints_a_table_and_ends_with_1(front: Server, folder: Path, tmp_path: Path) -> None:
    with edge(front, tmp_path, f"proxy_pass http://127.0.0.1:{front.port};", 'proxy_set_header Accept "";') as url:
        done = subprocess.run(
            [sys.executable, "-m", "proxy", "doctor", "--url", url],
            env=environment(keys=[KEY], mounts=str(folder)) | {"COLUMNS": "200"},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 1, done.stderr
    assert "every client gets image/png" in done.stdout
