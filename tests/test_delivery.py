"""One request, start to finish: which picture comes, made how often, of which original, and who waits for whom."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import pictures
from tests.serving import SOAK, Server, fetch, originals, serving

CLIENTS = 500 * SOAK
WEBP = "image/webp"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return originals(tmp_path_factory.mktemp("originals"))


@pytest.fixture(scope="module")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    mounts = {
        "": str(folder),
        "raw": {"url": str(folder), "originals": True},
        "set": {"url": str(folder), "default_preset": "card"},
        "near": {"url": str(folder), "focal": {"cats/1.jpg": "0:0", "moving.gif": "0:0"}},
        "narrow": {
            "url": str(folder),
            "limits": {"frames": 2, "result_side": 100, "picture_bytes": 4000, "jpeg_bytes": 200_000},
        },
        "webp": {"url": str(folder), "formats": ["webp"]},
    }
    presets = {"card": "c_fill,h_60,w_90", "kind": "d_missing.jpg"}
    with serving(None, tmp_path_factory.mktemp("server"), mounts=mounts, presets=presets, first="final") as running:
        yield running


# Once


@pytest.mark.anyio
async def test_five_hundred_who_ask_at_once_cost_one_transform(server: Server) -> None:
    before = server.count("darkroom_transforms_total")
    replies = await asyncio.gather(*(fetch(server.port, "/f_avif,w_500/cats/2.jpg") for _ in range(CLIENTS)))
    assert {reply.status for reply in replies} == {200}
    assert len({reply.body for reply in replies}) == 1
    assert server.count("darkroom_transforms_total") == before + 1
    statuses = [reply["cache-status"] for reply in replies]
    assert statuses.count("darkroom; fwd=miss; stored") == 1
    assert "darkroom; fwd=miss; stored; collapsed" in statuses
    assert server.count("darkroom_coalesced_total") > 0


@pytest.mark.anyio
async def test_who_leaves_takes_nothing_from_those_who_stay(server: Server) -> None:
    before, path = server.count("darkroom_transforms_total"), "/f_avif,w_501/cats/2.jpg"
    leader = asyncio.create_task(fetch(server.port, path))
    await asyncio.sleep(0.02)
    others = [asyncio.create_task(fetch(server.port, path)) for _ in range(20)]
    await asyncio.sleep(0.02)
    for task in (leader, *others[::2]):
        task.cancel()
    stayed = await asyncio.gather(*others[1::2])
    assert {reply.status for reply in stayed} == {200}
    assert server.count("darkroom_transforms_total") == before + 1


@pytest.mark.anyio
async def test_what_everybody_left_is_finished_and_kept(server: Server) -> None:
    before, path = server.count("darkroom_transforms_total"), "/f_avif,w_502/cats/2.jpg"
    task = asyncio.create_task(fetch(server.port, path))
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.to_thread(server.until, lambda: server.count("darkroom_transforms_total") == before + 1)
    assert (await fetch(server.port, path))["cache-status"].startswith("darkroom; hit")


def test_the_server_itself_holds_no_pixels(server: Server) -> None:
    assert server.ask("/w_503/cats/2.jpg").status == 200
    mapped = Path(f"/proc/{server.process.pid}/maps").read_text()
    assert "uvloop" in mapped
    assert not [name for name in ("vips", "numpy", "libav") if name in mapped]


# In place of what is missing


def test_another_picture_is_shown_with_the_status_of_the_missing_one(server: Server) -> None:
    shown = server.ask("/d_missing.jpg,w_40/nothing.jpg")
    assert (shown.status, shown["content-type"], shown["cache-control"]) == (404, "image/jpeg", "public, max-age=10")
    assert pictures.size_of(shown.body) == (40, 30)
    pictures.assert_close(pictures.mean(shown.body), pictures.RED, 6)
    assert shown.get("etag") is None
    assert shown.get("last-modified") is None
    assert "x-error" not in shown.fields
    assert server.ask("/d_missing.jpg,w_40/nothing.jpg", if_none_match="*").status == 404
    assert server.ask("/d_missing.jpg,w_40/nothing.jpg", range="bytes=0-9").status == 404
    there = server.ask("/d_missing.jpg,w_40/cats/1.jpg")
    assert there.status == 200
    assert there["etag"] == server.ask("/w_40/cats/1.jpg")["etag"]


def test_a_preset_can_name_what_is_shown_instead(server: Server) -> None:
    assert server.ask("/t_kind/nothing.jpg")["content-type"] == "image/jpeg"


@pytest.mark.parametrize("other", ["nothing-either.jpg", "text.jpg", "damaged.jpg", "empty.jpg"])
def test_what_cannot_be_shown_instead_changes_nothing(server: Server, other: str) -> None:
    reply = server.ask(f"/d_{other}/nothing.jpg")
    assert (reply.status, reply.code) == (404, "no_such_original")


# Originals


def test_an_original_is_given_away_where_the_mount_says_so(server: Server, folder: Path) -> None:
    for name in ("where.jpg", "moving.gif", "drawing.svg", "pages.tiff"):
        reply = server.ask(f"/raw/{name}")
        assert reply.body == (folder / name).read_bytes()
    assert server.ask("/raw/where.jpg", if_none_match=server.ask("/raw/where.jpg")["etag"]).status == 304
    assert server.ask("/raw/text.jpg").status == 415
    assert server.ask("/raw/nothing.jpg").status == 404


def test_elsewhere_it_is_made_anew_and_cleaned(server: Server, folder: Path) -> None:
    original = (folder / "where.jpg").read_bytes()
    assert pictures.canaries_in(original)
    for path in ("/where.jpg", "/-/where.jpg", "/raw/q_80/where.jpg", "/q_80/raw/where.jpg"):
        if (reply := server.ask(path)).status == 200:
            assert reply.body != original
            assert reply["etag"].startswith("W/")
            assert not pictures.canaries_in(reply.body) & {"gps", "GPS"}
    assert server.ask("/drawing.svg")["content-type"] == "image/png"


def test_a_mount_can_have_a_preset_for_urls_without_steps(server: Server) -> None:
    assert pictures.size_of(server.ask("/set/cats/1.jpg").body) == (90, 60)
    assert server.ask("/set/cats/1.jpg")["etag"] == server.ask("/t_card/set/cats/1.jpg")["etag"]
    assert pictures.size_of(server.ask("/w_30/set/cats/1.jpg").body) == (30, 20)


def test_a_point_that_matters_can_be_set(server: Server) -> None:
    marked, plain = (
        server.ask("/c_fill,g_auto,h_50,w_50/near/cats/1.jpg"),
        server.ask("/c_fill,h_50,w_50/near/cats/1.jpg"),
    )
    assert marked.body != plain.body
    corner = server.ask("/c_fill,g_north_west,h_50,w_50/cats/1.jpg")
    assert pictures.difference(marked.body, corner.body).mean < 2


# Limits


def test_frames_count_where_the_result_moves(server: Server) -> None:
    assert server.ask("/f_gif,w_10/narrow/moving.gif").code == "too_many_frames"
    assert server.ask("/w_10/narrow/moving.gif").code == "too_many_frames"
    for still in ("f_jpg,w_10", "f_png,w_10", "f_png", "pg_2", "f_json"):
        assert server.ask(f"/{still}/narrow/moving.gif").status == 200, still
    assert server.ask("/w_10/moving.gif").status == 200


def test_a_mount_can_have_limits_of_its_own(server: Server) -> None:
    assert server.ask("/w_101/narrow/cats/1.jpg").code == "result_too_large"
    assert server.ask("/w_100/narrow/cats/1.jpg").status == 200
    assert server.ask("/w_101/cats/1.jpg").status == 200
    assert server.ask("/w_50/narrow/pages.tiff").code == "original_too_large"
    assert server.ask("/w_50/pages.tiff").status == 200


def test_a_mount_can_name_the_formats_that_are_made(server: Server) -> None:
    assert server.ask("/f_webp,w_10/webp/cats/1.jpg").status == 200
    assert server.ask("/f_auto,w_10/webp/cats/1.jpg", accept=WEBP)["content-type"] == "image/webp"
    refused = server.ask("/f_avif,w_10/webp/cats/1.jpg")
    assert (refused.status, refused.code) == (403, "forbidden")
    assert server.ask("/w_10/webp/cats/1.jpg").status == 403
    assert server.ask("/f_json/webp/cats/1.jpg").status == 200


# Facts


def test_facts_are_told_without_the_place(server: Server, folder: Path, tmp_path: Path) -> None:
    facts = server.ask("/f_json/where.jpg")
    assert facts["content-type"] == "application/json"
    assert facts.json["format"] == "jpg"
    assert facts.json["blurhash"]
    assert facts["etag"]
    assert server.ask("/f_json/where.jpg", if_none_match=facts["etag"]).status == 304
    assert "gps" not in json.dumps(facts.json).lower()
    assert server.ask("/f_json,w_60/where.jpg").code == "conflicting_options"
    with serving(folder, tmp_path, gps="keep", workers=1) as keeping:
        assert "gps" in json.dumps(keeping.ask("/f_json/where.jpg").json).lower()


def test_the_plan_is_explained_to_insiders(server: Server) -> None:
    path = "/c_fill,f_explain,h_60,w_90/e_grayscale/cats/1.jpg"
    facts = server.ask(path)
    assert facts["cache-control"] == "no-store"
    told = facts.json
    assert (told["source"], told["mount"], told["format"]) == ("cats/1.jpg", "/", "jpg")
    assert told["plan"] == "c_fill,h_60,w_90/e_grayscale"
    assert [(step["step"], step["width"], step["height"]) for step in told["steps"]] == [(1, 90, 60), (2, 90, 60)]
    assert told["estimate"]["milliseconds"] > 0
    assert told["cached_in"] is None
    made = server.ask("/c_fill,h_60,w_90/e_grayscale/cats/1.jpg")
    assert told["result"] in made["etag"]
    assert server.ask(path).json["cached_in"] == "memory"
    assert server.ask(path, x_forwarded_for="203.0.113.9").status == 404


# Originals that change


def test_a_changed_original_is_noticed_within_seconds(server: Server, folder: Path) -> None:
    place = folder / "changing.png"
    place.write_bytes(pictures.encoded(pictures.flat(pictures.RED), "png"))
    for path in ("/w_20/changing.png", "/raw/changing.png", "/f_json/changing.png"):
        assert server.ask(path).status == 200
    old = server.ask("/w_20/changing.png")
    other = place.with_name("changing.new")
    other.write_bytes(pictures.encoded(pictures.flat(pictures.BLUE), "png"))
    other.replace(place)
    started = time.monotonic()
    server.until(lambda: server.ask("/w_20/changing.png")["etag"] != old["etag"], 8)
    new = server.ask("/w_20/changing.png")
    pictures.assert_close(pictures.mean(new.body), pictures.BLUE, 3)
    assert server.ask("/raw/changing.png").body == place.read_bytes()
    assert server.ask("/w_20/changing.png", if_none_match=old["etag"]).status == 200
    assert time.monotonic() - started < 8
    place.unlink()
    server.until(lambda: server.ask("/w_20/changing.png").status == 404, 8)
    assert server.ask("/raw/changing.png").status == 404


def test_a_file_that_is_still_being_written_is_not_kept(server: Server, folder: Path) -> None:
    whole = pictures.encoded(pictures.photograph(900, 600, seed=3), "jpg")
    place = folder / "growing.jpg"
    place.write_bytes(whole[: len(whole) // 3])
    assert server.ask("/w_21/growing.jpg").status == 422
    place.write_bytes(whole)
    server.until(lambda: server.ask("/w_21/growing.jpg").status == 200, 8)
    assert pictures.size_of(server.ask("/w_21/growing.jpg").body) == (21, 14)
