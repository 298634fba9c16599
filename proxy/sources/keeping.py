"""What a place can do beyond giving originals: what a library of media asks of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol, runtime_checkable

from proxy.sources.source import Stat


@dataclass(frozen=True)
class About:
    """What a place keeps beside an original: its media type, and small texts by name."""

    stat: Stat
    content_type: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Keys:
    """Some of the keys of a place, in the order of their bytes, and where the next ones begin; empty at the end."""

    keys: tuple[str, ...]
    after: str = ""


@runtime_checkable
class Described(Protocol):
    """A place that knows more of an original than its bytes."""

    async def about(self, key: str) -> About:
        """Raises as `stat` does."""

    async def exists(self, key: str) -> bool:
        """Raises OriginFailed and OriginTimedOut: not to know is not a no."""


@runtime_checkable
class Kept(Protocol):
    """A place that originals can be put into. Everything raises OriginFailed and OriginTimedOut."""

    async def put(
        self,
        key: str,
        body: bytes | BinaryIO,
        *,
        content_type: str = "",
        metadata: Mapping[str, str] | None = None,
        new: bool = False,
    ) -> Stat:
        """Write an original, whole or not at all. With `new` only where there is none, else raises AlreadyExists.

        Names of metadata are lower-case letters, digits and hyphens, its texts are visible ASCII. Raises ValueError
        for others, and for a key that can name nothing.
        """

    async def copy(self, key: str, to: str, *, version: str = "") -> Stat:
        """Have the same under another key as well; raises NoSuchOriginal, and OriginFailed for another version."""

    async def delete(self, key: str) -> None:
        """Have it no longer, if it was there."""


@runtime_checkable
class Presigned(Protocol):
    """A place that others may be sent to, with permission for one original and one thing to do."""

    async def read_url(self, key: str, seconds: int) -> str:
        """Where it can be read by GET."""

    async def write_url(self, key: str, seconds: int, content_type: str = "") -> str:
        """Where it can be written by PUT; with a content type, which has to be sent, only as that."""


@runtime_checkable
class Paged(Protocol):
    """A place whose keys can be gone through, however many there are."""

    async def keys(self, prefix: str, after: str = "", most: int = 1000) -> Keys:
        """The first keys that begin with a prefix, or those that follow; `after` is that of the page before."""
