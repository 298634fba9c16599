"""The hot path: answers that were just given are given again before any router sees the request."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, MutableMapping
from types import MappingProxyType
from typing import Any, NamedTuple

from proxy.caching import not_modified
from proxy.clients.addresses import Addresses
from proxy.clients.rates import Limiter, Rates
from proxy.errors import problem
from proxy.failures import RateLimited
from proxy.heads import Heads, Said, read
from proxy.log import request_id
from proxy.metrics import Metrics
from proxy.recent import Recent, RecentAnswers, lines
from proxy.wire import Headers, Manners, Peer, Ready

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Wrap = Callable[[Scope, Receive, Send, App], Awaitable[None]]
"""Runs an application with something around it."""

CLIENT = "darkroom.client"
"""Where the scope of a request says under which name its client is counted."""


class _Hit(NamedTuple):
    """An answer to be given again, or a 304 in its place."""

    recent: Recent
    unchanged: bool

    def body(self, method: str) -> bytes:
        """What is sent behind the head."""
        return self.recent.body if method == "GET" and not self.unchanged else b""

    def sent(self, size: int, started: float) -> None:
        """Count it."""
        recent = self.recent
        counts = recent.counts_unchanged if self.unchanged else recent.counts
        counts.sent(time.perf_counter() - started, size, recent.original if size else 0)


class Edge:
    """The outermost application: hits are answered here, all else goes on to `app`."""

    def __init__(
        self,
        app: App,
        recent: RecentAnswers,
        renew: Callable[[bytes, bytes], Awaitable[bool]],
        *,
        metrics: Metrics | None = None,
        limiter: Limiter | None = None,
        unlimited: Collection[bytes] = (),
        compressed: Wrap | None = None,
        verdicts: Mapping[bytes, Callable[[Headers], Ready]] = MappingProxyType({}),
    ) -> None:
        """`renew` asks for an answer anew, and says whether the one at hand may be given until then.

        `unlimited` are paths that may be asked for at any rate; `compressed` makes text small on its way. `verdicts`
        are the paths whose answers follow from the header fields alone.
        """
        self._app, self._recent, self._renew = app, recent, renew
        self._limiter, self._unlimited, self._compressed = limiter or Limiter(Rates()), unlimited, compressed
        self._refused = (metrics or Metrics()).answers(429, RateLimited.code)
        self._verdicts, self._heads = verdicts, Heads()
        self._renewals: set[asyncio.Task[None]] = set()
        self.addresses = Addresses()
        self.manners = Manners()
        """Both are replaced by others when the settings are read anew."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method, path, fields = scope["method"], scope["raw_path"], scope["headers"]
        peer = scope.get("client")
        client = scope[CLIENT] = self.addresses.client(peer[0] if peer else None, fields)
        started = time.perf_counter()
        said = read(fields) if method in ("GET", "HEAD") else None
        hit = self._hit(path, said) if said else None
        if self._limiter.any and path not in self._unlimited:
            try:
                self._limiter.asked(client)
                if hit:
                    self._limiter.signed(hit.recent.key)
            except RateLimited as error:
                await _give(send, *self._refusal(error, method, fields))
                return
        if said is None or hit is None:
            await self._app(scope, receive, send)
            return
        recent = hit.recent
        status, headers = (304, recent.headers_unchanged) if hit.unchanged else (200, recent.headers)
        body = hit.body(method)
        own = recent.cors.by_origin.get(said.origin or b"", ())
        answer = status, [*headers, *own, (b"x-request-id", request_id(said.identity).encode())], body
        if recent.text and self._compressed:
            await self._compressed(scope, receive, send, lambda _, __, send: _give(send, *answer))
        else:
            await _give(send, *answer)
        hit.sent(len(body), started)

    def at_once(self, method: str, path: bytes, fields: Headers, peer: Peer, head: bytes) -> Ready | None:
        """The answer to a GET or HEAD, if it is a hit. `head` are its bytes where those are known."""
        if verdict := self._verdicts.get(path):
            return verdict(fields)
        said = read(fields)
        ready = said and self._ready(method, path, said, peer)
        if said and ready and head:
            self._heads.learn(head, said)
        return ready

    def again(self, head: bytes, peer: Peer) -> Ready | None:
        """The answer to a request by the bytes of its head, if it is a hit, and they say what others said before."""
        known = self._heads.find(head)
        return self._ready("GET", *known, peer) if known else None

    def _ready(self, method: str, path: bytes, said: Said, peer: Peer) -> Ready | None:
        started = time.perf_counter()
        hit = self._hit(path, said)
        if hit is None or hit.recent.text:
            return None
        recent = hit.recent
        if self._limiter.any:
            try:
                self._limiter.asked(self.addresses.client(peer[0] if peer else None, said.fields))
                self._limiter.signed(recent.key)
            except RateLimited as error:
                _, headers, body = self._refusal(error, method, said.fields)
                return lines(b"429 Too Many Requests", headers), body
        head, body = (recent.lines_unchanged, b"") if hit.unchanged else (recent.lines, hit.body(method))
        hit.sent(len(body), started)
        if said.origin and recent.cors.varies:
            head += recent.cors.lines.get(said.origin, b"")
        return b"%bx-request-id: %b\r\n" % (head, request_id(said.identity).encode()), body

    def _refusal(self, error: RateLimited, method: str, fields: Headers) -> tuple[int, Headers, bytes]:
        """The answer to who asks too often, counted; nothing of it is written into the log, which would be a flood."""
        named = header_fields(fields)
        identity = request_id(named.get(b"x-request-id"))
        refused = problem(error, identity)
        names = {name for name, _ in refused.headers}
        own = [pair for pair in self.manners.refusing(named.get(b"origin")) if pair[0] not in names]
        length = (b"content-length", b"%d" % len(refused.body))
        body = b"" if method == "HEAD" else refused.body
        self._refused.sent(0.0, len(body))
        return refused.status, [*refused.headers, *own, length, (b"x-request-id", identity.encode())], body

    def _hit(self, path: bytes, said: Said) -> _Hit | None:
        """What was answered a moment ago to such a request; it is asked for anew where it has become old."""
        found = self._recent.get(path, said.taken)
        if found is None:
            return None
        if self._recent.stale(found):
            task = asyncio.create_task(self._renewed(path, said, found))
            self._renewals.add(task)
            task.add_done_callback(self._renewals.discard)
        asked = said.tags is not None or said.since is not None
        same = said.tags == found.tag
        return _Hit(found, same or (asked and not_modified(found.etag, found.modified, said.tags, said.since)))

    async def _renewed(self, path: bytes, said: Said, recent: Recent) -> None:
        """Ask for an answer anew; one that has become wrong is no longer given."""
        try:
            if not await self._renew(path, said.accept):
                self._recent.drop(path, said.taken)
        finally:
            self._recent.put_off(recent)


async def _give(send: Send, status: int, headers: Headers, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def header_fields(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The fields of a request by name; repeated ones are joined by commas."""
    fields: dict[bytes, bytes] = {}
    for name, value in headers:
        fields[name] = fields[name] + b"," + value if name in fields else value
    return fields
