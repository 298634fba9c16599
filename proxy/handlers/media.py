"""Renditions over HTTP: a request becomes a value, and an answer becomes a response."""

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from html import escape

import structlog
from starlette.types import Receive, Scope, Send

from proxy.accel import Accel
from proxy.answer import Answer, Ask
from proxy.delivery import Delivery
from proxy.edge import CLIENT, header_fields
from proxy.errors import ErrorAnswer, code, problem, row
from proxy.failures import Looped, MethodNotAllowed
from proxy.handlers.texts import Texts
from proxy.handlers.visitors import Visitors
from proxy.log import request_id
from proxy.metrics import Metrics
from proxy.negotiation import VARY, Bucket, bucket
from proxy.recent import RecentAnswers
from proxy.stores.growing import Growing, Unfinished
from proxy.stores.result import FileBody
from proxy.tracing import Off, Span, Tracing
from proxy.wire import Headers, Manners, Message, is_text, message

log = structlog.get_logger(__name__)

METHODS = ("GET", "HEAD")
ALLOWED = b"GET, HEAD, OPTIONS"
MISSES = ("made", "shared", "growing")

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
    """Both are replaced too."""
    error_pictures: bool
    texts: Texts = field(default_factory=Texts)
    tracing: Tracing = field(default_factory=Off)
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
        with (
            self.tracing.request(method, scope["raw_path"], fields) as span,
            structlog.contextvars.bound_contextvars(**_identities(identity, span)),
        ):
            status, size, outcome, form, original = await self._responded(
                scope, fields, method, identity, receive, send
            )
            elapsed = time.perf_counter() - started
            self.metrics.answers(status, outcome, form).sent(elapsed, size, original if size else 0)
            span.tell({"http.response.status_code": status, "darkroom.outcome": outcome, "darkroom.bytes": size})
            if status >= 500:
                span.failed(outcome)
            # Hits are for the metrics to count.
            loud = outcome in MISSES or (status >= 400 and status != 429)
            tell = log.info if loud else log.debug  # who asks too often is not given the log to fill
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
    ) -> tuple[int, int, str, str, int]:
        """Answer; returns status, bytes of the body, outcome, format and bytes of the original."""
        if method == "OPTIONS":
            return await self._preflight(fields, identity, send), 0, "method", "", 0
        try:
            if method not in METHODS:
                allowed = ALLOWED.decode()
                raise MethodNotAllowed(f"This path is for {allowed}", allowed=allowed)
            answer, sent = await self._answered(scope, fields)
        except Exception as error:
            refused = self._refused(error, fields, identity)
            shown = Message(refused.status, refused.headers, refused.body, 0, len(refused.body))
            size = await self._sent(scope, receive, send, shown, method, identity)
            return refused.status, size, code(error), "", 0
        if scope.get("query_string") and answer.tags and self.queries(answer.tags[0]):
            log.warning("a query string is never read; leave it out", path=scope["raw_path"].decode("latin-1"))
        size = await self._sent(scope, receive, send, sent, method, identity)
        return sent.status, size, answer.outcome, answer.format, answer.original

    async def _sent(self, scope: Scope, receive: Receive, send: Send, sent: Message, method: str, identity: str) -> int:
        """Send a message, text in its small form to clients that take it; returns bytes of the body as it was."""
        if not is_text(dict(sent.headers).get(b"content-type", b"").decode()):
            return await _send(receive, send, sent, method, identity)
        size = 0

        async def give(scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal size
            size = await _send(receive, send, sent, method, identity)

        await self.texts(scope, receive, send, give)
        return size

    async def _answered(self, scope: Scope, fields: dict[bytes, bytes]) -> tuple[Answer, Message]:
        path, accept = scope["raw_path"], fields.get(b"accept", b"")
        if _IN_VIA.search(fields.get(b"via", b"")):
            raise Looped("The original of a rendition cannot be another rendition.")
        inside = self.visitors.inside(scope, fields)
        generation, manners, started = self.recent.generation, self.manners, time.perf_counter()
        since, client = fields.get(b"if-modified-since"), scope.get(CLIENT, "")
        head = scope.get("method") == "HEAD"
        answer = await self.delivery.answer(
            Ask(path, accept, fields.get(b"if-none-match"), since, head=head, inside=inside, client=client)
        )
        if inside:
            answer = replace(answer, timings={**answer.timings, "total": time.perf_counter() - started})
        if self.delivered and answer.tags and answer.lifetime.seconds:
            self.delivered(path, bucket(accept), answer.name, answer.tags)
        sent = self._left_to_nginx(message(answer, fields, manners, inside))
        if isinstance(sent.body, FileBody) and scope.get("method") == "GET" and sent.start < sent.stop:
            await sent.body.begin(sent.start)  # or the header would be out before it is known that nothing comes
        if sent.status == 200:
            self.recent.remember(path, bucket(accept), answer, sent.headers, generation, manners.of(answer.mount))
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

    async def _preflight(self, fields: dict[bytes, bytes], identity: str, send: Send) -> int:
        """Say what may be done, and by whose pages; without a Content-Length (RFC 9110, 8.6)."""
        await _start(send, 204, [(b"allow", ALLOWED), *self.manners.preflight(fields)], identity)
        await send({"type": "http.response.body", "body": b""})
        return 204

    def _refused(self, error: Exception, fields: dict[bytes, bytes], identity: str) -> ErrorAnswer:
        if code(error) == "internal":
            log.error("a request failed", exc_info=error)
        refused = problem(error, identity)
        if self.error_pictures:
            refused.headers.append((b"vary", VARY.encode()))
            if b"image/" in fields.get(b"accept", b""):
                refused = _picture(refused, error)
        names = {name for name, _ in refused.headers if name != b"vary"}
        own = [field for field in self.manners.refusing(fields.get(b"origin")) if field[0] not in names]
        length = (b"content-length", b"%d" % len(refused.body))
        return ErrorAnswer(refused.status, [*refused.headers, *own, length], refused.body)


def _identities(request_id: str, span: Span) -> dict[str, str]:
    """What every line of the log says that tells of this request."""
    return {"request_id": request_id, **({"trace_id": span.trace_id} if span.trace_id else {})}


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
    if isinstance(sent.body, bytes):
        await send({"type": "http.response.body", "body": sent.body[sent.start : sent.stop]})
        return sent.stop - sent.start
    # Nothing else says that the client is gone: what is sent then is dropped without a word.
    leaving, size = asyncio.create_task(_left(receive)), 0
    blocks = sent.body.blocks() if isinstance(sent.body, Growing) else sent.body.blocks(sent.start, sent.stop)
    try:
        async for block in blocks:
            if leaving.done():
                return size
            await send({"type": "http.response.body", "body": block, "more_body": True})
            size += len(block)
    except Unfinished:
        return size  # without its end, which the server makes known by closing the connection
    finally:
        leaving.cancel()
    if not leaving.done():
        await send({"type": "http.response.body", "body": b""})
    return size


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
