"""Answers of a moment ago, kept to be given again."""

import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from itertools import islice
from math import floor

from cachetools import LRUCache

from proxy.answer import Answer
from proxy.cors import NOBODY, OF_ORIGIN, Cors
from proxy.counts import Answers
from proxy.metrics import Metrics
from proxy.negotiation import Bucket
from proxy.wire import Headers, is_text

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
    cors: Cors = NOBODY
    key: str = ""
    original: int = 0
    text: bool = False
    """Whether it is sent compressed to those who take that."""
    renewing: bool = False
    lines: bytes = field(init=False)
    """Status line and header fields as they go over the wire, and those of a 304."""
    lines_unchanged: bytes = field(init=False)
    tag: bytes = field(init=False)
    """The entity tag as a client sends it back that knows only this."""

    def __post_init__(self) -> None:
        self.lines = lines(b"200 OK", self.headers)
        self.lines_unchanged = lines(b"304 Not Modified", self.headers_unchanged)
        self.tag = self.etag.encode("latin-1")


def lines(status: bytes, headers: Headers) -> bytes:
    """A status line and header fields as they go over the wire."""
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

    def remember(
        self, path: bytes, taken: Bucket, answer: Answer, headers: Headers, generation: int, cors: Cors = NOBODY
    ) -> None:
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
        # What is said to the pages of one origin is not said to all.
        left_out = {b"server-timing", b"cache-status"} | (OF_ORIGIN if cors.varies else set())
        kept = [pair for pair in headers if pair[0] not in left_out]
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
            cors=cors,
            key=answer.key,
            original=answer.original,
            text=is_text(answer.media_type),
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
