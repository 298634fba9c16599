"""What S3 does beyond what every place of originals does: its addresses, keys, versions and other abilities."""

import asyncio
import hashlib
import io
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote

import pytest

from proxy.failures import AlreadyExists, NoSuchOriginal, OriginFailed
from proxy.s3.place import S3Place
from proxy.s3.thorough import opened
from proxy.sources.keeping import Described, Kept, Paged, Presigned
from proxy.sources.s3 import LONGEST_KEY, S3Source
from proxy.sources.source import Listed, Listing, Ranged, Remote
from tests.places import s3_bucket
from tests.seaweed import ACCESS_KEY, BUCKET, SECRET_KEY, Seaweed

pytestmark = pytest.mark.anyio

WAYS = pytest.mark.parametrize("fast", [False, True], ids=["boto3", "obstore"])


@pytest.fixture(params=[False, True], ids=["boto3", "obstore"])
async def source(request: pytest.FixtureRequest, seaweed_server: Seaweed) -> AsyncIterator[S3Source]:
    made = S3Source(s3_bucket(seaweed_server, fast=request.param))
    yield made
    await made.close()


async def fetched(source: S3Source, key: str) -> bytes:
    file = io.BytesIO()
    found = await source.fetch(key, file)
    assert found.size == len(file.getvalue())
    return file.getvalue()


# Addresses


def test_an_address_and_options_make_a_place() -> None:
    url = "s3://Media.old/new%20photos/a?endpoint=https://minio.example:9000&region=eu-west-1&path_style=false"
    place = S3Place.read(url, access_key="id", secret_key="secret", total_seconds=4, retries=None)
    assert place == S3Place(
        "Media.old",
        "new photos/a/",
        "https://minio.example:9000",
        "eu-west-1",
        path_style=False,
        access_key="id",
        secret_key="secret",
        total_seconds=4.0,
    )
    assert "secret'" not in repr(place)
    assert "'id'" not in repr(place)


def test_what_an_option_says_wins_over_the_address_and_that_over_what_is_usual() -> None:
    place = S3Place.read("s3://b?region=there&retries=1", {"retries": 0, "connections": 3}, region="here")
    assert (place.region, place.retries, place.connections) == ("here", 1, 3)


@pytest.mark.parametrize(
    ("url", "prefix"),
    [
        *(("s3://b", ""), ("s3://b/", ""), ("s3://b/x", "x/"), ("s3://b/x/", "x/"), ("s3://b/x//", "x//")),
        *(("s3://b//x", "/x/"), ("s3://b/%23%3F+%2B%25", "#?++%/")),
    ],
)
def test_a_prefix_ends_in_a_slash(url: str, prefix: str) -> None:
    assert S3Place.read(url).prefix == prefix


def test_a_server_of_its_own_has_its_buckets_in_the_path() -> None:
    assert S3Place.read("s3://b?endpoint=http://localhost:9000").in_path
    assert not S3Place.read("s3://b?endpoint=http://localhost:9000&path_style=false").in_path
    assert not S3Place.read("s3://b").in_path
    assert S3Place.read("s3://b?path_style=true").in_path


@pytest.mark.parametrize(
    ("url", "options", "said"),
    [
        ("https://host/b", {}, "an address such as"),
        ("s3:///prefix", {}, "a bucket is named"),
        ("s3://id:hidden@b/x", {}, "do not belong into a URL"),
        ("s3://b?secret_key=hidden", {}, "does not belong into a URL"),
        ("s3://b?session_token=hidden", {}, "does not belong into a URL"),
        ("s3://b#x", {}, "%23"),
        ("s3://b?regoin=x", {}, "regoin is no option"),
        ("s3://b?region=x&region=y", {}, "twice"),
        ("s3://b?region=", {}, "not empty"),
        ("s3://b?endpoint=localhost:9000", {}, "an endpoint is"),
        ("s3://b?endpoint=http://u:hidden@localhost", {}, "nothing secret|anything secret"),
        ("s3://b?endpoint=http://localhost/b", {}, "no path"),
        ("s3://b?endpoint=http://localhost:99999", {}, "the port"),
        ("s3://b?path_style=yes", {}, "true or false"),
        ("s3://b?total_seconds=soon", {}, "a number of seconds"),
        ("s3://b?total_seconds=nan", {}, "above 0"),
        ("s3://b?connect_seconds=0", {}, "above 0"),
        ("s3://b?retries=-1", {}, "a whole number"),
        ("s3://b?connections=0", {}, "1 or more"),
        ("s3://b?etags=weak", {}, "md5 or opaque"),
        ("s3://b", {"access_key": "hidden"}, "belong together"),
        ("s3://b", {"session_token": "hidden"}, "belong together"),
    ],
)
def test_an_address_that_means_nothing_is_refused_in_words_without_secrets(
    url: str, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said) as refusal:
        S3Place.read(url, **options)
    assert "hidden" not in str(refusal.value)


