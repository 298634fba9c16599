"""What a cache in front asks before it answers: whether a URL may be had, and under which name its answer is kept.

nginx asks by `auth_request` for every request, hits included. Only what reads the URL's grammar can say which URLs mean
one answer, so the name of the answer comes from here too: it is the same for every signature and expiry.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from proxy.caching import YEAR, Freshness, http_date
from proxy.errors import code
from proxy.negotiation import VARY
from proxy.reading import Reader, Wanted
from signing import SigningError
from transforms.errors import Refusal

PLACE: Final = b"/api/v1/auth"
ASKED: Final = b"x-original-uri"
"""The field with the raw path of the request that somebody wants to answer."""
LATE: Final = b"x-darkroom-late"
"""A field by which the name is told even where the URL has expired since: for those who forget what they keep."""

HOLDS: Final = 10
"""Seconds for which a verdict may be kept: for so long, a key that was taken out goes on opening what it opened."""
HOLDS_WITHOUT_US: Final = 86_400
"""Seconds for which it may be kept while no front answers."""
MARGIN: Final = 2
"""Seconds before an expiry from which on every verdict is asked for: what it may take to get there."""

Fields = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Verdict:
    """204 and what belongs to the answer, or 403."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]

    @property
    def lines(self) -> bytes:
        """Status line and header fields as they go over the wire, without an empty line."""
        reason = {204: b"204 No Content", 403: b"403 Forbidden"}[self.status]
        length = () if self.status == 204 else ((b"content-length", b"0"),)
        return b"".join((b"HTTP/1.1 ", reason, b"\r\n", *(b"%b: %b\r\n" % pair for pair in (*self.headers, *length))))


@dataclass
class Gate:
    """Judges raw paths without touching an original."""

    reader: Reader
    """Replaced by another when the settings are read anew."""
    freshness: Callable[[str], Freshness]
    clock: Callable[[], float]

    def verdict(self, fields: Fields) -> Verdict:
        """What is said of the path that the fields of a request name."""
        asked = dict(fields)
        path = asked.get(ASKED, b"").partition(b"?")[0]
        try:
            wanted = self.reader.read(path, late=LATE in asked)
        except (Refusal, SigningError) as refusal:
            # Whoever asks passes such a request on, since only a front can say what is wrong in full.
            return Verdict(403, ((b"cache-control", b"no-store"), (b"x-error", code(refusal).encode())))
        return Verdict(204, tuple(self._told(wanted)))

    def at_once(self, fields: Fields) -> tuple[bytes, bytes]:
        """The same as the head of an answer but for its empty line, and its body."""
        return self.verdict(fields).lines, b""

    def _told(self, wanted: Wanted) -> Iterator[tuple[bytes, bytes]]:
        yield b"x-darkroom-key", wanted.answer_name.encode()
        yield b"x-darkroom-source", wanted.original_name.encode()
        if wanted.plan.saving.format == "auto":
            yield b"x-darkroom-vary", VARY.encode()
        if wanted.expires is None:
            yield b"cache-control", _kept(HOLDS, HOLDS_WITHOUT_US)
            return
        now = self.clock()
        versioned = wanted.plan.saving.version is not None or wanted.request.part
        age = YEAR if versioned else self.freshness(wanted.mounted.name).max_age
        # A moment and no span, as the verdict itself is kept for a while.
        yield b"x-darkroom-until", http_date(min(now + age, wanted.expires)).encode()
        left = int(wanted.expires - now) - MARGIN
        holds = min(HOLDS, left)
        yield b"cache-control", _kept(holds, min(HOLDS_WITHOUT_US, left - holds)) if holds > 0 else b"no-store"


def _kept(seconds: int, without_us: int) -> bytes:
    return b"max-age=%d, stale-if-error=%d" % (seconds, without_us)


def fields_of(verdict: Verdict) -> Mapping[str, str]:
    """The header fields as text."""
    return {name.decode(): value.decode() for name, value in verdict.headers}
