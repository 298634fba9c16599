"""An answer of another site, whichever library brought it."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass


class Unreachable(Exception):
    """There is no such host, or it is none that may be reached: nobody outside learns which of the two."""


@dataclass(frozen=True)
class Response:
    """The header of an answer, and its body as it comes."""

    status: int
    fields: Mapping[str, str]
    """By lower-case name; those that came twice are joined by commas."""
    blocks: AsyncIterator[bytes]
    """Raises ConnectionError where the body is not as long as was said, and TimeoutError."""
