"""What every place of originals does, whatever is behind it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.failures import NoSuchOriginal, OriginFailed
from proxy.sources.file import FileSource
from proxy.sources.source import Ranged
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
    await place.write("large.bin", LARGE[1:])
    with pytest.raises(OriginFailed):
        await place.remote.read("large.bin", version, 0, 10)
    with pytest.raises(NoSuchOriginal):
        await place.remote.read("none.bin", version, 0, 10)
