"""Results made in advance: by the command, as people run it, also beside a server that has the same cache."""

import gzip
import http.server
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from proxy.commands.warm.logs import asked
from proxy.failures import NoSuchOriginal
from proxy.sources.file import FileSource
from signing import Signer, new_secret
from tests import pictures, tones
from tests.serving import environment, serving, wait_until

pytestmark = pytest.mark.anyio

SECRET = new_secret()
HERE = Path(__file__).parent.parent
AVIF, WEBP = "image/avif,image/webp", "image/webp"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("originals")
    (place / "cats").mkdir()
    for number in range(3):
        (place / "cats" / f"{number}.jpg").write_bytes(
            pictures.encoded(pictures.photograph(300, 200, seed=number), "jpg")
        )
    (place / "a,b.jpg").write_bytes(pictures.encoded(pictures.quadrants(300, 200), "jpg"))
    (place / "notes.txt").write_text("I am not a picture.")
    (place / "damaged.jpg").write_bytes(pictures.encoded(pictures.photograph(300, 200), "jpg")[:4000])
    return place


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def warm(*arguments: object, given: str = "", **settings: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "proxy", "warm", *map(str, arguments)],
        env=environment(workers=2, **settings) | {"COLUMNS": "200"},
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=HERE,
    )


def told(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """The table of the summary."""
    rows = re.findall(r"^ *(made|would be made|there already|left out|failed) +([\d,]+)", done.stdout, re.MULTILINE)
    return {words: int(number.replace(",", "")) for words, number in rows}


def test_results_are_made_once_in_their_final_grade(folder: Path, cache: Path, tmp_path: Path) -> None:
    asked = (folder, "cats/0.jpg", "cats/1.jpg", "--steps", "w_50,f_avif", "--steps", "w_60,f_webp", "--cache", cache)
    first = warm(*asked)
    assert (first.returncode, told(first)) == (0, {"made": 4, "failed": 0}), first.stderr
    assert told(warm(*asked)) == {"made": 0, "there already": 4, "failed": 0}
    with serving(folder, tmp_path, cache=str(cache)) as server:
        reply = server.ask("/f_avif,w_50/cats/0.jpg")
        assert reply["etag"].endswith('.final"')
        assert "detail=disk" in reply["cache-status"]
        assert server.count("darkroom_transforms_total") == 0


def test_a_server_beside_it_answers_with_what_it_made(folder: Path, tmp_path: Path) -> None:
    with serving(folder, tmp_path) as server:
        cache = tmp_path / "cache"
        assert server.ask("/f_avif,w_50/cats/0.jpg")["etag"].endswith('.first"')
        done = warm(folder, "cats/0.jpg", "cats/1.jpg", "--steps", "w_50,f_avif", "--cache", cache)
        assert (done.returncode, told(done)) == (0, {"made": 2, "failed": 0}), "what is there in first grade too"
        made = server.count("darkroom_transforms_total")
        reply = server.ask("/f_avif,w_50/cats/1.jpg")
        assert reply["etag"].endswith('.final"')
        assert "detail=disk" in reply["cache-status"]
        assert server.count("darkroom_transforms_total") == made
        assert not [event for event in server.log() if event["level"] == "error"]
    # What the server had in memory is on disk as it was made last.
    with serving(folder, tmp_path / "next", cache=str(cache)) as server:
        assert server.ask("/f_avif,w_50/cats/0.jpg")["etag"].endswith('.final"')


def test_f_auto_is_made_for_every_kind_of_client(folder: Path, cache: Path, tmp_path: Path) -> None:
    assert told(warm(folder, "cats/0.jpg", "--steps", "w_50,f_auto", "--cache", cache))["made"] == 3
    with serving(folder, tmp_path, cache=str(cache)) as server:
        for accept in (AVIF, WEBP, "*/*"):
            reply = server.ask("/f_auto,w_50/cats/0.jpg", accept=accept)
            assert "detail=disk" in reply["cache-status"], accept
            assert reply["etag"].endswith('.final"')


def test_widths_are_those_of_a_srcset(folder: Path, cache: Path, tmp_path: Path) -> None:
    keys: dict[str, Any] = {"keys": [SECRET], "presets": {"wide": "ar_2:1,c_fill"}}
    done = warm(folder, "cats/0.jpg", "--steps", "ar_4:3,c_fill/f_webp", "--steps", "t_wide/f_jpg", "--widths", "40,80",
                "--cache", cache, **keys)  # fmt: skip
    assert told(done) == {"made": 4, "failed": 0}, done.stderr
    media = Signer(SECRET)
    srcset = media.srcset("cats/0.jpg", [40, 80], "ar_4:3,c_fill", f="webp")
    with serving(folder, tmp_path, cache=str(cache), **keys) as server:
        for url in [*re.findall(r"\S+/\S+", srcset), media.url("cats/0.jpg", "t_wide", w=40, f="jpg")]:
            assert "detail=disk" in server.ask(url)["cache-status"], url


def test_all_originals_of_a_mount_are_made_but_not_what_is_no_picture(folder: Path, cache: Path) -> None:
    mounts = {"photos": str(folder / "cats"), "others": str(folder)}
    done = warm("--all", "--mount", "photos", "--steps", "w_50,f_jpg", "--cache", cache, mounts=mounts)
    assert (done.returncode, told(done)) == (0, {"made": 3, "failed": 0}), done.stderr
    done = warm("--all", "--mount", "others", "--steps", "w_50,f_jpg", "--cache", cache, mounts=mounts)
    assert (done.returncode, told(done)) == (1, {"made": 4, "left out": 1, "failed": 1})
    assert "/f_jpg,w_50/others/damaged.jpg:" in done.stdout or "/w_50,f_jpg/others/damaged.jpg:" in done.stdout


def test_sounds_without_a_picture_are_left_out_of_all_and_told_once_of_a_name(tmp_path: Path, cache: Path) -> None:
    place = tmp_path / "originals"
    place.mkdir()
    (place / "bells.flac").write_bytes(tones.encoded("flac", tones.tone(1)))
    (place / "0.jpg").write_bytes(pictures.encoded(pictures.photograph(60, 40), "jpg"))
    done = warm(place, "--all", "--mount", "/", "--steps", "w_30,f_auto", "--cache", cache)
    assert (done.returncode, told(done)) == (0, {"made": 3, "left out": 1, "failed": 0}), done.stdout
    done = warm(place, "bells.flac", "--steps", "w_30,f_auto", "--cache", cache)
    assert (done.returncode, told(done)) == (1, {"made": 0, "failed": 1})
    assert done.stdout.count("a sound without a cover") == 1


def test_names_come_from_stdin(folder: Path, cache: Path) -> None:
    done = warm(folder, "-", "--steps", "w_50,f_jpg", "--cache", cache, given="cats/0.jpg\n\na,b.jpg\nnowhere.jpg\n")
    assert (done.returncode, told(done)) == (1, {"made": 2, "failed": 1})
    assert "nowhere.jpg: There is no such original." in done.stdout


def test_the_urls_of_a_log_are_made_ready_even_if_they_have_expired(folder: Path, cache: Path, tmp_path: Path) -> None:
    yesterday = Signer(SECRET, "https://media.example.com", clock=lambda: time.time() - 86_400)
    expired = yesterday.url("cats/0.jpg", w=50, f="auto", expires=3600)
    urls = [expired, expired, f"{Signer(SECRET).url('cats/1.jpg', w=50, f='jpg')}?utm=1", "", "/w_5000/cats/2.jpg"]
    (tmp_path / "urls").write_text("\n".join([*urls, expired.replace("w_50", "w_51")]))
    done = warm(folder, "--urls", tmp_path / "urls", "--cache", cache, keys=[SECRET])
    assert (done.returncode, told(done)) == (1, {"made": 4, "failed": 2}), "who has no signature gets nothing made"
    assert "/w_5000/cats/2.jpg: The address is not signed" in done.stdout
    assert re.search(r"/sig_\*\*\*,exp_\d+/f_auto,w_51/cats/0.jpg: ", done.stdout)


def test_logs_say_what_was_asked_for(folder: Path, cache: Path, tmp_path: Path) -> None:
    """A log of nginx, and that of a real server, whose signatures are hidden."""
    around = '127.0.0.1 - - [27/Nov/2026:06:00:00 +0000] "{} HTTP/1.1" {} 812 "-" "curl/8.5.0"'
    media = Signer(SECRET)
    of_nginx = [
        around.format(f"GET {media.url('cats/0.jpg', w=41, f='jpg')}?utm=1", 200),
        around.format("GET /w_5000,f_jpg/cats/0.jpg", 403),
        around.format("POST /api/v1/purge", 202),
    ]
    (tmp_path / "access.log").write_text("\n".join(of_nginx))
    done = warm(folder, "--urls", tmp_path / "access.log", "--base", "https://a.example", "--cache", cache, keys=SECRET)
    assert (done.returncode, told(done)) == (0, {"made": 1, "left out": 2, "failed": 0}), done.stdout

    with serving(folder, tmp_path / "server", workers=1, keys=SECRET) as server:
        assert server.ask(media.url("cats/1.jpg", w=43, f="jpg", expires=3600)).status == 200
        assert server.ask("/sig_forged/w_5000,f_jpg/cats/2.jpg").status >= 400
        server.until(lambda: sum("path" in event for event in server.log()) >= 2)
        log = server.log_file.read_text()
    assert "/sig_***,exp_" in log
    done = warm(folder, "--urls", server.log_file, "--cache", cache, keys=SECRET)
    assert (done.returncode, told(done)["made"], told(done)["failed"]) == (0, 1, 0), done.stdout
    again = warm(folder, "cats/1.jpg", "--steps", "w_43,f_jpg", "--cache", cache, keys=SECRET)
    assert told(again)["there already"] == 1


@pytest.mark.parametrize(
    ("line", "url"),
    [
        ("/w_41/cats/1.jpg", "/w_41/cats/1.jpg"),
        ("w_41/cats/1.jpg", "w_41/cats/1.jpg"),
        ("some words of somebody", None),
        ('{"a":' + "[" * 100_000, None),
        (
            '{"event": "request", "method": "GET", "path": "/sig_***/w_41/my_cat.jpg", "status": 200}',
            "/w_41/my_cat.jpg",
        ),
        ('{"event": "request", "method": "GET", "path": "/sig_***/w_41/mysig_***", "status": 200}', None),
        ('{"event": "request", "method": "GET", "path": "/w_41/my_cat.jpg", "status": 404}', None),
    ],
)
def test_lines_of_logs(line: str, url: str | None) -> None:
    found = asked(line)
    assert (found and found.url) == url


def test_a_rehearsal_makes_nothing(folder: Path, cache: Path) -> None:
    asked = (folder, "cats/0.jpg", "--steps", "w_50,f_auto", "--cache", cache)
    rehearsed = warm(*asked, "--dry-run")
    assert (rehearsed.returncode, told(rehearsed)) == (0, {"made": 0, "would be made": 3, "failed": 0})
    assert "to be made in about" in rehearsed.stdout
    assert told(warm(*asked)) == {"made": 3, "failed": 0}


def test_a_result_that_the_cache_has_no_room_for_has_failed(folder: Path, cache: Path) -> None:
    done = warm(folder, "cats/0.jpg", "--steps", "w_300,f_png", "--cache", cache, cache_bytes=100_000)
    assert (done.returncode, told(done)) == (1, {"made": 0, "failed": 1})
    assert "the cache did not keep it" in done.stdout


REFUSED: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "There is no disk cache to fill: say --cache DIR": (("{folder}", "a.jpg", "--steps", "w_5"), {"cache": "off"}),
    "the cache cannot be written": (("{folder}", "a.jpg", "--steps", "w_5", "--cache", "/proc/here"), {}),
    "What shall be made?": (("{folder}",), {}),
    "What shall be made of these originals?": (("{folder}", "a.jpg", "--urls", "list"), {}),
    "Of which originals?": (("{folder}", "--steps", "w_5"), {}),
    "w_wide: w_: ": (("{folder}", "a.jpg", "--steps", "w_wide"), {}),
    "f_jpg,w_many: w_: ": (("{folder}", "a.jpg", "--steps", "f_jpg", "--widths", "many"), {}),
    "there is no mount b; there are: /": (("{folder}", "--all", "--mount", "b", "--steps", "w_5"), {}),
    "There are no originals: a.jpg is no folder that is there": (("a.jpg", "--steps", "w_5"), {}),
    "There are no originals: nofolder is no folder that is there": (("nofolder", "--all", "--steps", "w_5"), {}),
    "There are no originals: name a folder": (("--all", "--steps", "w_5"), {}),
    "/nowhere/urls: ": (("{folder}", "--urls", "/nowhere/urls", "--cache", "{cache}"), {}),
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_cannot_be_begun_is_said_in_one_line(said: str, folder: Path, cache: Path) -> None:
    arguments, settings = REFUSED[said]
    done = warm(*(argument.format(folder=folder, cache=cache) for argument in arguments), **settings)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_folder_that_cannot_be_read_is_said_in_one_line(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "originals/locked").mkdir(parents=True, mode=0)
    (tmp_path / "originals/locked").chmod(0)
    # Root reads whatever it likes: what lets it is taken away (PR_CAPBSET_DROP), and others had it never.
    script = f"""
import ctypes, os, sys
for capability in (1, 2):
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
os.execv(sys.executable, [sys.executable, "-m", "proxy", *{["warm", str(tmp_path / "originals"), "--all"]!r},
    "--steps", "w_5", "--cache", {str(cache)!r}])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment(workers=2), capture_output=True, text=True, timeout=60,
        check=False, cwd=HERE,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.strip().endswith("The folder locked cannot be read.")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_when_told_to_and_goes_on_another_time(how: signal.Signals, folder: Path, cache: Path) -> None:
    names = [f"cats/{number}.jpg" for number in range(3)]
    steps = [part for width in range(50, 150) for part in ("--steps", f"w_{width},f_avif")]
    command = [sys.executable, "-m", "proxy", "warm", str(folder), *names, *steps, "--cache", str(cache)]
    with subprocess.Popen(
        command, env=environment(workers=2), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=HERE
    ) as process:
        wait_until(lambda: len(list(cache.glob("results/??/*"))) > 10)
        process.send_signal(how)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    made = int(re.findall(r"made +(\d+)", out)[0])
    assert 0 < made < 300
    assert "Traceback" not in err
    assert not list(cache.glob("scratch/pool-*")), "nothing is left of the workers"
    again = warm(folder, *names, *steps, "--cache", cache)
    assert told(again) == {"made": 300 - made, "there already": made, "failed": 0}


# Listing


async def test_the_names_of_a_folder_are_those_that_can_be_opened(tmp_path: Path) -> None:
    (outside := tmp_path / "outside").mkdir()
    (outside / "secret.jpg").touch()
    root = tmp_path / "root"
    for name in ("b/2.jpg", "b/1.jpg", "b/c/3.jpg", "a.jpg", ".hidden/x.jpg", "b/.hidden.jpg", "bc.jpg"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / "b" / "link.jpg").symlink_to("1.jpg")
    (root / "b" / "out.jpg").symlink_to(outside / "secret.jpg")
    (root / "out").symlink_to(outside)
    (root / "round").symlink_to(root)
    os.mkfifo(root / "pipe.jpg")
    Path(os.fsdecode(os.fsencode(root) + b"/\xff.jpg")).touch()
    source = FileSource(root)
    everything = ["a.jpg", "b/1.jpg", "b/2.jpg", "b/c/3.jpg", "b/link.jpg", "bc.jpg"]
    assert await source.names("", 100) == everything
    assert await source.names("", 3) == everything[:3]
    assert await source.names("b", 100) == everything[1:]
    assert await source.names("b/", 100) == everything[1:5]
    assert await source.names("b/c/3", 100) == ["b/c/3.jpg"]
    for nothing in ("d/", "../outside/", "out/", ".hidden/", "b//", "b/1.jpg/"):
        assert await source.names(nothing, 100) == []
    for name in everything:
        assert (await source.stat(name)).version
    with pytest.raises(NoSuchOriginal):
        await source.stat("out/secret.jpg")
    await source.close()


# Sitemaps, and servers that are asked


PICTURES = (
    'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:i="http://www.google.com/schemas/sitemap-image/1.1"'
)


class Site(http.server.ThreadingHTTPServer):
    """A web site with these documents, and how often each was asked for."""

    def __init__(self, documents: Mapping[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Page)
        self.documents = {path: data.replace(b"HERE", self.base.encode()) for path, data in documents.items()}

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Page(http.server.BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        data = self.server.documents.get(self.path)
        self.send_response(404 if data is None else 200)
        self.send_header("content-length", str(len(data or b"")))
        self.end_headers()
        self.wfile.write(data or b"")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def site(documents: Mapping[str, bytes]) -> Iterator[Site]:
    with Site(documents) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def urlset(*urls: str) -> bytes:
    images = "".join(f"<i:image><i:loc>{url}</i:loc></i:image>" for url in urls)
    return f"<urlset {PICTURES}><url><loc>https://www.example.com/</loc>{images}</url></urlset>".encode()


def index(*places: str) -> bytes:
    parts = "".join(f"<sitemap><loc>{place}</loc></sitemap>" for place in places)
    return f"<sitemapindex {PICTURES}>{parts}</sitemapindex>".encode()


def test_the_pictures_of_a_sitemap_are_made(folder: Path, cache: Path, tmp_path: Path) -> None:
    media = "https://media.example.com"
    (tmp_path / "map.xml").write_bytes(
        urlset(f"{media}/w_50,f_jpg/cats/0.jpg", f"{media}/w_50,f_jpg/cats/1.jpg?x=1", "https://ads.example.com/a.jpg")
    )
    asked = ("--sitemap", tmp_path / "map.xml", "--cache", cache)
    done = warm(folder, *asked, "--base", f"{media}/")
    assert (done.returncode, told(done)) == (0, {"made": 2, "left out": 1, "failed": 0}), done.stderr
    done = warm(folder, *asked)
    assert (done.returncode, told(done)) == (1, {"made": 0, "there already": 2, "failed": 1}), "any host is ours then"


def test_an_index_on_the_web_is_followed_but_not_to_other_hosts(folder: Path, cache: Path) -> None:
    documents = {
        "/index.xml": index("HERE/one.xml.gz", "HERE/two.xml"),
        "/one.xml.gz": gzip.compress(urlset("https://media.example.com/w_50,f_jpg/cats/0.jpg")),
        "/two.xml": urlset("HERE/w_50,f_jpg/cats/1.jpg"),
        "/elsewhere.xml": index("http://127.0.0.2:1/one.xml"),
        "/file.xml": index("file:///etc/passwd"),
        "/round.xml": index("HERE/index.xml"),
        "/missing.xml": index("HERE/nowhere.xml"),
    }
    with site(documents) as web:
        done = warm(folder, "--sitemap", f"{web.base}/index.xml", "--cache", cache)
        assert (done.returncode, told(done)) == (0, {"made": 2, "failed": 0}), done.stdout + done.stderr
        for name, said in {
            "elsewhere": "is on the same host",
            "file": "is on the same host",
            "round": "an index has no index in it",
            "missing": "404",
        }.items():
            done = warm(folder, "--sitemap", f"{web.base}/{name}.xml", "--cache", cache)
            assert (done.returncode, said in done.stderr) == (2, True), (name, done.stderr)


def test_a_server_is_asked_for_every_kind_of_client_until_the_result_is_final(folder: Path, tmp_path: Path) -> None:
    yesterday = Signer(SECRET, clock=lambda: time.time() - 86_400)
    expired = yesterday.url("cats/2.jpg", w=50, f="jpg", expires=3600)
    (tmp_path / "urls").write_text("\n".join([expired, Signer(SECRET).url("nowhere.jpg", w=5)]))
    with serving(folder, tmp_path, keys=[SECRET]) as server:
        asked = ("cats/0.jpg", "cats/new cat.jpg", "--steps", "w_50,f_auto", "--urls", tmp_path / "urls")
        through = ("--server", f"http://127.0.0.1:{server.port}", "--rate", "50")
        done = warm(*asked, *through, keys=[SECRET])
        assert (done.returncode, told(done)) == (1, {"made": 4, "failed": 2}), done.stdout + done.stderr
        assert "404 no_such_original" in done.stdout
        url = Signer(SECRET).url("cats/0.jpg", w=50, f="auto")
        assert "hit" in server.ask(url, accept=AVIF)["cache-status"]
        server.until(lambda: server.ask(url, accept=AVIF)["etag"].endswith('.final"'))
        assert told(warm(*asked, *through, keys=[SECRET])) == {"made": 0, "there already": 4, "failed": 2}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--all", "--steps", "w_5"), "A server lists no originals"),
        (("a.jpg", "--steps", "w_5", "--dry-run"), "rehearses nothing"),
    ],
)
def test_a_server_is_not_asked_for_what_it_cannot_do(arguments: tuple[str, ...], said: str) -> None:
    done = warm(*arguments, "--server", "http://127.0.0.1:9")
    assert (done.returncode, said in done.stderr) == (2, True)


def test_a_server_that_does_not_answer_is_told_for_each_url() -> None:
    done = warm("a.jpg", "--steps", "w_5", "--server", "http://127.0.0.1:9")
    assert (done.returncode, told(done)) == (1, {"made": 0, "failed": 1})
    assert warm("a.jpg", "--steps", "w_5", "--server", "here").returncode == 2
