"""Keys are strong, named and kept out of sight."""

import pytest

from signing import BadKey, Key, KeyRing, UnknownKey, new_secret, weakness

STRONG = "an example of a key, 32 bytes or more"


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        (b"", "0 bytes"),
        (b"secret", "6 bytes"),
        (b"x" * 31, "31 bytes"),
        (b"x" * 64, "1 different"),
        (b"passwrd" * 8, "6 different"),
        (b"0123456789" * 5, "repeats"),
        (bytes(32), "1 different"),
    ],
)
def test_a_weak_secret_is_told(secret: bytes, why: str) -> None:
    assert why in (weakness(secret) or "")
    with pytest.raises(BadKey):
        Key.read(secret)


@pytest.mark.parametrize(
    "secret", [STRONG.encode(), bytes(range(32)), b"0f" + bytes.hex(bytes(range(15, 31))).encode()]
)
def test_a_strong_secret_is_taken(secret: bytes) -> None:
    assert weakness(secret) is None
    assert Key.read(secret).secret == secret


def test_new_secrets_are_strong_text_and_differ() -> None:
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(Key.read(secret).secret == secret.encode() for secret in made)


def test_text_is_utf_8() -> None:
    assert Key.read("ключ из тестов, достаточно длинный").secret == "ключ из тестов, достаточно длинный".encode()
    with pytest.raises(BadKey, match="not text"):
        Key.read(STRONG + "\udcff")


@pytest.mark.parametrize("secret", [STRONG + "\n", " " + STRONG, STRONG + "\r\n"])
def test_the_end_of_a_line_is_no_part_of_a_key(secret: str) -> None:
    with pytest.raises(BadKey, match="white space"):
        Key.read(secret)


def test_a_ring_holds_different_keys_and_at_least_one() -> None:
    with pytest.raises(BadKey, match="at least one"):
        KeyRing([])
    with pytest.raises(BadKey, match="one id"):
        KeyRing.read([STRONG, STRONG])
    with pytest.raises(BadKey):
        Key(b"")


def test_the_first_key_of_a_ring_is_the_newest() -> None:
    ring = KeyRing.read([STRONG, STRONG + " of last year"])
    assert ring.newest.secret == STRONG.encode()
    assert ring.candidates(None) == ring.keys
    assert ring.candidates(ring.keys[1].kid) == ring.keys[1:]
    with pytest.raises(UnknownKey):
        ring.candidates("00000000")


def test_one_secret_alone_makes_a_ring() -> None:
    assert KeyRing.read(STRONG) == KeyRing([Key(STRONG.encode())])


def test_a_secret_is_never_shown() -> None:
    ring = KeyRing.read([STRONG])
    ring.newest.sign(b"")
    assert "example" not in repr(ring) + str(ring.newest)
