"""Films that are elsewhere, on a real web site and in a real bucket: of each no more comes than is looked at."""

import asyncio
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.lending import OriginalChanged, lent, opened_version
from proxy.settings import load
from proxy.sources.blocks.fillings import Fillings
from proxy.sources.blocks.folder import BlockFolder
from proxy.sources.blocks.runs import BLOCK
from proxy.sources.copies import Copies
from proxy.sources.http.place import HttpPlace
from proxy.sources.http.source import HttpSource
from proxy.sources.mounts import Mounted
from proxy.sources.originals import Originals
from proxy.sources.s3 import S3Source
from proxy.sources.source import Original, Remote
from proxy.workers.pool import Job, Reply
from tests import pictures
from tests.long_films import GIB, clip, stretched
from tests.origin_stub import Origin, Script, Sparse, origin
from tests.places import s3_bucket
from tests.purging import TOKENS, purge
from tests.seaweed import ACCESS_KEY, SECRET_KEY, Seaweed
from tests.serving import Server, serving
from tests.test_workers import pool

MIB = 1 << 20
MADE_BY = [sys.executable, str(Path(__file__).with_name("film_worker.py"))]
LARGE = 5 * MIB + 77
CALM = {"connect_seconds": 5, "first_byte_seconds": 10, "total_seconds": 20}


@pytest.fixture
def stub() -> Iterator[Origin]:
    with origin() as made:
        yield made


def script(body: bytes | Sparse, tag: str = "1", **more: Any) -> Script:
    return Script(body, fields={"ETag": f'"{tag}"'}, **more)


def site(stub: Origin, **more: Any) -> dict[str, Any]:
    url = f"http://127.0.0.1:{stub.port}/p/"
    return {"url": url, "private_networks": ["127.0.0.0/8"], "originals": True, **CALM, **more}


# Posters


def poster(at: float = 3.0) -> Job:
    return Job({"do": "poster", "at": at}, f"poster {at}", 30, 100, 64 * MIB)


async def posters(remote: Remote, key: str, folder: Path, *jobs: Job) -> tuple[list[Reply], list[tuple[str, int, int]]]:
    """What comes of jobs on an original elsewhere, all at a time; and what its place was asked for."""
    told: list[tuple[str, int, int]] = []
    blocks = BlockFolder(folder / "blocks", 64 * MIB, lambda what, error: pytest.fail(f"{what}: {error}"))
    fillings = Fillings("one", blocks, lambda *outcome: told.append(outcome))
    copies = Copies(None, 0, lambda *_: None)
    source = Originals(remote, "one", copies, lambda *_: None, fillings)
    stat = await source.stat(key)
    async with pool(folder / "scratch", command=MADE_BY, queue_seconds=60) as crew:

        async def one(job: Job) -> Reply:
            parts = await source.open_parts(key, stat.version, stat.size)
            assert parts
            return await crew.run(lent(job, parts))

        replies = await asyncio.gather(*map(one, jobs))
    await source.close()
    await copies.close()
    await blocks.close()
    return replies, told


async def near(folder: Path, film: bytes, *jobs: Job) -> list[Reply]:
    """The same of a film that is here."""
    path = folder / "film.mp4"
    path.write_bytes(film)
    async with pool(folder / "near", command=MADE_BY) as crew:
        with path.open("rb") as file:
            return [await crew.run(Job(**{**vars(job), "descriptor": file.fileno()})) for job in jobs]


@pytest.mark.anyio
@pytest.mark.parametrize("front", [True, False], ids=["index at the front", "index at the end"])
async def test_a_poster_of_a_gigabyte_reads_less_than_four_megabytes(stub: Origin, front: bool, tmp_path: Path) -> None:
    stub.scripts["/film.mp4"] = script(stretched(clip(front=front), GIB))
    place = HttpPlace.read(f"http://127.0.0.1:{stub.port}/", private_networks=["127.0.0.1"])
    (made,), _ = await posters(HttpSource(place), "film.mp4", tmp_path, poster())
    (same,) = await near(tmp_path, clip(front=front), poster())
    assert (made.body, made.meta) == (same.body, same.meta)
    assert stub.sent < 4_000_000
    assert stub.count("/film.mp4") <= 4


