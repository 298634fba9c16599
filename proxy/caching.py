"""Validators, freshness, ranges and file names of answers, as pure functions of values."""

import re
import unicodedata
from calendar import timegm
from dataclasses import dataclass, fields
from datetime import date
from email.utils import formatdate
from functools import lru_cache
from math import floor
from time import gmtime
from typing import Final, NamedTuple
from urllib.parse import quote

YEAR: Final = 31_536_000
DEGRADED_AGE: Final = 10
PROVISIONAL_AGES: Final = (60, 300)

# Seconds that an error may be kept, by its status; 0 is `no-store`. Explicit, so that no shared cache invents one.
ERROR_AGES: Final = {
    400: 60,
    401: 0,
    403: 0,
    404: 10,
    405: 0,
    409: 0,
    410: 86_400,
    413: 60,
    415: 60,
    416: 0,
    422: 60,
    429: 0,
    500: 0,
    502: 0,
    503: 0,
    504: 0,
    508: 0,
}

REDIRECT: Final = "private, max-age=60"


# Validators


def etag(key: str, grade: str) -> str:
    """Return the weak entity tag of a picture: its key and how carefully it was encoded."""
    return f'W/"{key}.{grade}"'


def not_modified(
    etag: str, modified: float | None, if_none_match: bytes | None, if_modified_since: bytes | None
) -> bool:
    """Say whether a GET or HEAD is answered with 304, in the order of RFC 9110, 13.2.2.

    `modified` is the Last-Modified of the answer in unix seconds. Repeated fields come joined by commas.
    """
    if if_none_match is not None:
        return _names(if_none_match, etag.removeprefix("W/").encode("latin-1"))
    if if_modified_since is None or modified is None:
        return False
    since = parse_http_date(if_modified_since)
    return since is not None and _second(modified) <= since


# The opaque part of an entity tag may hold commas, so a list cannot be split at them.
_TAG = re.compile(rb'[ \t]*+(?:(?:W/)?("[!#-~\x80-\xff]*+"))?[ \t]*+(?:,|\Z)')


def _names(field: bytes, opaque: bytes) -> bool:
    if field.strip(b" \t") == b"*":
        return True
    at = 0
    while at < len(field):
        member = _TAG.match(field, at)
        if member is None:
            return False
        if member[1] == opaque:
            return True
        at = member.end()
    return False


# Dates

_MONTHS: Final = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_MONTH: Final = rb"(?P<month>" + b"|".join(_MONTHS) + rb")"
_TIME: Final = rb"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_DATES: Final = (
    re.compile(rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (?P<day>\d\d) " + _MONTH + rb" (?P<year>\d{4}) " + _TIME + b" GMT"),
    re.compile(
        rb"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?P<day>\d\d)-" + _MONTH + rb"-(?P<year>\d\d) " + _TIME + b" GMT"
    ),
    re.compile(rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) " + _MONTH + rb" (?P<day>[ \d]\d) " + _TIME + rb" (?P<year>\d{4})"),
)
_LONGEST_DATE: Final = len("Wednesday, 06-Nov-94 08:49:37 GMT")
_LAST_SECOND: Final = 253_402_300_799


def http_date(timestamp: float) -> str:
    """Write unix seconds as a date of HTTP; times before 1970 or after 9999 become the nearest that can be written."""
    return _http_date(_second(timestamp))


def parse_http_date(text: bytes) -> float | None:
    """Read a date of HTTP in any of the three forms of RFC 9110, 5.6.7; None when it is none."""
    return _parse_http_date(text) if len(text) <= _LONGEST_DATE else None


def _second(timestamp: float) -> int:
    return min(max(floor(timestamp), 0), _LAST_SECOND)


@lru_cache(maxsize=1024)
def _http_date(second: int) -> str:
    return formatdate(second, usegmt=True)


@lru_cache(maxsize=1024)
def _parse_http_date(text: bytes) -> float | None:
    found = next(filter(None, (form.fullmatch(text) for form in _DATES)), None)
    if found is None:
        return None
    year = int(found["year"])
    if len(found["year"]) == 2:
        # Two digits mean the year of this name that is at most 50 years ahead.
        this_year = gmtime().tm_year
        year += this_year // 100 * 100
        year -= 100 if year > this_year + 50 else 0
    hour, minute, second = (int(found[name]) for name in ("hour", "minute", "second"))
    if hour > 23 or minute > 59 or second > 60:
        return None
    try:
        day = date(year, _MONTHS.index(found["month"]) + 1, int(found["day"]))
    except ValueError:
        return None
    return float(timegm((day.year, day.month, day.day, hour, minute, second)))


# Ranges


@dataclass(frozen=True, slots=True)
class Whole:
    """The whole content is sent: no range was asked for, or none that is understood."""


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes from `start` up to, but not including, `stop` are sent."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Unsatisfiable:
    """The range lies behind the end of the content: 416."""


_RANGE = re.compile(rb"bytes=[ \t]*(\d*)-(\d*)[ \t]*", re.IGNORECASE)


