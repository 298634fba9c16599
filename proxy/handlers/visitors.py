"""Who may see how the server works."""

import hmac
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

FORWARDED = (b"x-forwarded-for", b"forwarded", b"x-real-ip", b"via", b"x-forwarded-host")
"""Fields by which a proxy on this machine says that the client is somewhere else."""


@dataclass(frozen=True)
class Visitors:
    """Tells clients on this machine, and those with the admin token, from all others."""

    admin_token: str | None

    def inside(self, scope: MutableMapping[str, Any], fields: Mapping[bytes, bytes]) -> bool:
        """Whether the client of a request is one of us."""
        if self.admin_token and (given := fields.get(b"authorization")):
            return hmac.compare_digest(given, f"Bearer {self.admin_token}".encode())
        client = scope.get("client")
        if client is None or any(name in fields for name in FORWARDED):
            return False
        try:
            return ip_address(client[0]).is_loopback
        except ValueError:
            return False
