"""What follows the auth segment: steps, source and name, read and written side by side."""

import re
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import quote

from signing.errors import BadAddress
from signing.escapes import CONTROL, b64, escape, unb64, unescape
from signing.leaves import is_leaf

RESERVED = ("api", "health", "ready", "metrics", "ui")

_ENCODED = "a key that needs it, written as `b64:`"
_URL_PATH = "/:@!$&'()*+,;=~"  # what a URL's path holds unescaped (RFC 3986, section 3.3)

_step = re.compile(r"(?:[a-z]{1,2}|dpr|fps|sig|exp|kid|tile)_|\$")
_auth_member = re.compile(r"(?:^|,)(?:sig|exp|kid|sc)_")
_bad_segment = re.compile(r"(?<![^/])\.{0,2}(?![^/])")
_needs_b64 = re.compile(rf"^(?:~|b64:|https:/)|/~|[?#{CONTROL}]|{_bad_segment.pattern}")


def looks_like_step(segment: str) -> bool:
    """Say whether a leading segment is read as a step: an option's name and `_`, or `$`.

    >>> [looks_like_step(text) for text in ("w_600,q_85", "ab_2024", "$x_1", "dpr_2", "img_2024", "cats")]
    [True, True, True, True, False, False]
    """
    return _step.match(segment) is not None


def holds_auth(segment: str) -> bool:
    """Say whether a segment that looks like a step has a member of auth in it."""
    return looks_like_step(segment) and _auth_member.search(segment) is not None


def source_span(rest: str, offset: int = 0) -> tuple[int, int]:
    """Say where the source begins and ends: behind the leading steps or the first `-`, before the first `/~`.

    Raises `BadAddress` where a member of auth stands among the steps.
    """
    end = 0 if rest.startswith("~") else rest.find("/~")
    if end < 0:
        end = len(rest)
    start = 0
    while (slash := rest.find("/", start, end)) > start:  # the last segment is never a step
        segment = rest[start:slash]
        if segment == "-":
            return slash + 1, end
        if not looks_like_step(segment):
            break
        if holds_auth(segment):
            detail = "A signature, key id or expiry stands behind the first segment"
            raise BadAddress(detail, part=segment, offset=offset + start, expected="auth, then steps")
        start = slash + 1
    return start, end


@dataclass(frozen=True)
class Address:
    """Which original, through which steps, under which file name.

    `source` is a key, or an `https://` address that can be fetched as it stands. Written as `b64:` it may hold
    anything, control characters and `..` included: never put it into a header or a file system's path unchecked.
    """

    steps: tuple[str, ...]
    source: str
    name: str | None = None
    encoded: bool = field(default=False, compare=False)
    """Whether the source was written as `b64:`."""

    @property
    def leaf(self) -> bool:
        """Whether the name is a file of a streaming product, which no signature covers."""
        return self.name is not None and is_leaf(self.name)

    @property
    def remote(self) -> bool:
        """Whether the source is the address of another server."""
        return self.source.startswith("https://")

    @classmethod
    def read(cls, rest: str, offset: int = 0) -> Self:
        """Read a decoded text; refusals count from `offset`, the place of `rest` in its path.

        >>> Address.read("w_600,q_85/cats/1.jpg/~hello.webp")
        Address(steps=('w_600,q_85',), source='cats/1.jpg', name='hello.webp', encoded=False)
        """
        start, end = source_span(rest, offset)
        steps = rest[:start].split("/")[:-1]
        if explicit := steps[-1:] == ["-"]:
            steps.pop()
        source = rest[start:end]
        name = rest[end:].removeprefix("/")[1:] if end < len(rest) else None
        _check_source(rest, start, source, explicit, offset)
        _check_name(name, offset + end + 1)
        if source.startswith("b64:"):
            return cls(tuple(steps), unb64(source, offset + start), name, encoded=True)
        if source.startswith("https://"):
            # The escapes were decoded with the path; an address that can be fetched needs its own again.
            host, slash, path = source.removeprefix("https://").partition("/")
            source = f"https://{host}{slash}{quote(path, safe=_URL_PATH)}"
        return cls(tuple(steps), source, name)

    def write(self) -> str:
        """Write the canonical escaped text, which reads back as this very address.

        >>> Address(("w_600",), "ab_2024/new cat.jpg").write()
        'w_600/-/ab_2024/new%20cat.jpg'
        >>> Address((), "https://example.com/a.jpg").write()
        'b64:aHR0cHM6Ly9leGFtcGxlLmNvbS9hLmpwZw'
        """
        if not self.source:
            raise BadAddress("There is no source", expected="a key such as `cats/1.jpg`, or an `https://` address")
        source = b64(self.source) if _needs_b64.search(self.source) else self.source
        first, more, _ = source.partition("/")
        misread = first == "-" or (more and looks_like_step(first))
        if not self.steps:
            misread = misread or first in RESERVED or holds_auth(first)
        parts = [escape(step, ",:$") for step in self.steps]
        if misread:
            parts.append("-")
        parts.append(escape(source, "/:"))
        if self.name is not None:
            parts.append("~" + escape(self.name, "/"))
        text = "/".join(parts)
        if Address.read(unescape(text)) != self:
            expected = "steps that begin with an option such as `w_600`, then a source"
            raise BadAddress("The address would be read as another one", part=text, expected=expected)
        return text


def _check_source(rest: str, start: int, source: str, explicit: bool, offset: int) -> None:
    """Refuse a source that is none, or that could mean two things."""
    at, first = offset + start, source.partition("/")[0]
    if not source or (source == "-" and not explicit):
        raise BadAddress("There is no source", offset=at, expected="a key such as `cats/1.jpg` behind the steps")
    scheme = len("https://") if source.startswith("https:/") else 0
    if bad := _bad_segment.search(rest, start + scheme):
        detail = "A segment is empty, `.` or `..`"
        raise BadAddress(detail, part=bad.group(), offset=offset + bad.start(), expected=_ENCODED)
    if scheme and not source.startswith("https://"):
        raise BadAddress("A slash is missing", part=source, offset=at, expected="`https://host/path`")
    if mark := re.search("[?#]", source):
        detail = "A plain key holds no `?` and no `#`"
        raise BadAddress(detail, part=mark.group(), offset=at + mark.start(), expected=_ENCODED)
    if start == 0 and first in RESERVED:
        raise BadAddress("The server keeps this word for itself", part=first, offset=at, suggestion=f"-/{source}")
    if source.startswith("b64:") and first != source:
        raise BadAddress("A `b64:` source is one segment", part=source, offset=at, expected="the whole key, encoded")


def _check_name(name: str | None, offset: int) -> None:
    if name is None or is_leaf(name):
        return
    if not name or name in (".", "..") or any(mark in name for mark in "/?#"):
        detail = "What follows `~` is neither a file name nor a file of a streaming product"
        raise BadAddress(detail, part=f"~{name}", offset=offset, expected="such as `~hello.webp` or `~master.m3u8`")
