"""What libvips says of originals that it cannot go on with, in our own words."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pyvips

from transforms.errors import DamagedOriginal
from transforms.formats import FORMATS
from transforms.headers import Header

_NOUNS: Final = {"picture": "picture", "motion": "film", "sound": "sound"}


@contextmanager
def memory_told() -> Iterator[None]:
    """Raise MemoryError where libvips fails for want of memory, which says nothing of the original."""
    try:
        yield
    except pyvips.Error as error:
        # Only the text tells. It may hold what another thread wrote, but a worker has one job at a time.
        if _STARVED.search(str(error)):
            raise MemoryError from error
        raise


# An AV1 encoder has no other reason to fail on pixels that are whole.
_STARVED = re.compile(
    r"out of memory|Insufficient memory|Memory allocation error \(|Error creating thread"
    r"|Encoder plugin generated an error"
)


@contextmanager
def damage_refused(header: Header) -> Iterator[None]:
    """Raise DamagedOriginal where libvips cannot go on with an original's pixels, which may be late."""
    try:
        with memory_told():
            yield
    except pyvips.Error as error:
        noun = _NOUNS[header.medium]
        raise DamagedOriginal(f"the original is not a whole {FORMATS[header.kind].title} {noun}") from error
