"""Files of subtitles that lie beside a film: `film.vtt`, `film.en.vtt`, `film.pt-BR.srt` beside `film.mp4`."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from transforms.languages import tag

KINDS: Final = ("vtt", "srt")
"""Extensions of files that are looked for, the better one first."""

MOST: Final = 16
"""Files that are taken beside one film."""

_SUFFIX: Final = re.compile(r"(?:\.([A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}))?(\.forced)?\.(vtt|srt)", re.IGNORECASE)


@dataclass(frozen=True)
class Beside:
    """A file of subtitles beside an original."""

    suffix: str
    """What follows the film's name without its extension: `.en.vtt`."""
    data: bytes

    @property
    def kind(self) -> str:
        return self.suffix.rpartition(".")[2].lower()

    @property
    def language(self) -> str:
        """BCP 47, "" where the name says none."""
        found = _SUFFIX.fullmatch(self.suffix)
        return tag(found[1]) if found and found[1] else ""

    @property
    def forced(self) -> bool:
        return ".forced." in self.suffix.lower()

    @property
    def source(self) -> str:
        """What a rung says of it: where it is found, and a hash of what was in it."""
        return f"{self.suffix} {hashlib.sha256(self.data).hexdigest()[:16]}"


def suffixes(name: str, others: Iterable[str]) -> Iterator[str]:
    """Which of some names are files of subtitles beside one, as what follows its stem; one for each language.

    >>> list(suffixes("a/film.mp4", ["a/film.srt", "a/film.en.vtt", "a/film.en.srt", "a/film2.vtt", "a/film.mp4"]))
    ['.en.vtt', '.srt']
    """
    stem = name[: name.rindex(".")] if "." in name.rpartition("/")[2] else name
    found = sorted({other[len(stem) :] for other in others if other.startswith(stem)}, key=_rank)
    taken: set[str] = set()
    for suffix in found:
        matched = _SUFFIX.fullmatch(suffix)
        what = f"{tag(matched[1]) if matched[1] else ''}{matched[2] or ''}" if matched else None
        if what is not None and what not in taken and len(taken) < MOST:
            taken.add(what)
            yield suffix


def common(languages: Iterable[str] = ()) -> Iterator[str]:
    """The suffixes to ask for where names cannot be listed: none of a language, then those of some."""
    for kind in KINDS:
        yield f".{kind}"
        yield from (f".{language}.{kind}" for language in languages)


def _rank(suffix: str) -> tuple[int, str]:
    kind = suffix.rpartition(".")[2].lower()
    return KINDS.index(kind) if kind in KINDS else len(KINDS), suffix
