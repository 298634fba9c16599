"""Streams through nginx with the configuration that is shipped: parts are kept once, for every signature."""

import re
import time
from collections.abc import Iterator

import pytest

from proxy.caching import parse_http_date
from tests import clips
from tests.edging import Rig, rigged


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("films")
    clips.film(folder / "film.mp4", seconds=12, rate=5, key=10)
    scratch = tmp_path_factory.mktemp("rig")
    with rigged(folder, scratch, fronts=2, module="tests.streaming_server") as made:
        yield made


def plan(rig: Rig, url: str) -> str:
    reply = rig.nginx.ask(f"{url}/~master.m3u8")
    found = re.search(rb"hls/([A-Za-z0-9_-]+)/", reply.body)
    assert found, reply
    return found[1].decode()


def test_the_way_to_a_stream_keeps_its_signature(rig: Rig) -> None:
    reply = rig.nginx.ask(rig.url("film.mp4", f="hls"))
    assert (reply.status, reply["location"]) == (303, "./film.mp4/~master.m3u8")


def test_a_part_is_kept_once_for_all_signatures_and_for_both_kinds_of_players(rig: Rig) -> None:
    name = plan(rig, rig.url("film.mp4", f="hls"))
    part = f"/~hls/{name}/180/4.m4s"
    urls = [rig.url("film.mp4", f="hls", expires=3600 + n, round_expiry=1) for n in range(20)]
    urls += [rig.url("film.mp4", f="dash")]
    first = rig.nginx.ask(urls[0] + part)
    assert (first.status, first["content-type"]) == (200, "video/mp4")
    asked = rig.asked()
    for url in urls[1:]:
        reply = rig.nginx.ask(url + part)
        assert (reply.status, reply.body, reply["cache-status"]) == (200, first.body, "nginx; hit")
    assert rig.asked() == asked
    whole = rig.nginx.ask(rig.url("film.mp4", f="hls") + part)
    assert whole["cache-control"] == "public, max-age=31536000, immutable"
    piece = rig.nginx.ask(urls[0] + part, range="bytes=3-12")
    assert (piece.status, piece.body) == (206, first.body[3:13])


def test_no_client_is_told_to_keep_a_part_beyond_the_end_of_its_url(rig: Rig) -> None:
    url = rig.url("film.mp4", f="hls", expires=500, round_expiry=1)
    reply = rig.nginx.ask(f"{url}/~hls/{plan(rig, url)}/src/0.m4s")
    until = int(url.partition("exp_")[2].partition("/")[0])
    kept = parse_http_date(reply["expires"].encode())
    assert (reply.status, reply["cache-control"]) == (200, "public")
    assert kept is not None
    assert time.time() < kept <= until


def test_who_has_begun_before_the_end_of_his_url_goes_on_and_keeps_nothing(rig: Rig) -> None:
    url = rig.url("film.mp4", f="hls", expires=4, round_expiry=1)
    part = f"{url}/~hls/{plan(rig, url)}/src/1.m4s"
    rig.fronts[0].until(lambda: rig.nginx.ask(f"{url}/~master.m3u8").status == 410)
    late = rig.nginx.ask(part)
    assert late.status == 200
    kept = parse_http_date(late["expires"].encode())
    assert kept is not None
    assert kept <= time.time()


def test_playlists_are_compressed_and_refusals_told_in_full(rig: Rig) -> None:
    url = rig.url("film.mp4", f="hls")
    packed = rig.nginx.ask(f"{url}/~master.m3u8", accept_encoding="gzip")
    assert packed["content-encoding"] == "gzip"
    assert "content-encoding" not in rig.nginx.ask(f"{url}/~hls/{plan(rig, url)}/src/0.m4s").fields
    name = plan(rig, url)
    assert rig.nginx.ask(f"{url}/~hls/{name}/180/99.m4s").code == "no_such_rendition"
    assert rig.nginx.ask(f"/f_hls/film.mp4/~hls/{name}/180/0.m4s").code == "unsigned"


def test_a_part_that_is_purged_is_made_anew(rig: Rig) -> None:
    url = rig.url("film.mp4", f="hls")
    part = f"{url}/~hls/{plan(rig, url)}/src/2.m4s"
    rig.nginx.ask(part)
    assert rig.nginx.ask(part)["cache-status"] == "nginx; hit"
    assert rig.nginx.purge(part) == 200
    assert rig.nginx.ask(part)["cache-status"] != "nginx; hit"
