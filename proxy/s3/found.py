"""What a bucket says of an object, and whether the bytes that come are that object."""

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, Self

from proxy.s3.errors import Damaged

_MD5 = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Found:
    """What is known of an object from the head of an answer: `size` is that of the whole object, in bytes."""

    etag: str
    """Without its quotes."""
    size: int
    modified: float | None = None
    version_id: str = ""
    """Empty where the bucket keeps no versions."""
    content_type: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    digest: tuple[str, bytes] | None = None
    """The name and the value of the checksum of the whole object that can be held against its bytes."""

    @property
    def version(self) -> str:
        """What `split` reads: no ETag holds a space, nor does an id."""
        return f"{self.etag} {self.version_id}" if self.version_id else self.etag


def split(version: str) -> tuple[str, str]:
    """The ETag and the id of a version; the id is empty where the bucket keeps no versions."""
    etag, _, version_id = version.partition(" ")
    return etag, version_id


class _Hash(Protocol):
    def update(self, data: bytes, /) -> object: ...

    def digest(self) -> bytes: ...


class _CRC32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


# The strongest first. CRC-32C and CRC-64 are too slow in Python; objects that have those alone have their MD5.
_HASHES: dict[str, Callable[[], _Hash]] = {
    "sha256": hashlib.sha256,
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "crc32": _CRC32,
    "md5": lambda: hashlib.md5(usedforsecurity=False),
}
_NEEDS_A_KEY = ("aws:kms", "aws:kms:dsse")


def digest_of(headers: Mapping[str, str], etags: str) -> tuple[str, bytes] | None:
    """The checksum of the whole object that the fields of an answer give; their names are in lower case.

    The ETag is one only of what was put in one piece and not encrypted with a key of its own.
    """
    for name in _HASHES:
        # Those of objects put in parts are checksums of checksums, and end in the number of parts.
        text = headers.get(f"x-amz-checksum-{name}", "")
        if text and headers.get("x-amz-checksum-type", "FULL_OBJECT") == "FULL_OBJECT" and "-" not in text:
            try:
                return name, base64.b64decode(text, validate=True)
            except binascii.Error:
                raise Damaged("a checksum is not base64") from None
    own_key = (
        headers.get("x-amz-server-side-encryption") in _NEEDS_A_KEY
        or "x-amz-server-side-encryption-customer-algorithm" in headers
    )
    return None if own_key else md5_of(headers.get("etag", "").strip('"'), etags)


def md5_of(etag: str, etags: str) -> tuple[str, bytes] | None:
    """The MD5 that an ETag may be; none where it cannot be one."""
    return ("md5", bytes.fromhex(etag)) if etags == "md5" and _MD5.fullmatch(etag) else None


class Proof:
    """Counts and hashes what comes, and says in the end whether it is what was promised."""

    def __init__(self, length: int, digest: tuple[str, bytes] | None) -> None:
        self._length, self._digest = length, digest
        self._came = 0
        self._hash = _HASHES[digest[0]]() if digest else None

    @classmethod
    def of(cls, found: Found, part: tuple[int, int] | None) -> Self:
        """The proof of a whole object, or of `part`: its first byte and the one behind its last."""
        if part is None:
            return cls(found.size, found.digest)
        return cls(max(0, min(part[1], found.size) - part[0]), None)

    def take(self, block: bytes) -> None:
        """Raises Damaged as soon as more comes than was promised."""
        self._came += len(block)
        if self._came > self._length:
            raise Damaged("more bytes came than were promised")
        if self._hash:
            self._hash.update(block)

    def finish(self) -> None:
        """Raises Damaged."""
        if self._came != self._length:
            raise Damaged(f"{self._came} bytes came, {self._length} were promised")
        if self._hash and self._digest and self._hash.digest() != self._digest[1]:
            raise Mismatch(f"the bytes do not have the {self._digest[0]} that was promised")


class Mismatch(Damaged):
    """As many bytes as were promised, but not those."""