def test_credentials_are_found_as_boto3_finds_them(seaweed_server: Seaweed) -> None:
    script = f"""
import asyncio
from proxy.s3.bucket import Bucket
from proxy.s3.place import S3Place

async def main():
    for fast in (False, True):
        bucket = Bucket.open(S3Place.read({seaweed_server.url("chain")!r}), fast=fast)
        await bucket.put("key", b"body")
        print((await bucket.head("key")).size)
        await bucket.close()

asyncio.run(main())
"""
    known = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    run = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(run, env=os.environ | known, capture_output=True, text=True, timeout=60)
    assert done.stdout == "4\n4\n", done.stderr


# Keys


REFUSED = ["", "folder/", "a/", "/", ".", "..", "./a", "a/./b", "../a", "a/..", "a/../b", "a\0b", "\ud800"]


async def test_a_key_that_can_name_nothing_is_refused_before_the_bucket_is_asked(source: S3Source) -> None:
    await source.close()
    for key in [*REFUSED, "x" * (LONGEST_KEY - 5)]:
        with pytest.raises(NoSuchOriginal):
            await source.stat(key)
        with pytest.raises(NoSuchOriginal):
            await source.fetch(key, io.BytesIO())
        with pytest.raises(NoSuchOriginal):
            await source.read(key, "v", 0, 1)
        with pytest.raises(ValueError, match="cannot name an original"):
            await source.put(key, b"")


async def test_dots_in_front_double_slashes_and_controls_are_letters_like_others(source: S3Source) -> None:
    keys = [".hidden", "a/.hidden/..x", "...", "x//y.jpg", "//z", "tab\there", "line\nend", "\x01\x7f", " ", "a//.b"]
    for key in keys:
        await source.put(key, key.encode())
    for key in keys:
        assert await fetched(source, key) == key.encode()
        assert (await source.stat(key)).size == len(key.encode())


# What was found


async def test_a_version_is_the_etag(source: S3Source) -> None:
    put = await source.put("cat.jpg", b"cat")
    found = await source.stat("cat.jpg")
    assert found.version == put.version == hashlib.md5(b"cat").hexdigest()
    assert found.modified
    assert await source.fetch("cat.jpg", io.BytesIO()) == found


async def test_a_bucket_with_versions_gives_each_of_them_for_ever(seaweed_server: Seaweed) -> None:
    client = raw(seaweed_server)
    client.create_bucket(Bucket="versions")
    client.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
    for fast in (False, True):
        bucket = s3_bucket(seaweed_server, fast=fast, url=seaweed_server.url(f"{fast}", bucket="versions"))
        source = S3Source(bucket)
        await source.put("cat.jpg", b"first cat")
        first = await source.stat("cat.jpg")
        assert re.fullmatch(r"[0-9a-f]{32} \S+", first.version)
        await source.put("cat.jpg", b"second cat")
        second = await source.fetch("cat.jpg", io.BytesIO())
        assert second == await source.stat("cat.jpg")
        assert first.version != second.version
        assert await source.read("cat.jpg", first.version, 0, 5) == b"first"
        assert await source.read("cat.jpg", second.version, 0, 6) == b"second"
        await source.copy("cat.jpg", "old.jpg", version=first.version)
        assert await fetched(source, "old.jpg") == b"first cat"
        await source.delete("cat.jpg")
        assert not await source.exists("cat.jpg")
        assert await source.read("cat.jpg", first.version, 0, 5) == b"first"
        await source.close()


