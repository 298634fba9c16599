"""What can be wrong with an address, its signature or a key; statuses belong to the edge."""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar


@dataclass(eq=False)
class SigningError(Exception):
    """An address is not taken, or a key is not used: which part, what was expected, what came.

    `offset` counts characters of the decoded path for `BadAddress`, except where the escapes themselves cannot be
    read: there it counts bytes of the raw path.
    """

    code: ClassVar[str]

    detail: str
    _: KW_ONLY
    part: str = ""
    offset: int | None = None
    expected: str = ""
    suggestion: str = ""

    def __post_init__(self) -> None:
        super().__init__(self.detail)

    def __str__(self) -> str:
        return self.detail


class BadAddress(SigningError):
    """The frame of a URL (auth, steps, source, name) cannot be read or written."""

    code = "bad_address"


class Unsigned(SigningError):
    """A signature is needed and there is none."""

    code = "unsigned"


class BadSignature(SigningError):
    """The signature is not that of this address."""

    code = "bad_signature"


class UnknownKey(BadSignature):
    """`kid_` names no key of the ring: to the outside, a signature like any wrong one."""


class Expired(SigningError):
    """The address was signed for a time that has passed."""

    code = "expired"


class BadKey(SigningError):
    """A configured key is too weak, stands twice or is not text."""

    code = "bad_key"
