"""How a URL is read: every line of its grammar, and the spellings that somebody will try."""

import contextlib
import string
import time
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signing import Address, Auth, BadAddress, Request, SigningError, Unsigned, is_leaf, looks_like_step
from signing.escapes import b64, unb64, unescape

SIG = "A" * 43


def read(path: str | bytes) -> Address:
    request = Request.read(path)
    return Address.read(request.rest, request.offset)


# Path, steps, source, name.
READ: list[tuple[str, tuple[str, ...], str, str | None]] = [
    ("/cats/1.jpg", (), "cats/1.jpg", None),
    ("/w_600,q_85,f_webp/cats/1.jpg", ("w_600,q_85,f_webp",), "cats/1.jpg", None),
    ("/c_fill,w_300/e_blur:5/cats/1.jpg", ("c_fill,w_300", "e_blur:5"), "cats/1.jpg", None),
    ("/w_600/cats/1.jpg/~hello.webp", ("w_600",), "cats/1.jpg", "hello.webp"),
    ("/sp_auto,f_hls/films/a.mp4/~master.m3u8", ("sp_auto,f_hls",), "films/a.mp4", "master.m3u8"),
    ("/f_hls/a.mp4/~hls/5f0c/720/12.m4s", ("f_hls",), "a.mp4", "hls/5f0c/720/12.m4s"),
    # Escapes mean the characters that they encode, once.
    ("/w_600%2Cq_85%2fcats%2F1.jpg%2F%7Ehello.webp", ("w_600,q_85",), "cats/1.jpg", "hello.webp"),
    ("/e_blur%3A5/cats/1.jpg", ("e_blur:5",), "cats/1.jpg", None),
    ("/cats/%D0%BA%D0%BE%D1%82.jpg", (), "cats/кот.jpg", None),
    ("/cats/100%2525.jpg", (), "cats/100%25.jpg", None),
    ("/cats/%252e%252e/1.jpg", (), "cats/%2e%2e/1.jpg", None),
    ("/cats/a+b c&d=e;f@g:h,i~j.jpg", (), "cats/a+b c&d=e;f@g:h,i~j.jpg", None),
    # Step or source.
    ("/img_2024/a.jpg", (), "img_2024/a.jpg", None),
    ("/user_uploads/a.jpg", (), "user_uploads/a.jpg", None),
    ("/wdith_600/a.jpg", (), "wdith_600/a.jpg", None),
    ("/W_600/a.jpg", (), "W_600/a.jpg", None),
    ("/w600/a.jpg", (), "w600/a.jpg", None),
    ("/ab_2024/a.jpg", ("ab_2024",), "a.jpg", None),
    ("/dpr_2/fps_12/tile_10x10/a.mp4", ("dpr_2", "fps_12", "tile_10x10"), "a.mp4", None),
    ("/$x_10/if_w_gt_10/a.jpg", ("$x_10", "if_w_gt_10"), "a.jpg", None),
    ("/cats/w_600/a.jpg", (), "cats/w_600/a.jpg", None),
    ("/w_600,,q_85/a.jpg", ("w_600,,q_85",), "a.jpg", None),
    ("/w_/a.jpg", ("w_",), "a.jpg", None),
    ("/w_600", (), "w_600", None),
    ("/q_85/w_600", ("q_85",), "w_600", None),
    ("/w_600/~a.webp", (), "w_600", "a.webp"),
    # `-`.
    ("/-/cats/1.jpg", (), "cats/1.jpg", None),
    ("/w_600/-/ab_2024/a.jpg", ("w_600",), "ab_2024/a.jpg", None),
    ("/w_600/-/-/a.jpg", ("w_600",), "-/a.jpg", None),
    ("/-/-", (), "-", None),
    ("/-/api/a.jpg", (), "api/a.jpg", None),
    ("/-/sig_1/exp_2/a.jpg", (), "sig_1/exp_2/a.jpg", None),
    ("/w_600/api/a.jpg", ("w_600",), "api/a.jpg", None),
    ("/apis/a.jpg", (), "apis/a.jpg", None),
    ("/cats/-/a.jpg", (), "cats/-/a.jpg", None),
    # Other servers.
    ("/https://example.com/a.jpg", (), "https://example.com/a.jpg", None),
    ("/https:/example.com/a.jpg", (), "https://example.com/a.jpg", None),
    ("/w_600/https:/example.com/a.jpg/~b.webp", ("w_600",), "https://example.com/a.jpg", "b.webp"),
    ("/w_600/-/https:/example.com/a.jpg", ("w_600",), "https://example.com/a.jpg", None),
    ("/https%3A%2F%2Fexample.com%2Fa%20b%25.jpg", (), "https://example.com/a%20b%25.jpg", None),
    ("/https:/example.com/https:/b.jpg", (), "https://example.com/https:/b.jpg", None),
    ("/cats/https:/example.com", (), "cats/https:/example.com", None),
    ("/https:", (), "https:", None),
    # `b64:`.
    ("/w_600/" + b64("cats//1.jpg"), ("w_600",), "cats//1.jpg", None),
    ("/" + b64("../a?b#c/~d/./\n") + "/~e.png", (), "../a?b#c/~d/./\n", "e.png"),
    ("/-/" + b64("https://example.com/a%20b?c=d"), (), "https://example.com/a%20b?c=d", None),
    ("/" + b64("https:/example.com"), (), "https:/example.com", None),
    ("/cats/b64:YQ", (), "cats/b64:YQ", None),
    # Auth.
    (f"/sig_{SIG}/w_600/cats/1.jpg", ("w_600",), "cats/1.jpg", None),
    (f"/exp_1767225600,sig_{SIG}/cats/1.jpg", (), "cats/1.jpg", None),
    (f"/sig_{SIG}/-/sig_1/cats/1.jpg", (), "sig_1/cats/1.jpg", None),
    (f"/sig_{SIG}/w_600/https:/example.com/a.jpg", ("w_600",), "https://example.com/a.jpg", None),
    (f"/cats,exp_1/{SIG}.jpg", (), f"cats,exp_1/{SIG}.jpg", None),
    # Names.
    ("/cats/1.jpg/~~", (), "cats/1.jpg", "~"),
    ("/cats/1.jpg/~...", (), "cats/1.jpg", "..."),
    ("/cats~/1~.jpg", (), "cats~/1~.jpg", None),
]