@pytest.mark.anyio
@pytest.mark.parametrize("fast", [False, True], ids=["boto3", "obstore"])
async def test_a_poster_of_a_film_in_a_bucket_reads_little_of_it(
    seaweed_server: Seaweed, fast: bool, tmp_path: Path
) -> None:
    source = S3Source(s3_bucket(seaweed_server, fast=fast))
    await source.put("film.mp4", io.BytesIO(stretched(clip(), 24 * MIB)[:]))
    (made,), told = await posters(source, "film.mp4", tmp_path, poster())
    (same,) = await near(tmp_path, clip(), poster())
    assert (made.body, made.meta) == (same.body, same.meta)
    assert {outcome for outcome, _, _ in told} == {"fetched"}
    assert sum(size for _, _, size in told) < 4_000_000


@pytest.mark.anyio
async def test_twenty_who_look_into_one_film_fetch_each_block_once(stub: Origin, tmp_path: Path) -> None:
    film = stretched(clip(), 3 * MIB)
    stub.scripts["/film.mp4"] = script(film)
    place = HttpPlace.read(f"http://127.0.0.1:{stub.port}/", private_networks=["127.0.0.1"])
    jobs = [poster(number / 4) for number in range(20)]
    made, told = await posters(HttpSource(place), "film.mp4", tmp_path, *jobs)
    assert [reply.body for reply in made] == [reply.body for reply in await near(tmp_path, clip(), *jobs)]
    asked = [asked.fields["range"] for asked in stub.asked if asked.method == "GET"]
    assert len(asked) == len(set(asked)) == len(told)
    assert stub.sent == sum(size for _, _, size in told) <= len(film)


@pytest.mark.anyio
async def test_an_old_version_is_served_for_as_long_as_the_bucket_has_it(
    seaweed_server: Seaweed, tmp_path: Path
) -> None:
    bucket = s3_bucket(seaweed_server, fast=True)
    client = bucket._thorough._client
    client.create_bucket(Bucket="old-films")
    client.put_bucket_versioning(Bucket="old-films", VersioningConfiguration={"Status": "Enabled"})
    await bucket.close()
    for fast in (False, True):
        source = S3Source(s3_bucket(seaweed_server, fast=fast, url=seaweed_server.url(f"{fast}", bucket="old-films")))
        blocks = BlockFolder(tmp_path / f"{fast}", 64 * MIB, lambda what, error: pytest.fail(f"{what}: {error}"))
        copies = Copies(None, 0, lambda *_: None)
        films = Originals(source, "one", copies, lambda *_: None, Fillings("one", blocks, lambda *_: None))
        first, second = bytes(range(251)) * 10_000, bytes(range(249)) * 10_000
        await source.put("film.mp4", first)
        old = (await source.stat("film.mp4")).version
        await source.put("film.mp4", second)
        assert (await source.stat_version("film.mp4", old)).size == len(first)
        parts = await opened_version(Mounted("films", films, "film.mp4"), old)  # whose size nobody remembers
        assert not isinstance(parts, Original)
        assert parts.size == len(first)
        begin, _ = await parts.need(2_000_000, 1000)
        assert begin <= 2_000_000
        assert os.pread(parts.descriptor, 1000, 2_000_000) == first[2_000_000:2_001_000]
        del parts
        with pytest.raises(OriginalChanged):
            await opened_version(Mounted("films", films, "film.mp4"), "0123 of-another-time")
        await films.close()
        await copies.close()
        await blocks.close()


# Untouched


def part(server: Server, path: str, start: int, stop: int, **more: str) -> Any:
    return server.ask(path, range=f"bytes={start}-{stop - 1}", **more)


def test_of_an_original_no_more_comes_than_is_asked_for(stub: Origin, tmp_path: Path) -> None:
    film = stretched(clip(), GIB)
    stub.scripts["/p/film.mp4"] = script(film)
    with serving(None, tmp_path, mounts={"site": site(stub)}, workers=1) as server:
        first = part(server, "/site/film.mp4", 0, 1000)
        assert (first.status, first.body) == (206, film[:1000])
        assert first["content-range"] == f"bytes 0-999/{GIB}"
        assert first["content-type"] == "video/mp4"
        stub.sent = 0
        for start in (500_000_000, 500_000_100, GIB - 100):
            reply = part(server, "/site/film.mp4", start, start + 100)
            assert (reply.status, reply.body) == (206, film[start : start + 100])
        assert stub.sent == BLOCK  # the last one came with the index
        head = server.ask("/site/film.mp4", "HEAD")
        assert (head.status, head["content-length"]) == (200, str(GIB))
        assert stub.sent == BLOCK
        assert server.count("darkroom_ranges_total", mount="site", outcome="fetched") == stub.count("/p/film.mp4")
        assert server.count("darkroom_blocks_total", mount="site") >= 3
        assert server.count("darkroom_store_hits_total", tier="blocks") > 0
        assert server.count("darkroom_fetches_total") == 0
    # A second process has what the first one had.
    asked = stub.count("/p/film.mp4")
    with serving(None, tmp_path, mounts={"site": site(stub)}, workers=1) as server:
        assert part(server, "/site/film.mp4", 500_000_000, 500_000_100).status == 206
        assert stub.count("/p/film.mp4") == asked


