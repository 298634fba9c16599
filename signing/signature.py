"""Signing an address and verifying it: HMAC-SHA256, domain-separated, with one spelling per signature.

A full signature covers everything behind the auth segment. A scoped one covers a key id and the leading segments of
a source: whoever holds it may choose steps and names below that prefix, so it is of use only for keys whose policy
leaves a finite choice.
"""

import re
from dataclasses import dataclass, replace

from signing.address import Address
from signing.errors import BadAddress, BadSignature, Expired, Unsigned
from signing.keys import Key, KeyRing
from signing.request import Auth, Request

FULL = "darkroom.url.v1\n"
SCOPED = "darkroom.scope.v1\n"

_WRONG = "The signature is not that of this address"

# 32 bytes are 43 characters, of which the last carries four bits: the only spelling that encodes back to itself.
_spelling = re.compile("[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")


@dataclass(frozen=True)
class Verified:
    """What a right signature says: whose it is, what it covers, how long it holds."""

    kid: str
    scope: str | None = None
    """The source prefix that alone was signed; None: the whole address was."""
    expires: int | None = None


def sign(rest: str, key: Key, *, expires: int | None = None, kid: bool = False) -> str:
    """Give the auth segment for the decoded text behind it.

    >>> sign("w_600/cats/1.jpg", Key(b"an example of a key, 32 bytes or more"), expires=1767225600)
    'sig_mkI1Z_8QRdF4UAVvU1w3hU5-y9JQZd-0c_oa2cnEw-U,exp_1767225600'
    """
    auth = Auth("", key.kid if kid else None, expires)
    return replace(auth, signature=key.sign(signed_message(Request(auth, rest))[0])).write()


def sign_scope(prefix: str, key: Key, *, expires: int | None = None) -> str:
    """Give the auth segment for every source below a prefix of whole segments.

    >>> sign_scope("cats/2026", Key(b"an example of a key, 32 bytes or more"))
    'sig_6U4Xtts-PqgWcNWA1twDhf8nlI4ygaTH3Nmd6d1-2xE,kid_3b86287a,sc_2'
    """
    if _prefix(prefix, prefix.count("/") + 1) is None:
        expected = "folders of keys, such as `cats/2026`, without a slash at either end"
        raise BadAddress("This is no prefix that can be signed", part=prefix, expected=expected)
    auth = Auth("", key.kid, expires, prefix.count("/") + 1)
    return replace(auth, signature=key.sign(_scoped_message(auth, prefix))).write()


def verify(request: Request, ring: KeyRing, now: float) -> Verified:
    """Check the signature, then the expiry; `now` is in seconds since 1970.

    Raises `Unsigned`, `BadSignature`, `UnknownKey` or `Expired`; and `BadAddress` where a scoped signature stands
    before something that cannot be read.
    """
    auth = request.auth
    if auth is None:
        raise Unsigned("The address is not signed")
    if not _spelling.fullmatch(auth.signature):
        raise BadSignature(_WRONG)
    message, scope = signed_message(request)
    for key in ring.candidates(auth.kid):
        if key.verifies(message, auth.signature):
            break
    else:
        raise BadSignature(_WRONG)
    if auth.expires is not None and now >= auth.expires:
        raise Expired("The address has expired", part=f"exp_{auth.expires}")
    return Verified(key.kid, scope, auth.expires)


def signed_message(request: Request) -> tuple[bytes, str | None]:
    """Give the bytes that a request's signature is of, and the source prefix where it is a scoped one."""
    if request.auth is None or request.auth.scope is None:
        return f"{FULL}{request.payload}".encode(), None
    prefix = _prefix(Address.read(request.rest, request.offset).source, request.auth.scope)
    if prefix is None:
        raise BadSignature(_WRONG)
    return _scoped_message(request.auth, prefix), prefix


def _scoped_message(auth: Auth, prefix: str) -> bytes:
    return f"{SCOPED}{auth.members}/{prefix}".encode()


def _prefix(source: str, count: int) -> str | None:
    """Cut the leading segments off a key; None where there are fewer, or where the key could climb out of them."""
    segments = source.split("/")
    # An empty segment is also what tells `https://` from a key: a scope never covers another server.
    if len(segments) < count or not {"", ".", ".."}.isdisjoint(segments):
        return None
    return "/".join(segments[:count])
