"""What clients take, and what `f_auto` makes of it."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.negotiation import VARY, Bucket, bucket, choose
from transforms import formats

NEITHER, WEBP, AVIF, BOTH = Bucket(), Bucket(webp=True), Bucket(avif=True), Bucket(avif=True, webp=True)

BROWSERS = {
    "Chrome": (b"image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", BOTH),
    "Firefox 65": (b"image/webp,*/*", WEBP),
    "Firefox": (b"image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5", BOTH),
    "Safari 13": (b"image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5", NEITHER),
    "Safari": (b"image/webp,image/avif,image/jxl,image/heic,image/heic-sequence,video/*;q=0.8,image/png", BOTH),
    "Internet Explorer": (b"image/png, image/svg+xml, image/*;q=0.8, */*;q=0.5", NEITHER),
    "curl": (b"*/*", NEITHER),
    "nothing": (b"", NEITHER),
    "a page": (b"text/html,application/xhtml+xml,image/avif,image/webp;q=0.8,application/signed-exchange;v=b3", BOTH),
}


@pytest.mark.parametrize(("accept", "expected"), BROWSERS.values(), ids=BROWSERS.keys())
def test_browsers_fall_into_their_bucket(accept: bytes, expected: Bucket) -> None:
    assert bucket(accept) == expected


@pytest.mark.parametrize(
    "accept",
    [
        b"image/webp;q=0",
        b"image/webp;q=0.0",
        b"image/webp;q=0.000",
        b"image/webp; Q=0",
        b"image/webp\t;\tq=0, image/*",
        b"*/*, image/webp;q=0",
        b"image/webp, image/webp;q=0",
        b"image/webp;v=1;q=0",
    ],
)
def test_a_q_of_zero_is_a_no(accept: bytes) -> None:
    assert bucket(accept) == NEITHER


@pytest.mark.parametrize(
    "accept",
    [
        b"image/webp",
        b"IMAGE/WebP",
        b" image/webp ",
        b"image/webp;q=1",
        b"image/webp;q=1.000",
        b"image/webp;q=0.001",
        b"image/webp;q=0.5;",
        b"image/webp ; q=0.5 , */*",
        b'image/webp;v="a,b;q=0";q=0.5',
        b",,image/webp,,",
        b"*/*;q=0, image/webp",
        b"image/*;q=0,image/webp;q=0.1",
    ],
)
def test_a_named_format_with_any_other_q_is_taken(accept: bytes) -> None:
    assert bucket(accept) == WEBP


@pytest.mark.parametrize(
    "accept",
    [
        b"image/webp;q=",
        b"image/webp;q=high",
        b"image/webp;q=2",
        b"image/webp;q=1.1",
        b"image/webp;q=.5",
        b"image/webp;q=-1",
        b"image/webp;q=0.12345",
        b"image/webp;q=0,5",
        b"image/webp;q",
        b"image/webp;=1",
        b"image/webp q=1",
        b"image/webpx",
        b"ximage/webp",
        b"image/webp/x",
        b"image /webp",
        b"image/x;n=\"image/webp,image/webp\"",
        b'image/x;n=",image/webp',
        b'image/webp;n="unfinished',
    ],
)  # fmt: skip
def test_a_malformed_member_is_ignored(accept: bytes) -> None:
    assert bucket(accept) == NEITHER
    finished = accept.count(b'"') % 2 == 0
    assert bucket(accept + b",image/avif") == (AVIF if finished else NEITHER)


@given(st.binary(max_size=1500))
def test_every_accept_falls_into_one_of_four_buckets(accept: bytes) -> None:
    assert bucket(accept) in (NEITHER, WEBP, AVIF, BOTH)


@given(st.permutations([b"image/avif", b"image/webp;q=0.1", b"image/png", b"*/*;q=0.9", b"image/jxl"]))
def test_the_order_of_an_accept_means_nothing(members: list[bytes]) -> None:
    assert bucket(b", ".join(members)) == BOTH


@pytest.mark.parametrize(
    "accept", [b"image/png," * 6000 + b"image/webp", b'"\\' * 30_000, b'"' * 65_000, b"," + b" " * 60_000]
)
def test_a_huge_accept_is_read_and_not_remembered(accept: bytes) -> None:
    assert bucket(accept) == Bucket(webp=accept.endswith(b"webp"))


def test_the_answer_varies_by_accept() -> None:
    assert VARY == "Accept"


@pytest.mark.parametrize(
    ("taken", "kind", "needs", "expected"),
    [
        (BOTH, "jpg", {}, "avif"),
        (AVIF, "jpg", {}, "avif"),
        (WEBP, "jpg", {}, "webp"),
        (NEITHER, "jpg", {}, "jpg"),
        (BOTH, "png", {"alpha": True}, "avif"),
        (WEBP, "png", {"alpha": True}, "webp"),
        (NEITHER, "png", {"alpha": True}, "png"),
        (NEITHER, "png", {}, "png"),
        (NEITHER, "jpg", {"alpha": True}, "png"),
        (BOTH, "gif", {"frames": 12}, "webp"),
        (AVIF, "gif", {"frames": 12}, "gif"),
        (NEITHER, "gif", {"frames": 12, "alpha": True}, "gif"),
        (NEITHER, "webp", {"frames": 12, "alpha": True}, "gif"),
        (NEITHER, "png", {"frames": 2}, "gif"),
        (NEITHER, "gif", {}, "png"),
        (NEITHER, "webp", {}, "jpg"),
        (NEITHER, "webp", {"alpha": True}, "png"),
        (NEITHER, "avif", {}, "jpg"),
        (WEBP, "avif", {}, "webp"),
        (AVIF, "webp", {"alpha": True}, "avif"),
        (BOTH, "png", {"lossless": True}, "webp"),
        (AVIF, "png", {"lossless": True}, "png"),
        (NEITHER, "jpg", {"lossless": True}, "png"),
        (BOTH, "gif", {"frames": 3, "lossless": True}, "webp"),
        *((NEITHER, kind, {"alpha": alpha}, "png" if alpha else "jpg")
          for kind in ("svg", "pdf", "tiff", "heic", "jxl", "mp4") for alpha in (False, True)),
        (BOTH, "svg", {"alpha": True}, "avif"),
    ],
)  # fmt: skip
def test_auto_is_the_best_format_that_is_taken_and_can_carry_the_result(
    taken: Bucket, kind: str, needs: dict[str, int], expected: str
) -> None:
    assert choose(taken, kind=kind, **needs).format == expected


@pytest.mark.parametrize(
    ("taken", "allowed", "needs", "expected"),
    [
        (BOTH, {"webp", "jpg"}, {}, "webp"),
        (BOTH, {"jpg"}, {}, "jpg"),
        (BOTH, {"jpg", "png"}, {"alpha": True}, "png"),
        (BOTH, {"jpg"}, {"alpha": True}, "jpg"),
        (BOTH, {"avif", "jpg"}, {"frames": 5}, "avif"),
        (NEITHER, {"jpg"}, {"frames": 5}, "jpg"),
        (BOTH, {"png", "gif"}, {"frames": 5}, "gif"),
    ],
)
def test_only_allowed_formats_are_chosen_and_the_least_is_lost(
    taken: Bucket, allowed: set[str], needs: dict[str, int], expected: str
) -> None:
    assert choose(taken, kind="jpg", allowed=allowed, **needs).format == expected


def test_with_nothing_allowed_the_best_is_named_for_the_policy_to_refuse() -> None:
    assert choose(NEITHER, kind="jpg", allowed={"avif"}).format == "jpg"


def test_the_choice_says_why() -> None:
    assert choose(BOTH, kind="jpg").why == "the client takes avif and webp; avif carries what is needed"
    assert choose(BOTH, kind="gif", frames=3).why == (
        "the client takes avif and webp; avif cannot carry animation; webp carries what is needed"
    )
    assert choose(NEITHER, kind="jpg").why == (
        "the client takes neither avif nor webp; the original is jpg; jpg carries what is needed"
    )
    assert choose(AVIF, kind="tiff", alpha=True, allowed={"jpg"}).why == (
        "the client takes avif; avif is not allowed here; jpg loses transparency but nothing else may be made"
    )


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("frames", [1, 2])
@pytest.mark.parametrize("lossless", [False, True])
def test_auto_never_chooses_what_the_format_cannot_do_or_the_client_does_not_take(
    alpha: bool, frames: int, lossless: bool
) -> None:
    for taken, original in itertools.product((NEITHER, WEBP, AVIF, BOTH), formats.FORMATS.values()):
        chosen = choose(taken, kind=original.name, alpha=alpha, frames=frames, lossless=lossless)
        made = formats.FORMATS[chosen.format]
        assert made.writer
        assert made.alpha >= alpha
        assert made.animation >= (frames > 1)
        assert made.lossless >= lossless
        assert getattr(taken, chosen.format, True)
