"""Facts about originals as JSON values, and how text that may be anything becomes one of them."""

import re
from typing import Final, TypeAlias

JSON: TypeAlias = str | int | float | bool | list["JSON"] | dict[str, "JSON"] | None
Facts: TypeAlias = dict[str, JSON]

LONGEST: Final = 500  # characters of a text; a caption is shorter

# Controls, separators, marks that turn the direction of what follows, and what is no character at all.
_UNWANTED: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff\\s]+")


def clean(text: str | bytes) -> str | None:
    """One line of at most `LONGEST` characters without control characters; None where nothing is left.

    Bytes end at the first zero and are UTF-8, or else Latin-1, which is what old programs wrote.
    """
    if isinstance(text, bytes):
        text = _decoded(text.partition(b"\0")[0])
    text = _UNWANTED.sub(" ", text[: 16 * LONGEST]).strip()
    if len(text) > LONGEST:
        text = text[: LONGEST - 1].rstrip() + "…"
    return text or None


def _decoded(data: bytes) -> str:
    data = data[: 16 * LONGEST]
    try:
        # A character that the cut halved is no reason to read all of them wrong.
        return data.decode("utf-8") if len(data) < 16 * LONGEST else data[:-4].decode("utf-8", "ignore")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def known(facts: Facts) -> Facts:
    """The facts that could be found out: those that are not None."""
    return {name: fact for name, fact in facts.items() if fact is not None}
