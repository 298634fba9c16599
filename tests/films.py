"""A film that tests of players look at, with everything that a player has a menu for."""

from fractions import Fraction
from pathlib import Path

from tests import clips

SECONDS = 12
LADDERS = {"auto": {"steps": [{"side": 90, "bits": "200k"}], "most": 1}}
"""Beside the original's own pictures those of a quarter of its size."""

WORDS = """WEBVTT

00:00:01.000 --> 00:00:04.000
The first words.

00:00:05.000 --> 00:00:07.000
The last words.
"""


def film(folder: Path, name: str = "film.mp4", seconds: float = SECONDS, **changes: object) -> Path:
    """H.264 in 320x180, two languages of sound, and English words in a file beside it."""
    path = clips.film(
        folder / name,
        size=(320, 180),
        rate=Fraction(25),
        seconds=seconds,
        key=50,
        sound="aac",
        sounds=("eng", "deu"),
        **changes,
    )
    path.with_suffix(".en.vtt").write_text(WORDS)
    return path
