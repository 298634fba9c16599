"""What is known of an original before any pixel is decoded."""

from dataclasses import dataclass, fields
from typing import Any, Self

from transforms.formats import FORMATS, Medium

# EXIF orientations whose picture lies on its side.
SIDEWAYS = frozenset({5, 6, 7, 8})


@dataclass(frozen=True)
class Header:
    """Kind, size and nature of an original; width and height in pixels as stored, one frame's.

    Those of a film are in square pixels, before it is turned upright; a sound has none.
    """

    kind: str
    width: int
    height: int
    bytes: int
    orientation: int = 1  # EXIF, 1..8
    alpha: bool = False
    frames: int = 1  # of an animation, or pages of a document
    bits: int = 8  # of a channel, or of a palette's index
    profile: bool = False  # an ICC profile is embedded
    space: str = "rgb"  # "rgb", "grey", "cmyk", "lab": what the decoder makes
    progressive: bool = False  # coarse to fine (PNG: interlaced): the decoder holds the whole picture
    scans: int = 0  # of a progressive JPEG, as far as they were counted
    subsampling: str = ""  # of a JPEG's colour: "4:2:0", "4:4:4", ...; "other" is none that has a name
    model: str = ""  # of a JPEG's stored channels: "ycc", "rgb", "grey", "cmyk", "ycck"
    coding: str = ""  # JPEG: "baseline", "extended", "progressive", "arithmetic"; WebP: "lossy", "lossless"

    seconds: float = 0.0  # that a film or a sound lasts
    rate: float = 0.0  # frames a second of a film, on average
    sound: bool = False  # a film has sound
    cover: tuple[int, int] | None = None  # width and height of the picture that a sound carries

    @property
    def medium(self) -> Medium:
        """What the original is: a film's container may hold sound alone."""
        if FORMATS[self.kind].medium == "picture":
            return "picture"
        return "motion" if self.width else "sound"

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height as shown."""
        return (self.height, self.width) if self.orientation in SIDEWAYS else (self.width, self.height)

    @property
    def pixels(self) -> int:
        """Pixels of one frame."""
        return self.width * self.height

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values; `from_dict` is its inverse."""
        return dict(vars(self))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """A header from its JSON values; fields that this version does not know are left out."""
        known = {field.name: values[field.name] for field in fields(cls) if field.name in values}
        if cover := known.get("cover"):
            known["cover"] = (cover[0], cover[1])
        return cls(**known)
