"""What every place of originals does, whatever is behind it."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.failures import NoSuchOriginal, OriginalReplaced
from proxy.sources.file import FileSource
from proxy.sources.source import LEAST_PARTED, Parted, Ranged, parts_of
from tests.places import HOSTILE, PLACES, RANGED, Place

pytestmark = pytest.mark.anyio

PLAIN = {"cat.jpg": b"cat", "a/b/c d+é.png": b"deep", "no-extension": b"", "a/w_100/x.jpg": b"like a step"}
ODD = ["a b.jpg", "+.jpg", "100%.jpg", "%2e%2F.jpg", "e\u0301", "é😀.jpg", "a&b=c;d:e@f$,g!*'(){}[]|^`\\\"<>.jpg", "~"]
LARGE = bytes(range(251)) * 20_000


@pytest.fixture(params=PLACES)
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    async with PLACES[request.param](request, tmp_path) as made:
        for key, body in PLAIN.items():
            await made.write(key, body)
        yield made


async def test_an_original_is_found_and_opened(place: Place) -> None:
    for key, body in PLAIN.items():
        found = await place.source.stat(key)
        original = await place.source.open(key)
        assert found.size == original.size == len(body)
        assert found.version == original.version
        assert found.modified == original.modified
        assert original.head(1000) == body
        assert original.path.read_bytes() == body


async def test_a_key_is_taken_to_the_letter(place: Place) -> None:
    for key in ODD:
        await place.write(key, key.encode())
    for key in ODD:
        assert (await place.source.open(key)).head(1000) == key.encode()
        assert (await place.source.stat(key)).size == len(key.encode())


async def test_new_bytes_are_a_new_version(place: Place) -> None:
    before = await place.source.stat("cat.jpg")
    assert before == await place.source.stat("cat.jpg")
    await place.write("cat.jpg", b"another cat")
    assert (await place.source.stat("cat.jpg")).version != before.version


async def test_an_open_original_keeps_its_bytes(place: Place) -> None:
    original = await place.source.open("cat.jpg")
    if isinstance(place.source, FileSource):
        original.path.unlink()
    else:
        await place.write("cat.jpg", b"another cat")
    assert original.head(100) == b"cat"


async def test_a_large_original_comes_whole(place: Place) -> None:
    await place.write("large.bin", LARGE)
    original = await place.source.open("large.bin")
    assert original.size == len(LARGE)
    assert original.path.read_bytes() == LARGE


async def test_a_hostile_name_is_no_original(place: Place) -> None:
    for key in HOSTILE:
        if place.folds_slashes and "//" in f"/{key}":
            continue
        with pytest.raises(NoSuchOriginal):
            pytest.fail(f"found {key!r}: {await place.source.stat(key)}")
        with pytest.raises(NoSuchOriginal) as refusal:
            pytest.fail(f"opened {key!r}: {await place.source.open(key)}")
        assert "originals" not in str(refusal.value)


@pytest.mark.parametrize("place", RANGED, indirect=True)
async def test_a_part_is_read_of_one_version_alone(place: Place) -> None:
    assert isinstance(place.remote, Ranged)
    await place.write("large.bin", LARGE)
    version = (await place.source.stat("large.bin")).version
    assert await place.remote.read("large.bin", version, 0, 10) == LARGE[:10]
    assert await place.remote.read("large.bin", version, 1_000_001, 70_000) == LARGE[1_000_001:1_070_001]
    assert await place.remote.read("large.bin", version, len(LARGE) - 3, 100) == LARGE[-3:]
    assert await place.remote.read("large.bin", version, len(LARGE), 1) == b""
    assert await place.remote.read("large.bin", version, 5, 0) == b""
    assert (await place.remote.stat_version("large.bin", version)).size == len(LARGE)
    await place.write("large.bin", LARGE[1:])
    with pytest.raises(OriginalReplaced):
        await place.remote.read("large.bin", version, 0, 10)
    with pytest.raises(OriginalReplaced):
        await place.remote.stat_version("large.bin", version)
    with pytest.raises(NoSuchOriginal):
        await place.remote.read("none.bin", version, 0, 10)


@pytest.mark.parametrize("place", RANGED, indirect=True)
async def test_an_original_is_read_by_and_by(place: Place) -> None:
    await place.write("large.bin", LARGE)
    found = await place.source.stat("large.bin")
    parts = await parts_of(place.source, "large.bin", found.version, found.size, "")
    assert parts
    assert (parts.version, parts.size, parts.head(1000)) == (found.version, len(LARGE), LARGE[:1000])
    for start, length in ((3_000_000, 10), (len(LARGE) - 5, 5), (262_143, 2)):
        first, behind = await parts.need(start, length)
        assert first <= start < start + length <= behind
        assert os.pread(parts.descriptor, behind - first, first) == LARGE[first:behind]
    await place.write("large.bin", LARGE[1:])
    assert await parts.need(3_000_000, 10)
    with pytest.raises(OriginalReplaced):
        await parts.need(2_000_000, 10)


async def test_what_cannot_be_read_by_and_by_is_no_failure(place: Place) -> None:
    await place.write("large.bin", LARGE)
    found = await place.source.stat("large.bin")
    parts = await parts_of(place.source, "large.bin", found.version, found.size, "")
    assert (parts is not None) == (isinstance(place.remote, Ranged) and not found.version.startswith("c"))
    assert await parts_of(place.source, "cat.jpg", found.version, LEAST_PARTED - 1, "") is None
    if parts is None and isinstance(place.source, Parted):
        assert await place.source.open_parts("large.bin", found.version) is None
    assert (await place.source.open("large.bin")).size == len(LARGE)