def test_a_film_comes_whole_and_in_ranges_that_go_on(stub: Origin, tmp_path: Path) -> None:
    film = stretched(clip(front=True), LARGE)
    stub.scripts["/p/film.mp4"] = script(film)
    with serving(None, tmp_path, mounts={"site": site(stub)}, workers=1, cache="off") as server:
        whole = server.ask("/site/film.mp4")
        assert (whole.status, whole.body) == (200, film[:])
        assert whole["etag"].startswith('"')
        assert whole["accept-ranges"] == "bytes"
        same = part(server, "/site/film.mp4", 3 * MIB, LARGE, if_range=whole["etag"])
        assert (same.status, same.body) == (206, film[3 * MIB :])
        other = part(server, "/site/film.mp4", 3 * MIB, LARGE, if_range='"other"')
        assert (other.status, len(other.body)) == (200, LARGE)
        assert part(server, "/site/film.mp4", LARGE, LARGE + 1).code == "range_not_satisfiable"
        assert server.ask("/site/film.mp4", if_none_match=whole["etag"]).status == 304
        assert stub.sent <= LARGE


def test_an_origin_that_gives_no_parts_gives_its_originals_whole(stub: Origin, tmp_path: Path) -> None:
    film = stretched(clip(), 2 * MIB)
    stub.scripts["/p/film.mp4"] = script(film, ranges=False)
    with serving(None, tmp_path, mounts={"site": site(stub)}, workers=1) as server:
        for start in (1_000_000, 0):
            reply = part(server, "/site/film.mp4", start, start + 100)
            assert (reply.status, reply.body) == (206, film[start : start + 100])
        assert stub.count("/p/film.mp4") == 2
        assert server.count("darkroom_fetches_total", mount="site", outcome="fetched") == 1


def test_an_origin_that_goes_away_is_an_error_that_says_so_and_spoils_nothing(stub: Origin, tmp_path: Path) -> None:
    film = stretched(clip(), 40 * MIB)
    stub.scripts["/p/film.mp4"] = script(film)
    with serving(None, tmp_path, mounts={"site": site(stub)}, workers=1) as server:
        assert part(server, "/site/film.mp4", 0, 100).status == 206
        stub.scripts["/p/film.mp4"] = Script(status=503)
        gone = part(server, "/site/film.mp4", 10 * MIB, 10 * MIB + 100)
        assert (gone.status, gone.code) == (502, "origin_failed")
        assert part(server, "/site/film.mp4", 0, 100).status == 206
        stub.scripts["/p/film.mp4"] = script(film, truncate=1000)  # ends before all of it has come
        assert part(server, "/site/film.mp4", 11 * MIB, 11 * MIB + 100).status == 502
        stub.scripts["/p/film.mp4"] = script(film)

        def back() -> bool:
            reply = part(server, "/site/film.mp4", 10 * MIB, 11 * MIB + 100)
            return bool(reply.status == 206 and reply.body == film[10 * MIB : 11 * MIB + 100])

        server.until(back)


def test_a_film_that_is_replaced_meanwhile_is_never_mixed(stub: Origin, tmp_path: Path) -> None:
    old, new = stretched(clip(), 20 * MIB), stretched(clip(seconds=3), 21 * MIB)
    stub.scripts["/p/film.mp4"] = script(old, "old")
    with serving(None, tmp_path, mounts={"site": site(stub, recheck="1h")}, workers=1) as server:
        before = part(server, "/site/film.mp4", 0, 100)
        stub.scripts["/p/film.mp4"] = script(new, "new")
        # What is here of the old one is served until its place is asked.
        assert part(server, "/site/film.mp4", 0, 100)["etag"] == before["etag"]
        # Its place says so when it is asked for more.
        reply = part(server, "/site/film.mp4", 10 * MIB, 10 * MIB + 100)
        assert (reply.status, reply.code) in ((503, "busy"), (206, ""))
        after = part(server, "/site/film.mp4", 10 * MIB, 10 * MIB + 100)
        assert (after.status, after["content-range"]) == (206, f"bytes {10 * MIB}-{10 * MIB + 99}/{21 * MIB}")
        assert after["etag"] != before["etag"]


