"""The formats: what each can hold, who reads and writes it, and how it is encoded."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import pairwise
from types import MappingProxyType
from typing import Final, Literal

# What `q_` is where a URL names none.
DEFAULT_QUALITY: Final = 80

Medium = Literal["picture", "motion", "sound"]
"""What an original or a result is: a picture (an animation too), a film, or sound alone."""

Settings = Mapping[str, int | bool | str]
Curve = tuple[tuple[int, int], ...]

_SAME: Final[Curve] = ((1, 1), (100, 100))


def _settings(**options: int | bool | str) -> Settings:
    return MappingProxyType(options)


@dataclass(frozen=True, eq=False)
class Format:
    """A format; `first` and `final` are options of libvips' saver for the two grades of a picture.

    The `medium` is what such a file usually holds: a film's container may hold sound alone, which its header tells.
    """

    name: str
    title: str
    media_type: str
    extensions: tuple[str, ...]
    reader: str
    writer: str | None = None
    alpha: bool = True
    animation: bool = False
    lossless: bool = False
    vector: bool = False
    max_side: int = 2**31 - 1
    first: Settings = field(default_factory=_settings)
    final: Settings = field(default_factory=_settings)
    qualities: Curve = _SAME
    exact: tuple[int, int] = (100, 100)  # what the saver takes for its quality beside `fl_lossless`, by grade
    version: int = 1  # raised when what this row encodes changes: it is part of the key of every result
    medium: Medium = "picture"

    @property
    def refined(self) -> bool:
        """Whether the final grade differs from the first."""
        return self.first != self.final

    def settings(self, grade: str) -> Settings:
        """The saver's options for a grade, "first" or "final", without the quality."""
        return self.final if grade == "final" else self.first

    def exactness(self, grade: str) -> int:
        """The encoder's quality where every pixel is kept as it is."""
        first, final = self.exact
        return final if grade == "final" else first

    def quality(self, q: int) -> int:
        """The encoder's quality (1..100) that looks like `q_` (1..100) does in a JPEG."""
        for (low, start), (high, end) in pairwise(self.qualities):
            if low <= q <= high:
                return round(start + (end - start) * (q - low) / (high - low))
        raise ValueError(f"a quality is 1 to 100, not {q}")


def _recording(
    name: str, title: str, media_type: str, *extensions: str, medium: Medium = "motion", muxer: str | None = None
) -> Format:
    """The row of a film's or a sound's format; the writer is FFmpeg's name of the muxer."""
    return Format(name, title, media_type, (name, *extensions), reader="av", writer=muxer, alpha=False, medium=medium)


