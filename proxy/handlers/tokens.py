"""Who may use the server's own interface: those with a token, each for what it is for."""

import hmac
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from proxy.failures import NoToken, OutOfScope


@dataclass(frozen=True)
class Token:
    """One token; None among the mounts is none in particular, so it opens all."""

    name: str
    secret: str = field(repr=False)
    scopes: frozenset[str]
    mounts: frozenset[str] | None = None

    def check_mounts(self, mounts: Collection[str] | None, part: str) -> None:
        """Raises OutOfScope where the token does not open these mounts; None: they may be any."""
        if self.mounts is not None and (mounts is None or not self.mounts.issuperset(mounts)):
            opened = ", ".join(sorted(name or "/" for name in self.mounts))
            raise OutOfScope("The token does not open all mounts that this concerns", part=part, expected=opened)


@dataclass(frozen=True)
class Tokens:
    """All tokens of one configuration."""

    tokens: Sequence[Token]

    def holder(self, fields: Mapping[bytes, bytes], scope: str) -> Token:
        """The token that a request comes with, as a bearer. Raises NoToken and OutOfScope."""
        given = bearer(fields.get(b"authorization", b""))
        # All are compared, whichever it is, each in the same time.
        found = [token for token in self.tokens if hmac.compare_digest(given, token.secret.encode())]
        if not found:
            raise NoToken("There is no such token", expected=f"a bearer token with the scope {scope}")
        if scope not in found[0].scopes:
            raise OutOfScope("The token is for something else", expected=f"the scope {scope}")
        return found[0]


def bearer(authorization: bytes) -> bytes:
    """The token that a field gives as a bearer; empty where it gives none."""
    scheme, _, token = authorization.partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" else b""
