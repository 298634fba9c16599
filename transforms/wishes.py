"""What a plan says of how the original is opened and how the result is written."""

from dataclasses import dataclass
from typing import NamedTuple


class Moment(NamedTuple):
    """A place in a film or a sound, or a length of it: seconds, or a share of the whole."""

    seconds: float | None = None
    share: float | None = None

    def of(self, whole: float) -> float:
        """Seconds, of an original that lasts so many."""
        return self.seconds if self.seconds is not None else (self.share or 0.0) * whole


class Waveform(NamedTuple):
    """How a sound is drawn: the colour of the wave, as red, green, blue and opacity from 0 to 255."""

    colour: tuple[int, int, int, int]


@dataclass(frozen=True)
class Loading:
    """How the original is opened."""

    page: int | None = None
    """The page or frame to take, counted from 1; None means all frames of an animation, else the first page."""
    upright: bool = True
    """Whether the orientation that the file carries is applied."""
    start: Moment | None = None
    """Where a film or a sound begins; None is its beginning."""
    end: Moment | None = None
    duration: Moment | None = None
    """How much of it is taken, beside one of the two; with it a film becomes an animation where it is a picture."""
    interesting: bool = False
    """Whether the start is the first frame that shows something."""
    nearest: bool = False
    """Whether the nearest keyframe will do, which takes a fraction of the time."""
    preview: tuple[float, int] | None = None
    """Seconds of an excerpt, and from how many places of the film."""
    waveform: Waveform | None = None
    """How a sound is drawn; None: as its cover."""


@dataclass(frozen=True)
class Saving:
    """How the result is written; None leaves the choice to the format's own settings."""

    format: str | None = None
    redirect: bool = False
    quality: int | None = None
    level: str | None = None
    chroma: str | None = None
    progressive: bool = False
    lossless: bool = False
    most_bytes: int | None = None
    space: str = "srgb"
    metadata: str = "copyright"
    gps: bool = False
    attachment: str | None = None
    fallback: str | None = None
    version: str | None = None
    rate: float | None = None
    """Frames a second."""
    video_codec: str | None = None
    audio_codec: str | None = None
    """`none` leaves the sound out."""
    bit_rate: int | None = None
    """Bits a second of the film's picture, or of sound alone."""
    sampling: int | None = None
    """Samples of sound a second."""
    key_interval: float | None = None
    """Seconds from one keyframe to the next, at most."""
    loudness: float | None = None
    """LUFS that the sound is brought to (EBU R 128)."""
    volume: float | None = None
    """By what the sound is multiplied."""
    fade_in: float = 0.0
    fade_out: float = 0.0
    """Seconds."""
    ladder: str = "auto"
    """The name of the rungs that a stream has."""
    grid: tuple[int, int] | None = None
    """Columns and rows of a sheet of a storyboard."""
