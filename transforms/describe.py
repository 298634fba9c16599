"""What `f_json` answers: everything worth knowing of an original, without the original."""

import base64
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pyvips
from pyvips import Image

from transforms.captions import read_iptc, read_xmp
from transforms.colour_management import managed
from transforms.errors import DamagedOriginal
from transforms.exif import Read, read_exif
from transforms.facts import JSON, Facts, known
from transforms.formats import FORMATS
from transforms.headers import Header
from transforms.headers.window import Window
from transforms.icc import profile_name
from transforms.image import scale, turned
from transforms.light import Pixels
from transforms.limits import Limits
from transforms.opening import Opened, open_original
from transforms.operation import Loading, Size
from transforms.palette import average, luminance, palette
from transforms.placeholders import blurhash, thumbhash

_LOOKED_AT: Final = 256  # pixels of the longer side of the picture that colours are counted in
_HASHED: Final = 100  # more than that is waste, says ThumbHash
_TINY: Final = 24  # of the placeholder
_TINY_SAVING: Final = {"Q": 40, "alpha_q": 20, "effort": 4, "keep": "none"}  # 100 to 300 bytes, 450 with much alpha
_SMALL_TERM: Final = 32  # 32:9 is a screen; larger terms say less than a decimal fraction

_EXIF_MARK: Final = b"Exif\0\0"


def describe(path: Path, header: Header, limits: Limits, *, gps: bool) -> Facts:
    """The facts of an original as JSON values; those that it does not tell or that cannot be read are left out.

    It is decoded as small as its format allows; of an animation or a document, what it looks like is the first
    picture's. Where it was taken is told only to those who ask for `gps`. Raises what `open_original` raises.
    """
    upright = Size(*header.upright)
    opened = open_original(path, header, Loading(), limits, _inside(upright, _LOOKED_AT), animated=False)
    stored = opened.frames[0]
    try:
        small = _looked_at(opened)
        facts: Facts = {
            **_file(header, upright),
            **_course(stored, header),
            "colour": _colour(stored, header),
            "exif": _exif(path, stored, header, gps=gps) or None,
            "xmp": read_xmp(_block(stored, "xmp-data")) if stored.get_typeof("xmp-data") else None,
            "iptc": read_iptc(_block(stored, "iptc-data")) if stored.get_typeof("iptc-data") else None,
            **_look(small),
            "opaque": _opaque(stored, lambda: open_original(path, header, Loading(), limits, None, animated=False)),
            "placeholder": _placeholder(small),
        }
    except pyvips.Error as error:
        raise DamagedOriginal(f"the original is not a whole {FORMATS[header.kind].title} picture") from error
    return known(facts)


def _inside(size: Size, side: int) -> Size:
    """The size of a picture whose longer side is `side` at most, never enlarged."""
    share = min(1.0, side / max(size))
    return Size(max(1, round(size.width * share)), max(1, round(size.height * share)))


def _within(image: Image, side: int) -> Image:
    return scale(image, _inside(Size(image.width, image.height), side))


def _looked_at(opened: Opened) -> Image:
    """The first frame, small, upright and in sRGB, in memory."""
    small = _within(opened.frames[0], _LOOKED_AT).copy_memory()
    return managed(turned(small, opened.orientation), "srgb").copy_memory()


def _pixels(image: Image) -> Pixels:
    pixels: Pixels = image.numpy()
    return pixels


# What the header says


def _file(header: Header, upright: Size) -> Facts:
    row = FORMATS[header.kind]
    return {
        "format": row.name,
        "media_type": row.media_type,
        "bytes": header.bytes,
        "width": upright.width,
        "height": upright.height,
        "orientation": header.orientation,
        "aspect_ratio": _aspect_ratio(upright),
    }


def _aspect_ratio(size: Size) -> Facts:
    common = math.gcd(*size)
    across, down = size.width // common, size.height // common
    terms = f"{across}:{down}" if max(across, down) <= _SMALL_TERM else None
    return known({"decimal": float(f"{size.width / size.height:.5g}"), "terms": terms})


def _course(image: Image, header: Header) -> Facts:
    """Frames, duration in milliseconds and how often it runs (0: for ever) of an animation; pages of a document."""
    if not FORMATS[header.kind].animation:
        return {"pages": header.frames} if header.frames > 1 or header.kind == "pdf" else {}
    if header.frames == 1:
        return {}
    delays, loop = _field(image, "delay"), _field(image, "loop")
    return {"frames": header.frames, "duration": sum(delays[: header.frames]) if delays else None, "loop": loop}


def _colour(image: Image, header: Header) -> Facts:
    profile = image.get_typeof("icc-profile-data") != 0
    return known(
        {
            "space": header.space,
            "bits": header.bits,
            "alpha": header.alpha,
            "profile": (profile_name(_block(image, "icc-profile-data")) or "unnamed") if profile else None,
            "subsampling": header.subsampling or None,
            "progressive": header.progressive,
        }
    )


# What is written beside the pixels


def _field(image: Image, name: str) -> Any:
    return image.get(name) if image.get_typeof(name) else None


def _block(image: Image, name: str) -> bytes:
    return bytes(image.get(name))


def _exif(path: Path, image: Image, header: Header, *, gps: bool) -> Facts:
    if header.kind == "tiff":  # the file is its own EXIF block
        with path.open("rb") as file:
            return read_exif(Window(file, header.bytes).read, gps=gps)
    if not image.get_typeof("exif-data"):
        return {}
    return read_exif(_reader(_block(image, "exif-data").removeprefix(_EXIF_MARK)), gps=gps)


def _reader(block: bytes) -> Read:
    return lambda start, length: block[start : start + length]


# What it looks like


def _look(small: Image) -> Facts:
    pixels = _pixels(small)
    swatches = palette(pixels)
    shown: list[JSON] = [{"colour": swatch.colour, "share": swatch.share} for swatch in swatches]
    return {
        "palette": shown,
        "dominant": swatches[0].colour if swatches else None,
        "average": average(pixels),
        "luminance": luminance(pixels),
        "blurhash": blurhash(pixels),
        "thumbhash": thumbhash(_pixels(_within(small, _HASHED))),
    }


def _opaque(stored: Image, again: Callable[[], Opened]) -> bool:
    """Whether nothing shines through the first frame: asked of every pixel, in a second pass where there is alpha."""
    if not stored.hasalpha():
        return True
    alpha = again().frames[0]
    alpha = alpha[alpha.bands - 1]
    return bool(alpha.min() == (65_535 if alpha.format == "ushort" else 255))


def _placeholder(small: Image) -> str:
    """A data: URI of a tiny WebP."""
    data: bytes = _within(small, _TINY).webpsave_buffer(**_TINY_SAVING)
    return f"data:image/webp;base64,{base64.b64encode(data).decode()}"
