"""One running server with originals in a folder, in a bucket and on a web site, and what it does without them."""

import asyncio
import gc
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from proxy.doctor import check_origins, check_results
from proxy.origins import Origins
from proxy.settings import load
from proxy.sources.copies import Copies
from proxy.sources.s3 import S3Source
from signing import Address, Signer, new_secret
from tests import pictures
from tests.origin_stub import Origin, Script, origin
from tests.places import s3_bucket
from tests.seaweed import ACCESS_KEY, SECRET_KEY, Seaweed, seaweed
from tests.serving import Server, environment, serving

HERE = Path(__file__).parent.parent
SECRET = new_secret()
SIGNER = Signer(SECRET)

KEYS = [
    *(
        "plain.jpg",
        "a b.jpg",
        "a+b.jpg",
        "100%.jpg",
        "%2e.jpg",
        "a%20b.jpg",
        "café/日本 語.jpg",
        "cafe\u0301.jpg",
        "q?x#y.jpg",
    ),
    *("&=;,:@!$'()*.jpg", '"quoted".jpg', "<b>.jpg", "w_60,h_60/a.jpg", "~/a~.jpg", "back`tick^|.jpg"),
]
NOT_IN_FOLDERS = [".hidden.jpg", "a//b.jpg", "/slash.jpg"]
NOT_ON_THE_WEB = ["back\\slash.jpg"]

QUICK = {"connect_seconds": 0.5, "first_byte_seconds": 1, "total_seconds": 2}


def picture(key: str) -> bytes:
    """One that can be told from the others by its size."""
    number = (KEYS + NOT_IN_FOLDERS + NOT_ON_THE_WEB).index(key)
    return pictures.encoded(pictures.flat(width=40 + number, height=30), "jpg")


def put(server: Seaweed, prefix: str, bodies: dict[str, bytes]) -> None:
    async def write() -> None:
        source = S3Source(s3_bucket(server, fast=False, url=server.url(prefix)))
        for key, body in bodies.items():
            await source.put(key, body)
        await source.close()

    asyncio.run(write())


def bucket(server: Seaweed, prefix: str, **more: Any) -> dict[str, Any]:
    keys = {"access_key": ACCESS_KEY, "secret_key": SECRET_KEY}
    return {"url": f"s3://media/{prefix}", "endpoint": server.endpoint, **keys, **QUICK, **more}


def site(stub: Origin, **more: Any) -> dict[str, Any]:
    return {"url": f"http://127.0.0.1:{stub.port}/p/", "private_networks": ["127.0.0.0/8"], **QUICK, **more}


def script(body: bytes) -> Script:
    return Script(body, fields={"ETag": f'"{len(body)}"'})


@pytest.fixture(scope="module")
def stub() -> Iterator[Origin]:
    with origin() as made:
        for key in KEYS + NOT_IN_FOLDERS:
            made.scripts[f"/p/{quote(key)}"] = script(picture(key))
        yield made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, seaweed_server: Seaweed, stub: Origin) -> Iterator[Server]:
    scratch, prefix = tmp_path_factory.mktemp("mixed"), seaweed_server.fresh()
    for key in KEYS + NOT_ON_THE_WEB:
        path = scratch / "originals" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(key))
    put(seaweed_server, prefix, {key: picture(key) for key in KEYS + NOT_IN_FOLDERS + NOT_ON_THE_WEB})
    mounts = {"local": str(scratch / "originals"), "bucket": bucket(seaweed_server, prefix), "site": site(stub)}
    remote = {"hosts": [f"127.0.0.1:{stub.port}"], "private_networks": ["127.0.0.0/8"], **QUICK}
    with serving(None, scratch, keys=[SECRET], mounts=mounts, remote=remote) as running:
        yield running


ROUND_TRIPS = [
    *[("local", key) for key in KEYS + NOT_ON_THE_WEB],
    *[("bucket", key) for key in KEYS + NOT_IN_FOLDERS + NOT_ON_THE_WEB],
    *[("site", key) for key in KEYS + NOT_IN_FOLDERS],
]