@pytest.mark.parametrize(("path", "steps", "source", "name"), READ)
def test_a_path_is_read(path: str, steps: tuple[str, ...], source: str, name: str | None) -> None:
    assert read(path) == Address(steps, source, name)
    assert read(path.encode()) == Address(steps, source, name)


# Path, offset, a part of the detail.
REFUSED: list[tuple[str | bytes, int | None, str]] = [
    # Bytes: offsets in the raw path.
    ("/cats/%FF.jpg", 6, "not UTF-8"),
    ("/%20/cats/%C3%28.jpg", 10, "not UTF-8"),
    ("/cats/%C0%AE%C0%AE/1.jpg", 6, "not UTF-8"),
    ("/cats/%ED%A0%80.jpg", 6, "not UTF-8"),
    ("/cats/\ud800.jpg", 6, "not UTF-8"),
    (b"/cats/\xff.jpg", 6, "not UTF-8"),
    ("/cats/100%.jpg", 9, "two hexadecimal digits"),
    ("/cats/%u0041.jpg", 6, "two hexadecimal digits"),
    ("/cats/1.jpg%4", 11, "two hexadecimal digits"),
    ("/cats/%00.jpg", 6, "control"),
    ("/%C3%A9/%0d%0aX: y", 8, "control"),
    ("/cats/\x7f.jpg", 6, "control"),
    ("/cats/%C2%85.jpg", 6, "control"),
    # Segments: offsets in the decoded path.
    ("cats/1.jpg", 0, "begins with a slash"),
    ("", 0, "begins with a slash"),
    ("/", 1, "no source"),
    ("/w_600/", 7, "no source"),
    ("/w_600/-/", 9, "no source"),
    ("/-", 1, "no source"),
    ("/-/~a.webp", 1, "no source"),
    ("/w_600/-", 7, "no source"),
    ("/~a.webp", 1, "no source"),
    (f"/sig_{SIG}", 48, "no source"),
    ("//cats/1.jpg", 1, "empty"),
    ("/w_600//cats/1.jpg", 7, "empty"),
    ("/cats//1.jpg", 6, "empty"),
    ("/cats/%2F1.jpg", 6, "empty"),
    ("/cats/", 6, "empty"),
    ("/./cats/1.jpg", 1, "`.`"),
    ("/cats/../1.jpg", 6, "`..`"),
    ("/cats/%2e%2E/1.jpg", 6, "`..`"),
    ("/w_600/../cats/1.jpg", 7, "`..`"),
    ("/cats/..", 6, "`..`"),
    ("/https:///a.jpg", 9, "empty"),
    ("/https:/", 9, "empty"),
    ("/https://example.com//a.jpg", 21, "empty"),
    ("/https://example.com/../a.jpg", 21, "`..`"),
    ("/http://example.com/a.jpg", 7, "empty"),
    ("/https:/~b.jpg/a.jpg", 8, "neither a file name"),
    ("/cats/a%3Fb.jpg", 7, "no `?`"),
    ("/cats/a?b.jpg", 7, "no `?`"),
    ("/w_600/a%23b.jpg", 8, "no `?`"),
    ("/api/a.jpg", 1, "keeps this word"),
    ("/%61pi", 1, "keeps this word"),
    ("/ui", 1, "keeps this word"),
    (f"/sig_{SIG}/metrics", 49, "keeps this word"),
    # Names.
    ("/a.jpg/~", 7, "neither a file name"),
    ("/a.jpg/~.", 7, "neither a file name"),
    ("/a.jpg/~..", 7, "neither a file name"),
    ("/a.jpg/~b/c.webp", 7, "neither a file name"),
    ("/a.jpg/~b.webp/~c.webp", 7, "neither a file name"),
    ("/a.jpg/~b%3F.webp", 7, "neither a file name"),
    ("/a.mp4/~hls/5f0c/720/012.m4s", 7, "neither a file name"),
    ("/a.mp4/~hls/../720/1.m4s", 12, "`..`"),
    # `b64:`.
    ("/b64:", 1, "cannot be read"),
    ("/b64:YQ==", 1, "cannot be read"),
    ("/b64:YR", 1, "cannot be read"),
    ("/b64:Y", 1, "cannot be read"),
    ("/b64:_w", 1, "cannot be read"),
    ("/b64:Y+Q", 1, "cannot be read"),
    ("/w_600/b64:YQ/1.jpg", 7, "one segment"),
    # Auth.
    (f"/w_600,sig_{SIG}/a.jpg", 1, "one segment"),
    (f"/sig_{SIG},w_600/a.jpg", 49, "one segment"),
    (f"/sig_{SIG},/a.jpg", 49, "one segment"),
    (f"/w_600/sig_{SIG}/a.jpg", 7, "behind the first segment"),
    ("/w_600/q_85,exp_1767225600/a.jpg", 7, "behind the first segment"),
    (f"/sig_{SIG}/sig_{SIG}/a.jpg", 49, "behind the first segment"),
    (f"/sig_{SIG},sig_{SIG}/a.jpg", 49, "twice"),
    (f"/sig_{SIG},exp_01767225600/a.jpg", 49, "`exp_` cannot be read"),
    (f"/sig_{SIG},exp_0/a.jpg", 49, "`exp_` cannot be read"),
    (f"/sig_{SIG},exp_-1/a.jpg", 49, "`exp_` cannot be read"),
    (f"/sig_{SIG},exp_%D9%A1/a.jpg", 49, "`exp_` cannot be read"),
    (f"/sig_{SIG},exp_1767225600 /a.jpg", 49, "`exp_` cannot be read"),
    (f"/sig_{SIG},kid_5F0C2A91/a.jpg", 49, "`kid_` cannot be read"),
    (f"/sig_{SIG},kid_5f0c2a91,sc_0/a.jpg", 62, "`sc_` cannot be read"),
    (f"/sig_{SIG},sc_1/a.jpg", 1, "names its key"),
]


