"""Which pages of other origins may read what they get."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Headers = list[tuple[bytes, bytes]]

EXPOSED = b"Accept-Ranges, Content-Range, ETag, Retry-After, X-Darkroom-Degraded, X-Error, X-Request-Id"
"""What scripts may see beside the few fields that they see anyway."""
METHODS = b"GET, HEAD, OPTIONS"
ASKED_WITH = b"If-Modified-Since, If-None-Match, If-Range, Range, X-Request-Id, traceparent, tracestate"
REMEMBERED = b"86400"
"""Seconds that a browser may keep what it was told before a request; they take two hours at most."""
OF_ORIGIN = frozenset((b"access-control-allow-origin", b"access-control-expose-headers", b"timing-allow-origin"))


@dataclass(frozen=True)
class Cors:
    """The origins of the pages that may; `*` is all. Credentials are nobody's: no answer depends on them."""

    origins: tuple[str, ...] = ()
    fixed: tuple[tuple[bytes, bytes], ...] = field(init=False)
    """What every answer says."""
    by_origin: Mapping[bytes, Headers] = field(init=False)
    """What is said to the pages of one origin beside it."""
    lines: Mapping[bytes, bytes] = field(init=False)
    """The same as it goes over the wire."""

    def __post_init__(self) -> None:
        everybody = self.origins == ("*",)
        listed = {} if everybody else {name.encode(): _allowing(name.encode()) for name in self.origins}
        lines = {name: b"".join(b"%b: %b\r\n" % pair for pair in fields) for name, fields in listed.items()}
        object.__setattr__(self, "fixed", tuple(_allowing(b"*")) if everybody else ())
        object.__setattr__(self, "by_origin", listed)
        object.__setattr__(self, "lines", lines)

    @property
    def varies(self) -> bool:
        """Whether answers differ by the origin of the page that asks."""
        return bool(self.by_origin)

    def fields(self, origin: bytes | None) -> Headers:
        """The fields of an answer to a page of this origin, but for Vary."""
        return [*self.fixed, *self.by_origin.get(origin or b"", ())]

    def preflight(self, fields: Mapping[bytes, bytes]) -> Headers:
        """The fields of the answer to a browser that asks what a page may ask for; none of them if it may not."""
        allowed = self.fields(fields.get(b"origin"))
        if not allowed:
            return []
        return [
            *(pair for pair in allowed if pair[0] == b"access-control-allow-origin"),
            (b"access-control-allow-methods", METHODS),
            (b"access-control-allow-headers", ASKED_WITH),
            (b"access-control-max-age", REMEMBERED),
        ]


NOBODY = Cors()


def _allowing(origin: bytes) -> Headers:
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", EXPOSED),
        (b"timing-allow-origin", origin),
    ]


def vary(*names: str) -> Headers:
    """One field Vary with these names, where there are any."""
    return [(b"vary", ", ".join(name for name in names if name).encode())] if any(names) else []
