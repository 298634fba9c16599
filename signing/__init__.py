"""Signed addresses of renditions: read and written, signed and verified.

An application needs nothing but this package to make URLs:

>>> from signing import Signer
>>> media = Signer("an example of a key, 32 bytes or more", "https://media.example.com")
>>> media.url("cats/1.jpg", w=600, f="webp")
'https://media.example.com/sig_XU6OVz_jJwKrvVennpL7rN_eLKiklIhsY1WXGjPF1zg/f_webp,w_600/cats/1.jpg'

and the server reads them with the same code:

>>> from signing import Address, KeyRing, Request, verify
>>> ring = KeyRing.read(["an example of a key, 32 bytes or more"])
>>> request = Request.read(media.url("cats/1.jpg", w=600).removeprefix("https://media.example.com"))
>>> verify(request, ring, now=0)
Verified(kid='3b86287a', scope=None, expires=None)
>>> Address.read(request.rest, request.offset)
Address(steps=('w_600',), source='cats/1.jpg', name=None, encoded=False)
"""

from signing.address import RESERVED, Address, looks_like_step
from signing.errors import BadAddress, BadKey, BadSignature, Expired, SigningError, UnknownKey, Unsigned
from signing.keys import Key, KeyRing, new_secret, weakness
from signing.leaves import LEAVES, is_leaf
from signing.request import Auth, Request
from signing.signature import Verified, sign, sign_scope, verify
from signing.urls import Signer

__all__ = [
    "LEAVES",
    "RESERVED",
    "Address",
    "Auth",
    "BadAddress",
    "BadKey",
    "BadSignature",
    "Expired",
    "Key",
    "KeyRing",
    "Request",
    "Signer",
    "SigningError",
    "UnknownKey",
    "Unsigned",
    "Verified",
    "is_leaf",
    "looks_like_step",
    "new_secret",
    "sign",
    "sign_scope",
    "verify",
    "weakness",
]
