"""What stands in front of a server, asked as strangers ask: what it takes away, keeps too long, mixes up or shows."""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final
from urllib.parse import urlsplit

from proxy.caching import error_cache_control, parse_http_date
from proxy.doctor.check import Check

PATIENCE: Final = 30.0
"""Seconds for one answer: a cold picture may have to wait for a worker."""
SMALL: Final = "w_64"
BRIEF: Final = 600
"""Seconds until a URL expires by which ages are looked at."""
KINDS: Final = {"avif": "image/avif,image/webp,*/*", "webp": "image/webp,*/*", "": "*/*"}
"""What clients say who take AVIF, WebP alone, and neither."""
ODD: Final = "doctor/a+b c%2Fd,é.jpg"
"""A key whose escapes a proxy that decodes the path would lose."""
OURS: Final = ("x-accel-redirect", "x-accel-expires", "x-darkroom-key", "x-darkroom-source", "x-darkroom-until")
"""Fields between fronts and nginx."""

Fields = Mapping[str, str]


@dataclass(frozen=True)
class Seen:
    """An answer as it came; the names of its fields in lower case."""

    status: int
    fields: Fields
    body: bytes

    @property
    def media_type(self) -> str:
        return self.fields.get("content-type", "").partition(";")[0]

    @property
    def identity(self) -> str:
        """The id of the request that an error was made for; empty where there is none."""
        try:
            return str(json.loads(self.body).get("request_id", ""))
        except (ValueError, AttributeError):
            return ""

    def __str__(self) -> str:
        error = self.fields.get("x-error")
        return f"{self.status}{f' ({error})' if error else ''}"


Asking = Callable[[str, Fields], Seen]
Signing = Callable[..., str]


def asking(base: str) -> Asking:
    """How paths below a base URL are asked for, each on a connection of its own. Raises OSError and HTTPException."""
    place = urlsplit(base)
    kind = HTTPSConnection if place.scheme == "https" else HTTPConnection

    def ask(path: str, fields: Fields) -> Seen:
        with closing(kind(place.netloc, timeout=PATIENCE)) as connection:
            connection.request("GET", place.path.rstrip("/") + path, headers={"accept": "*/*", **fields})
            answer = connection.getresponse()
            return Seen(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())

    return ask


def check_edge(
    ask: Asking,
    picture: str,
    sign: Signing | None = None,
    formats: Sequence[str] | None = None,
    signed: bool = False,
) -> Iterator[Check]:
    """Look at an edge by a URL of `picture`: with `sign` the key of an original, else a path with `f_auto` in it.

    `sign` gives the path of a key and steps, with `expires` in seconds; `formats` are those that may be made (None:
    all); `signed` says that unsigned URLs are refused.
    """
    fresh = f"v_doctor{time.time_ns():x}"  # so that nothing of it is kept anywhere
    path = sign(picture, f"{SMALL},f_auto,{fresh}") if sign else picture
    try:
        first = ask(path, {"accept": KINDS["avif"]})
        if first.status != 200:
            yield Check("picture", "bad", f"{path} is answered with {first}", "name one that is there: --picture")
            return
        yield Check("picture", "ok", path)
        yield _check_kinds(ask, path, first, formats)
        yield _check_validators(ask, path, first)
        yield _check_fields(first)
        yield from _check_strangers(ask, sign(picture, f"{SMALL},f_explain") if sign else None)
        if sign:
            yield _check_path(ask, sign(ODD, SMALL))
            yield _check_errors(ask, sign(f"{fresh}.jpg", SMALL))
            yield from _check_expiry(ask, sign(picture, f"{SMALL},{fresh}", expires=BRIEF)) if signed else ()
        if signed:
            yield _check_refusals(ask, f"/{SMALL}/{fresh}.jpg")
    except (OSError, HTTPException) as error:
        yield Check("reach", "bad", f"no answer: {type(error).__name__}: {error}", "look at its address and its log")


def _check_kinds(ask: Asking, path: str, first: Seen, formats: Sequence[str] | None) -> Check:
    """Whether each kind of client gets its format."""
    types = {"avif": first.media_type}
    for kind in ("webp", ""):
        types[kind] = ask(path, {"accept": KINDS[kind]}).media_type
    listed = ", ".join(types.values())
    if types[""] in ("image/avif", "image/webp"):
        said = f"a client that takes neither AVIF nor WebP gets {types['']}: Vary is ignored"
        return Check("Accept", "bad", said, "make Accept a part of the cache's key: docs/edge.md")
    expected = {kind for kind in ("avif", "webp") if formats is None or kind in formats}
    missed = [kind for kind in expected if types[kind] != f"image/{kind}"]
    if len(set(types.values())) == 1 and expected:
        said = f"every client gets {types['']}: Accept does not reach the server"
        return Check("Accept", "bad", said, "pass Accept on, or make four kinds of it: docs/edge.md")
    if missed:
        said = f"clients of AVIF, of WebP, of neither get {listed}"
        return Check("Accept", "bad", said, "make as many kinds of Accept as the server does: docs/edge.md")
    if "accept" not in first.fields.get("vary", "").lower():
        return Check("Accept", "warn", "Vary was taken away: caches behind this one mix formats up", "pass Vary on")
    return Check("Accept", "ok", listed)


