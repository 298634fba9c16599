"""The interface for purges: `POST /api/v1/purge`, and how far each has come."""

import asyncio
import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog
from cachetools import LRUCache
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from proxy.edge import header_fields
from proxy.failures import BadBody, KeyReused, NoSuchPurge, WrongMediaType
from proxy.handlers.own import EveryMethod, check_method, refused
from proxy.handlers.tokens import Token, Tokens
from proxy.log import request_id
from proxy.purging.progress import OVERHEAD, Progress
from proxy.purging.purge import Purges
from proxy.purging.targets import Targets

log = structlog.get_logger(__name__)

PLACE = "/api/v1/purge"
SCOPE = "purge"
LARGEST_BODY = 1 << 20
"""Bytes of a body: a thousand targets with long names."""
BODY_SECONDS = 15.0
REMEMBERED = 32 << 20
"""Bytes of the purges whose idempotency keys are remembered: of ten thousand small ones."""

Answering = Callable[[Request, Token], Awaitable[Response]]

_KEY = re.compile(r"[!-~]{1,200}")


@dataclass(frozen=True)
class _Asked:
    """A purge that was asked for under a key."""

    digest: bytes
    """Of the body."""
    task: asyncio.Task[Progress]
    size: int
    """Bytes that it takes, at most."""


@dataclass
class Purging:
    """The routes below `/api/v1/purge`."""

    purges: Purges
    targets: Targets
    tokens: Tokens
    """Both replaced by others when the settings are read anew."""
    _asked: LRUCache[tuple[str, str], _Asked] = field(
        default_factory=lambda: LRUCache(REMEMBERED, lambda one: one.size)
    )

    def routes(self) -> list[Route]:
        """Each path with all methods: one that is not meant is told so by us."""
        return [
            Route(PLACE, self._for_holders("POST", self._purge)),
            Route(PLACE + "/{id}", self._for_holders("GET", self._progress)),
        ]

    def _for_holders(self, method: str, answer: Answering) -> EveryMethod:
        async def answered(request: Request) -> Response:
            fields = header_fields(request.scope["headers"])
            identity = request_id(fields.get(b"x-request-id"))
            with structlog.contextvars.bound_contextvars(request_id=identity):
                try:
                    holder = self.tokens.holder(fields, SCOPE)
                    check_method(request.method, method)
                    response = await answer(request, holder)
                except ClientDisconnect:
                    response = Response(status_code=400)
                except Exception as error:
                    response = refused(error, identity)
            if response.status_code == 401:
                response.headers["www-authenticate"] = 'Bearer realm="Darkroom"'
            response.headers.update(
                {"cache-control": "no-store", "x-content-type-options": "nosniff", "x-request-id": identity}
            )
            if method == "POST":
                # A body that was not read to its end must not be taken for the next request, nor waited for.
                response.headers["connection"] = "close"
            return response

        return EveryMethod(answered)

    async def _purge(self, request: Request, holder: Token) -> Response:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise WrongMediaType("The body is not said to be JSON", expected="Content-Type: application/json")
        body = await _body(request)
        targets = self.targets.read(_json(body))
        for target in targets:
            holder.check_mounts(target.mounts, target.kind)
        key = request.headers.get("idempotency-key")
        if key is not None and not _KEY.fullmatch(key):
            raise BadBody("The Idempotency-Key cannot be used", expected="1 to 200 visible ASCII characters")

        def begin() -> asyncio.Task[Progress]:
            names = [str(target) for target in targets]
            log.info("purge", by=holder.name, targets=names[:20], number=len(names))
            return asyncio.create_task(self.purges.purge(names, [target.tag for target in targets]))

        # Whoever has asked may leave: a purge that has begun is done.
        progress = await asyncio.shield(self._once((holder.name, key), body, begin) if key else begin())
        return JSONResponse(progress.to_dict(), 202, headers={"location": f"{PLACE}/{progress.id}"})

    def _once(
        self, name: tuple[str, str], body: bytes, begin: Callable[[], asyncio.Task[Progress]]
    ) -> asyncio.Task[Progress]:
        """The purge that was asked for under this key; raises KeyReused where it was another."""
        known, digest = self._asked.get(name), hashlib.sha256(body).digest()
        if known and known.digest != digest:
            raise KeyReused("The Idempotency-Key came with another body before", part="Idempotency-Key")
        if known and not (known.task.done() and (known.task.cancelled() or known.task.exception())):
            return known.task
        # A character that is one byte of the body may take four bytes here.
        self._asked[name] = _Asked(digest, task := begin(), OVERHEAD + 4 * len(body))
        return task

    async def _progress(self, request: Request, holder: Token) -> Response:
        progress = self.purges.progress(request.path_params["id"])
        if progress is None:
            raise NoSuchPurge("There is no such purge here")
        return JSONResponse(progress.to_dict())


def is_ours(raw_path: bytes) -> bool:
    """Whether a path is one of these."""
    return raw_path == PLACE.encode() or raw_path.startswith(f"{PLACE}/".encode())


async def _body(request: Request) -> bytes:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.body()
    except TimeoutError:
        raise BadBody("The body did not come in time", expected=f"{BODY_SECONDS:g} seconds at most") from None


def _json(body: bytes) -> object:
    try:
        read: object = json.loads(body)
    except (ValueError, RecursionError):
        raise BadBody("The body is not JSON", expected='JSON such as {"source": "cats/1.jpg"}') from None
    return read
