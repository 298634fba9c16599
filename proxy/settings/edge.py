"""How the place is written at which nginx finds files."""

import re
from typing import Annotated

from pydantic import AfterValidator

_place = re.compile("/(?:[A-Za-z0-9_.-]+/)+")


def check_place(path: str) -> str:
    """The path again, where nginx can have a location for it; empty is none."""
    if path and not _place.fullmatch(path):
        raise ValueError("a path that begins and ends with a slash, such as /api/accel/")
    return path


AccelPath = Annotated[str, AfterValidator(check_place)]