# Milliseconds and bytes are for 0.25 MP photographs on one core; "first" is what a reader waits for. Qualities join
# equal SSIM, the mean of six photographs at 600 and 1200 px, between the two grades: `python -m bench.quality`.
_ROWS: Final = (
    Format(
        "jpg",
        "JPEG",
        "image/jpeg",
        ("jpg", "jpeg", "jpe", "jfif"),
        reader="vips",
        writer=".jpg",
        alpha=False,
        max_side=65500,
        # "auto" halves the colour (4:2:0) below quality 90. First 1.4 ms; final 5.4 ms, 5 % fewer bytes.
        first=_settings(subsample_mode="auto", optimize_coding=False, interlace=False),
        final=_settings(subsample_mode="auto", optimize_coding=True, interlace=True),
        version=2,
    ),
    Format(
        "png",
        "PNG",
        "image/png",
        ("png", "apng"),
        reader="vips",
        writer=".png",
        lossless=True,
        # "sub" 15 ms and 26 % fewer bytes than no filter; "all" at 9 91 ms and another 8 %.
        first=_settings(compression=6, filter="sub"),
        final=_settings(compression=9, filter="all"),
    ),
    Format(
        "webp",
        "WebP",
        "image/webp",
        ("webp",),
        reader="vips",
        writer=".webp",
        animation=True,
        lossless=True,
        max_side=16383,
        # Effort 2 is the knee: 18 ms; 4 is 35 ms and 2.3 % fewer bytes.
        first=_settings(effort=2),
        final=_settings(effort=4),
        qualities=((1, 1), (20, 15), (40, 38), (60, 58), (80, 80), (90, 89), (100, 100)),
        # Without loss it is how hard the encoder tries: 100 takes five times as long as 20 for 1 to 9 % fewer bytes.
        exact=(20, 75),
        version=2,
    ),
    Format(
        "avif",
        "AVIF",
        "image/avif",
        ("avif", "avifs"),
        reader="vips",
        writer=".avif",
        lossless=True,
        max_side=16384,
        # Effort 0 20 ms; 3 232 ms and 17 % fewer bytes at equal SSIM; 4, the usual default, 954 ms for 3 % more.
        first=_settings(effort=0, bitdepth=8, encoder="aom", subsample_mode="auto"),
        final=_settings(effort=3, bitdepth=8, encoder="aom", subsample_mode="auto"),
        qualities=((1, 10), (20, 33), (40, 46), (60, 53), (80, 65), (90, 79), (100, 100)),
        version=2,
    ),
    Format(
        "gif",
        "GIF",
        "image/gif",
        ("gif",),
        reader="vips",
        writer=".gif",
        animation=True,
        lossless=True,
        max_side=65535,
        # An animation of 7 MP: effort 3 550 ms, 7 750 ms. A photograph: 100 ms, 500 ms and 6 % fewer bytes.
        first=_settings(effort=3),
        final=_settings(effort=7),
    ),
    Format(
        "tiff",
        "TIFF",
        "image/tiff",
        ("tiff", "tif"),
        reader="vips",
        writer=".tiff",
        lossless=True,
        # LZW 11 ms, deflate 15 ms and 10 % fewer bytes.
        first=_settings(compression="deflate", predictor="horizontal"),
        final=_settings(compression="deflate", predictor="horizontal"),
    ),
    Format("jxl", "JPEG XL", "image/jxl", ("jxl",), reader="pylibjxl", lossless=True),
    Format("heic", "HEIC", "image/heic", ("heic", "heif", "heics", "heifs", "hif"), reader="pi_heif"),
    Format("svg", "SVG", "image/svg+xml", ("svg", "svgz"), reader="vips", vector=True),
    Format("pdf", "PDF", "application/pdf", ("pdf",), reader="pypdfium2", alpha=False, vector=True),
    # Films and sounds.
    _recording("mp4", "MP4", "video/mp4", "m4v", muxer="mp4"),
    _recording("webm", "WebM", "video/webm", muxer="webm"),
    _recording("mov", "QuickTime", "video/quicktime", "qt"),
    _recording("mkv", "Matroska", "video/matroska", "mka"),
    _recording("avi", "AVI", "video/vnd.avi"),
    _recording("ts", "MPEG-TS", "video/mp2t", "m2ts", "mts"),
    _recording("3gp", "3GP", "video/3gpp", "3g2"),
    _recording("mp3", "MP3", "audio/mpeg", medium="sound", muxer="mp3"),
    _recording("m4a", "M4A", "audio/mp4", "m4b", medium="sound", muxer="mp4"),
    _recording("aac", "AAC", "audio/aac", "adts", medium="sound", muxer="adts"),
    _recording("opus", "Opus", "audio/ogg", medium="sound", muxer="opus"),
    _recording("ogg", "Ogg", "audio/ogg", "oga", "ogv", medium="sound", muxer="ogg"),
    _recording("flac", "FLAC", "audio/flac", medium="sound", muxer="flac"),
    _recording("wav", "WAV", "audio/wav", "wave", medium="sound", muxer="wav"),
)

FORMATS: Final[Mapping[str, Format]] = MappingProxyType({row.name: row for row in _ROWS})

_EXTENSIONS: Final = {extension: row for row in _ROWS for extension in row.extensions}


def by_extension(extension: str) -> Format | None:
    """The format of a file name's extension, with or without its dot, in any case: `jpeg` is `jpg`, `tif` is `tiff`."""
    return _EXTENSIONS.get(extension.removeprefix(".").lower())


def writable(*media: Medium) -> Iterator[Format]:
    """The formats that can be made, of some media or of all."""
    return (row for row in _ROWS if row.writer and (not media or row.medium in media))


def reader_available(name: str) -> bool:
    """Whether the reader of a format is installed; nothing is imported."""
    reader = FORMATS[name].reader
    return find_spec("pyvips" if reader == "vips" else reader) is not None
