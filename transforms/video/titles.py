"""What players call the tracks of a film: no two alike."""

import re
from collections.abc import Iterable

_LONGEST = 60
# A playlist puts titles between quotation marks, on one line.
_UNFIT = re.compile(r'["\x00-\x1f\x7f-\x9f\u2028\u2029]+')


def titled(tracks: Iterable[tuple[str, str, str]]) -> list[str]:
    """A name for each track: its title, else its language, else what it is; the second of a name has its number.

    >>> titled([("", "en", "sound"), ("", "en", "sound"), ('The "best"', "de", "sound"), ("", "", "sound")])
    ['en', 'en 2', 'The best', 'sound']
    """
    given: list[str] = []
    for title, language, word in tracks:
        name = " ".join(_UNFIT.sub(" ", title).split())[:_LONGEST].strip() or language or word
        number, wanted = 1, name
        while name in given:
            number += 1
            name = f"{wanted} {number}"
        given.append(name)
    return given