async def test_an_original_in_parts_has_an_etag_that_proves_nothing_and_is_read_all_the_same(
    source: S3Source, seaweed_server: Seaweed
) -> None:
    client, part = raw(seaweed_server), bytes(range(256)) * (5 << 12)
    where = {"Bucket": BUCKET, "Key": f"{source._bucket.place.prefix}parts.bin"}
    upload = client.create_multipart_upload(**where)["UploadId"]
    done = [
        {
            "PartNumber": number,
            "ETag": client.upload_part(**where, UploadId=upload, PartNumber=number, Body=body)["ETag"],
        }
        for number, body in ((1, part), (2, b"end"))
    ]
    client.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": done})
    assert (await source.stat("parts.bin")).version.endswith("-2")
    assert await fetched(source, "parts.bin") == part + b"end"


def raw(server: Seaweed) -> Any:
    """boto3's own client."""
    _, session = opened(S3Place.read(server.url(), access_key=ACCESS_KEY, secret_key=SECRET_KEY))
    import boto3

    return boto3.session.Session().client(
        "s3",
        endpoint_url=session.endpoint,
        region_name=session.region,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )


# What a library asks of it


async def test_it_has_every_ability(source: S3Source) -> None:
    for ability in (Ranged, Listed, Described, Kept, Presigned, Paged):
        assert isinstance(source, ability)
    remote: Remote = source
    assert remote


async def test_metadata_and_media_type_come_back(source: S3Source) -> None:
    with io.BytesIO(b"a film") as file:
        file.seek(3)
        put = await source.put("film.mp4", file, content_type="video/mp4", metadata={"taken-at": "2026-01-01"})
        assert not file.closed
    about = await source.about("film.mp4")
    assert (about.content_type, dict(about.metadata)) == ("video/mp4", {"taken-at": "2026-01-01"})
    assert about.stat == await source.stat("film.mp4")
    assert (about.stat.version, about.stat.size) == (put.version, put.size)
    assert await fetched(source, "film.mp4") == b"a film"


@pytest.mark.parametrize(("name", "text"), [("Name", "x"), ("a b", "x"), ("a", "ü"), ("a", "x\ny"), ("a", " x")])
async def test_metadata_that_would_not_come_back_is_refused(source: S3Source, name: str, text: str) -> None:
    with pytest.raises(ValueError, match="metadata"):
        await source.put("cat.jpg", b"cat", metadata={name: text})


async def test_what_should_be_new_is_not_written_over_another(source: S3Source) -> None:
    await source.put("cat.jpg", b"cat", new=True)
    with pytest.raises(AlreadyExists):
        await source.put("cat.jpg", b"other cat", new=True)
    assert await fetched(source, "cat.jpg") == b"cat"
    await source.put("cat.jpg", b"other cat")
    assert await fetched(source, "cat.jpg") == b"other cat"


async def test_copies_and_deletions(source: S3Source) -> None:
    key, to = "a b+%é.jpg", "copy of+%é.jpg"
    put = await source.put(key, b"cat", content_type="image/jpeg")
    assert await source.copy(key, to) == await source.stat(to)
    assert await fetched(source, to) == b"cat"
    assert (await source.about(to)).content_type == "image/jpeg"
    with pytest.raises(OriginFailed):
        await source.copy(key, to, version="0" * 32)
    await source.copy(key, to, version=put.version)
    with pytest.raises(NoSuchOriginal):
        await source.copy("none.jpg", to)
    await source.delete(key)
    await source.delete(key)
    assert not await source.exists(key)
    assert await source.exists(to)


@pytest.mark.parametrize("key", ["cat.jpg", "a b+%é&=~.jpg", "x/.y/%2F"])
async def test_others_can_be_sent_to_an_original(source: S3Source, key: str) -> None:
    url = await source.write_url(key, 60, "image/jpeg")
    assert "X-Amz-Signature=" in url
    assert SECRET_KEY not in unquote(url)
    assert await asked(url, "PUT", "image/jpeg", b"cat") == (200, b"")
    assert await fetched(source, key) == b"cat"
    assert await asked(await source.read_url(key, 60)) == (200, b"cat")
    assert (await asked(url, "PUT", "text/html", b"cat"))[0] == 403
    assert (await asked(f"{url}x", "PUT", "image/jpeg", b"cat"))[0] == 403


