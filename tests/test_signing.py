"""What a signature covers, how it is spelled, and that nothing else is taken for it."""

import hashlib
import hmac
import string
import subprocess
import sys
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signing import (
    Address,
    BadAddress,
    BadSignature,
    Expired,
    Key,
    KeyRing,
    Request,
    SigningError,
    UnknownKey,
    Unsigned,
    Verified,
    sign,
    sign_scope,
    verify,
)
from signing.escapes import b64

NOW = 1_767_225_600
NEW, OLD, GONE = (Key(f"the {age} key of the tests, long enough".encode()) for age in ("newest", "older", "removed"))
RING = KeyRing([NEW, OLD])
REST = "w_600,q_85/cats/кот 1.jpg"


def check(path: str, ring: KeyRing = RING, now: float = NOW) -> Verified:
    return verify(Request.read(path), ring, now)


def test_a_signature_is_an_hmac_of_the_decoded_text_in_base64url() -> None:
    mac = hmac.digest(NEW.secret, f"darkroom.url.v1\nexp_{NOW + 1}/{REST}".encode(), "sha256")
    auth = f"sig_{urlsafe_b64encode(mac).decode().rstrip('=')},exp_{NOW + 1}"
    assert sign(REST, NEW, expires=NOW + 1) == auth
    assert check(f"/{auth}/{REST}") == Verified(NEW.kid, None, NOW + 1)


def test_a_signature_holds_for_every_escaping_of_one_text() -> None:
    auth = sign(REST, NEW)
    for rest in (REST, "w_600%2Cq_85/cats/%D0%BA%D0%BE%D1%82%201.jpg", "w_600%2cq_85%2fcats/кот%201.%6apg"):
        assert check(f"/{auth}/{rest}").kid == NEW.kid


def test_all_keys_of_a_ring_verify_and_kid_chooses_one() -> None:
    assert check(f"/{sign(REST, OLD)}/{REST}").kid == OLD.kid
    assert check(f"/{sign(REST, OLD, kid=True)}/{REST}").kid == OLD.kid
    with pytest.raises(BadSignature):
        check(f"/{sign(REST, GONE)}/{REST}")
    with pytest.raises(UnknownKey) as refused:
        check(f"/{sign(REST, GONE, kid=True)}/{REST}")
    assert refused.value.code == BadSignature.code


def test_a_key_id_is_part_of_what_is_signed() -> None:
    named = sign(REST, NEW, kid=True)
    with pytest.raises(BadSignature):
        check(f"/{named.partition(',')[0]}/{REST}")
    with pytest.raises(BadSignature):
        check(f"/{named.replace(NEW.kid, OLD.kid)}/{REST}")


def test_no_signature_is_unsigned() -> None:
    with pytest.raises(Unsigned):
        check(f"/{REST}")


def test_an_address_holds_until_the_second_of_its_expiry() -> None:
    path = f"/{sign(REST, NEW, expires=NOW)}/{REST}"
    assert check(path, now=NOW - 0.01).expires == NOW
    with pytest.raises(Expired):
        check(path, now=NOW)


def test_an_expiry_is_looked_at_only_when_the_signature_is_right() -> None:
    path = f"/{sign(REST, GONE, expires=NOW - 1)}/{REST}"
    with pytest.raises(BadSignature):
        check(path)


def test_a_leaf_is_covered_by_the_signature_of_its_base_and_a_name_only_by_its_own() -> None:
    base = "sp_auto,f_hls/films/a.mp4"
    auth = sign(base, NEW)
    for leaf in ("", "/~master.m3u8", "/~manifest.mpd", "/~hls/5f0c2a91/720/12.m4s"):
        assert check(f"/{auth}/{base}{leaf}").kid == NEW.kid
    for name in ("/~film.m3u8", "/~hls/5f0c2a91/720/012.m4s", "/~a/~master.m3u8"):
        with pytest.raises(BadSignature):
            check(f"/{auth}/{base}{name}")
    assert sign(f"{base}/~master.m3u8", NEW) == auth
    assert sign(f"{base}/~film.mp4", NEW) != auth


def test_a_merged_address_is_verified_as_it_is_parsed() -> None:
    auth = sign("w_600/https://example.com/a.jpg", NEW)
    assert check(f"/{auth}/w_600/https://example.com/a.jpg") == check(f"/{auth}/w_600/https:/example.com/a.jpg")


def test_the_same_bytes_have_one_spelling() -> None:
    auth = sign(REST, NEW)
    letters = string.ascii_letters + string.digits + "-_="
    taken = [letter for letter in letters if _verifies(f"/{auth[:-1]}{letter}/{REST}")]
    assert taken == [auth[-1]]
    for spelling in (auth + "=", auth + "A", auth[:-1], auth + "%20", auth.replace("sig_", "sig_ ")):
        assert not _verifies(f"/{spelling}/{REST}")


def test_no_edit_of_a_signed_path_verifies() -> None:
    path = f"/{sign(REST, NEW, expires=NOW + 3600, kid=True)}/{REST}"
    original = Request.read(path)
    edits = {path[:at] + mark + path[at + 1 :] for at in range(len(path)) for mark in ("", *"aZ0,/~-_%. é")}
    edits |= {path[:at] + mark + path[at:] for at in range(len(path)) for mark in "aZ0,/~-_%. é"}
    edits |= {path[:at] + path[at].swapcase() + path[at + 1 :] for at in range(len(path))}
    edits |= {path[:at] for at in range(len(path))}
    taken = [edit for edit in edits - {path} if _verifies(edit)]
    assert taken == []
    assert verify(original, RING, NOW).kid == NEW.kid


