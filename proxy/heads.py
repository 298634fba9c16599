"""What the header fields of a request say to who gives answers of a moment ago."""

from typing import Final, NamedTuple

from proxy.negotiation import Bucket, bucket
from proxy.wire import Headers

MOST: Final = 512
"""Blocks of header fields that are known by their bytes: at most 8 KB of each, as the next two say."""
LONGEST: Final = 2048
"""Bytes of a block that is worth knowing: of those of browsers few are longer that ask for pictures."""
MOST_FIELDS: Final = 40
"""Fields of such a block: each takes memory of its own, however short it is."""
ONCE: Final = 4096
"""Blocks of which it is noted that they have come once."""


class Said(NamedTuple):
    """Of a request's header fields those that such an answer depends on."""

    fields: Headers
    taken: Bucket
    accept: bytes
    tags: bytes | None
    since: bytes | None
    identity: bytes | None
    origin: bytes | None


def read(fields: Headers) -> Said | None:
    """Read header fields, whose names are in lower case; None for those of who wants a part only."""
    accept, tags, since, identity, origin = b"", None, None, None, None
    for name, value in fields:
        if name == b"accept":
            accept = accept + b"," + value if accept else value
        elif name == b"if-none-match":
            tags = value if tags is None else tags + b"," + value
        elif name == b"if-modified-since":
            since = value
        elif name == b"x-request-id":
            identity = value
        elif name == b"origin":
            origin = value
        elif name == b"range":
            return None
    return Said(fields, bucket(accept), accept, tags, since, identity, origin)


class Heads:
    """What blocks of header fields say that have come before.

    Whoever asks for the pictures of a page, or for what a cache lacks, sends the same fields with each path. Known by
    their bytes, they need neither the parser nor a second look.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, Said] = {}
        self._once: set[int] = set()

    def find(self, head: bytes) -> tuple[bytes, Said] | None:
        """The path of a whole head, and what its fields say, if it is a GET with fields that are known."""
        line, _, block = head.partition(b"\r\n")
        said = self._known.get(block)
        return (line[4:-9], said) if said and _gets(line) else None

    def learn(self, head: bytes, said: Said) -> None:
        """Remember the fields of a request that the parser took for a whole one without a body, and that goes on.

        They are known from the second time on, since some name the single request; what has an empty line in it is more
        than one.
        """
        line, _, block = head.partition(b"\r\n")
        whole = _gets(line) and block.find(b"\r\n\r\n") == len(block) - 4
        if not whole or len(block) > LONGEST or len(said.fields) > MOST_FIELDS:
            return
        mark = hash(block)
        if mark in self._once:
            _make_room(self._known, MOST)
            self._known[block] = said
        else:
            _make_room(self._once, ONCE)
            self._once.add(mark)


def _make_room(known: dict[bytes, Said] | set[int], most: int) -> None:
    if len(known) >= most:
        known.clear()


def _gets(line: bytes) -> bool:
    return line[:4] == b"GET " and line[-9:] == b" HTTP/1.1"