@pytest.mark.parametrize(("mount", "key"), ROUND_TRIPS)
def test_a_key_comes_from_a_signed_url_to_its_place_and_back(server: Server, mount: str, key: str) -> None:
    reply = server.ask(SIGNER.url(f"{mount}/{key}", f="json"))
    assert reply.status == 200, reply.body
    assert reply.json["width"] == 40 + (KEYS + NOT_IN_FOLDERS + NOT_ON_THE_WEB).index(key)


def test_a_whole_address_is_a_source(server: Server, stub: Origin) -> None:
    for key in ("plain.jpg", "a b.jpg"):
        url = f"http://127.0.0.1:{stub.port}/p/{quote(key)}"
        assert server.ask(SIGNER.url(url, w=20, f="png")).status == 200
    reply = server.ask(SIGNER.url("https://example.com/a.jpg", w=20))
    assert (reply.status, reply.code) == (403, "forbidden")


def test_whole_addresses_are_served_without_any_mount(stub: Origin, tmp_path: Path) -> None:
    remote = {"hosts": [f"127.0.0.1:{stub.port}"], "private_networks": ["127.0.0.0/8"], **QUICK}
    with serving(None, tmp_path, remote=remote) as running:
        assert f"Darkroom serves 127.0.0.1:{stub.port} at" in running.greeting[0]
        address = Address(("w_20",), f"http://127.0.0.1:{stub.port}/p/plain.jpg").write()
        assert running.ask(f"/{address}").status == 200
        assert running.ask("/w_20/a.jpg").code == "no_such_original"


def test_many_sizes_are_made_of_one_download(server: Server, stub: Origin) -> None:
    stub.scripts["/p/sizes.jpg"] = script(pictures.encoded(pictures.photograph(300, 200), "jpg"))
    for width in range(20, 40):
        assert server.ask(SIGNER.url("site/sizes.jpg", w=width)).status == 200
    assert (stub.count("/p/sizes.jpg"), stub.count("/p/sizes.jpg", "HEAD")) == (1, 1)
    assert server.count("darkroom_fetches_total", mount="site", outcome="fetched") >= 1
    assert server.count("darkroom_fetched_bytes_total", mount="site") > 0
    assert server.count("darkroom_store_hits_total", tier="originals") >= 19
    assert server.count("darkroom_store_bytes", tier="originals") > 0


def test_a_missing_original_is_asked_for_once(server: Server, stub: Origin) -> None:
    for number in range(100):
        assert server.ask(SIGNER.url("site/none.jpg", w=number + 1)).status == 404
    assert stub.count("/p/none.jpg", "HEAD") + stub.count("/p/none.jpg") <= 2


def test_secrets_are_in_no_answer_and_no_log(server: Server) -> None:
    for path in ("/ready", "/metrics", SIGNER.url("bucket/none.jpg", w=1), SIGNER.url("bucket/plain.jpg", f="explain")):
        assert SECRET_KEY.encode() not in server.ask(path).body
    assert SECRET_KEY not in server.log_file.read_text()


def test_the_playground_lists_buckets_and_says_what_it_cannot_list(server: Server) -> None:
    folders = server.ask("/ui/originals.json?prefix=").json["folders"]
    assert [folder["name"] for folder in folders] == ["bucket", "local", "site"]
    listed = server.ask("/ui/originals.json?prefix=bucket/")
    assert "plain.jpg" in str(listed.json)
    told = server.ask("/ui/originals.json?prefix=site/")
    assert told.status == 404
    assert "no list" in told.json["detail"]


# Without their places