@pytest.mark.parametrize(("path", "offset", "detail"), REFUSED)
def test_a_path_is_refused_where_it_goes_wrong(path: str | bytes, offset: int | None, detail: str) -> None:
    with pytest.raises(BadAddress) as refused:
        read(path)
    assert detail in refused.value.detail
    assert refused.value.offset == offset
    assert refused.value.code == "bad_address"


@pytest.mark.parametrize("path", ["/exp_1767225600/a.jpg", "/kid_5f0c2a91/a.jpg", "/exp_0/a.jpg", "/exp_2024/a.jpg"])
def test_an_expiry_or_a_key_id_without_a_signature_is_unsigned(path: str) -> None:
    with pytest.raises(Unsigned):
        Request.read(path)


def test_the_members_of_auth_are_recognised_by_their_names_and_sorted() -> None:
    request = Request.read(f"/kid_5f0c2a91,sig_{SIG},exp_1767225600/w_600/a.jpg")
    assert request.auth == Auth(SIG, "5f0c2a91", 1767225600)
    assert request.payload == "exp_1767225600,kid_5f0c2a91/w_600/a.jpg"
    assert request.auth.write() == f"sig_{SIG},exp_1767225600,kid_5f0c2a91"


def test_a_name_is_signed_and_a_leaf_is_not() -> None:
    assert Request.read("/f_webp/a.jpg/~b.webp").payload == "/f_webp/a.jpg/~b.webp"
    assert Request.read("/f_hls/a.mp4/~master.m3u8").payload == "/f_hls/a.mp4"
    assert Request.read("/f_hls/a.mp4/~hls/5f0c/a0-aac192/0.m4s").payload == "/f_hls/a.mp4"
    assert read("/f_hls/a.mp4/~master.m3u8").leaf
    assert not read("/f_webp/a.jpg/~b.webp").leaf


