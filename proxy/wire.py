"""An answer as it goes over the wire: status, header fields, which part of the body."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from proxy.answer import Answer
from proxy.caching import Part, Unsatisfiable, byte_range, content_disposition, content_range, http_date
from proxy.cors import NOBODY, Cors, vary
from proxy.failures import RangeNotSatisfiable
from proxy.negotiation import VARY
from proxy.stores.growing import Growing
from proxy.stores.result import FileBody

Headers = list[tuple[bytes, bytes]]
Peer = tuple[str, int] | None
"""The other end of a connection."""
Ready = tuple[bytes, bytes]
"""The head of an answer but for its empty line, and its body."""

SAFE = (
    b"default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox",
    ("image/jpeg", "image/png", "image/webp", "image/avif", "image/gif", "image/tiff", "image/jxl", "image/heic"),
)
"""The policy for what a browser could run, and the media types that it cannot."""

PLAYLISTS = ("application/vnd.apple.mpegurl", "application/dash+xml")
"""The media types of a stream's playlists (RFC 8216, 4; ISO/IEC 23009-1, C)."""

PARTED_BY_SPACES = ("surrogate-key", "xkey")
"""Fields whose tags stand between spaces (Fastly, Varnish); elsewhere it is commas."""


@dataclass(frozen=True)
class Manners:
    """What every answer of a server says of itself to the pages that show or read it."""

    corp: str = "cross-origin"
    cors: Cors = NOBODY
    mounts: Mapping[str, Cors] = field(default_factory=dict)
    """The mounts that differ in whose pages may read."""
    tag_header: str = "Cache-Tag"

    def tags(self, tags: tuple[str, ...]) -> tuple[bytes, bytes]:
        """The field by which a cache purges an answer."""
        name = self.tag_header.lower()
        return name.encode(), (" " if name in PARTED_BY_SPACES else ",").join(tags).encode()

    def of(self, mount: str) -> Cors:
        """Whose pages may read what comes from a mount."""
        return self.mounts.get(mount, self.cors)

    def safe(self) -> Headers:
        """The fields that are the same on every answer."""
        return [
            (b"x-content-type-options", b"nosniff"),
            (b"cross-origin-resource-policy", self.corp.encode()),
        ]

    def refusing(self, origin: bytes | None) -> Headers:
        """The fields of an answer that comes from no mount, for a page of this origin."""
        return [*self.safe(), *self.cors.fields(origin), *vary("Origin" if self.cors.varies else "")]

    def preflight(self, fields: Mapping[bytes, bytes]) -> Headers:
        """What a page may ask for: as much as any mount would let it read, for the path is not looked at yet."""
        policies = (self.cors, *self.mounts.values())
        allowed = next((told for cors in policies if (told := cors.preflight(fields))), [])
        asked = ("Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers")
        return [*self.safe(), *allowed, *vary(*(asked if any(cors.origins for cors in policies) else ()))]


def is_text(media_type: str) -> bool:
    """Whether it becomes much smaller by compression: what is no picture, film or sound."""
    return media_type.startswith(("application/json", "application/problem+json", "text/", *PLAYLISTS))


@dataclass(frozen=True)
class Message:
    """What is sent: the body from `start` up to, not including, `stop`."""

    status: int
    headers: Headers
    body: bytes | FileBody | Growing
    start: int
    stop: int


def message(answer: Answer, request: Mapping[bytes, bytes], manners: Manners, inside: bool) -> Message:
    """The message that says this answer; `request` has the header fields of the request by lower-case name.

    Raises RangeNotSatisfiable.
    """
    headers = _common(answer, manners, request.get(b"origin"))
    body = answer.body
    length = 0 if isinstance(body, Growing) else body.length if isinstance(body, FileBody) else len(body)
    if inside and answer.timings:
        stages = ", ".join(f"{name};dur={seconds * 1000:.1f}" for name, seconds in answer.timings.items())
        headers.append((b"server-timing", stages.encode()))
    if answer.unchanged:
        return Message(304, headers, b"", 0, 0)
    if answer.location is not None:
        headers += [(b"location", answer.location.encode()), (b"content-length", b"0")]
        return Message(answer.status, headers, b"", 0, 0)
    headers += _about_body(answer)
    if not answer.whole:
        return Message(answer.status, headers, body, 0, 0)
    part = byte_range(request.get(b"range"), length, request.get(b"if-range"), answer.etag or None)
    if answer.status != 200:
        part = byte_range(None, length, None, None)
    if isinstance(part, Unsatisfiable):
        raise RangeNotSatisfiable(f"There are {length} bytes", length=length)
    if isinstance(part, Part):
        headers += [
            (b"content-range", content_range(part, length).encode()),
            (b"content-length", b"%d" % (part.stop - part.start)),
        ]
        return Message(206, headers, answer.body, part.start, part.stop)
    headers.append((b"content-length", b"%d" % length))
    return Message(answer.status, headers, answer.body, 0, length)


def _common(answer: Answer, manners: Manners, origin: bytes | None) -> Headers:
    """Fields that a 200 and its 304 share (RFC 9110, 15.4.5)."""
    # How the server works is for its own people, not for the pages that they visit.
    cors = manners.of(answer.mount) if answer.outcome != "explained" else NOBODY
    headers = [*manners.safe(), *cors.fields(origin)]
    headers.append((b"cache-control", answer.lifetime.header.encode()))
    headers.append((b"cache-status", _cache_status(answer)))
    if answer.etag:
        headers.append((b"etag", answer.etag.encode()))
    if answer.modified is not None:
        headers.append((b"last-modified", http_date(answer.modified).encode()))
    headers += vary(
        VARY if answer.negotiated else "",
        "Origin" if cors.varies else "",
        "Accept-Encoding" if is_text(answer.media_type) else "",
    )
    if answer.tags:
        headers.append(manners.tags(answer.tags))
    if answer.degraded:
        headers.append((b"x-darkroom-degraded", answer.degraded.encode()))
    if answer.retry_after:
        headers.append((b"retry-after", b"%d" % answer.retry_after))
    return headers


def _about_body(answer: Answer) -> Headers:
    ranges = b"bytes" if answer.whole else b"none"
    headers = [(b"content-type", answer.media_type.encode()), (b"accept-ranges", ranges)]
    policy, harmless = SAFE
    if answer.media_type not in harmless:
        headers.append((b"content-security-policy", policy))
    if answer.filename is not None:
        headers.append((b"content-disposition", content_disposition(answer.filename, answer.attachment).encode()))
    return headers


FORWARDED: Mapping[str, bytes] = {
    "made": b"fwd=miss; stored",
    "shared": b"fwd=miss; stored; collapsed",
    "growing": b"fwd=miss",
    "job": b"fwd=miss",
    "original": b"fwd=bypass",
    "redirect": b"fwd=bypass",
    "explained": b"fwd=bypass",
}
"""How an answer came about that no store had, by its outcome (RFC 9211, 2)."""


def _cache_status(answer: Answer) -> bytes:
    """Which tier answered, and whether with something else than was asked for."""
    how = FORWARDED.get(answer.outcome, b"hit; detail=" + answer.outcome.encode())
    # One detail at most: which tier had a substitute matters less than that it is one.
    if answer.degraded:
        how = how.partition(b"; detail=")[0] + b"; detail=degraded"
    return b"darkroom; " + how