def test_what_is_held_is_served_while_its_places_are_down_and_after_a_restart(tmp_path: Path) -> None:
    photo = pictures.encoded(pictures.photograph(300, 200), "jpg")
    sources = ("bucket/cat.jpg", "site/cat.jpg")

    def run(name: str) -> Any:
        return serving(None, tmp_path / name, cache=str(tmp_path / "cache"), mounts=mounts, workers=1, first="final")

    def widths(server: Server, *numbers: int) -> set[tuple[int, int]]:
        return {(width, server.ask(f"/w_{width}/{source}").status) for width in numbers for source in sources}

    (tmp_path / "seaweed").mkdir()
    with seaweed(tmp_path / "seaweed") as store:
        with origin() as stub:
            stub.scripts["/p/cat.jpg"] = script(photo)
            put(store, "x", {"cat.jpg": photo})
            # Asked again at every request, so that nothing has to be waited for.
            mounts = {"bucket": bucket(store, "x", recheck=0), "site": site(stub, recheck=0)}
            with run("first") as server:
                assert widths(server, 50) == {(50, 200)}
        # The web site is gone; the server before its restart, and after it, has what it had.
        store.process.kill()
        store.process.wait()
        with run("second") as server:
            assert widths(server, 50) == {(50, 200)}
            assert server.count("darkroom_transforms_total") == 0
            # New sizes are made of the copies, of originals as of their places.
            assert widths(server, 60, 70) == {(60, 200), (70, 200)}
            assert server.count("darkroom_fetches_total") == 0
            unknown = [server.ask(f"/w_50/{source}") for source in ("bucket/dog.jpg", "site/dog.jpg")]
            assert {reply.status for reply in unknown} <= {502, 504}
        with run("third") as server:
            assert widths(server, 50, 60, 80) == {(50, 200), (60, 200), (80, 200)}


def test_an_origin_that_goes_away_under_a_running_server_is_not_missed(tmp_path: Path) -> None:
    photo = pictures.encoded(pictures.photograph(300, 200), "jpg")
    with origin() as stub:
        stub.scripts["/p/cat.jpg"] = stub.scripts["/p/dog.jpg"] = script(photo)
        with serving(None, tmp_path, mounts={"site": site(stub, recheck=0)}, workers=1) as server:
            assert server.ask("/w_50/site/cat.jpg").status == 200
            broken = Script(status=503)
            stub.scripts["/p/cat.jpg"] = stub.scripts["/p/dog.jpg"] = broken
            for width in (50, 51, 52):
                assert server.ask(f"/w_{width}/site/cat.jpg").status == 200
            assert server.ask("/w_50/site/dog.jpg").status == 502
            # And what is there again, changed, is seen.
            stub.scripts["/p/cat.jpg"] = script(pictures.encoded(pictures.photograph(200, 200), "jpg"))
            server.until(lambda: server.ask("/f_json/site/cat.jpg").json.get("width") == 200)


# What people run beside it


