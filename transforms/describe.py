"""What `f_json` answers: everything worth knowing of an original, without the original."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pyvips
from pyvips import Image

from transforms.captions import read_iptc, read_xmp
from transforms.errors import DamagedOriginal
from transforms.exif import Read, read_exif
from transforms.facts import Facts, known
from transforms.formats import FORMATS
from transforms.headers import Header
from transforms.headers.window import Window
from transforms.icc import profile_name
from transforms.limits import Limits
from transforms.look import aspect_ratio, look, looked_at, placeholder, within
from transforms.opening import Opened, open_original
from transforms.operation import Size
from transforms.wishes import Loading

_EXIF_MARK: Final = b"Exif\0\0"


def describe(path: Path, header: Header, limits: Limits, *, gps: bool) -> Facts:
    """The facts of an original as JSON values; those that it does not tell or that cannot be read are left out.

    It is decoded as small as its format allows; of an animation or a document, what it looks like is the first
    picture's. Where it was taken is told only to those who ask for `gps`. Raises what `open_original` raises.
    """
    upright = Size(*header.upright)
    opened = open_original(path, header, Loading(), limits, within(upright), animated=False)
    stored = opened.frames[0]
    try:
        small = looked_at(opened)
        facts: Facts = {
            **_file(header, upright),
            **_course(stored, header),
            "colour": _colour(stored, header),
            "exif": _exif(path, stored, header, gps=gps) or None,
            "xmp": read_xmp(_block(stored, "xmp-data")) if stored.get_typeof("xmp-data") else None,
            "iptc": read_iptc(_block(stored, "iptc-data")) if stored.get_typeof("iptc-data") else None,
            **look(small),
            "opaque": _opaque(stored, lambda: open_original(path, header, Loading(), limits, None, animated=False)),
            "placeholder": placeholder(small),
        }
    except pyvips.Error as error:
        raise DamagedOriginal(f"the original is not a whole {FORMATS[header.kind].title} picture") from error
    return known(facts)


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
        "aspect_ratio": aspect_ratio(upright),
    }


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


def _opaque(stored: Image, again: Callable[[], Opened]) -> bool:
    """Whether nothing shines through the first frame: asked of every pixel, in a second pass where there is alpha."""
    if not stored.hasalpha():
        return True
    alpha = again().frames[0]
    alpha = alpha[alpha.bands - 1]
    return bool(alpha.min() == (65_535 if alpha.format == "ushort" else 255))