def _verifies(path: str) -> bool:
    try:
        check(path)
    except SigningError:
        return False
    return True


rests = st.text(st.sampled_from("abw_/,~-.:é %1"), min_size=1).map(lambda text: f"w_6/{text}")


@settings(max_examples=500, deadline=None)
@given(rests, rests, st.none() | st.integers(NOW + 1, 10**12 - 1), st.booleans())
def test_a_signature_is_of_one_address_alone(one: str, other: str, expires: int | None, kid: bool) -> None:
    auth = sign(one, NEW, expires=expires, kid=kid)
    request = Request(Request.read(f"/{auth}/a").auth, one)
    assert verify(request, RING, NOW) == Verified(NEW.kid, None, expires)
    if one != other:
        with pytest.raises(BadSignature):
            verify(Request(request.auth, other), RING, NOW)


# Scoped signatures.


def test_a_scoped_signature_covers_every_source_below_its_prefix_and_any_step() -> None:
    auth = sign_scope("cats/2026", OLD)
    verified = Verified(OLD.kid, "cats/2026")
    for rest in ("w_600/cats/2026/1.jpg", "w_1/q_2/cats/2026/5/1.jpg/~a.webp", "cats/2026", "-/cats/2026/-/1.jpg"):
        assert check(f"/{auth}/{rest}") == verified
    assert check(f"/{auth}/w_600/{b64('cats/2026/#1.jpg')}") == verified


@pytest.mark.parametrize(
    "rest",
    [
        "w_600/cats/2025/1.jpg",
        "w_600/cats/20261/1.jpg",
        "w_600/cats",
        "w_600/Cats/2026/1.jpg",
        "w_600/x/cats/2026/1.jpg",
        "cats/2026x",
        f"w_600/{b64('cats/2026/../../dogs/1.jpg')}",
        f"w_600/{b64('cats/2026/./1.jpg')}",
        f"w_600/{b64('cats/2026//1.jpg')}",
        f"w_600/{b64('/cats/2026/1.jpg')}",
        "https://cats/2026/1.jpg",
        "https:/cats/2026/1.jpg",
    ],
)
def test_a_scoped_signature_covers_nothing_else(rest: str) -> None:
    with pytest.raises(BadSignature):
        check(f"/{sign_scope('cats/2026', NEW)}/{rest}")


def test_a_folder_that_looks_like_a_step_is_cut_from_the_source_and_not_from_the_steps() -> None:
    auth = sign_scope("ab_2024", NEW)
    assert check(f"/{auth}/w_600/-/ab_2024/a.jpg").scope == "ab_2024"
    with pytest.raises(BadSignature):
        check(f"/{auth}/w_600/ab_2024/a.jpg")


def test_a_scoped_signature_can_expire_and_names_its_key() -> None:
    auth = sign_scope("cats", NEW, expires=NOW + 1)
    assert check(f"/{auth}/cats/1.jpg") == Verified(NEW.kid, "cats", NOW + 1)
    with pytest.raises(Expired):
        check(f"/{auth}/cats/1.jpg", now=NOW + 1)
    with pytest.raises(BadSignature):
        check(f"/{auth.replace(str(NOW + 1), str(NOW + 9))}/cats/1.jpg")
    with pytest.raises(BadAddress):
        check(f"/{auth.replace(f'kid_{NEW.kid},', '')}/cats/1.jpg")


def test_full_and_scoped_signatures_are_never_taken_for_one_another() -> None:
    scoped = sign_scope("cats/2026", NEW)
    for fewer in ("sc_1", "sc_3"):
        assert not _verifies(f"/{scoped.replace('sc_2', fewer)}/cats/2026/1.jpg")
    assert not _verifies(f"/{scoped.replace(',sc_2', '')}/cats/2026")
    full = sign("cats/2026", NEW, kid=True)
    assert _verifies(f"/{full}/cats/2026")
    assert not _verifies(f"/{full},sc_2/cats/2026")


@pytest.mark.parametrize("prefix", ["", "/", "cats/", "/cats", "cats//1", "cats/..", ".", "https://example.com"])
def test_a_prefix_is_whole_folders(prefix: str) -> None:
    with pytest.raises(BadAddress):
        sign_scope(prefix, NEW)


def test_the_source_of_a_scoped_request_is_that_of_its_address() -> None:
    request = Request.read(f"/{sign_scope('cats', NEW)}/w_600/cats/1.jpg")
    assert verify(request, RING, NOW).scope == "cats"
    assert Address.read(request.rest, request.offset).source == "cats/1.jpg"


def test_importing_the_package_imports_itsdangerous_and_the_standard_library_alone() -> None:
    script = (
        "import sys; before = set(sys.modules); import signing; "
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names)"
    )
    found = subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, capture_output=True, text=True)
    assert set(found.stdout.split()) == {"signing", "itsdangerous"}


def test_a_key_id_begins_the_hash_of_the_key() -> None:
    assert NEW.kid == hashlib.sha256(NEW.secret).hexdigest()[:8]
