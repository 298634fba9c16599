"""What each refusal and failure is over HTTP: one table from exception to status, and its problem+json (RFC 9457)."""

import json
import re
from inspect import getdoc
from math import ceil
from typing import Final, NamedTuple

from proxy import failures
from proxy.caching import ERROR_AGES, Unsatisfiable, content_range, error_cache_control
from signing import errors as signing
from signing.errors import SigningError
from transforms import errors as transforms
from transforms.errors import Refusal


class Row(NamedTuple):
    """What one kind of error is over HTTP.

    `retry_after` is in seconds, for errors that name none themselves. `told` is False where the fields of the error
    stay in the log and the title is all that a client learns. `age` is seconds that the answer may be kept, where that
    differs from what is usual for its status.
    """

    status: int
    title: str
    retry_after: float | None = None
    told: bool = True
    age: int | None = None


INTERNAL: Final = Row(500, "Something went wrong in the server", told=False)
INTERNAL_CODE: Final = "internal"

# Nobody learns which keys exist, so both kinds of it give the same answer.
_WRONG_SIGNATURE: Final = Row(403, "The signature is not that of this URL", told=False)

TABLE: Final[dict[type[Refusal] | type[SigningError], Row]] = {
    signing.BadAddress: Row(400, "The URL cannot be read"),
    signing.Unsigned: Row(403, "A signature is needed"),
    signing.BadSignature: _WRONG_SIGNATURE,
    signing.UnknownKey: _WRONG_SIGNATURE,
    signing.Expired: Row(410, "The URL has expired"),
    signing.BadKey: INTERNAL,
    transforms.BadPlan: Row(400, "The steps cannot be read"),
    transforms.UnknownOption: Row(400, "Unknown option"),
    transforms.InvalidOption: Row(400, "Invalid value of an option"),
    transforms.ConflictingOptions: Row(400, "Options contradict each other"),
    transforms.NotSupported: Row(400, "Not supported"),
    transforms.UnknownPreset: Row(400, "Unknown preset"),
    transforms.ResultTooLarge: Row(400, "The result would be too large"),
    transforms.UnsupportedFormat: Row(415, "Unsupported format"),
    transforms.OriginalTooLarge: Row(413, "The original is too large"),
    transforms.BadOriginal: Row(422, "The original cannot be used"),
    transforms.DamagedOriginal: Row(422, "The original is damaged"),
    transforms.TooManyPixels: Row(422, "The original has too many pixels"),
    transforms.TooManyFrames: Row(422, "The original has too many frames"),
    transforms.TooLong: Row(422, "The original is too long"),
    transforms.TooManyStreams: Row(422, "The original has too many streams"),
    transforms.NoSuchStream: Row(422, "The original has no such stream"),
    transforms.NoSuchMoment: Row(422, "The original has no such moment"),
    transforms.NoSuchPage: Row(422, "The original has no such page"),
    failures.NoSuchOriginal: Row(404, "No such original"),
    failures.NoSuchRendition: Row(404, "No such rendition"),
    failures.NoSuchPlan: Row(503, "No such plan"),
    # It may be back in a moment, as when a file is deleted first and then written anew.
    failures.OriginalGone: Row(410, "The original is gone", age=10),
    failures.RangeNotSatisfiable: Row(416, "Range not satisfiable"),
    failures.Forbidden: Row(403, "Not allowed"),
    failures.AlreadyExists: Row(409, "There is one already"),
    failures.MethodNotAllowed: Row(405, "Method not allowed"),
    failures.InsidersOnly: Row(403, "Not for clients from elsewhere"),
    failures.OtherSite: Row(403, "Not for other sites"),
    failures.NoToken: Row(401, "A token is needed"),
    failures.OutOfScope: Row(403, "The token does not open this"),
    failures.BadBody: Row(400, "The body cannot be used"),
    failures.WrongMediaType: Row(415, "Unsupported media type"),
    failures.KeyReused: Row(422, "The key was used for something else"),
    failures.NoSuchPurge: Row(404, "No such purge"),
    failures.OriginFailed: Row(502, "The origin failed"),
    failures.OriginalReplaced: Row(502, "The original has changed meanwhile"),
    failures.NoParts: Row(502, "The origin gives no parts"),
    failures.OriginTimedOut: Row(504, "The origin did not answer in time"),
    failures.RateLimited: Row(429, "Too many requests"),
    failures.NoRoom: Row(503, "No room for the original", retry_after=5),
    failures.Looped: Row(508, "The request goes round in a circle"),
    failures.Busy: Row(503, "Too busy"),
    failures.Preempted: Row(503, "Too busy"),
    failures.TimedOut: Row(503, "The work took too long"),
    failures.WorkerLost: Row(503, "The work could not be finished"),
    failures.Poisoned: Row(503, "The work is not tried again for a while"),
    failures.ClosingDown: Row(503, "The server is stopping", retry_after=1),
    failures.WorkFailed: INTERNAL,
}