def _check_validators(ask: Asking, path: str, first: Seen) -> Check:
    tag = first.fields.get("etag")
    if not tag:
        return Check("validators", "bad", "ETag was taken away: nothing can be revalidated", "pass ETag on")
    again = ask(path, {"accept": KINDS["avif"], "if-none-match": tag})
    if again.status != 304:
        said = f"a client that has the picture already is answered with {again}"
        return Check("validators", "bad", said, "pass If-None-Match on, or answer it")
    return Check("validators", "ok", tag)


def _check_fields(first: Seen) -> Check:
    shown = [name for name in OURS if name in first.fields]
    if shown:
        return Check("fields", "warn", f"{', '.join(shown)} can be seen", "take the nginx/ that came with this version")
    return Check("fields", "ok", first.fields.get("cache-control", "no Cache-Control"))


def _check_strangers(ask: Asking, explained: str | None) -> Iterator[Check]:
    """Whether the server takes whoever comes through for somebody on its own machine."""
    name, remedy = "strangers", "send X-Forwarded-For with every request"
    if explained and (seen := ask(explained, {})).status == 200:
        yield Check(name, "bad", "the server explains itself to everybody: it takes them for insiders", remedy)
    elif (seen := ask("/metrics", {})).status == 200:
        yield Check(name, "bad", "/metrics is open to everybody", remedy)
    else:
        yield Check(name, "ok", f"/metrics is answered with {seen}")


def _check_path(ask: Asking, path: str) -> Check:
    """Whether escapes arrive as they were: a signature covers what they stand for."""
    seen = ask(path, {})
    if seen.fields.get("x-error", "").partition(";")[0] == "no_such_original":
        return Check("path", "ok", "arrives as it was sent")
    said = f"a key with escapes is answered with {seen} instead of 404 (no_such_original)"
    return Check("path", "bad", said, "pass the path on raw: no decoding, no merging of slashes")


def _check_errors(ask: Asking, path: str) -> Check:
    """Whether errors are kept for longer than the server says."""
    seen, ours = ask(path, {}), error_cache_control(404)
    said = seen.fields.get("cache-control", "")
    longest = max((int(age) for age in re.findall(r"(?:max-age|s-maxage)=(\d+)", said)), default=0)
    most = max(int(age) for age in re.findall(r"\d+", ours))
    if seen.status != 404 or longest > most:
        found = f"a missing original is answered with {seen}, to be kept for {longest} seconds"
        return Check("errors", "bad", found, f"let the server's ages hold: {ours} for a 404")
    return Check("errors", "ok", f"404: {said}")


def _check_refusals(ask: Asking, path: str) -> Check:
    """Whether a refusal is kept, which the server forbids: the next one may be right."""
    seen = [ask(path, {}) for _ in range(2)]
    if any(answer.status != 403 for answer in seen):
        found = f"a URL that is not signed is answered with {seen[0]}"
        return Check("refusals", "bad", found, "let the server verify each request")
    first, second = (answer.identity for answer in seen)
    if first and first == second:
        return Check("refusals", "bad", "a 403 is kept", "keep no answer that says no-store")
    return Check("refusals", "ok", "403 each time")


def _check_expiry(ask: Asking, path: str) -> Iterator[Check]:
    """Whether what expires is kept beyond that by those who ask."""
    seen = ask(path, {})
    expires = int(path.partition("exp_")[2].partition("/")[0].partition(",")[0])
    left = expires - time.time()
    control = seen.fields.get("cache-control", "")
    ages = [int(age) for age in re.findall(r"(?:max-age|s-maxage)=(\d+)", control)]
    until = parse_http_date(seen.fields.get("expires", "").encode("latin-1"))
    if until is not None and not ages:
        ages = [int(until - time.time())]
    if seen.status == 200 and max(ages, default=0) > left + 1:
        said = f"a URL that expires in {left:.0f} seconds is said to hold for {max(ages)}"
        yield Check("expiry", "bad", said, "turn behind_nginx off, or take the nginx/ that came with this version")
    else:
        yield Check("expiry", "ok", f"{seen}, for {max(ages, default=0)} of {left:.0f} seconds")
