"""Keys and key rings: the newest key signs, all verify."""

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

from itsdangerous import Signer as HMACSigner

from signing.errors import BadKey, UnknownKey

SHORTEST = 32
"""Bytes of a strong key: as many as an HMAC-SHA256 has."""

_LEAST_VARIETY = 8


@dataclass(frozen=True)
class Key:
    """A secret that signs and verifies, and the id that names it in public."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.secret, bytes) or not self.secret:
            raise BadKey("A key is at least one byte", expected="bytes; `Key.read` takes text")

    @classmethod
    def read(cls, secret: str | bytes) -> Self:
        """Read a configured secret; text is taken as UTF-8. Raises `BadKey` when it is weak."""
        try:
            data = secret.encode() if isinstance(secret, str) else secret
        except UnicodeEncodeError:
            raise BadKey("A key is not text", expected="UTF-8") from None
        if isinstance(secret, str) and secret != secret.strip():
            raise BadKey("A key begins or ends with white space", expected="the key alone, without a line's end")
        if why := weakness(data):
            raise BadKey(f"A key is weak: {why}", expected="what `signing.new_secret()` gives")
        return cls(data)

    @cached_property
    def kid(self) -> str:
        """The key's id: the first 8 hexadecimal digits of its SHA-256."""
        return hashlib.sha256(self.secret).hexdigest()[:8]

    def sign(self, message: bytes) -> str:
        """Give the signature of a message, as 43 characters of base64url."""
        return self._signer.get_signature(message).decode()

    def verifies(self, message: bytes, signature: str) -> bool:
        """Say in constant time whether a signature, spelled canonically, is this key's."""
        return self._signer.verify_signature(message, signature)

    @cached_property
    def _signer(self) -> HMACSigner:
        return HMACSigner(self.secret, key_derivation="none", digest_method=hashlib.sha256)


@dataclass(frozen=True)
class KeyRing:
    """Keys, the newest first.

    >>> ring = KeyRing.read(["this year's key, with 32 bytes or more", "last year's key, with 32 bytes or more"])
    >>> ring.newest.kid, [key.kid for key in ring.candidates(None)]
    ('a40ca6e8', ['a40ca6e8', 'c8157f05'])
    """

    keys: tuple[Key, ...]

    def __init__(self, keys: Iterable[Key]) -> None:
        object.__setattr__(self, "keys", tuple(keys))
        if not self.keys:
            raise BadKey("A key ring holds at least one key")
        if len(self._by_id) < len(self.keys):
            raise BadKey("Two keys have one id", expected="different keys, each once")

    @classmethod
    def read(cls, secrets: Iterable[str | bytes]) -> Self:
        """Read configured secrets, the newest first. Raises `BadKey` when one is weak or stands twice."""
        return cls(map(Key.read, [secrets] if isinstance(secrets, (str, bytes)) else secrets))

    @property
    def newest(self) -> Key:
        """The key that signs."""
        return self.keys[0]

    def candidates(self, kid: str | None) -> tuple[Key, ...]:
        """Give the keys that may have signed: the one of this id, or all."""
        if kid is None:
            return self.keys
        if kid not in self._by_id:
            raise UnknownKey("The key id names no key that is known here", part=f"kid_{kid}")
        return (self._by_id[kid],)

    @cached_property
    def _by_id(self) -> dict[str, Key]:
        return {key.kid: key for key in self.keys}


def weakness(secret: bytes) -> str | None:
    """Say why a secret could be guessed, or None.

    >>> weakness(b"secret"), weakness(b"0123456789abcdef" * 4), weakness(bytes(range(32)))
    ('it has 6 bytes, fewer than 32', 'it repeats itself', None)
    """
    if len(secret) < SHORTEST:
        return f"it has {len(secret)} bytes, fewer than {SHORTEST}"
    if len(set(secret)) < _LEAST_VARIETY:
        return f"it has only {len(set(secret))} different bytes"
    if (secret + secret).find(secret, 1) < len(secret):
        return "it repeats itself"
    return None


def new_secret() -> str:
    """Make a secret of 32 random bytes, as text that needs no quoting."""
    return secrets.token_urlsafe(SHORTEST)