async def asked(url: str, method: str = "GET", content_type: str = "", body: bytes | None = None) -> tuple[int, bytes]:
    """Status and body of an answer to somebody who knows nothing but a URL."""

    def ask() -> tuple[int, bytes]:
        fields = {"Content-Type": content_type} if content_type else {}
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body, fields, method=method), timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    return await asyncio.to_thread(ask)


async def test_keys_are_gone_through_page_by_page(source: S3Source) -> None:
    keys = sorted([*(f"many/{n:02}" for n in range(25)), "many/é b", "more", "z/y"], key=str.encode)
    for key in keys:
        await source.put(key, b"")
    seen: list[str] = []
    page = await source.keys("", most=10)
    while True:
        assert len(page.keys) <= 10
        seen += page.keys
        if not page.after:
            break
        page = await source.keys("", page.after, 10)
    assert seen == keys
    assert (await source.keys("many/1")).keys == tuple(f"many/1{n}" for n in range(10))
    assert await source.names("many/", 3) == ["many/00", "many/01", "many/02"]
    assert await source.names("none", 3) == []


def is_jpeg(name: str) -> bool:
    return name.endswith(".jpg")


async def test_a_folder_is_listed_in_order_and_by_what_names_begin_with(source: S3Source) -> None:
    for key in ("b.jpg", "a.jpg", "é.jpg", "note.txt", ".hidden.jpg", "folder/dog.jpg", "folder/cat.jpg", "folder/x/y"):
        await source.put(key, b"")
    assert await source.listing("", 10, is_jpeg) == Listing(("folder",), (".hidden.jpg", "a.jpg", "b.jpg", "é.jpg"))
    assert await source.listing("b", 10, is_jpeg) == Listing((), ("b.jpg",))
    assert await source.listing("folder/", 10, is_jpeg) == Listing(("x",), ("cat.jpg", "dog.jpg"))
    assert await source.listing("folder/d", 10, is_jpeg) == Listing((), ("dog.jpg",))
    assert await source.listing("", 2, is_jpeg) == Listing((), (".hidden.jpg", "a.jpg"), whole=False)
    for prefix in ("none/", "folder/cat.jpg/", "../"):
        with pytest.raises(NoSuchOriginal):
            await source.listing(prefix, 10, is_jpeg)


# What can be wrong with a place


@WAYS
@pytest.mark.parametrize(
    "options", [{"secret_key": "wrong" * 8}, {"access_key": "AKIAUNKNOWN"}], ids=["secret", "identity"]
)
async def test_wrong_credentials_are_a_failure_that_tells_nothing_of_them(
    seaweed_server: Seaweed, fast: bool, options: dict[str, str]
) -> None:
    source = S3Source(s3_bucket(seaweed_server, fast=fast, **options))
    for ask in (source.stat("cat.jpg"), source.fetch("cat.jpg", io.BytesIO()), source.put("cat.jpg", b"")):
        with pytest.raises(OriginFailed) as refusal:
            await ask
        assert str(refusal.value) == "The place of the originals does not let us have this one."
        assert not re.search("wrong|AKIA", repr(refusal.value.__cause__))
    await source.close()


@WAYS
async def test_a_bucket_that_is_not_there_has_no_originals(seaweed_server: Seaweed, fast: bool) -> None:
    source = S3Source(s3_bucket(seaweed_server, fast=fast, url=seaweed_server.url(bucket="nowhere")))
    with pytest.raises(NoSuchOriginal):
        await source.stat("cat.jpg")
    with pytest.raises(NoSuchOriginal):
        await source.fetch("cat.jpg", io.BytesIO())
    with pytest.raises(NoSuchOriginal):
        await source.listing("", 10, is_jpeg)
    await source.close()


def test_nothing_of_s3_is_loaded_before_a_bucket_is_opened() -> None:
    code = "import sys, proxy.sources.s3, proxy.stores.s3; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"boto3", "botocore", "obstore"} & set(loaded)
