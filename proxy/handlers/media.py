"""Renditions over HTTP: a request becomes a value, and an answer becomes a response."""

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape

import structlog
from starlette.types import Receive, Scope, Send

from proxy.accel import Accel
from proxy.answer import Answer, Ask
from proxy.delivery import Delivery
from proxy.edge import RecentAnswers, header_fields
from proxy.errors import ErrorAnswer, code, problem, row
from proxy.failures import Looped
from proxy.handlers.visitors import Visitors
from proxy.log import request_id
from proxy.metrics import Metrics
from proxy.negotiation import VARY, Bucket, bucket
from proxy.stores.result import FileBody
from proxy.wire import Headers, Manners, Message, message

log = structlog.get_logger(__name__)

METHODS = ("GET", "HEAD")
ALLOWED = b"GET, HEAD, OPTIONS"
MISSES = ("made", "shared")

_IN_VIA = re.compile(rb"(?:^|[\s,])(?:[A-Za-z]+/)?[0-9.]+ darkroom *(?:$|,)")
"""The mark that requests for originals bear (RFC 9110, 7.6.3)."""


class Once:
    """Says of each of the last keys whether it comes for the first time."""

    MOST = 10_000

    def __init__(self) -> None:
        self._seen: dict[str, None] = {}

    def __call__(self, key: str) -> bool:
        if key in self._seen:
            return False
        self._seen[key] = None
        if len(self._seen) > self.MOST:
            del self._seen[next(iter(self._seen))]
        return True


@dataclass
class Media:
    """The ASGI application behind every path that is not one of the server's own."""

    delivery: Delivery
    """Replaced by another when the settings are read anew."""
    recent: RecentAnswers
    metrics: Metrics
    manners: Manners
    visitors: Visitors
    error_pictures: bool
    accel: Accel | None = None
    """Replaced like the delivery; None where no nginx sends files for us."""
    delivered: Callable[[bytes, Bucket, str, tuple[str, ...]], None] | None = None
    """Told of every answer that caches in front may keep: raw path, kind of client, name and tags."""
    queries: Once = field(default_factory=Once)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        fields = header_fields(scope["headers"])
        identity = request_id(fields.get(b"x-request-id"))
        method = scope["method"]
        if method == "HEAD":
            fields.pop(b"range", None)  # ranges are for GET alone (RFC 9110, 14.2)
        with structlog.contextvars.bound_contextvars(request_id=identity):
            status, size, outcome, form = await self._responded(scope, fields, method, identity, receive, send)
            elapsed = time.perf_counter() - started
            self.metrics.answers(status, outcome, form).sent(elapsed, size)
            # Hits are for the metrics to count.
            tell = log.info if status >= 400 or outcome in MISSES else log.debug
            tell(
                "request",
                method=method,
                path=scope["raw_path"].decode("latin-1"),
                status=status,
                outcome=outcome,
                bytes=size,
                ms=round(elapsed * 1000, 1),
            )

    async def _responded(
        self, scope: Scope, fields: dict[bytes, bytes], method: str, identity: str, receive: Receive, send: Send
    ) -> tuple[int, int, str, str]:
        """Answer; returns status, bytes of the body, outcome and format."""
        if method not in METHODS:
            return await self._other(method, identity, send), 0, "method", ""
        try:
            answer, sent = await self._answered(scope, fields)
        except Exception as error:
            status, size = await self._refused(error, fields, method, identity, send)
            return status, size, code(error), ""
        if scope.get("query_string") and answer.tags and self.queries(answer.tags[0]):
            log.warning("a query string is never read; leave it out", path=scope["raw_path"].decode("latin-1"))
        return sent.status, await _send(receive, send, sent, method, identity), answer.outcome, answer.format

    async def _answered(self, scope: Scope, fields: dict[bytes, bytes]) -> tuple[Answer, Message]:
        path, accept = scope["raw_path"], fields.get(b"accept", b"")
        if _IN_VIA.search(fields.get(b"via", b"")):
            raise Looped("The original of a rendition cannot be another rendition.")
        inside = self.visitors.inside(scope, fields)
        generation = self.recent.generation
        answer = await self.delivery.answer(
            Ask(path, accept, fields.get(b"if-none-match"), fields.get(b"if-modified-since"), inside)
        )
        if self.delivered and answer.tags and answer.lifetime.seconds:
            self.delivered(path, bucket(accept), answer.name, answer.tags)
        sent = self._left_to_nginx(message(answer, fields, self.manners, inside))
        if sent.status == 200:
            self.recent.remember(path, bucket(accept), answer, sent.headers, generation)
        return answer, sent

    def _left_to_nginx(self, sent: Message) -> Message:
        """The same message, or one that has nginx send the body, where that is a file it can reach."""
        place = self.accel.place(sent.body) if self.accel and sent.status == 200 else None
        if self.accel is None or place is None:
            return sent
        return Message(200, self.accel.headers(sent.headers, place), b"", 0, 0)

    async def renew(self, path: bytes, accept: bytes) -> bool:
        """Ask for a rendition on behalf of nobody, so that the recent answers have it as it is now.

        Says whether the one at hand may be given all the same: while the server or an origin is in trouble it may.
        """
        try:
            _, sent = await self._answered({"raw_path": path, "client": None}, {b"accept": accept})
            return sent.status == 200
        except Exception as error:
            return row(type(error)).status >= 500

    async def _other(self, method: str, identity: str, send: Send) -> int:
        """OPTIONS says what may be done; every other method may not."""
        status = 204 if method == "OPTIONS" else 405
        headers = [(b"allow", ALLOWED), *self.manners.fields(), (b"content-length", b"0")]
        if status == 204:
            headers.append((b"access-control-allow-methods", ALLOWED))
            headers.append((b"access-control-allow-headers", b"Range, If-Range, If-None-Match, If-Modified-Since"))
            headers.append((b"access-control-max-age", b"86400"))
        await _start(send, status, headers, identity)
        await send({"type": "http.response.body", "body": b""})
        return status

    async def _refused(
        self, error: Exception, fields: dict[bytes, bytes], method: str, identity: str, send: Send
    ) -> tuple[int, int]:
        if code(error) == "internal":
            log.error("a request failed", exc_info=error)
        refused = problem(error, identity)
        if self.error_pictures:
            refused.headers.append((b"vary", VARY.encode()))
            if b"image/" in fields.get(b"accept", b""):
                refused = _picture(refused, error)
        names = {name for name, _ in refused.headers}
        headers = [*refused.headers, *(field for field in self.manners.fields() if field[0] not in names)]
        headers.append((b"content-length", b"%d" % len(refused.body)))
        await _start(send, refused.status, headers, identity)
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else refused.body})
        return refused.status, 0 if method == "HEAD" else len(refused.body)


