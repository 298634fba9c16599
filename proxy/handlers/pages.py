"""The playground over HTTP: its files, its data, and who may have and change them."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Scope

from proxy.edge import header_fields
from proxy.failures import BadBody, InsidersOnly, NoSuchOriginal, NoToken, OtherSite, WrongMediaType
from proxy.handlers.own import EveryMethod, check_method, refused
from proxy.handlers.visitors import CHALLENGE, Visitors
from proxy.log import request_id
from proxy.pages.links import Shown
from proxy.pages.playground import Playground, static_files

log = structlog.get_logger(__name__)

PLACE = "/ui"
START = b"/"
"""Where no picture is, and where somebody who has just started a server looks first."""
DROPPED = f"{PLACE}/dropped"
"""Where files go: the one path whose requests may have a large body."""
BODY_SECONDS = 15.0
"""How long a small body may take."""
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "media-src 'self' blob: data:",  # what hls.js fills with subtitles begins as `data:,WEBVTT`
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
FIELDS = {
    "cache-control": "no-store",
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""On every answer here: nothing of another origin runs in the page, frames it, or reads it."""

Answering = Callable[[Request], Awaitable[Response]]
Fields = Mapping[bytes, bytes]


@dataclass
class Pages:
    """The routes below `/ui`, and the way there; without a playground there is nothing there."""

    playground: Playground | None
    """Replaced by another when the settings are read anew."""
    visitors: Visitors
    """The same."""

    def lead(self, scope: Scope) -> bool:
        """Whether this request is led to the page; a stranger gets what any path without a picture gets."""
        asked = self.playground is not None and scope["raw_path"] == START and scope["method"] in ("GET", "HEAD")
        return asked and self.visitors.inside(scope, header_fields(scope["headers"]))

    def routes(self) -> list[Route]:
        """Every path, each exact, and one for all that is not there."""
        if self.playground is None:
            return [Route(PLACE + rest, EveryMethod(_missing)) for rest in ("", "/{path:path}")]
        files = dict(static_files())
        page = _file(*files.pop("index.html"))
        reads: dict[str, Answering] = {
            "": page,
            "/": page,
            **{f"/{name}": _file(*file) for name, file in files.items()},
            "/options.json": self._about,
            "/originals.json": self._originals,
        }
        changes: dict[str, tuple[str, str, Answering]] = {
            "/urls": ("POST", "application/json", self._urls),
            "/markup": ("POST", "application/json", self._markup),
            "/recording": ("POST", "application/json", self._recording),
            DROPPED.removeprefix(PLACE): ("PUT", "application/octet-stream", self._drop),
        }
        return [
            Route(START.decode(), self._for_insiders(_served("GET", _to_page))),
            *(Route(PLACE + path, self._for_insiders(_served("GET", answer))) for path, answer in reads.items()),
            *(
                Route(PLACE + path, self._for_insiders(_served(method, _changing(media_type, answer))))
                for path, (method, media_type, answer) in changes.items()
            ),
            Route(PLACE + "/{path:path}", self._for_insiders(_nothing)),
        ]

    def _for_insiders(self, answer: Answering) -> EveryMethod:
        async def answered(request: Request) -> Response:
            fields = header_fields(request.scope["headers"])
            identity = request_id(fields.get(b"x-request-id"))
            try:
                response = self._led_elsewhere(request, fields)
                if response is None:
                    # One spelling: no path here has an escape, and patterns would overlook a line's end.
                    plain = request.scope["raw_path"] == request.scope["path"].encode()
                    response = await (answer if plain else _nothing)(request)
            except ClientDisconnect:
                response = Response(status_code=400)
            except Exception as error:
                response = refused(error, identity)
            if response.status_code == 401:
                response.headers["www-authenticate"] = CHALLENGE
            response.headers.update({**FIELDS, "x-request-id": identity})
            if request.method not in ("GET", "HEAD"):
                # A body that was not read to its end must not be taken for the next request, nor waited for.
                response.headers["connection"] = "close"
            return response

        return EveryMethod(answered)

    def _led_elsewhere(self, request: Request, fields: Fields) -> Response | None:
        """Where a client gets asked who it is; None for one who may have this.

        Raises OtherSite, InsidersOnly and NoToken.
        """
        if self.visitors.inside(request.scope, fields):
            if not is_own(fields, request.method):
                raise OtherSite("The request comes from the page of another site")
            return None
        if self.visitors.admin_token is None:
            raise InsidersOnly("There is no admin token, so this is for clients on this machine alone")
        if request.url.path == f"{PLACE}/":
            # Browsers give a password to what is below the folder of the path that asks for it: here, to everything,
            # so that renditions tell the page of their timings too.
            return Response(status_code=303, headers={"location": PLACE})
        raise NoToken("From elsewhere this needs the admin token", expected="the admin token as password or bearer")

    @property
    def _here(self) -> Playground:
        assert self.playground
        return self.playground

    async def _about(self, request: Request) -> Response:
        return JSONResponse(self._here.about())

    async def _originals(self, request: Request) -> Response:
        return JSONResponse(await self._here.originals(request.query_params.get("prefix", "")))

    async def _urls(self, request: Request) -> Response:
        asked = await _json(request, source=str, steps=str)
        return JSONResponse(self._here.urls(**asked))

    async def _markup(self, request: Request) -> Response:
        asked = await _json(request, source=str, steps=str, width=int, height=int, format=str, alpha=bool, moving=bool)
        source, steps = asked.pop("source"), asked.pop("steps")
        base = request.headers.get("origin", "")
        log.info("links were written", source=source, steps=steps)
        return JSONResponse(self._here.markup(source, steps, Shown(**asked), base))

    async def _recording(self, request: Request) -> Response:
        asked = await _json(request, source=str)
        return JSONResponse(await self._here.recording(asked["source"], request.headers.get("origin", "")))

    async def _drop(self, request: Request) -> Response:
        promised = request.headers.get("content-length", "0")
        kept = await self._here.drop(_parts(request), int(promised) if promised.isdecimal() else 0)
        log.info("a file was dropped", **kept)
        return JSONResponse(kept, 201)