_FIELDS: Final = ("detail", "part", "offset", "expected", "suggestion")
_LONGEST_TEXT: Final = 500
_LONGEST_X_ERROR: Final = 200
_NOT_VISIBLE = re.compile(r'[^ -~]|["\\]')


class ErrorAnswer(NamedTuple):
    """A finished answer; the names of its headers are in lower case."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


def row(kind: type[BaseException]) -> Row:
    """Find the row of an exception, or of the nearest kind that it is one of."""
    return next((found for base in kind.__mro__ if (found := TABLE.get(base))), INTERNAL)


def code(error: BaseException) -> str:
    """Return the stable code of an error; `internal` stands for all that is not ours to tell."""
    if isinstance(error, Refusal | SigningError) and row(type(error)) is not INTERNAL:
        return error.code
    return INTERNAL_CODE


def problem(error: BaseException, request_id: str) -> ErrorAnswer:
    """Make the answer to an error. Of one that nobody foresaw, nothing but the request's id is told."""
    found, name = row(type(error)), code(error)
    told = _told(error) if found.told else {}
    body = {"type": f"urn:darkroom:error:{name}", "code": name, "title": found.title, "status": found.status, **told}
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"cache-control", error_cache_control(found.status, found.age).encode("ascii")),
        (b"x-content-type-options", b"nosniff"),
        (b"x-error", _x_error(name, str(told.get("part", "")))),
    ]
    if isinstance(error, failures.MethodNotAllowed):
        headers.append((b"allow", error.allowed.encode("ascii")))
    if isinstance(error, failures.RangeNotSatisfiable):
        headers.append((b"content-range", content_range(Unsatisfiable(), error.length).encode("ascii")))
    wait = error.promised() if isinstance(error, failures.Busy) else getattr(error, "retry_after", found.retry_after)
    if wait is not None and found.told:
        seconds = max(ceil(wait), 1)
        headers.append((b"retry-after", b"%d" % seconds))
        if quota := getattr(error, "quota", ""):
            # draft-ietf-httpapi-ratelimit-headers: the name of the quota, what is left of it, and when more is.
            headers.append((b"ratelimit-policy", quota.encode("ascii")))
            headers.append((b"ratelimit", b"%b;r=0;t=%d" % (quota.partition(";")[0].encode("ascii"), seconds)))
    # Everything beyond ASCII is escaped: half a surrogate pair in a URL must not break the answer that names it.
    return ErrorAnswer(found.status, headers, json.dumps({**body, "request_id": request_id}).encode("ascii"))


def _told(error: BaseException) -> dict[str, object]:
    fields = ((field, getattr(error, field, None)) for field in _FIELDS)
    return {
        field: value[:_LONGEST_TEXT] if isinstance(value, str) else value
        for field, value in fields
        if value not in ("", None)
    }


def _x_error(name: str, part: str) -> bytes:
    if not part:
        return name.encode("ascii")
    room = _LONGEST_X_ERROR - len(f'{name}; part=""')
    return f'{name}; part="{_NOT_VISIBLE.sub("?", part)[:room]}"'.encode("ascii")


class Documented(NamedTuple):
    """One error as the manual tells it; `age` is the seconds that it may be kept."""

    code: str
    status: int
    title: str
    meaning: str
    age: int


def docs_table() -> list[Documented]:
    """List every error of a request that was read, by status and code."""
    told = [
        Documented(kind.code, found.status, found.title, _first_line(kind), _age(found))
        for kind, found in TABLE.items()
        if "code" in vars(kind) and found is not INTERNAL
    ]
    meaning = "Nobody foresaw this; the log tells more under the request's id."
    internal = Documented(INTERNAL_CODE, INTERNAL.status, INTERNAL.title, meaning, ERROR_AGES[INTERNAL.status])
    return sorted([*told, internal], key=lambda error: (error.status, error.code))


def _age(found: Row) -> int:
    return ERROR_AGES[found.status] if found.age is None else found.age


def _first_line(kind: type[Exception]) -> str:
    return (getdoc(kind) or "").partition("\n")[0]
