"""Who may see how the server works."""

import base64
import binascii
import hmac
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from proxy.handlers.tokens import bearer

FORWARDED = (b"x-forwarded-for", b"forwarded", b"x-real-ip", b"via", b"x-forwarded-host")
"""Fields by which a proxy on this machine says that the client is somewhere else."""

CHALLENGE = 'Basic realm="Darkroom", charset="UTF-8"'
"""How a browser is asked for the admin token: it is the password, and the name does not matter."""


@dataclass(frozen=True)
class Visitors:
    """Tells clients on this machine, and those with the admin token, from all others."""

    admin_token: str | None

    def inside(self, scope: MutableMapping[str, Any], fields: Mapping[bytes, bytes]) -> bool:
        """Whether the client of a request is one of us."""
        if self.admin_token and (given := fields.get(b"authorization")):
            return hmac.compare_digest(_token(given), self.admin_token.encode())
        client = scope.get("client")
        if client is None or any(name in fields for name in FORWARDED):
            return False
        # A web page that has its own name resolve to this machine says that name, and so does a proxy for its clients.
        return _is_loopback(client[0]) and _is_loopback(_hostname(fields.get(b"host", b"")))


def _token(authorization: bytes) -> bytes:
    """The token that a field gives, as a bearer or as a password; empty where it gives none."""
    scheme, _, rest = authorization.partition(b" ")
    if scheme.lower() != b"basic":
        return bearer(authorization)
    try:
        return base64.b64decode(rest, validate=True).partition(b":")[2]
    except binascii.Error:
        return b""


def _hostname(host: bytes) -> str:
    """The name in a Host field, without its port."""
    name = host.decode("latin-1")
    return name.partition("]")[0][1:] if name.startswith("[") else name.partition(":")[0]


@lru_cache(maxsize=256)
def _is_loopback(name: str) -> bool:
    try:
        return name.lower() == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False
