"""The raw path of a request: its auth segment, and the text behind it that is first verified and then parsed."""

import re
from dataclasses import dataclass, field
from typing import Self

from signing.address import holds_auth, source_span
from signing.errors import BadAddress, Unsigned
from signing.escapes import unescape
from signing.leaves import is_leaf, is_part

MEMBERS = {
    "exp": (re.compile("[1-9][0-9]{0,11}"), "whole seconds since 1970"),
    "kid": (re.compile("[0-9a-f]{8}"), "a key id: 8 hexadecimal digits"),
    "sc": (re.compile("[1-9][0-9]{0,3}"), "how many leading segments of the source are signed"),
    "sig": (re.compile(".*", re.DOTALL), "a signature"),  # a bad one is a bad signature, not a bad address
}


@dataclass(frozen=True)
class Auth:
    """The first segment of a signed path."""

    signature: str
    kid: str | None = None
    expires: int | None = None
    scope: int | None = None
    """How many leading segments of the source are signed, and nothing else is; None: everything is."""

    @property
    def members(self) -> str:
        """The members beside the signature, sorted: they are signed too.

        >>> Auth("", kid="5f0c2a91", expires=1767225600).members
        'exp_1767225600,kid_5f0c2a91'
        """
        pairs = (("exp", self.expires), ("kid", self.kid), ("sc", self.scope))
        return ",".join(f"{name}_{value}" for name, value in pairs if value is not None)

    @classmethod
    def read(cls, segment: str) -> Self | None:
        """Read a decoded first segment; None when it is no auth."""
        if not holds_auth(segment):
            return None
        found: dict[str, tuple[str, int]] = {}
        offset = 1
        for member in segment.split(","):
            name, _, text = member.partition("_")
            if name not in MEMBERS:
                detail = "Auth and options stand in one segment"
                raise BadAddress(detail, part=member, offset=offset, expected="auth, `/`, then steps")
            if name in found:
                raise BadAddress(f"`{name}_` stands twice", part=member, offset=offset, expected="once")
            found[name] = (text, offset)
            offset += len(member) + 1
        if "sig" not in found:
            raise Unsigned("There is an expiry or a key id, but no signature", part=segment, offset=1)
        for name, (text, offset) in found.items():
            pattern, expected = MEMBERS[name]
            if not pattern.fullmatch(text):
                raise BadAddress(f"`{name}_` cannot be read", part=f"{name}_{text}", offset=offset, expected=expected)
        if "sc" in found and "kid" not in found:
            raise BadAddress("A scoped signature names its key", part=segment, offset=1, expected="`kid_` beside `sc_`")
        values = {name: text for name, (text, _) in found.items()}
        expires, scope = (int(values[name]) if name in values else None for name in ("exp", "sc"))
        return cls(values["sig"], values.get("kid"), expires, scope)

    def write(self) -> str:
        """Write the segment, the signature first."""
        return f"sig_{self.signature}" + (f",{self.members}" if self.members else "")


@dataclass(frozen=True)
class Request:
    """A path whose escapes were decoded, once: what is verified is exactly what is parsed."""

    auth: Auth | None
    rest: str
    offset: int = field(default=1, compare=False)
    """Where `rest` begins in the decoded path."""

    @classmethod
    def read(cls, raw_path: bytes | str) -> Self:
        """Read a raw path, as it came over the wire and without its query.

        >>> Request.read("/w_600%2Cq_85/cats/1%20a.jpg")
        Request(auth=None, rest='w_600,q_85/cats/1 a.jpg', offset=1)
        """
        text = unescape(raw_path)
        if not text.startswith("/"):
            raise BadAddress("A path begins with a slash", part=text, offset=0, expected="`/`")
        first, slash, _ = text[1:].partition("/")
        auth = Auth.read(first)
        offset = 1 if auth is None else 1 + len(first) + len(slash)
        return cls(auth, _merged(text[offset:], offset), offset)

    @property
    def part(self) -> bool:
        """Whether this is a part of a stream, whose name a playlist has told."""
        cut = self.rest.find("/~")
        return cut >= 0 and is_part(self.rest[cut + 2 :])

    @property
    def payload(self) -> str:
        """What a full signature covers: the other members of auth, and everything behind auth but a leaf."""
        rest = self.rest
        if (cut := rest.find("/~")) >= 0 and is_leaf(rest[cut + 2 :]):
            rest = rest[:cut]
        return f"{self.auth.members if self.auth else ''}/{rest}"


def _merged(rest: str, offset: int) -> str:
    """Give `https:/host`, whose slashes a proxy has merged, its second slash again where the source starts."""
    start, end = source_span(rest, offset)
    if rest.startswith("https:/", start, end) and not rest.startswith("https://", start):
        return rest[: start + len("https:/")] + "/" + rest[start + len("https:/") :]
    return rest