NO_LEAVES = """
    Master.m3u8 1.m4s xmaster.m3u8 storyboard/1.png hls//720/1.m4s xhls/a/720/1.m4s hls/a/720/1.ts hls/a/720/01.m4s
    hls/a/720/-1.m4s hls/a/b/720/1.m4s hls/a/720/10000000.m4s hls/a/720/١.m4s
"""


@pytest.mark.parametrize("name", [*NO_LEAVES.split(), "master.m3u8\n"])
def test_leaves_are_a_closed_list(name: str) -> None:
    assert not is_leaf(name)


def test_a_repaired_address_is_what_is_signed_and_what_is_parsed() -> None:
    merged = Request.read("/w_600/https:/example.com/a.jpg")
    assert merged == Request.read("/w_600/https://example.com/a.jpg")
    assert merged.payload == "/w_600/https://example.com/a.jpg"
    # Only where the source starts.
    assert Request.read("/w_600/cats/https:/a.jpg").payload == "/w_600/cats/https:/a.jpg"


def test_only_a_source_in_b64_is_marked_as_encoded() -> None:
    assert read("/" + b64("cats//1.jpg")).encoded
    assert not read("/cats/1.jpg").encoded
    assert Address.read("https://example.com/a.jpg").remote
    assert not Address.read("cats/1.jpg").remote


def test_a_half_address_that_was_not_repaired_is_refused() -> None:
    with pytest.raises(BadAddress, match="slash is missing"):
        Address.read("https:/example.com/a.jpg")


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (Address((), "cats/1.jpg"), "cats/1.jpg"),
        (Address(("w_600,q_85",), "cats/1.jpg", "hi there.webp"), "w_600,q_85/cats/1.jpg/~hi%20there.webp"),
        (Address((), "img_2024/a.jpg"), "img_2024/a.jpg"),
        (Address((), "ab_2024/a.jpg"), "-/ab_2024/a.jpg"),
        (Address((), "w_600"), "w_600"),
        (Address((), "sig_1.jpg"), "-/sig_1.jpg"),
        (Address(("w_600",), "sig_1.jpg"), "w_600/sig_1.jpg"),
        (Address((), "-"), "-/-"),
        (Address((), "api"), "-/api"),
        (Address(("w_600",), "api/1.jpg"), "w_600/api/1.jpg"),
        (Address((), "a b+c%d,e:f.jpg"), "a%20b%2Bc%25d%2Ce:f.jpg"),
        (Address((), "~a.jpg"), "b64:fmEuanBn"),
        (Address((), "a/../b"), "b64:YS8uLi9i"),
        (Address((), "b64:x"), "b64:YjY0Ong"),
        (Address((), "https://a.example/b"), "b64:aHR0cHM6Ly9hLmV4YW1wbGUvYg"),
    ],
)
def test_an_address_is_written_in_one_way(address: Address, text: str) -> None:
    assert address.write() == text