def is_below(raw_path: bytes) -> bool:
    """Whether a path is one of ours, or none at all."""
    return raw_path == PLACE.encode() or raw_path.startswith(f"{PLACE}/".encode())


def is_own(fields: Fields, method: str) -> bool:
    """Whether a request comes from our own page, a person or a program, not from the page of another site.

    Every browser of today says so in Sec-Fetch-Site wherever it trusts the connection; elsewhere there is Origin with
    whatever could change something, which does not have to be believed of what only reads: no other page can.
    """
    site = fields.get(b"sec-fetch-site")
    if method in ("GET", "HEAD"):
        return site in (None, b"same-origin", b"none") or fields.get(b"sec-fetch-mode") == b"navigate"
    if site is not None:
        return site == b"same-origin"
    origin = fields.get(b"origin")
    return origin is None or urlsplit(origin).netloc == fields.get(b"host", b"")


async def _to_page(_: Request) -> Response:
    return Response(status_code=303, headers={"location": f"{PLACE}/"})


def _served(method: str, answer: Answering) -> Answering:
    """The answer to requests with this method; GET stands for HEAD too."""

    async def answered(request: Request) -> Response:
        check_method(request.method, method)
        return await answer(request)

    return answered


def _changing(media_type: str, answer: Answering) -> Answering:
    """The answer to requests with this media type, which no page of another site can send without our leave."""

    async def answered(request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != media_type:
            raise WrongMediaType("The body is of another kind", expected=f"Content-Type: {media_type}")
        return await answer(request)

    return answered


def _file(body: bytes, media_type: str) -> Answering:
    async def answered(request: Request) -> Response:
        return Response(body, media_type=media_type)

    return answered


async def _nothing(request: Request) -> Response:
    raise NoSuchOriginal("There is no such page.")


async def _missing(request: Request) -> Response:
    """The answer where the playground is off, to anybody."""
    return refused(NoSuchOriginal("There is no such page."), request_id(None))


async def _json(request: Request, **kinds: type) -> dict[str, Any]:
    """The body's members. Raises BadBody where it has not just these, of these kinds."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = json.loads(await request.body())
    except (ValueError, RecursionError, TimeoutError):
        body = None
    right = isinstance(body, dict) and body.keys() == kinds.keys()
    if not right or not all(type(body[name]) is kind for name, kind in kinds.items()):
        raise BadBody("The body is not what was expected", expected=", ".join(kinds))
    return cast(dict[str, Any], body)


async def _parts(request: Request) -> AsyncIterator[bytes]:
    async for part in request.stream():
        yield part
