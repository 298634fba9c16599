"""The hot path: answers that were just given are given again before any router sees the request."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, MutableMapping
from dataclasses import dataclass, field
from itertools import islice
from math import floor
from typing import Any, NamedTuple

from cachetools import LRUCache

from proxy.answer import Answer
from proxy.caching import not_modified
from proxy.log import request_id
from proxy.metrics import Answers, Metrics
from proxy.negotiation import Bucket, bucket
from proxy.wire import Headers

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

RECHECKED_AFTER = 2.0
"""Seconds after which an answer is asked for anew, behind the back of the client that gets the one at hand."""
LARGEST = 2**20
"""Bytes of a body that is kept here."""
MOST_PURGES = 256
"""Purges that an answer can have missed and still be given; of more it is not known what they were."""
OVERHEAD = 2000
LONGEST_PATH = 512
"""Bytes of a path that is kept here; what is not counted in the size of an answer must not be large."""
ABOUT_BODY = {b"content-length", b"content-type", b"accept-ranges", b"content-disposition", b"content-security-policy"}
"""Header fields that a 304 has not."""


@dataclass(slots=True)
class Recent:
    """A finished answer: what is sent, and for how long it holds."""

    headers: Headers
    headers_unchanged: Headers
    body: bytes
    etag: str
    modified: float | None
    fresh_until: float
    valid_until: float
    generation: int
    tags: frozenset[str]
    counts: Answers
    counts_unchanged: Answers
    renewing: bool = False
    lines: bytes = field(init=False)
    """Status line and header fields as they go over the wire, and those of a 304."""
    lines_unchanged: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.lines = _lines(b"200 OK", self.headers)
        self.lines_unchanged = _lines(b"304 Not Modified", self.headers_unchanged)


def _lines(status: bytes, headers: Headers) -> bytes:
    return b"".join((b"HTTP/1.1 ", status, b"\r\n", *(b"%b: %b\r\n" % pair for pair in headers)))


def size(recent: Recent) -> int:
    """Bytes that an entry takes, about."""
    return len(recent.body) + 3 * len(recent.lines) + OVERHEAD


class RecentAnswers:
    """Answers by raw path and Accept bucket, bounded in bytes; a new `generation` forgets all of them."""

    def __init__(self, most_bytes: int, metrics: Metrics, clock: Callable[[], float] = time.time) -> None:
        self._entries: LRUCache[tuple[bytes, Bucket], Recent] = LRUCache(most_bytes, size)
        self._metrics, self._clock = metrics, clock
        self._purged: deque[frozenset[str]] = deque(maxlen=MOST_PURGES)
        self.generation = 0

    def get(self, path: bytes, taken: Bucket) -> Recent | None:
        """The answer that may be given now, if there is one."""
        recent = self._entries.get((path, taken))
        if recent is None:
            return None
        outdated = recent.generation != self.generation and not self._holds(recent)
        if outdated or self._clock() >= recent.valid_until:
            self._entries.pop((path, taken), None)
            return None
        return recent

    def stale(self, recent: Recent) -> bool:
        """Whether the answer is to be asked for anew; said once for each entry."""
        if recent.renewing or self._clock() < recent.fresh_until:
            return False
        recent.renewing = True
        return True

    def put_off(self, recent: Recent) -> None:
        """Ask for an answer anew only a while later."""
        recent.renewing = False
        recent.fresh_until = self._clock() + RECHECKED_AFTER

    def remember(self, path: bytes, taken: Bucket, answer: Answer, headers: Headers, generation: int) -> None:
        """Keep an answer of status 200 to a plain GET, if it may be given to others as well.

        A degraded answer leaves the one that is there; any other takes its place, even if it is not kept itself.
        """
        body = answer.body
        if answer.degraded:
            return
        known = self._entries.pop((path, taken), None)
        if not isinstance(body, bytes) or len(body) > LARGEST or answer.lifetime.seconds <= 0:
            return
        if len(path) > LONGEST_PATH:
            return
        now = self._clock()
        # The ages in the header of a URL that expires are true until the next full second.
        valid_until = now + answer.lifetime.seconds if answer.expires is None else floor(now) + 1.0
        # Whoever asks a second time for what could be better is to be noticed at once.
        rest = 0.0 if answer.provisional and known is None else RECHECKED_AFTER
        kept = [pair for pair in headers if pair[0] not in (b"server-timing", b"cache-status")]
        kept.append((b"cache-status", b"darkroom; hit; detail=memory"))
        recent = Recent(
            headers=kept,
            headers_unchanged=[pair for pair in kept if pair[0] not in ABOUT_BODY],
            body=body,
            etag=answer.etag,
            modified=answer.modified,
            fresh_until=now + rest,
            valid_until=valid_until,
            generation=generation,
            tags=frozenset(answer.tags),
            counts=self._metrics.answers(200, "memory", answer.format),
            counts_unchanged=self._metrics.answers(304, "memory", answer.format),
        )
        if size(recent) + len(path) <= self._entries.maxsize // 8:
            self._entries[path, taken] = recent

    def drop(self, path: bytes, taken: Bucket) -> None:
        """Forget one answer."""
        self._entries.pop((path, taken), None)

    def forget_tagged(self, tags: Collection[str]) -> None:
        """Forget the answers that bear one of these tags, those that are just being made as well.

        Each answer is held against them when it is next asked for: a purge costs the same however many there are.
        """
        self.generation += 1
        self._purged.append(frozenset(tags))

    def forget(self) -> None:
        """Forget every answer, those that are just being made as well."""
        self.generation += 1
        self._entries.clear()
        self._purged.clear()

    def _holds(self, recent: Recent) -> bool:
        """Whether no purge since the answer was made, or last looked at, concerns it; one of too long ago may."""
        missed = self.generation - recent.generation
        if missed > len(self._purged):
            return False
        if any(not recent.tags.isdisjoint(tags) for tags in islice(reversed(self._purged), missed)):
            return False
        recent.generation = self.generation
        return True


class _Hit(NamedTuple):
    """An answer to be given again, or a 304 in its place."""

    recent: Recent
    unchanged: bool
    named: bytes | None
    """The id that the request came with."""
    started: float

    def identity(self) -> bytes:
        """The id of the request."""
        return request_id(self.named).encode()

    def body(self, method: str) -> bytes:
        """What is sent behind the head."""
        return self.recent.body if method == "GET" and not self.unchanged else b""

    def sent(self, size: int) -> None:
        """Count it."""
        counts = self.recent.counts_unchanged if self.unchanged else self.recent.counts
        counts.sent(time.perf_counter() - self.started, size)


class Edge:
    """The outermost application: hits are answered here, all else goes on to `app`."""

    def __init__(self, app: App, recent: RecentAnswers, renew: Callable[[bytes, bytes], Awaitable[bool]]) -> None:
        """`renew` asks for an answer anew, and says whether the one at hand may be given until then."""
        self._app, self._recent, self._renew = app, recent, renew
        self._renewals: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hit = None
        if scope["type"] == "http" and scope["method"] in ("GET", "HEAD"):
            hit = self._hit(scope["raw_path"], scope["headers"])
        if hit is None:
            await self._app(scope, receive, send)
            return
        status, headers = (304, hit.recent.headers_unchanged) if hit.unchanged else (200, hit.recent.headers)
        body = hit.body(scope["method"])
        field = (b"x-request-id", hit.identity())
        await send({"type": "http.response.start", "status": status, "headers": [*headers, field]})
        await send({"type": "http.response.body", "body": body})
        hit.sent(len(body))

    def at_once(self, method: str, path: bytes, fields: Headers) -> tuple[bytes, bytes] | None:
        """The answer to a GET or HEAD, if it is a hit: its head but for the empty line, and its body."""
        hit = self._hit(path, fields)
        if hit is None:
            return None
        recent = hit.recent
        lines, body = (recent.lines_unchanged, b"") if hit.unchanged else (recent.lines, hit.body(method))
        hit.sent(len(body))
        return b"%bx-request-id: %b\r\n" % (lines, hit.identity()), body

    def _hit(self, path: bytes, fields: Headers) -> "_Hit | None":
        """What was answered a moment ago to such a request; it is asked for anew where it has become old."""
        started = time.perf_counter()
        accept, named, since, identity = b"", None, None, None
        for name, value in fields:
            if name == b"accept":
                accept = accept + b"," + value if accept else value
            elif name == b"if-none-match":
                named = value if named is None else named + b"," + value
            elif name == b"if-modified-since":
                since = value
            elif name == b"x-request-id":
                identity = value
            elif name == b"range":
                return None
        found = self._recent.get(path, bucket(accept))
        if found is None:
            return None
        if self._recent.stale(found):
            task = asyncio.create_task(self._renewed(path, accept, found))
            self._renewals.add(task)
            task.add_done_callback(self._renewals.discard)
        asked = named is not None or since is not None
        unchanged = asked and not_modified(found.etag, found.modified, named, since)
        return _Hit(found, unchanged, identity, started)

    async def _renewed(self, path: bytes, accept: bytes, recent: Recent) -> None:
        """Ask for an answer anew; one that has become wrong is no longer given."""
        try:
            if not await self._renew(path, accept):
                self._recent.drop(path, bucket(accept))
        finally:
            self._recent.put_off(recent)


def header_fields(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The fields of a request by name; repeated ones are joined by commas."""
    fields: dict[bytes, bytes] = {}
    for name, value in headers:
        fields[name] = fields[name] + b"," + value if name in fields else value
    return fields
