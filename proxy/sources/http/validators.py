"""What the header of an answer says of an original: its version, its size, its age."""

import hashlib
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from proxy.sources.source import Stat

LONGEST_FRESH = 86_400.0
"""Seconds for which an origin is believed at most."""
UNVALIDATED_FRESH = 60.0
"""Seconds for which one without validators is believed, unless its origin says how long: to look is to fetch it."""

_strong = re.compile(r'"[\x21\x23-\x7e\x80-\xff]*"')
_directive = re.compile(r'([a-z-]+)(?:="?([^",]*)"?)?')
_range = re.compile(r"bytes (?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18})")


def described(fields: Mapping[str, str], size: int | None, now: float) -> Stat | None:
    """What an answer's fields say of an original of so many bytes; None where they have no validator, or no size.

    The version is the strong entity tag, or else the date of the last change and the size.
    """
    if size is None:
        return None
    tag, modified = fields.get("etag", ""), http_date(fields.get("last-modified"))
    if _strong.fullmatch(tag):
        version = "e" + _hashed(tag.encode("latin-1"))
    elif modified is not None:
        version = f"m{int(modified):x}-{size:x}"
    else:
        return None
    return Stat(version, size, modified, freshness(fields, now) or 0.0)


def described_by_content(fields: Mapping[str, str], size: int, digest: bytes, now: float) -> Stat:
    """The same where there is no validator: the version is that of the bytes."""
    fresh = freshness(fields, now)
    modified = http_date(fields.get("last-modified"))
    return Stat("c" + digest.hex()[:32], size, modified, UNVALIDATED_FRESH if fresh is None else fresh)


def is_content(version: str) -> bool:
    """Whether a version is that of the bytes alone, which no answer to a part can show."""
    return version.startswith("c")


def freshness(fields: Mapping[str, str], now: float) -> float | None:
    """Seconds for which an answer need not be asked for again, from 0 to a day; None where it does not say.

    RFC 9111, 4.2: `s-maxage`, then `max-age`, then `Expires`, less the age that the answer has already.
    """
    directives = {match[1]: match[2] or "" for match in _directive.finditer(fields.get("cache-control", "").lower())}
    if directives.keys() & {"no-store", "no-cache", "private"}:
        return 0.0
    for name in ("s-maxage", "max-age"):
        if name in directives:
            lasting = _seconds(directives[name])
            break
    else:
        if "expires" not in fields:
            return None
        expires = http_date(fields["expires"])
        # A date that cannot be read has passed (RFC 9111, 5.3).
        lasting = 0.0 if expires is None else expires - (http_date(fields.get("date")) or now)
    return min(max(lasting - _seconds(fields.get("age", "0")), 0.0), LONGEST_FRESH)


def length(fields: Mapping[str, str]) -> int | None:
    """The bytes of the body that Content-Length says."""
    text = fields.get("content-length", "")
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def whole(fields: Mapping[str, str]) -> tuple[int, int, int] | None:
    """First byte, last byte and size of the whole that Content-Range says; 0 and -1 where none fits."""
    found = _range.fullmatch(fields.get("content-range", ""))
    return (int(found[1] or 0), int(found[2] or -1), int(found[3])) if found else None


def http_date(text: str | None) -> float | None:
    """Unix seconds of a date in a field."""
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except (ValueError, OverflowError):
        return None


def _seconds(text: str) -> float:
    return float(text) if re.fullmatch(r"[0-9]{1,12}", text) else 0.0


def _hashed(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]
