"""What delivery is asked and what it answers: values that know nothing of HTTP's framework."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from proxy.caching import Lifetime
from proxy.stores.growing import Growing
from proxy.stores.result import FileBody


@dataclass(frozen=True)
class Ask:
    """One request for a rendition."""

    path: bytes
    """The raw path, as it came over the wire and without its query."""
    accept: bytes = b""
    if_none_match: bytes | None = None
    if_modified_since: bytes | None = None
    head: bool = False
    """Whether nothing but the header fields is wanted."""
    inside: bool = False
    """Whether the client may see how the server works: it is on this machine or has the admin token."""
    client: str = ""
    """The name under which the client is counted; empty for one that is not."""


@dataclass(frozen=True)
class Answer:
    """A rendition, or word that the client's own copy is still right (`unchanged`, without a body)."""

    lifetime: Lifetime
    body: bytes | FileBody | Growing = b""
    media_type: str = ""
    status: int = 200
    etag: str = ""
    modified: float | None = None
    unchanged: bool = False
    negotiated: bool = False
    location: str | None = None
    filename: str | None = None
    attachment: bool = False
    outcome: str = "made"
    """The tier that had the result, or `made`, `shared`, `unchanged`."""
    format: str = ""
    degraded: str = ""
    provisional: bool = False
    """Whether a better one is made when it is asked for again."""
    name: str = ""
    """What every answer to such a request is called, whoever asks with whichever signature."""
    tags: tuple[str, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)
    """Seconds by stage."""
    mount: str = ""
    key: str = ""
    """The id of the key that signed the URL; empty where none did."""
    original: int = 0
    """Bytes of the original that it is made of."""
    expires: float | None = None
    """When the URL itself expires, in Unix seconds."""
    retry_after: int = 0
    """Seconds after which to ask again for what is only promised."""
    whole: bool = True
    """Whether all of the body is there; else nobody knows its length yet."""
