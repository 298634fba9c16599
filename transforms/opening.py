"""From a file to frames: each kind by its own loader, shrunk while it is read where that can be."""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import pyvips
from pyvips import GValue, Image

from transforms import side_readers, turbo
from transforms.damage import damage_refused
from transforms.errors import NoSuchPage, UnsupportedFormat
from transforms.formats import FORMATS
from transforms.headers import Header
from transforms.limits import Limits
from transforms.metadata import kept_exif
from transforms.operation import Size
from transforms.scans import cut
from transforms.svg import check_drawing, read_svg
from transforms.turbo import MARGIN
from transforms.wishes import Loading


@dataclass(frozen=True)
class Opened:
    """The frames of an original, not yet turned upright, and what its file says beside them.

    The frames are read from the file when their pixels are asked for: once, and in their order.
    """

    frames: list[Image]
    size: Size
    """The size that the frames stand for, upright; they may be smaller, and lie as stored."""
    orientation: int = 1
    delays: list[int] = field(default_factory=list)
    """Milliseconds that each frame is shown."""
    loop: int = 0
    """How often an animation runs; 0 is for ever."""
    metadata: dict[str, bytes] = field(default_factory=dict)
    """The file's EXIF, XMP and IPTC by libvips' names."""
    covered: tuple[float, float] | None = None
    """Of one frame held in memory, how many of its columns and rows the original covers: the last may be a part."""
    array: Any = None
    """Of one frame held in memory that has eight bits, its rows of pixels as numpy has them."""


def guard() -> None:
    """Let libvips read pictures and nothing else; called once in every worker."""
    pyvips.block_untrusted_set(True)
    # librsvg loads nothing from outside where it parses memory; what an SVG may declare is checked before.
    pyvips.operation_block_set("VipsForeignLoadSvg", False)
    # Every original has one of the same few names here (/proc/self/fd/N), so nothing may be kept by name.
    pyvips.cache_set_max(0)


def open_original(
    path: Path,
    header: Header,
    loading: Loading,
    limits: Limits,
    target: Size | None,
    animated: bool = True,
    most_held: int = turbo.MOST_PIXELS,
    rate: float | None = None,
) -> Opened:
    """The original's frames, at least `MARGIN` times as large as `target` where they are shrunk at all.

    `target` is the upright size to which the whole picture is scaled next; None opens it in full. Frames of an
    animation are opened together unless `loading` names one or `animated` says no. Up to `most_held` pixels may be held
    in memory where that is quicker. Of a film it is the frame of a moment, or `rate` frames a second where it moves.
    Raises DamagedOriginal, NoSuchPage and UnsupportedFormat, and of a film NoSuchMoment and ResultTooLarge.
    """
    if loading.waveform:
        size = Size(header.width, header.height)
        from transforms.audio.waveform import drawn

        return Opened([drawn(path, header, loading, limits, size)], size)
    page = loading.page or 1
    if page > max(1, header.frames):
        raise NoSuchPage(f"the original has {header.frames} pages or frames; pg_{page} came", part=f"pg_{page}")
    if not loading.upright:
        header = dataclasses.replace(header, orientation=1)
    if target and header.orientation >= 5:
        target = Size(target.height, target.width)
    opener = _OPENERS.get(header.kind)
    if opener is None:
        raise UnsupportedFormat(f"{header.kind} is not read here")
    ask = _Ask(path, header, page, target, limits, animated and not loading.page, most_held, loading, rate)
    with damage_refused(header):
        quick = _quickly(ask)
        images = [_told(quick[0], path)] if quick else opener(ask)
    first, many = images[0], len(images) > 1
    return Opened(
        frames=images,
        size=Size(*header.upright),
        orientation=header.orientation,
        delays=_field(first, "delay", [])[: len(images)] if many else [],
        loop=_field(first, "loop", 0) if many else 0,
        metadata={name: bytes(first.get(name)) for name in METADATA if first.get_typeof(name)},
        covered=quick[1] if quick else None,
        array=quick[0] if quick else None,
    )


METADATA = ("exif-data", "xmp-data", "iptc-data")


def _field(image: Image, name: str, default: Any) -> Any:
    return image.get(name) if image.get_typeof(name) else default


@dataclass(frozen=True)
class _Ask:
    """What an opener needs to know."""

    path: Path
    header: Header
    page: int
    target: Size | None
    limits: Limits
    animated: bool
    most_held: int
    loading: Loading
    rate: float | None

    def share(self) -> float:
        """By how much the stored picture may be scaled while it is read, target met exactly."""
        if not self.target:
            return 1.0
        return max(self.target.width / self.header.width, self.target.height / self.header.height)


def _quickly(ask: _Ask) -> tuple[Any, tuple[float, float]] | None:
    """A plain JPEG decoded at once, and how much of it the original covers; None where libvips is to open it."""
    if not (ask.target and turbo.available() and turbo.suits(ask.header, ask.target, most=ask.most_held)):
        return None
    step = turbo.finer(ask.header, ask.target)
    with ask.path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        pixels = turbo.decoded(data, ask.header, step)
    return None if pixels is None else (pixels, (ask.header.width / step, ask.header.height / step))


