"""What one piece of work may be, and what it will cost: from the header alone, before any pixel."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from transforms.errors import OriginalTooLarge, ResultTooLarge, TooLong, TooManyFrames, TooManyPixels, TooManyStreams
from transforms.formats import FORMATS
from transforms.headers.header import Header

_MILLION: Final = 1_000_000


@dataclass(frozen=True)
class Limits:
    """The largest originals that are decoded and the largest results that are made."""

    jpeg_megapixels: float = 250  # a JPEG shrinks while it loads
    jpeg_bytes: int = 100 * _MILLION
    picture_megapixels: float = 60  # any other kind, and a progressive JPEG, which is held in full
    picture_bytes: int = 64 * _MILLION
    frames: int = 1000  # of an animation
    frame_megapixels: float = 100  # of an animation, all frames together
    pages: int = 1000  # of a document
    scans: int = 100  # of a progressive JPEG; ten are usual, and each goes over the whole picture
    video_bytes: int = 20_000 * _MILLION
    video_seconds: float = 4 * 3600
    video_megapixels: float = 9  # of one frame; 4096x2160 has 8.9
    video_rate: float = 120  # frames a second
    sound_bytes: int = 2_000 * _MILLION
    sound_seconds: float = 12 * 3600
    streams: int = 32  # of pictures, sound and words in one file
    result_side: int = 8192
    result_megapixels: float = 40

    def check_original(self, header: Header, *, moving: bool = True) -> None:
        """Refuse an original that is too large to decode; its frames count where the result is `moving`.

        Raises `OriginalTooLarge`, `TooManyPixels` and `TooManyFrames`.
        """
        row = FORMATS[header.kind]
        self.check_bytes(header.kind, header.bytes)
        if row.medium != "picture":
            self._check_recording(header)
            return
        if not row.vector:  # a drawing has the size at which it is drawn: `check_raster`
            self._check_pixels(header)
        if row.animation and moving:
            self._check_frames(header)
        elif not row.animation and header.frames > self.pages:
            raise TooManyFrames(f"the original has {header.frames} pages; documents of up to {self.pages} are read")

    def check_bytes(self, kind: str, size: int) -> None:
        """Refuse an original of a kind for its bytes alone, of any kind if that is "". Raises `OriginalTooLarge`."""
        most, what = self._most_bytes(kind)
        if size > most:
            raise OriginalTooLarge(f"the original has {_mega(size)} MB; {what} of up to {_mega(most)} are read")

    def check_streams(self, count: int) -> None:
        """Refuse a film or a sound for the number of its streams. Raises `TooManyStreams`."""
        if count > self.streams:
            raise TooManyStreams(f"the original has {count} streams; up to {self.streams} are looked at")

    def _most_bytes(self, kind: str) -> tuple[int, str]:
        """How large a file may be, and what to call its like; without a kind, that of the largest."""
        of_media = {
            "picture": (self.picture_bytes, "pictures"),
            "sound": (self.sound_bytes, "sounds"),
            "motion": (self.video_bytes, "films"),
        }
        jpeg = (self.jpeg_bytes, "JPEGs")
        if not kind:
            return max(jpeg, *of_media.values())
        return jpeg if kind == "jpg" else of_media[FORMATS[kind].medium]

    def check_seconds(self, seconds: float, *, film: bool) -> None:
        """Refuse a film or a sound for its length. Raises `TooLong`."""
        most, what = (self.video_seconds, "films") if film else (self.sound_seconds, "sounds")
        if seconds > most:
            raise TooLong(f"the original lasts {seconds:.0f} seconds; {what} of up to {most:g} are read")

    def _check_recording(self, header: Header) -> None:
        film, what = header.medium == "motion", "films"
        self.check_seconds(header.seconds, film=film)
        if film:
            self._check_megapixels("a frame of the original", header.width, header.height, self.video_megapixels, what)
        if film and header.rate > self.video_rate:
            raise TooManyFrames(
                f"the original has {header.rate:.4g} frames a second; films of up to {self.video_rate:g} are read"
            )

    def most_bytes(self, kind: str) -> int:
        """How many bytes an original of a kind may have, or one of any kind if that is ""."""
        return self._most_bytes(kind)[0]

    def check_raster(self, width: int, height: int) -> None:
        """Refuse to draw a drawing at a size. Raises `TooManyPixels`."""
        self._check_megapixels("the original drawn at this size", width, height, self.picture_megapixels, "drawings")

    def check_result(self, width: int, height: int) -> None:
        """Refuse a result that is too large. Raises `ResultTooLarge`."""
        if max(width, height) > self.result_side:
            raise ResultTooLarge(
                f"the result would have {width}x{height} pixels; a side of up to {self.result_side} is made",
                expected=f"at most {self.result_side} pixels a side",
            )
        if width * height > self.result_megapixels * _MILLION:
            raise ResultTooLarge(
                f"the result would have {_mega(width * height)} megapixels ({width}x{height}); "
                f"up to {self.result_megapixels:g} are made",
                expected=f"at most {self.result_megapixels:g} megapixels",
            )

    def _check_pixels(self, header: Header) -> None:
        most, what = self.picture_megapixels, "pictures"
        if header.kind == "jpg":
            most, what = (most, "progressive JPEGs") if header.progressive else (self.jpeg_megapixels, "JPEGs")
        self._check_megapixels("the original", header.width, header.height, most, what)
        if header.scans > self.scans:
            raise TooManyPixels(f"the original is drawn in {header.scans} scans; JPEGs of up to {self.scans} are read")

    def _check_megapixels(self, subject: str, width: int, height: int, most: float, what: str) -> None:
        if width * height > most * _MILLION:
            size = f"{_mega(width * height)} megapixels ({width}x{height})"
            raise TooManyPixels(f"{subject} has {size}; {what} of up to {most:g} are read")

    def _check_frames(self, header: Header) -> None:
        if header.frames > self.frames:
            raise TooManyFrames(f"the original has {header.frames} frames; animations of up to {self.frames} are read")
        if header.frames > 1 and header.frames * header.pixels > self.frame_megapixels * _MILLION:
            raise TooManyFrames(
                f"the original has {_mega(header.frames * header.pixels)} megapixels in {header.frames} frames; "
                f"animations of up to {self.frame_megapixels:g} are read"
            )


def _mega(number: int) -> str:
    """Millions to one place, rounded up: what is too much never reads like what is allowed."""
    tenths = -(-number * 10 // _MILLION)
    return f"{tenths / 10:.10g}"


class Cost(NamedTuple):
    """An estimate of a piece of work: milliseconds of one core, and bytes beyond those of an idle worker."""

    milliseconds: float
    memory: int


class _Reading(NamedTuple):
    """Milliseconds for a megabyte of file and for a megapixel, and bytes of memory for a pixel."""

    megabyte: float = 0.0
    megapixel: float = 0.0
    memory: float = 4.0


class _Writing(NamedTuple):
    """Milliseconds for a megapixel in the first and in the final grade, and bytes of memory for a pixel."""

    first: float
    final: float
    memory: float


# Measured on one core of a 2 vCPU EPYC, those of AVIF and JPEG XL read and of GIF on a Xeon and divided by its pace;
# ratios travel, milliseconds do not. `python -m bench.estimates` takes these figures again. Bytes do not depend on the
# plan. PNG, WebP and TIFF take half of them where they are only made smaller. Where an earlier step needs them whole
# (a trim, a turn), PNG and TIFF take 0.9 to 1.3 times as much, an interlaced PNG up to 1.7, and WebP 2 to 3.
_JPEG: Final = {"baseline": 11.0, "cut": 25.0, "whole": 60.0}  # entropy decoding, for a megabyte
_JPEG_PIXELS: Final = 4.3  # for a megapixel that is left after shrinking: the rest of the decoder
_RESIZE: Final = 2.3  # for a megapixel of input
_SCAN: Final = 0.1  # for a megapixel in each scan, however empty
_READING: Final = {
    "png": _Reading(megapixel=18),
    "webp": _Reading(megapixel=9, memory=2),
    "gif": _Reading(megapixel=7),
    "avif": _Reading(megapixel=42, memory=15),
    "tiff": _Reading(megapixel=13),
    "heic": _Reading(megapixel=25, memory=8),
    "jxl": _Reading(megapixel=90, memory=24),
    "svg": _Reading(megabyte=200, megapixel=20, memory=8),
    "pdf": _Reading(megabyte=20, megapixel=10, memory=8),
}
_WRITING: Final = {
    "jpg": _Writing(3.5, 21, 13),
    "png": _Writing(60, 360, 6),
    "webp": _Writing(60, 130, 12),
    "avif": _Writing(90, 1000, 30),
    "gif": _Writing(550, 2700, 12),
    "tiff": _Writing(60, 60, 8),
}
# What moves repeats itself, and is held once: four bytes for a pixel, and the encoder's share.
_WRITING_MOVING: Final = {"webp": _Writing(60, 130, 7.5), "gif": _Writing(250, 700, 7.5)}
_WRITING_EXACTLY: Final = {"webp": _Writing(400, 700, 32), "avif": _Writing(400, 2300, 45)}  # by `fl_lossless`
# To find the quality that `q_auto` asks for, by grade: tiles of a size that does not grow with the picture.
_MEASURING: Final[Mapping[str, Mapping[str, float]]] = {
    "jpg": {"first": 8, "final": 8},
    "webp": {"first": 25, "final": 35},
    "avif": {"first": 35, "final": 170},
}
# A progressive JPEG's coefficients are all held: bytes for a pixel by subsampling.
_COEFFICIENTS: Final = {"": 3.0, "4:2:0": 4.5, "4:1:1": 4.5, "4:2:2": 5.5, "4:4:0": 5.5}
_COEFFICIENTS_IN_FULL: Final = 7.5

_OVERHEAD: Final = 2.0  # milliseconds of any job
_LEAST_MEMORY: Final = 16 * _MILLION

_MARGIN: Final = 1.3  # of size that must be left after shrinking
_CUT_FROM: Final = 4  # the shrinking from which the fine scans of a progressive JPEG are left out


def estimate(
    header: Header,
    output_format: str,
    output_pixels: int,
    *,
    shrink: int | None = None,
    grade: str = "first",
    pixels: int | None = None,
    measured: bool = False,
    lossless: bool = False,
) -> Cost:
    """What it costs to make a result of `output_pixels` (one frame's) from an original.

    `shrink` is the reduction while a JPEG is decoded: 1, 2, 4, 8, or None for the largest that leaves enough. Where the
    result moves, every frame of an animated original is decoded and written. `pixels` are those that another worker has
    decoded already. `measured` says that its quality is found by trying, `lossless` that every pixel is kept as it is.
    """
    row = FORMATS[output_format]
    frames = header.frames if row.animation and FORMATS[header.kind].animation else 1
    table = _WRITING | (_WRITING_MOVING if frames > 1 else {}) | (_WRITING_EXACTLY if lossless else {})
    writing = table[output_format]
    written = output_pixels * frames / _MILLION
    if pixels is not None:
        reading, decoded, held = 0.0, pixels / _MILLION, 0.0
    elif header.kind == "jpg":
        shrink = shrink or _shrink(header.pixels, output_pixels)
        reading, decoded, held = _read_jpeg(header, shrink)
    else:
        reading, decoded, held = _read_other(header, output_pixels, frames)
    milliseconds = reading + _RESIZE * decoded + (writing.final if grade == "final" else writing.first) * written
    if measured:
        milliseconds += _MEASURING.get(output_format, {}).get(grade, 0.0)
    return Cost(_OVERHEAD + milliseconds, round(_LEAST_MEMORY + held + writing.memory * written * _MILLION))


def _shrink(pixels: int, output_pixels: int) -> int:
    return next((step for step in (8, 4, 2) if pixels >= output_pixels * (step * _MARGIN) ** 2), 1)


def _read_jpeg(header: Header, shrink: int) -> tuple[float, float, float]:
    """Milliseconds of decoding, megapixels that are left, and bytes that are held."""
    megapixels = header.pixels / _MILLION
    left = megapixels / shrink**2
    if not header.progressive:
        return _JPEG["baseline"] * header.bytes / _MILLION + _JPEG_PIXELS * left, left, 0.0
    entropy = _JPEG["cut" if shrink >= _CUT_FROM else "whole"] * header.bytes / _MILLION
    held = header.pixels * _COEFFICIENTS.get(header.subsampling, _COEFFICIENTS_IN_FULL)
    return max(entropy, _SCAN * header.scans * megapixels) + _JPEG_PIXELS * left, left, held


def _read_other(header: Header, output_pixels: int, frames: int) -> tuple[float, float, float]:
    """Milliseconds of decoding, megapixels that come of it, and bytes that are held."""
    row = _READING[header.kind]
    pixels = output_pixels if FORMATS[header.kind].vector else header.pixels * frames
    memory = row.memory * (2 if header.bits > 8 else 1)
    return (
        row.megabyte * header.bytes / _MILLION + row.megapixel * pixels / _MILLION,
        pixels / _MILLION,
        pixels / frames * memory,  # frames are drawn one after the other
    )
