"""Which paths caches in front may have: found by any tag, bounded, and known to the next process."""

from pathlib import Path

import pytest

from proxy.negotiation import Bucket
from proxy.purging.delivered import Delivered, Place

AVIF, NONE = Bucket(avif=True), Bucket()


def test_what_was_answered_is_found_by_each_tag_and_taken_once() -> None:
    delivered = Delivered()
    delivered.remember(b"/w_1/a", AVIF, "one", ("source:a", "mount:/"))
    delivered.remember(b"/w_1/a", NONE, "one", ("source:a", "mount:/"))
    delivered.remember(b"/w_2/b", NONE, "two", ("source:b", "mount:/"))
    assert delivered.take(["source:a"]) == [Place("one", b"/w_1/a", frozenset({AVIF, NONE}), ("source:a", "mount:/"))]
    assert delivered.take(["source:a"]) == []
    assert [place.name for place in delivered.take(["mount:/", "source:b"])] == ["two"]
    assert (len(delivered), delivered.bytes, list(delivered.tags)) == (0, 0, [])


def test_an_answer_under_many_signatures_is_one_and_its_last_path_is_known() -> None:
    delivered = Delivered()
    for number in range(5):
        delivered.remember(b"/sig_%d,exp_5/w_1/a" % number, NONE, "one", ("t",))
    delivered.remember(b"/sig_9/w_1/%61", NONE, "one", ("t",))  # a cache that keeps by the path has it twice
    delivered.remember(b"/sig_8/w_1/a", NONE, "other policy", ("t",))
    assert [(place.path, place.public) for place in delivered.take(["t"])] == [
        (b"/sig_4,exp_5/w_1/a", b"/w_1/a"),
        (b"/sig_9/w_1/%61", b"/w_1/%61"),
        (b"/sig_8/w_1/a", b"/w_1/a"),
    ]


@pytest.mark.parametrize(
    "auth", [b"sig_x", b"%73ig_x", b"s%69g%5Fx", b"exp_5,%73ig_x", b"exp_5%2C%73ig_x", b"%73%69%67%5f%78"]
)
@pytest.mark.parametrize("slash", [b"/", b"%2F", b"%2f"])
def test_no_spelling_of_a_signature_is_told_to_others(auth: bytes, slash: bytes) -> None:
    assert Place("one", b"/" + auth + slash + b"w_1/a%2Fb", frozenset(), ()).public == b"/w_1/a%2Fb"


@pytest.mark.parametrize("path", [b"/", b"/w_1/a", b"/a", b"/w_1%2Fa", b"/sigma_1/a", b"/\xe9/a"])
def test_a_path_without_a_signature_is_told_as_it_is(path: bytes) -> None:
    assert Place("one", path, frozenset(), ()).public == path


def test_an_answer_that_bears_other_tags_by_now_is_found_by_those() -> None:
    delivered = Delivered()
    delivered.remember(b"/t_card/a", NONE, "one", ("preset:card",))
    delivered.remember(b"/t_card/a", AVIF, "one", ("preset:frame",))
    assert delivered.take(["preset:card"]) == []
    assert [place.taken for place in delivered.take(["preset:frame"])] == [frozenset({AVIF, NONE})]


def test_the_least_recently_answered_are_forgotten() -> None:
    delivered = Delivered(most=3)
    for path in (b"/a", b"/b", b"/c", b"/a", b"/d"):
        delivered.remember(path, NONE, "", ("t",))
    assert delivered.forgotten == 1
    assert sorted(place.path for place in delivered.take(["t"])) == [b"/a", b"/c", b"/d"]


def test_bytes_are_bounded() -> None:
    delivered = Delivered(most_bytes=10 * Place("", b"a" * 1000, frozenset(), ("t",)).size)
    for number in range(30):
        delivered.remember(b"%01000d" % number, NONE, "", ("t",))
    assert (len(delivered), delivered.forgotten) == (10, 20)


def test_the_next_process_knows_what_was_answered_and_nobody_else(tmp_path: Path) -> None:
    delivered, file = Delivered(), tmp_path / "delivered"
    delivered.remember(b"/w_1/caf\xc3\xa9%20.jpg", AVIF, "one", ("source:a", "mount:/"))
    delivered.save(file)
    assert file.stat().st_mode & 0o777 == 0o600
    with file.open("a") as lines:
        lines.write('{"no": "row"}\n[1,2,3,4]\n["a","/x",[[1]],["t"]]\n["/cut')
    other = Delivered()
    other.load(file)
    assert other.take(["mount:/"]) == delivered.take(["mount:/"])
    assert not file.exists()
    other.load(file)
