"""Streams over HTTP: what hangs under one address, how long it may be kept, what happens to who is in the middle.

The workers of these servers make parts out of nothing; what is in real ones, other tests look at.
"""

import gzip
import re
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from signing import Key, Signer, sign_scope
from tests import clips, purging
from tests.redis_server import redis_server
from tests.serving import Reply, Server, serving, wait_until

KEY = "an example of a key, 32 bytes or more"
NARROW = "the key of the widget, of 32 bytes or more"
URLS, NARROW_URLS = Signer(KEY), Signer(NARROW, kid=True)
SLOW = {"slow": {"steps": [{"side": 180, "bits": "400k"}], "most": 3}}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    clips.film(folder / "film.mp4", seconds=12, rate=5, key=10)
    for name in ("a", "c", "d"):
        (folder / f"{name}.mp4").write_bytes((folder / "film.mp4").read_bytes() + name.encode() * 8)
    return folder


def made_up(folder: Path, scratch: Path, *arguments: str, **settings: Any) -> Any:
    """A server whose workers for films make parts out of nothing."""
    common = {"workers": 2, "ladders": SLOW, **settings}
    return serving(folder, scratch, *arguments, module="tests.streaming_server", **common)


@pytest.fixture(scope="module")
def server(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    keys = [KEY, {"secret": NARROW, "policy": {"formats": ["hls"], "largest": 400}}]
    with made_up(films, tmp_path_factory.mktemp("server"), keys=keys) as made:
        yield made


def base(source: str = "film.mp4", steps: str = "f_hls", signer: Signer = URLS, **options: Any) -> str:
    return signer.url(source, steps, **options)


def plan_of(playlist: Reply) -> str:
    """The name of the plan that a playlist speaks of."""
    assert playlist.status == 200, playlist.body
    found = re.search(r"hls/([A-Za-z0-9_-]+)/", playlist.body.decode())
    assert found
    return found[1]


def parts_made(server: Server) -> float:
    return server.count("darkroom_parts_total")


def ages(reply: Reply) -> dict[str, int]:
    return {name: int(age) for name, age in re.findall(r"([a-z-]+)=(\d+)", reply["cache-control"])}


def test_the_address_leads_to_the_first_playlist_by_a_way_that_keeps_its_signature(server: Server) -> None:
    reply = server.ask(base())
    assert (reply.status, reply["location"]) == (303, "./film.mp4/~master.m3u8")
    assert server.ask(base(steps="f_dash"))["location"] == "./film.mp4/~manifest.mpd"
    assert server.ask(f"{base()}/~master.m3u8").status == 200


def test_a_playlist_is_brief_text_with_a_weak_tag_and_made_small_on_its_way(server: Server) -> None:
    for steps, name, media_type in (
        ("f_hls", "master.m3u8", "application/vnd.apple.mpegurl"),
        ("f_dash", "manifest.mpd", "application/dash+xml"),
    ):
        reply = server.ask(f"{base(steps=steps)}/~{name}")
        assert (reply.status, reply["content-type"]) == (200, media_type)
        assert ages(reply)["max-age"] <= 10
        assert reply["etag"].startswith('W/"')
        assert "Accept-Encoding" in reply["vary"]
        assert server.ask(f"{base(steps=steps)}/~{name}", if_none_match=reply["etag"]).status == 304


def test_parts_are_kept_for_ever_and_asked_for_in_ranges_by_their_very_bytes(server: Server) -> None:
    plan = plan_of(server.ask(f"{base('a.mp4')}/~master.m3u8"))
    for file, media_type in (
        ("src/init.mp4", "video/mp4"),
        ("src/0.m4s", "video/mp4"),
        ("a0-aac/0.m4s", "audio/mp4"),
        ("s0-en/0.vtt", "text/vtt; charset=utf-8"),
    ):
        path = f"{base('a.mp4')}/~hls/{plan}/{file}"
        reply = server.ask(path)
        assert (reply.status, reply["content-type"]) == (200, media_type)
        assert reply["cache-control"] == "public, max-age=31536000, immutable"
        assert server.ask(path, if_none_match=reply["etag"]).status == 304
        assert reply["cache-tag"].startswith("source:")
        if not file.endswith("vtt"):
            assert re.fullmatch('"[0-9a-f]{64}"', reply["etag"])
            piece = server.ask(path, range="bytes=5-14", if_range=reply["etag"])
            assert (piece.status, piece.body) == (206, reply.body[5:15])
    assert server.ask(f"{base('a.mp4', 'f_dash')}/~hls/{plan}/src/0.m4s")["cache-status"].startswith("darkroom; hit")


def test_words_go_out_compressed_under_a_weak_tag(server: Server) -> None:
    plan = plan_of(server.ask(f"{base('a.mp4')}/~master.m3u8"))
    path = f"{base('a.mp4')}/~hls/{plan}/s0-en/1.vtt"
    plain, packed = server.ask(path), server.ask(path, accept_encoding="gzip")
    assert packed["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert plain["etag"].startswith('W/"')


MISSING = ("1080/0.m4s", "src/6.m4s", "src/0.vtt", "s0-en/0.m4s", "s0-en/init.mp4", "none/index.m3u8", "s0-en/6.vtt")


def test_what_a_plan_has_not_is_not_found_before_any_work(films: Path, tmp_path: Path) -> None:
    with made_up(films, tmp_path, unsigned=True) as quiet:
        plan = plan_of(quiet.ask("/f_hls/film.mp4/~master.m3u8"))
        jobs = quiet.ask("/ready").json["pools"]["moving"]["done"]
        for leaf in MISSING:
            reply = quiet.ask(f"/f_hls/film.mp4/~hls/{plan}/{leaf}")
            assert (reply.status, reply.code) == (404, "no_such_rendition"), leaf
        assert parts_made(quiet) == 0
        assert quiet.ask("/ready").json["pools"]["moving"]["done"] == jobs


def test_each_kind_of_stream_has_its_own_playlist_alone(server: Server) -> None:
    for path in (f"{base()}/~manifest.mpd", f"{base(steps='f_dash')}/~master.m3u8", base(name="film.m3u8")):
        assert (server.ask(path).status, server.ask(path).code) == (404, "no_such_rendition")
    assert server.ask(base(steps="f_hls,sp_none")).status == 400
    assert server.ask(base(steps="f_hls,so_3")).code == "not_supported"


def test_a_plan_that_nobody_knows_may_come_back(server: Server) -> None:
    reply = server.ask(f"{base()}/~hls/0123456789abcdef/src/0.m4s")
    assert (reply.status, reply.code, reply["cache-control"]) == (503, "no_such_plan", "no-store")
    assert int(reply["retry-after"]) >= 1


# Signatures, and how long they hold


def test_no_part_of_an_expiring_stream_is_kept_beyond_its_end_and_all_viewers_share_one(server: Server) -> None:
    urls = [base("c.mp4", expires=600 + n, round_expiry=1) for n in range(5)]
    plans = {plan_of(server.ask(f"{url}/~master.m3u8")) for url in urls}
    assert len(plans) == 1
    made = server.count("darkroom_parts_total", work="encode")
    replies = [server.ask(f"{url}/~hls/{plans.copy().pop()}/180/5.m4s") for url in urls]
    assert len({reply["etag"] for reply in replies}) == 1
    assert server.count("darkroom_parts_total", work="encode") == made + 1
    for url, reply in zip(urls, replies, strict=True):
        until = int(url.partition("exp_")[2].partition("/")[0])
        assert 0 < ages(reply)["max-age"] <= until - time.time() + 1


def test_who_has_begun_before_the_url_expired_sees_the_film_to_its_end(server: Server) -> None:
    url = base("c.mp4", expires=3, round_expiry=1)
    plan = plan_of(server.ask(f"{url}/~master.m3u8"))
    server.until(lambda: server.ask(f"{url}/~master.m3u8").status == 410)
    late = server.ask(f"{url}/~hls/{plan}/180/5.m4s")
    assert (late.status, late["cache-control"]) == (200, "no-store")
    assert server.ask(url).status == 410


def test_parts_need_a_signature_of_their_address(server: Server) -> None:
    plan = plan_of(server.ask(f"{base()}/~master.m3u8"))
    assert server.ask(f"/f_hls/film.mp4/~hls/{plan}/src/0.m4s").code == "unsigned"
    forged = base().replace("film.mp4", "a.mp4")
    assert server.ask(f"{forged}/~hls/{plan}/src/0.m4s").code == "bad_signature"


def test_a_policy_of_the_largest_size_leaves_out_what_is_larger(server: Server) -> None:
    url = base(signer=NARROW_URLS)
    whole, narrow = (server.ask(f"{one}/~master.m3u8").body.decode() for one in (base(), url))
    assert ("src" in whole, "src" in narrow, "180" in narrow) == (True, False, True)
    plan = plan_of(server.ask(f"{url}/~master.m3u8"))
    assert plan in whole  # the parts are the same
    assert server.ask(f"{url}/~hls/{plan}/180/0.m4s").status == 200
    assert server.ask(f"{url}/~hls/{plan}/src/0.m4s").status == 404
    assert server.ask(base(steps="f_dash", signer=NARROW_URLS)).code == "forbidden"


def test_a_stream_without_sound_has_no_sound(server: Server) -> None:
    url = base(steps="f_hls,ac_none")
    reply = server.ask(f"{url}/~master.m3u8")
    assert "a0-aac" not in reply.body.decode()
    assert server.ask(f"{url}/~hls/{plan_of(reply)}/a0-aac/0.m4s").status == 404


def test_a_plan_is_had_with_its_own_ladder_alone(films: Path, tmp_path: Path) -> None:
    step = {"side": 64, "bits": "150k"}
    ladders = {"whole": {"steps": [step]}, "made": {"steps": [step], "remux": False}}
    with serving(films, tmp_path, workers=1, ladders=ladders) as server:
        plan = plan_of(server.ask("/f_hls,sp_whole/a.mp4/~master.m3u8"))
        assert server.ask(f"/f_hls,sp_whole/a.mp4/~hls/{plan}/src/index.m3u8").status == 200
        assert server.ask(f"/f_dash,sp_whole/a.mp4/~hls/{plan}/src/index.m3u8").status == 200
        assert server.ask(f"/f_hls,sp_made/a.mp4/~hls/{plan}/src/index.m3u8").code == "no_such_plan"
        for name in (f"{plan}-1", f"{plan}-zzzzzzzz", plan[:-1], f"{plan}A"):
            assert server.ask(f"/f_hls,sp_whole/a.mp4/~hls/{name}/src/index.m3u8").code == "no_such_rendition"


def test_ladders_presets_public_mounts_and_scopes_make_streams(films: Path, tmp_path: Path) -> None:
    keys = [{"secret": KEY, "policy": {"ladder": [200, 400]}}]
    mounts = {
        "": {"url": str(films)},
        "open": {"url": str(films), "policy": "public", "presets": ["stream"], "formats": ["hls"]},
    }
    with made_up(films, tmp_path, keys=keys, mounts=mounts, presets={"stream": "f_hls", "other": "f_dash"}) as server:
        narrow = server.ask(f"{base()}/~master.m3u8")
        assert "src" not in narrow.body.decode()
        assert server.ask(base(steps="f_hls,w_300")).status == 400
        scoped = f"/{sign_scope('film.mp4', Key.read(KEY))}/f_hls/film.mp4"
        assert server.ask(scoped).status == 303
        assert server.ask(f"{scoped}/~hls/{plan_of(narrow)}/180/0.m4s").status == 200
        plan = plan_of(server.ask("/t_stream/open/film.mp4/~master.m3u8"))
        assert server.ask(f"/t_stream/open/film.mp4/~hls/{plan}/src/1.m4s").status == 200
        assert server.ask("/f_hls/open/film.mp4/~master.m3u8").status == 403
        assert server.ask("/t_other/open/film.mp4/~master.m3u8").status == 403


# Once for all


def test_a_part_is_made_once_for_all_who_ask_and_goes_on_when_they_leave(server: Server) -> None:
    url = base("d.mp4", "f_hls,sp_slow")
    plan = plan_of(server.ask(f"{url}/~master.m3u8"))
    before = server.count("darkroom_parts_total", work="encode")
    path = f"{url}/~hls/{plan}/180/4.m4s"
    with ThreadPoolExecutor(8) as crowd:
        replies = list(crowd.map(server.ask, [path] * 8))
    assert {reply.status for reply in replies} == {200}
    assert len({reply.body for reply in replies}) == 1
    leaving = f"{url}/~hls/{plan}/180/0.m4s"
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.sendall(f"GET {leaving} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        server.until(lambda: server.count("darkroom_workers", pool="moving", state="busy"))
    server.until(lambda: server.count("darkroom_parts_total", work="encode") >= before + 2)
    server.until(lambda: server.ask(leaving)["cache-status"].startswith("darkroom; hit"))


def test_the_next_parts_of_a_rung_are_made_before_they_are_asked_for(films: Path, tmp_path: Path) -> None:
    with made_up(films, tmp_path, unsigned=True) as server:
        path = f"/f_hls/film.mp4/~hls/{plan_of(server.ask('/f_hls/film.mp4/~master.m3u8'))}/180"
        server.ask(f"{path}/0.m4s")
        server.until(lambda: server.count("darkroom_parts_ahead_total", outcome="made") == 2)
        for number in (1, 2):
            assert server.ask(f"{path}/{number}.m4s")["cache-status"].startswith("darkroom; hit")
        assert server.count("darkroom_parts_ahead_total", outcome="used") == 2


def test_a_part_survives_the_worker_that_makes_it(server: Server) -> None:
    url = base("d.mp4", "f_hls,sp_slow")
    plan = plan_of(server.ask(f"{url}/~master.m3u8"))
    with ThreadPoolExecutor(1) as client:
        asked = client.submit(server.ask, f"{url}/~hls/{plan}/src/5.m4s")
        server.until(lambda: server.count("darkroom_workers", pool="moving", state="busy"))
        for worker in server.workers():
            worker.send_signal(signal.SIGKILL)
        assert asked.result().status == 200


def test_beyond_what_there_is_room_for_a_part_is_refused_with_a_moment_to_come_back(
    films: Path, tmp_path: Path
) -> None:
    with made_up(films, tmp_path, unsigned=True, workers=1, queue_seconds=0) as server:
        plan = plan_of(server.ask("/f_hls,sp_slow/film.mp4/~master.m3u8"))
        paths = [f"/f_hls,sp_slow/film.mp4/~hls/{plan}/{rung}/{n}.m4s" for rung in ("src", "180") for n in range(6)]
        with ThreadPoolExecutor(12) as crowd:
            replies = list(crowd.map(server.ask, paths))
        refused = [reply for reply in replies if reply.status == 503]
        assert {reply.status for reply in replies} == {200, 503}
        for reply in refused:
            assert (reply.code, reply["cache-control"]) == ("busy", "no-store")
            assert 1 <= int(reply["retry-after"]) <= 30
        for path in paths:
            server.until(lambda path=path: server.ask(path).status == 200)


# Who is in the middle of a film


def test_a_purge_gives_a_stream_new_names_and_those_who_are_in_the_middle_new_parts(
    films: Path, tmp_path: Path
) -> None:
    with made_up(films, tmp_path, unsigned=True, tokens=purging.TOKENS[:1]) as server:
        plan = plan_of(server.ask("/f_hls/a.mp4/~master.m3u8"))
        part = f"/f_hls/a.mp4/~hls/{plan}/src/5.m4s"
        first = server.ask(part)
        assert server.ask(part)["cache-status"].startswith("darkroom; hit")
        purging.purge(server, {"source": "a.mp4"})
        again = server.ask(part)
        assert again["cache-status"] == "darkroom; fwd=miss; stored"
        assert (again.status, again.body) == (200, first.body)
        anew = plan_of(server.ask("/f_hls/a.mp4/~master.m3u8"))
        assert (anew != plan, anew.startswith(f"{plan}-")) == (True, True)
        assert server.ask(f"/f_hls/a.mp4/~hls/{anew}/src/5.m4s").body == first.body


def test_a_film_goes_on_when_the_server_is_started_anew_and_its_original_replaced(films: Path, tmp_path: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    (folder / "film.mp4").write_bytes((films / "film.mp4").read_bytes())
    with made_up(folder, tmp_path / "server", unsigned=True) as server:
        plan = plan_of(server.ask("/f_hls/film.mp4/~master.m3u8"))
        first = server.ask(f"/f_hls/film.mp4/~hls/{plan}/src/0.m4s")
        server.until(lambda: server.count("darkroom_parts_ahead_total", outcome="made") >= 2)
    with made_up(folder, tmp_path / "server", unsigned=True) as server:
        jobs = server.ask("/ready").json["pools"]["moving"]["done"]
        assert plan_of(server.ask("/f_hls/film.mp4/~master.m3u8")) == plan
        assert server.ask("/ready").json["pools"]["moving"]["done"] <= jobs + 1  # its header
        (folder / "new").write_bytes((films / "a.mp4").read_bytes())
        (folder / "new").rename(folder / "film.mp4")
        server.until(lambda: plan_of(server.ask("/f_hls/film.mp4/~master.m3u8")) != plan)
        assert server.ask(f"/f_hls/film.mp4/~hls/{plan}/src/index.m3u8").status == 200
        kept = server.ask(f"/f_hls/film.mp4/~hls/{plan}/src/0.m4s")
        assert (kept.status, kept.body) == (200, first.body)
        gone = server.ask(f"/f_hls/film.mp4/~hls/{plan}/src/5.m4s")
        assert (gone.status, gone.code) == (410, "original_gone")
        (folder / "film.mp4").unlink()
        server.until(lambda: server.ask("/f_hls/film.mp4/~master.m3u8").status == 404)
        part = f"/f_hls/film.mp4/~hls/{plan}/src/0.m4s"
        server.until(lambda: server.ask(part).status != 200)
        reply = server.ask(part)
        assert (reply.status, reply.code, reply["cache-control"]) == (410, "original_gone", "public, max-age=10")


def test_a_film_that_was_planned_by_the_recipe_before_goes_on(films: Path, tmp_path: Path) -> None:
    with made_up(films, tmp_path / "before", unsigned=True) as server:
        plan = plan_of(server.ask("/f_hls/film.mp4/~master.m3u8"))
        first = server.ask(f"/f_hls/film.mp4/~hls/{plan}/180/3.m4s")
    for scratch in ("before", "elsewhere"):  # with what was kept, and without
        with made_up(films, tmp_path / scratch, "--recipes=2", unsigned=True) as server:
            part = server.ask(f"/f_hls/film.mp4/~hls/{plan}/180/3.m4s")
            assert (part.status, part.body) == (200, first.body)
            assert plan_of(server.ask("/f_hls/film.mp4/~master.m3u8")) != plan


# Several servers


def test_two_servers_make_a_plan_and_a_part_once(films: Path, tmp_path: Path) -> None:
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server(tmp_path / "redis"))
        common = {"unsigned": True, "redis": redis.url, "results": "memory:, disk:, redis:?bodies=256KiB"}
        common |= {"redis_seconds": 20, "shared_seconds": 20}
        servers = [stack.enter_context(made_up(films, tmp_path / name, **common)) for name in ("one", "two")]
        wait_until(lambda: all(server.count("darkroom_bus_connected") for server in servers))

        def everywhere(path: str) -> list[Reply]:
            with ThreadPoolExecutor(8) as crowd:
                return list(crowd.map(lambda n: servers[n % 2].ask(path), range(8)))

        plans = {plan_of(reply) for reply in everywhere("/f_hls,sp_slow/film.mp4/~master.m3u8")}
        assert len(plans) == 1
        path = f"/f_hls,sp_slow/film.mp4/~hls/{plans.pop()}/180/5.m4s"
        replies = everywhere(path)
        assert ({reply.status for reply in replies}, len({reply.body for reply in replies})) == ({200}, 1)
        assert sum(map(parts_made, servers)) == 1
        planned = [event for server in servers for event in server.log() if event["event"] == "a stream was planned"]
        assert len(planned) == 1
