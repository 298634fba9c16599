"""A file of one plan of a stream, read off the name that a playlist has told."""

from dataclasses import dataclass
from typing import Literal, Self

from signing.leaves import is_part

Place = int | Literal["init"]
"""Which part of a rung: the number of a segment, or what all of them begin with."""

INDEX = "index.m3u8"
INIT = "init.mp4"


@dataclass(frozen=True)
class Leaf:
    """The plan, the rung and the file that a name speaks of; whether there is such a thing is not known yet."""

    plan: str
    rung: str
    file: str

    @classmethod
    def read(cls, name: str) -> Self | None:
        """Read what follows `~`; None for whatever belongs to no plan."""
        return cls(*name.split("/")[1:]) if is_part(name) else None

    @property
    def place(self) -> Place | None:
        """Which part it is; None for a playlist."""
        if self.file == INDEX:
            return None
        return "init" if self.file == INIT else int(self.file.partition(".")[0])

    @property
    def words(self) -> bool:
        """Whether it is a segment of subtitles."""
        return self.file.endswith(".vtt")