def _told(pixels: Any, path: Path) -> Image:
    """Pixels of a JPEG as a picture, with what the file says beside them."""
    whole = Image.jpegload(str(path), fail_on="error")
    image = turbo.image_of(pixels, (whole.xres, whole.yres))
    _tell(image, whole)
    return image


def _jpg(ask: _Ask) -> list[Image]:
    """The JPEG scaled as it is decoded, and without scans that do not show."""
    shrink = turbo.reduction(ask.header, ask.target) if ask.target else 1
    less = None
    if ask.header.progressive and shrink >= 4:
        with ask.path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            less = cut(data, shrink)
    if less:
        return [Image.jpegload_buffer(less, shrink=shrink, access="sequential", fail_on="error")]
    return [Image.jpegload(str(ask.path), shrink=shrink, access="sequential", fail_on="error")]


def told_by(pixels: Image, whole: Image) -> Image:
    """Pixels with what another picture of the same original says beside them."""
    pixels = pixels.copy(xres=whole.xres, yres=whole.yres)
    _tell(pixels, whole)
    return pixels


def _tell(pixels: Image, whole: Image) -> None:
    for name in ("icc-profile-data", *METADATA):
        if whole.get_typeof(name):
            pixels.set_type(GValue.blob_type, name, whole.get(name))


def _png(ask: _Ask) -> list[Image]:
    return [Image.pngload(str(ask.path), access="sequential", fail_on="error")]


def _webp(ask: _Ask) -> list[Image]:
    if ask.animated and ask.header.frames > 1:
        return _strip(Image.webpload(str(ask.path), n=-1, access="sequential", fail_on="error"))
    share = ask.share() * MARGIN
    reduce = {"scale": share} if share < 1 and ask.header.frames == 1 else {}
    return [Image.webpload(str(ask.path), page=ask.page - 1, access="sequential", fail_on="error", **reduce)]


def _gif(ask: _Ask) -> list[Image]:
    if ask.animated and ask.header.frames > 1:
        return _strip(Image.gifload(str(ask.path), n=-1, access="sequential", fail_on="error"))
    return [Image.gifload(str(ask.path), page=ask.page - 1, access="sequential", fail_on="error")]


def _strip(image: Image) -> list[Image]:
    """The frames of an animation, which libvips loads as one tall picture; they can be read once, in their order."""
    height = image.get("page-height")
    return [image.crop(0, top, image.width, height) for top in range(0, image.height, height)]


def _avif(ask: _Ask) -> list[Image]:
    return [Image.heifload(str(ask.path), page=ask.page - 1, access="sequential", fail_on="error")]


def _tiff(ask: _Ask) -> list[Image]:
    image = Image.tiffload(str(ask.path), page=ask.page - 1, access="sequential", fail_on="error").copy()
    with ask.path.open("rb") as file:

        def read(start: int, length: int) -> bytes:
            file.seek(start)
            return file.read(length)

        exif = kept_exif(read, everything=True, gps=True)  # the file is itself what EXIF is written in
    if exif:
        image.set_type(GValue.blob_type, "exif-data", exif)
    return [image]


def _svg(ask: _Ask) -> list[Image]:
    ask.limits.check_raster(*_vector_size(ask))
    text = read_svg(ask.path)
    check_drawing(text, ask.limits)
    return [Image.svgload_buffer(text, scale=ask.share())]


def _vector_size(ask: _Ask) -> Size:
    """The pixels that a drawing is rendered to."""
    share = ask.share()
    return Size(math.ceil(ask.header.width * share), math.ceil(ask.header.height * share))


def _pdf(ask: _Ask) -> list[Image]:
    size = _vector_size(ask)
    ask.limits.check_raster(*size)
    return [side_readers.pdf(ask.path, ask.page, size)]


def _heic(ask: _Ask) -> list[Image]:
    return [side_readers.heic(ask.path)]


def _jxl(ask: _Ask) -> list[Image]:
    return [side_readers.jxl(ask.path)]


def _film(ask: _Ask) -> list[Image]:
    # FFmpeg is half as large as all else that a worker loads, and most are never given a film.
    from transforms.video import posters

    return posters.frames(ask.path, ask.header, ask.loading, ask.limits, ask.target, ask.animated, ask.rate)


_OPENERS: dict[str, Callable[[_Ask], list[Image]]] = {
    "jpg": _jpg,
    "png": _png,
    "webp": _webp,
    "gif": _gif,
    "avif": _avif,
    "tiff": _tiff,
    "svg": _svg,
    "pdf": _pdf,
    "heic": _heic,
    "jxl": _jxl,
    **dict.fromkeys((name for name, row in FORMATS.items() if row.medium != "picture"), _film),
}
