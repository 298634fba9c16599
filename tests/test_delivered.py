"""Which paths caches in front may have: found by any tag, bounded, and known to the next process."""

from pathlib import Path

from proxy.negotiation import Bucket
from proxy.purging.delivered import OVERHEAD, TAG_OVERHEAD, Delivered, Place

AVIF, NONE = Bucket(avif=True), Bucket()


def test_what_was_answered_is_found_by_each_tag_and_taken_once() -> None:
    delivered = Delivered()
    delivered.remember(b"/w_1/a", [AVIF], ("source:a", "mount:/"))
    delivered.remember(b"/w_1/a", [NONE], ("source:a", "mount:/"))
    delivered.remember(b"/w_2/b", [NONE], ("source:b", "mount:/"))
    assert delivered.take(["source:a"]) == [Place(b"/w_1/a", frozenset({AVIF, NONE}))]
    assert delivered.take(["source:a"]) == []
    assert delivered.take(["mount:/", "source:b"]) == [Place(b"/w_2/b", frozenset({NONE}))]
    assert (len(delivered), delivered.bytes, list(delivered.tags)) == (0, 0, [])


def test_a_path_that_bears_other_tags_by_now_is_found_by_those() -> None:
    delivered = Delivered()
    delivered.remember(b"/t_card/a", [NONE], ("preset:card",))
    delivered.remember(b"/t_card/a", [AVIF], ("preset:card", "preset:frame"))
    assert delivered.take(["preset:frame"]) == [Place(b"/t_card/a", frozenset({AVIF, NONE}))]
    assert not list(delivered.tags)


def test_the_least_recently_answered_are_forgotten() -> None:
    delivered = Delivered(most=3)
    for path in (b"/a", b"/b", b"/c", b"/a", b"/d"):
        delivered.remember(path, [NONE], ("t",))
    assert delivered.forgotten == 1
    assert [place.path for place in delivered.take(["t"])] == [b"/a", b"/c", b"/d"]


def test_bytes_are_bounded() -> None:
    delivered = Delivered(most_bytes=10 * (OVERHEAD + TAG_OVERHEAD + 1000))
    for number in range(30):
        delivered.remember(b"%01000d" % number, [NONE], ("t",))
    assert (len(delivered), delivered.forgotten) == (10, 20)


def test_the_next_process_knows_what_was_answered(tmp_path: Path) -> None:
    delivered, file = Delivered(), tmp_path / "delivered"
    delivered.remember(b"/w_1/caf\xc3\xa9%20.jpg", [AVIF, NONE], ("source:a", "mount:/"))
    delivered.save(file)
    with file.open("a") as lines:
        lines.write('{"no": "row"}\n[1,2,3]\n["/x",[[1]],["t"]]\n["/cut')
    other = Delivered()
    other.load(file)
    assert other.take(["mount:/"]) == [Place(b"/w_1/caf\xc3\xa9%20.jpg", frozenset({AVIF, NONE}))]
    assert not file.exists()
    other.load(file)