@pytest.mark.parametrize(
    "address",
    [
        Address((), ""),
        Address(("width_600",), "a.jpg"),
        Address(("-",), "a.jpg"),
        Address(("w_600/q_85",), "a.jpg"),
        Address(("sig_1",), "a.jpg"),
        Address(("w_6\n",), "a.jpg"),
        Address(("",), "a.jpg"),
        Address((), "a\ud800.jpg"),
        Address((), "a\ud800//.jpg"),
        Address((), "a.jpg", ""),
        Address((), "a.jpg", "b/c.webp"),
        Address((), "a.jpg", "b\n.webp"),
    ],
)
def test_what_would_be_read_differently_is_not_written(address: Address) -> None:
    with pytest.raises(BadAddress):
        address.write()


characters = st.sampled_from(" +%,:;~/.-_?#$&=@\\\"'<>\n\0aw1éね🐈\u0301\u2028")
pieces = st.sampled_from(["https:/", "b64:", "w_600", "sig_1", "api", "-", "~", "..", "/"])
keys = st.text() | st.text(characters) | st.lists(characters | pieces).map("".join)
options = st.tuples(
    st.sampled_from(["w", "so", "dpr", "fps", "tile", "if", "$x"]),
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/,")),
)
steps = st.lists(options.map("_".join), max_size=3).map(tuple)
names = st.none() | st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/?#"), min_size=1)


@settings(max_examples=1000, deadline=None)
@given(steps, keys.filter(bool), names.filter(lambda name: name not in (".", "..")))
def test_whatever_is_written_reads_back(steps: tuple[str, ...], source: str, name: str | None) -> None:
    address = Address(steps, source, name)
    text = address.write()
    assert set(text) <= set(string.ascii_letters + string.digits + "-._~/:,$%")
    assert Address.read(unescape(text)) == address
    assert read("/" + text) == address
    # Any other escaping of the same text is the same address.
    assert read("/" + quote(unescape(text), safe="")) == address


@settings(max_examples=1000, deadline=None)
@given(
    st.lists(st.sampled_from([*"/~-.,:%_$?#", "%2F", "%C3%A9", "w_6", "https:/", "b64:", "YQ", "sig_", "api", "~a"]))
)
def test_whatever_is_read_can_be_written_in_its_one_spelling(pieces: list[str]) -> None:
    try:
        address = read("/" + "".join(pieces))
    except SigningError:
        return
    assert read("/" + address.write()) == address


@settings(max_examples=1000, deadline=None)
@given(st.binary())
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with contextlib.suppress(SigningError):
        read(b"/" + raw)


@settings(deadline=None)
@given(st.text(min_size=1))
def test_b64_has_one_spelling(text: str) -> None:
    assert unb64(b64(text)) == text


@settings(deadline=None)
@given(st.text(string.ascii_letters + string.digits + "_$-", max_size=6))
def test_a_step_begins_with_a_letter_or_two_or_a_word_of_the_closed_list(segment: str) -> None:
    name, underscore, _ = segment.partition("_")
    words = {"dpr", "fps", "sig", "exp", "kid", "tile"}
    short = name in words or (1 <= len(name) <= 2 and set(name) <= set(string.ascii_lowercase))
    assert looks_like_step(segment) == (segment.startswith("$") or (bool(underscore) and short))


@pytest.mark.parametrize(
    "piece", ["/", "~", "/~", ".", "%", "%25", "w_6/", "w_6,", "a/", "-/", "sig_,", "b64:", "%FF", "é"]
)
def test_a_long_path_is_read_in_linear_time(piece: str) -> None:
    began = time.perf_counter()
    for path in ("/" + piece * 20_000, "/w_600/" + piece * 20_000 + "/a.jpg"):
        with contextlib.suppress(SigningError):
            read(path)
    assert time.perf_counter() - began < 1
