"""S3 that fails in every way: a true answer or a refusal, in few tries and in time, and never half an original."""

import asyncio
import base64
import gzip
import hashlib
import io
import socket
import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from email.utils import formatdate
from urllib.parse import unquote

import pytest

from proxy.breaker import Breaker
from proxy.failures import NoSuchOriginal, OriginFailed, OriginTimedOut
from proxy.s3.bucket import Bucket
from proxy.s3.errors import TimedOut
from proxy.s3.place import S3Place
from proxy.sources.s3 import S3Source
from tests.origin_stub import Asked, Origin, Script, origin
from tests.serving import LOCAL, PATIENCE, wait_until

pytestmark = pytest.mark.anyio

BODY = bytes(range(256)) * 400
DATE = formatdate(1_700_000_000, usegmt=True)


def answer(body: bytes = BODY, etag: str = "", **fields: str) -> Script:
    """What S3 says of an object, as it should be."""
    told = {"ETag": f'"{etag or hashlib.md5(body).hexdigest()}"', "Last-Modified": DATE, "Content-Type": "image/jpeg"}
    return Script(body, fields={**told, **{name.replace("_", "-"): value for name, value in fields.items()}})


def error(status: int, code: str) -> Script:
    return Script(f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>".encode(), status)


GOOD = answer()
NOTHING_SAID = Script(b"<html>Welcome to the hotel's network</html>", fields={"Content-Type": "text/html"})


@pytest.fixture
def site() -> Iterator[Origin]:
    with origin() as made:
        yield made


def bucket_at(port: int, fast: bool, **options: object) -> Bucket:
    url = f"s3://b/pre?endpoint=http://{LOCAL}:{port}"
    return Bucket.open(S3Place.read(url, access_key="id", secret_key="hidden", **options), fast=fast)


@pytest.fixture(params=[False, True], ids=["boto3", "obstore"])
async def bucket(request: pytest.FixtureRequest, site: Origin) -> AsyncIterator[Bucket]:
    made = bucket_at(site.port, request.param, first_byte_seconds=PATIENCE, total_seconds=PATIENCE)
    yield made
    await made.close()


@pytest.fixture
def source(bucket: Bucket) -> S3Source:
    return S3Source(bucket)


@pytest.fixture(params=[False, True], ids=["boto3", "obstore"])
async def impatient(request: pytest.FixtureRequest, site: Origin) -> AsyncIterator[S3Source]:
    made = S3Source(bucket_at(site.port, request.param, first_byte_seconds=0.3, total_seconds=1.5))
    yield made
    await made.close()


FAULTS = {
    "500": (error(500, "InternalError"), OriginFailed, 3),
    "503 SlowDown": (error(503, "SlowDown"), OriginFailed, 3),
    "503 without a word": (Script(b"", 503), OriginFailed, 3),
    "403": (error(403, "AccessDenied"), OriginFailed, 1),
    "404": (error(404, "NoSuchKey"), NoSuchOriginal, 1),
    "no bucket": (error(404, "NoSuchBucket"), NoSuchOriginal, 1),
    "elsewhere": (error(301, "PermanentRedirect"), OriginFailed, 3),
    "reset at half": (replace(GOOD, reset=len(BODY) // 2), OriginFailed, 3),
    "short by a byte": (replace(GOOD, truncate=len(BODY) - 1), OriginFailed, 3),
    "longer than its length": (replace(GOOD, length=len(BODY) - 1), OriginFailed, 3),
    "no length": (replace(GOOD, length=-1), OriginFailed, 3),
    "chunks without an end": (replace(GOOD, endless=True), OriginFailed, 3),
    "wrong ETag": (answer(etag="0" * 32), OriginFailed, 3),
    "HTML with 200": (NOTHING_SAID, OriginFailed, 3),
}
SLOW = {
    "hangs": replace(GOOD, delay=60),
    "first byte late": replace(GOOD, delay=0.8),
    "1 kB a second": replace(GOOD, rate=1000),
}


@pytest.mark.parametrize(("script", "refusal", "tries"), FAULTS.values(), ids=FAULTS)
async def test_a_fault_is_a_refusal_after_few_tries(
    site: Origin, source: S3Source, script: Script, refusal: type[Exception], tries: int
) -> None:
    site.scripts["/b/pre/cat.jpg"] = script
    with pytest.raises(refusal) as raised:
        await source.fetch("cat.jpg", io.BytesIO())
    assert 1 <= site.count("/b/pre/cat.jpg") <= tries
    assert str(raised.value).endswith(".")
    assert not {"hidden", "127.0.0.1", "pre/"} & set(str(raised.value).split())


@pytest.mark.parametrize("script", SLOW.values(), ids=SLOW)
async def test_who_is_too_slow_is_not_waited_for(site: Origin, impatient: S3Source, script: Script) -> None:
    site.scripts["/b/pre/cat.jpg"] = script
    with pytest.raises(OriginTimedOut):
        await impatient.fetch("cat.jpg", io.BytesIO())
    assert 1 <= site.count("/b/pre/cat.jpg") <= 3


async def test_who_is_slow_once_is_asked_again(site: Origin, impatient: S3Source) -> None:
    site.scripts["/b/pre/cat.jpg"] = lambda _: replace(GOOD, delay=60 if site.count() == 1 else 0)
    file = io.BytesIO()
    await impatient.fetch("cat.jpg", file)
    assert file.getvalue() == BODY


@pytest.mark.parametrize(
    "first",
    [
        *(error(500, "InternalError"), error(503, "SlowDown"), replace(GOOD, reset=50_000)),
        *(replace(GOOD, truncate=len(BODY) - 1), answer(BODY[1:], GOOD.fields["ETag"].strip('"'))),
    ],
    ids=["500", "503", "reset", "short", "other bytes"],
)
async def test_a_fault_that_passes_is_not_noticed(site: Origin, source: S3Source, first: Script) -> None:
    def once(asked: Asked) -> Script:
        return first if site.count("/b/pre/cat.jpg") == 1 else GOOD

    site.scripts["/b/pre/cat.jpg"] = once
    file = io.BytesIO()
    assert (await source.fetch("cat.jpg", file)).size == len(BODY)
    assert file.getvalue() == BODY
    assert site.count("/b/pre/cat.jpg") == 2


async def test_a_part_of_another_length_or_place_is_refused(site: Origin, source: S3Source) -> None:
    version = hashlib.md5(BODY).hexdigest()
    site.scripts["/b/pre/good"] = GOOD
    assert await source.read("good", version, 1000, 500) == BODY[1000:1500]
    site.scripts["/b/pre/short"] = replace(GOOD, truncate=499)
    site.scripts["/b/pre/all of it"] = site.scripts["/b/pre/all%20of%20it"] = replace(GOOD, ranges=False)
    for key in ("short", "all of it"):
        with pytest.raises(OriginFailed):
            await source.read(key, version, 1000, 500)


async def test_an_original_is_its_bytes_however_somebody_has_encoded_them(site: Origin, source: S3Source) -> None:
    for encoding in ("gzip", "aws-chunked", "br"):
        packed = gzip.compress(BODY)
        site.scripts["/b/pre/cat.jpg"] = answer(packed, content_encoding=encoding)
        file = io.BytesIO()
        assert (await source.fetch("cat.jpg", file)).size == len(packed)
        assert file.getvalue() == packed


@pytest.mark.parametrize("bucket", [False], indirect=True, ids=["boto3"])
@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("sha256", hashlib.sha256(BODY).digest()),
        ("sha1", hashlib.sha1(BODY).digest()),
        ("crc32", zlib.crc32(BODY).to_bytes(4, "big")),
    ],
    ids=["sha256", "sha1", "crc32"],
)
async def test_a_checksum_counts_more_than_an_etag(site: Origin, source: S3Source, name: str, right: bytes) -> None:
    field = f"x_amz_checksum_{name}"
    site.scripts["/b/pre/right"] = answer(etag="0" * 32, **{field: base64.b64encode(right).decode()})
    assert (await source.fetch("right", io.BytesIO())).size == len(BODY)
    for wrong in (base64.b64encode(bytes(len(right))).decode(), "not base64"):
        site.scripts["/b/pre/wrong"] = answer(**{field: wrong})
        with pytest.raises(OriginFailed):
            await source.fetch("wrong", io.BytesIO())


@pytest.mark.parametrize("sealed", ["aws:kms", "aws:kms:dsse"])
async def test_the_etag_of_what_is_encrypted_with_a_key_of_its_own_proves_nothing(
    site: Origin, source: S3Source, sealed: str
) -> None:
    site.scripts["/b/pre/cat.jpg"] = answer(etag="0" * 32, x_amz_server_side_encryption=sealed)
    for _ in range(3):
        assert (await source.fetch("cat.jpg", io.BytesIO())).size == len(BODY)
    assert site.count("/b/pre/cat.jpg") <= 4


async def test_etags_may_be_said_to_prove_nothing(site: Origin) -> None:
    site.scripts["/b/pre/cat.jpg"] = answer(etag="0" * 32)
    for fast in (False, True):
        bucket = bucket_at(site.port, fast, etags="opaque")
        assert (await S3Source(bucket).fetch("cat.jpg", io.BytesIO())).version == "0" * 32
        await bucket.close()
    assert site.count() == 2


async def test_where_obstore_gets_nothing_boto3_goes_on_alone(site: Origin) -> None:
    site.scripts["/b/pre/cat.jpg"] = lambda asked: (
        error(400, "AuthorizationHeaderMalformed") if "object_store" in asked.fields["user-agent"] else GOOD
    )
    source = S3Source(bucket_at(site.port, True))
    for _ in range(9):
        assert (await source.fetch("cat.jpg", io.BytesIO())).size == len(BODY)
    assert site.count() == 5 + 9
    await source.close()


async def test_a_server_that_is_not_there_is_a_failure(site: Origin) -> None:
    with socket.socket() as sock:
        sock.bind((LOCAL, 0))
        port = sock.getsockname()[1]
    for fast in (False, True):
        bucket = bucket_at(port, fast)
        with pytest.raises(OriginFailed):
            await S3Source(bucket).stat("cat.jpg")
        await bucket.close()


async def test_who_fails_again_and_again_is_left_alone_for_a_while(
    site: Origin, bucket: Bucket, source: S3Source
) -> None:
    now = 0.0
    bucket.breaker = Breaker(5, 2.0, lambda: now)
    site.scripts["/b/pre/cat.jpg"] = error(500, "InternalError")
    for _ in range(10):
        with pytest.raises(OriginFailed):
            await source.fetch("cat.jpg", io.BytesIO())
    assert site.count() == 5
    now = 2.0
    site.scripts["/b/pre/cat.jpg"] = GOOD
    for _ in range(3):
        assert (await source.fetch("cat.jpg", io.BytesIO())).size == len(BODY)


@pytest.mark.parametrize("fast", [False, True], ids=["boto3", "obstore"])
async def test_who_waited_too_long_for_others_does_not_speak_against_the_bucket(site: Origin, fast: bool) -> None:
    site.scripts["/b/pre/cat.jpg"] = replace(GOOD, delay=0.1)
    bucket = bucket_at(site.port, fast, total_seconds=2, connections=1)
    results = await asyncio.gather(*(bucket.head("cat.jpg") for _ in range(40)), return_exceptions=True)
    assert any(isinstance(result, TimedOut) for result in results)
    assert bucket.breaker.state == "closed"
    await bucket.close()


async def test_missing_and_damaged_originals_do_not_speak_against_the_bucket(site: Origin, source: S3Source) -> None:
    site.scripts |= {"/b/pre/bad": answer(etag="0" * 32), "/b/pre/good": GOOD}
    for _ in range(3):
        for key, refusal in (("none", NoSuchOriginal), ("bad", OriginFailed)):
            with pytest.raises(refusal):
                await source.fetch(key, io.BytesIO())
    assert (await source.fetch("good", io.BytesIO())).size == len(BODY)


async def test_second_tries_are_few_when_everything_fails(site: Origin, bucket: Bucket, source: S3Source) -> None:
    bucket.breaker = Breaker(1000)
    site.scripts["/b/pre/cat.jpg"] = error(503, "SlowDown")
    results = await asyncio.gather(*(source.fetch("cat.jpg", io.BytesIO()) for _ in range(40)), return_exceptions=True)
    assert {type(result) for result in results} == {OriginFailed}
    assert 40 <= site.count() <= 40 + 10 + 40 // 10


async def test_one_bucket_that_hangs_holds_up_no_other(site: Origin) -> None:
    site.scripts |= {"/b/pre/hangs": replace(GOOD, delay=60), "/b/pre/good": GOOD}
    for fast in (False, True):
        one = bucket_at(site.port, fast, first_byte_seconds=0.3, total_seconds=0.6, connections=2)
        other = bucket_at(site.port, fast)
        hanging = [asyncio.create_task(one.head("hangs")) for _ in range(5)]
        await asyncio.sleep(0)
        assert (await other.get("good", lambda _: bytes)).size == len(BODY)
        for result in await asyncio.gather(*hanging, return_exceptions=True):
            assert isinstance(result, OSError)
        await one.close()
        await other.close()


async def test_nothing_goes_on_reading_for_somebody_who_left(site: Origin, source: S3Source) -> None:
    site.scripts["/b/pre/cat.jpg"] = replace(GOOD, rate=4000)
    file = io.BytesIO()
    reading = asyncio.create_task(source.fetch("cat.jpg", file))
    await asyncio.to_thread(wait_until, lambda: site.count() == 1)
    reading.cancel()
    assert isinstance((await asyncio.gather(reading, return_exceptions=True))[0], asyncio.CancelledError)
    await asyncio.to_thread(wait_until, lambda: site.open == 0)
    assert len(file.getvalue()) < len(BODY)


KEYS = [
    *(
        "a b",
        "a+b",
        "100%",
        "%2F",
        "%20",
        "é",
        "e\u0301",
        "😀",
        "x//y",
        "//z",
        "/y",
        ".h",
        "a/.h/..x",
        "a&b=c;d:e@f$,g",
    ),
    *("what?#", "~", "it's", "(1)*!", "back\\slash", "[{<|>}]", "tab\t", "line\n", "\x7f", "\x01", '"', "^`", " "),
]


async def test_every_key_goes_over_the_wire_as_it_is(site: Origin, source: S3Source) -> None:
    for key in KEYS:
        for ask in (source.stat(key), source.fetch(key, io.BytesIO()), source.read(key, "v", 0, 1)):
            with pytest.raises(NoSuchOriginal):
                await ask
            asked = site.asked[-1]
            assert unquote(asked.path, errors="strict") == f"/b/pre/{key}"
            assert "?" not in asked.path
            assert asked.fields["authorization"].startswith("AWS4-HMAC-SHA256 Credential=id/")