async def _start(send: Send, status: int, headers: Headers, identity: str) -> None:
    await send(
        {"type": "http.response.start", "status": status, "headers": [*headers, (b"x-request-id", identity.encode())]}
    )


async def _send(receive: Receive, send: Send, sent: Message, method: str, identity: str) -> int:
    """Send a message; returns the bytes of its body, or of what a client that leaves has let us read of it."""
    await _start(send, sent.status, sent.headers, identity)
    if method == "HEAD":
        await send({"type": "http.response.body", "body": b""})
        return 0
    if isinstance(sent.body, FileBody):
        # Nothing else says that the client is gone: what is sent then is dropped without a word.
        leaving, size = asyncio.create_task(_left(receive)), 0
        try:
            async for block in sent.body.blocks(sent.start, sent.stop):
                if leaving.done():
                    return size
                await send({"type": "http.response.body", "body": block, "more_body": True})
                size += len(block)
        finally:
            leaving.cancel()
        await send({"type": "http.response.body", "body": b""})
    else:
        await send({"type": "http.response.body", "body": sent.body[sent.start : sent.stop]})
    return sent.stop - sent.start


async def _left(receive: Receive) -> None:
    """Return when the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _picture(refused: ErrorAnswer, error: Exception) -> ErrorAnswer:
    """The error drawn, so that a page under development shows what is wrong where the picture would be."""
    lines = [f"{refused.status} {code(error)}", str(error) if code(error) != "internal" else ""]
    text = "".join(
        f'<text x="12" y="{30 + 24 * number}" font-family="sans-serif" font-size="16">{escape(line[:120])}</text>'
        for number, line in enumerate(lines)
    )
    ground = '<rect width="600" height="80" fill="#fde2e1"/>'
    body = f'<svg xmlns="http://www.w3.org/2000/svg" width="600" height="80">{ground}{text}</svg>'
    headers = [field for field in refused.headers if field[0] != b"content-type"]
    headers += [(b"content-type", b"image/svg+xml"), (b"content-security-policy", b"default-src 'none'; sandbox")]
    return ErrorAnswer(refused.status, headers, body.encode())
