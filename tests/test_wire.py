"""What an answer says of how it came about."""

import re

import pytest

from proxy.answer import Answer
from proxy.caching import Lifetime
from proxy.wire import Manners, message

TOKEN = r"[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*"
ITEM = re.compile(rf"{TOKEN}(; (hit|stored|collapsed|fwd=(bypass|miss|stale)|detail={TOKEN}))+")
"""The part of RFC 9211 that is used here."""


@pytest.mark.parametrize(
    ("outcome", "degraded", "said"),
    [
        ("memory", "", "darkroom; hit; detail=memory"),
        ("disk", "", "darkroom; hit; detail=disk"),
        ("redis", "", "darkroom; hit; detail=redis"),
        ("unchanged", "", "darkroom; hit; detail=unchanged"),
        ("made", "", "darkroom; fwd=miss; stored"),
        ("shared", "", "darkroom; fwd=miss; stored; collapsed"),
        ("original", "", "darkroom; fwd=bypass"),
        ("redirect", "", "darkroom; fwd=bypass"),
        ("explained", "", "darkroom; fwd=bypass"),
        ("disk", "larger", "darkroom; hit; detail=degraded"),
        ("made", "jpg", "darkroom; fwd=miss; stored; detail=degraded"),
    ],
)
def test_the_status_of_the_cache_is_that_of_rfc_9211(outcome: str, degraded: str, said: str) -> None:
    answer = Answer(Lifetime(10, "x"), b"one", "image/jpeg", outcome=outcome, degraded=degraded)
    fields = dict(message(answer, {}, Manners(), inside=False).headers)
    assert fields[b"cache-status"].decode() == said
    assert ITEM.fullmatch(said)
