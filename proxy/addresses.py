"""Addresses of other servers, as settings name them."""

import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

REDIS = "an address such as redis://host:6379/0"


@dataclass(frozen=True)
class RedisAddress:
    """Where a Redis is and how to get in; its text shows neither user nor password."""

    host: str
    port: int = 6379
    db: int = 0
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    encrypted: bool = False

    @classmethod
    def read(cls, url: str) -> "RedisAddress":
        """From `redis://[[user]:password@]host[:port][/db]`, or `rediss://` over TLS. Raises ValueError."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError(REDIS) from None
        db = parts.path.strip("/")
        known = parts.scheme in ("redis", "rediss") and parts.hostname and re.fullmatch(r"[0-9]{0,4}", db)
        if not known or parts.query or parts.fragment:
            raise ValueError(REDIS)
        user, password = (unquote(text) if text else None for text in (parts.username, parts.password))
        return cls(parts.hostname or "", port or 6379, int(db or 0), user, password, parts.scheme == "rediss")

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rediss' if self.encrypted else 'redis'}://{host}:{self.port}/{self.db}"