def test_all_originals_of_a_bucket_are_made_ready(tmp_path: Path, seaweed_server: Seaweed, stub: Origin) -> None:
    prefix = seaweed_server.fresh()
    put(seaweed_server, prefix, {key: picture(key) for key in ("plain.jpg", "a b.jpg", "café/日本 語.jpg")})
    mounts = {"bucket": bucket(seaweed_server, prefix), "site": site(stub)}

    def warm(mount: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "proxy", "warm", "--all", "--mount", mount, "--steps", "w_20,f_webp"]
        cache = str(tmp_path / "cache")
        return subprocess.run(
            [*command, "--cache", cache],
            env=environment(workers=1, mounts=mounts) | {"COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=HERE,
        )

    made = warm("bucket")
    assert re.search(r"made +3\b", made.stdout), made.stdout + made.stderr
    told = warm("site")
    assert told.returncode == 2
    assert "The originals of site cannot be listed: name them, or say --urls." in told.stderr


def found(mounts: dict[str, Any], **more: Any) -> dict[str, tuple[str, str, str]]:
    settings = load({"mounts": mounts, **more}, None, {})
    return {check.name: (check.state, check.said, check.remedy) for check in check_origins(settings)}


def test_the_doctor_asks_every_place(seaweed_server: Seaweed, stub: Origin, tmp_path: Path) -> None:
    put(seaweed_server, "doctor", {"a.jpg": b"x"})
    told = found(
        {
            "folder": str(tmp_path),
            "good": bucket(seaweed_server, "doctor"),
            "wrong": bucket(seaweed_server, "doctor", secret_key="not it"),
            "down": bucket(seaweed_server, "doctor", endpoint="http://127.0.0.1:1"),
            "empty": bucket(seaweed_server, "doctor-of-nothing"),
            "nowhere": {**bucket(seaweed_server, ""), "url": "s3://nowhere"},
            "site": site(stub),
            "private": {**site(stub), "private_networks": []},
        },
        remote={"hosts": ["*.example.com"]},
    )
    assert {name: check[0] for name, check in told.items()} == {
        "mounts.good": "ok",
        "mounts.wrong": "bad",
        "mounts.down": "bad",
        "mounts.empty": "ok",
        "mounts.nowhere": "bad",
        "mounts.site": "ok",
        "mounts.private": "bad",
        "remote": "ok",
    }
    assert "secret_key" in told["mounts.wrong"][2]
    assert told["mounts.nowhere"][2] == "name a bucket that is there, and its region"
    assert "not it" not in str(told)
    assert found({"a": "s3://"})["mounts.a"][:2] == ("bad", "a bucket is named, as s3://bucket/prefix")


def test_the_doctor_asks_a_bucket_of_results(seaweed_server: Seaweed, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(bucket: str, secret: str) -> tuple[str, str, str]:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
        settings = load({"results": ["memory:", seaweed_server.url("results", bucket)]}, None, {})
        (check,) = check_results(settings)
        return check.name, check.state, check.remedy

    assert told("media", SECRET_KEY) == ("results s3", "ok", "")
    assert told("media", "not it")[:2] == ("results s3", "bad")
    assert told("nowhere", SECRET_KEY)[1:] == ("bad", "name a bucket that is there, and its region")
    assert not list(check_results(load({}, None, {})))


# Read again


@pytest.mark.anyio
async def test_sources_are_kept_over_a_reload_and_closed_when_nobody_uses_them(stub: Origin, tmp_path: Path) -> None:
    origins = Origins(Copies(None, 0, lambda *_: None), lambda *_: None)

    def read(**more: Any) -> Any:
        named = origins.named(load({"mounts": {"a": str(tmp_path), "b": site(stub, **more)}}, None, {}))
        origins.keep(named.values())
        return named

    first = read()
    second = read(max_age=5)
    assert second == first
    third = read(headers={"X-Tenant": "2"})
    assert third["a"] is first["a"]
    assert third["b"] is not first["b"]
    open_before = len(origins._unclosed)
    using = first["b"]
    del first, second
    gc.collect()
    assert len(origins._unclosed) == open_before == 3
    assert (await using.stat("plain.jpg")).size == len(picture("plain.jpg"))
    del using
    gc.collect()
    assert len(origins._unclosed) == 2
    assert (await third["b"].stat("plain.jpg")).size == len(picture("plain.jpg"))
    await origins.close()
    assert not origins._unclosed


def test_a_running_server_goes_on_with_places_as_they_are_set_anew(tmp_path: Path) -> None:
    """Every other original is asked for while the settings are read anew; the connection of one place outlives that."""
    config, told = tmp_path / "darkroom.toml", "the second secret"

    def write(tenant: str, age: int) -> None:
        table = f'url = "http://127.0.0.1:{stub.port}/p/"\nprivate_networks = ["127.0.0.0/8"]\nmax_age = {age}'
        config.write_text(f'[mounts.site]\n{table}\nheaders = {{X-Tenant = "{tenant}"}}\n')

    with origin() as stub:
        stub.scripts |= {f"/p/{number}.jpg": script(picture("plain.jpg")) for number in range(200)}
        write("one", 60)
        with serving(None, tmp_path / "server", "--config", str(config), workers=1) as server:
            assert server.ask("/w_9/site/0.jpg")["cache-control"].startswith("public, max-age=60,")
            write("one", 70)
            server.process.send_signal(signal.SIGHUP)
            server.until(lambda: "max-age=70" in server.ask("/w_9/site/0.jpg")["cache-control"])
            assert server.ask("/w_9/site/1.jpg").status == 200
            assert stub.connections == 1
            write(told, 70)
            server.process.send_signal(signal.SIGHUP)
            numbers = iter(range(2, 200))

            def asks_anew() -> bool:
                assert server.ask(f"/w_9/site/{next(numbers)}.jpg").status == 200
                return stub.asked[-1].fields["x-tenant"] == told

            server.until(asks_anew)
            config.write_text('[mounts]\nsite = "https://exa mple.org/"\n')
            server.process.send_signal(signal.SIGHUP)
            server.until(lambda: any("mounts.site.url" in str(event) for event in server.log()))
            assert server.ask(f"/w_9/site/{next(numbers)}.jpg").status == 200
            assert told not in server.log_file.read_text()