def byte_range(
    header: bytes | None, length: int, if_range: bytes | None, etag: str | None
) -> Whole | Part | Unsatisfiable:
    """Read a Range field against a content of `length` bytes (RFC 9110, 14.1 and 14.2).

    One range is served; several, malformed ones and other units are ignored, as the RFC allows. An If-Range holds only
    with this very strong tag: a weak tag never matches, and no date of ours is a strong validator.
    """
    found = _RANGE.fullmatch(header) if header is not None else None
    if found is None or not (found[1] or found[2]):
        return Whole()
    if if_range is not None and (etag is None or etag.startswith("W/") or if_range != etag.encode("latin-1")):
        return Whole()
    first, last = _number(found[1]), _number(found[2])
    if first is None:
        if last == 0:
            return Unsatisfiable()
        return Part(max(length - (last or 0), 0), length) if length else Whole()
    if last is not None and last < first:
        return Whole()
    if first >= length:
        return Unsatisfiable()
    return Part(first, length if last is None else min(last + 1, length))


def content_range(found: Part | Unsatisfiable, length: int) -> str:
    """Return the Content-Range of a 206 or a 416."""
    return f"bytes {found.start}-{found.stop - 1}/{length}" if isinstance(found, Part) else f"bytes */{length}"


def _number(digits: bytes) -> int | None:
    if not digits:
        return None
    # No content has 10**18 bytes, and Python refuses to read numbers of thousands of digits.
    significant = digits.lstrip(b"0") or b"0"
    return int(significant) if len(significant) <= 18 else 10**18


# Freshness


@dataclass(frozen=True, slots=True)
class Freshness:
    """How long answers of a mount may be kept, in seconds: by browsers, by shared caches, and past their time."""

    max_age: float = 3_600
    shared_max_age: float = 86_400
    stale_while_revalidate: float = 86_400
    stale_if_error: float = 86_400
    provisional_max_age: float = 120

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) < 0:
                raise ValueError(f"{field.name} is a number of seconds, not negative")
        least, most = PROVISIONAL_AGES
        if not least <= self.provisional_max_age <= most:
            raise ValueError(f"provisional_max_age is {least} to {most} seconds")


class Lifetime(NamedTuple):
    """How long shared caches, our own memory included, may keep an answer; and the Cache-Control that says so."""

    seconds: int
    header: str


NOW_ONLY: Final = Lifetime(0, "no-store")


def lifetime(
    freshness: Freshness,
    *,
    now: float,
    expires: float | None = None,
    versioned: bool = False,
    final: bool = True,
    degraded: bool = False,
) -> Lifetime:
    """Decide how long a good answer may be kept.

    `expires` is the URL's own expiry in unix seconds, `versioned` says that the URL carries `v_`, `final` that the
    result will not be refined, `degraded` that it is a substitute made under pressure.
    """
    return _lifetime(freshness, None if expires is None else floor(expires - now), versioned, final, degraded)


def error_cache_control(status: int, age: int | None = None) -> str:
    """Return the Cache-Control of an error; `age` in seconds where it is not the usual one of its status."""
    age = ERROR_AGES.get(status, 0) if age is None else age
    return f"public, max-age={age}" if age else "no-store"


@lru_cache(maxsize=4096)
def _lifetime(freshness: Freshness, left: int | None, versioned: bool, final: bool, degraded: bool) -> Lifetime:
    if left is not None and left <= 0:
        return NOW_ONLY
    most = YEAR if left is None else left
    if versioned and final and not degraded:
        age = min(YEAR, most)
        return Lifetime(age, f"public, max-age={age}, immutable")
    browser, shared = int(min(freshness.max_age, most)), int(min(freshness.shared_max_age, most))
    if degraded:
        browser, shared = min(browser, DEGRADED_AGE), min(shared, DEGRADED_AGE)
    elif not final:
        shared = int(min(shared, freshness.provisional_max_age))
    header = f"public, max-age={browser}, s-maxage={shared}"
    # A stale answer outlives its time, which neither an expiry nor a substitute may.
    if left is None and not degraded:
        header += f", stale-while-revalidate={int(freshness.stale_while_revalidate)}"
        header += f", stale-if-error={int(freshness.stale_if_error)}"
    return Lifetime(shared, header)


# File names

_LONGEST_NAME: Final = 100  # characters, so that the field fits the buffers of proxies even percent-encoded
_BIDI: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
_DROPPED_CATEGORIES: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
_ATTRIBUTE_CHARACTERS: Final = "!#$&+-.^_`|~"  # RFC 8187's attr-char, beside letters and digits
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9 !#$&'()+,.;=@\[\]^_`{}~-]")


def content_disposition(name: str, attachment: bool) -> str:
    """Return a Content-Disposition with a name for every client (RFC 6266): plain ASCII, and UTF-8 where that differs.

    Slashes, control characters and those that turn the direction of writing are dropped; a long name keeps its
    extension.
    """
    kind = "attachment" if attachment else "inline"
    name = _file_name(name)
    if not name:
        return kind
    decomposed = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    plain = _NOT_PLAIN.sub("_", decomposed)
    field = f'{kind}; filename="{plain}"'
    return field if plain == name else f"{field}; filename*=UTF-8''{quote(name, safe=_ATTRIBUTE_CHARACTERS)}"


def _file_name(name: str) -> str:
    kept = "".join(
        c for c in name if c not in "/\\" and c not in _BIDI and unicodedata.category(c) not in _DROPPED_CATEGORIES
    ).strip(" .")
    if len(kept) <= _LONGEST_NAME:
        return kept
    stem, dot, extension = kept.rpartition(".")
    return stem[: _LONGEST_NAME - 11] + dot + extension if 0 < len(extension) <= 10 else kept[:_LONGEST_NAME]