def test_what_is_too_large_or_nothing_at_all_is_refused_before_it_comes(stub: Origin, tmp_path: Path) -> None:
    png = pictures.encoded(pictures.flat(), "png")
    stub.scripts |= {
        "/p/picture": script(Sparse(70 * 1_000_000, {0: png})),
        "/p/picture.png": script(Sparse(300 * 1_000_000, {0: png})),
        "/p/nothing.mp4": script(Sparse(GIB, {0: b"nothing that anybody knows"})),
        "/p/film.mp4": script(stretched(clip(), 4 * MIB)),
    }
    limits = {"video_bytes": "3MB"}
    mounts = {"site": site(stub), "small": site(stub, limits=limits)}
    with serving(None, tmp_path, mounts=mounts, workers=1) as server:
        for path, code in {
            "/f_json/site/picture": "original_too_large",
            "/w_10/site/picture.png": "original_too_large",
            "/f_json/site/nothing.mp4": "unsupported_format",
            "/f_json/small/film.mp4": "original_too_large",
        }.items():
            assert server.ask(path).code == code
        assert stub.sent <= 4 * BLOCK


def test_a_picture_of_an_origin_without_parts_is_refused_while_it_comes(stub: Origin, tmp_path: Path) -> None:
    png = pictures.encoded(pictures.flat(), "png")
    stub.scripts["/p/picture"] = script(Sparse(300 * 1_000_000, {0: png}), ranges=False)
    with serving(None, tmp_path, mounts={"site": site(stub)}, workers=1) as server:
        assert server.ask("/w_10/site/picture").code == "origin_failed"
        assert stub.sent < 30_000_000


def test_a_picture_comes_in_one_request(stub: Origin, tmp_path: Path) -> None:
    photo = pictures.encoded(pictures.photograph(300, 200), "jpg")
    stub.scripts["/p/cat.jpg"] = script(photo + bytes(3 * MIB))
    with serving(None, tmp_path, mounts={"site": site(stub)}, workers=1) as server:
        assert server.ask("/w_10/site/cat.jpg").status == 200
        assert (stub.count("/p/cat.jpg"), server.count("darkroom_ranges_total")) == (1, 0)


def test_after_a_purge_a_film_comes_anew(stub: Origin, tmp_path: Path) -> None:
    stub.scripts["/p/film.mp4"] = script(stretched(clip(), 4 * MIB))
    with serving(None, tmp_path, mounts={"site": site(stub)}, workers=1, tokens=TOKENS[:1]) as server:
        assert part(server, "/site/film.mp4", 2 * MIB, 2 * MIB + 10).status == 206
        sent = stub.sent
        assert part(server, "/site/film.mp4", 2 * MIB, 2 * MIB + 10).status == 206
        assert stub.sent == sent
        purge(server, {"source": "site/film.mp4"})
        assert part(server, "/site/film.mp4", 2 * MIB, 2 * MIB + 10).status == 206
        assert stub.sent >= sent + BLOCK


def test_a_film_in_a_bucket_is_served_in_parts(seaweed_server: Seaweed, tmp_path: Path) -> None:
    film, prefix = stretched(clip(), 12 * MIB), seaweed_server.fresh()

    async def write() -> None:
        source = S3Source(s3_bucket(seaweed_server, fast=False, url=seaweed_server.url(prefix)))
        await source.put("film.mp4", io.BytesIO(film[:]))
        await source.close()

    asyncio.run(write())
    keys = {"access_key": ACCESS_KEY, "secret_key": SECRET_KEY}
    mount = {"url": f"s3://media/{prefix}", "endpoint": seaweed_server.endpoint, "originals": True, **keys, **CALM}
    with serving(None, tmp_path, mounts={"bucket": mount}, workers=1) as server:
        reply = part(server, "/bucket/film.mp4", 7 * MIB, 7 * MIB + 1000)
        assert (reply.status, reply.body) == (206, film[7 * MIB : 7 * MIB + 1000])
        assert server.count("darkroom_fetched_bytes_total", mount="bucket") < 4_000_000
        assert server.ask("/bucket/film.mp4").body == film[:]
        assert server.count("darkroom_fetched_bytes_total", mount="bucket") == len(film)


def test_the_bound_is_a_setting() -> None:
    assert load({}, None, {}).blocks_bytes == 4 << 30
