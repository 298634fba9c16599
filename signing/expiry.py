"""The second at which an address stops holding."""

import math
from datetime import datetime, timedelta
from typing import TypeAlias

from signing.errors import BadAddress

Expiry: TypeAlias = int | timedelta | datetime | None


def until(expires: Expiry, round_expiry: int, now: float) -> int | None:
    """Give a moment in seconds since 1970, rounded up to a multiple of `round_expiry` seconds.

    Rounded, one hour's pages hold one URL, which caches can share; up, so that nothing ends before it was meant to.

    >>> until(600, 3600, now=7000), until(timedelta(hours=1), 1, now=7000), until(None, 3600, now=7000)
    (10800, 10600, None)
    """
    if expires is None:
        return None
    if isinstance(expires, datetime):
        if expires.tzinfo is None:
            raise BadAddress("An expiry has no time zone", part=str(expires), expected="a moment with its zone")
        moment = expires.timestamp()
    else:
        span = expires.total_seconds() if isinstance(expires, timedelta) else expires
        if span <= 0:
            raise BadAddress("An expiry lies not ahead", part=str(expires), expected="seconds from now, at least one")
        moment = now + span
    step = max(1, round_expiry)
    return math.ceil(moment / step) * step
