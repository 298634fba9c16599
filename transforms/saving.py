"""From frames to a file: one table of formats, one way to write each."""

from collections.abc import Mapping
from typing import Any

from pyvips import GValue, Image

from transforms.errors import InvalidOption
from transforms.formats import DEFAULT_QUALITY, Format
from transforms.image import shown_on
from transforms.opening import Opened
from transforms.operation import Saving

WHITE = (255.0, 255.0, 255.0)
LEVELS = {"best": 90, "good": 80, "eco": 65, "low": 50}
"""What the levels of `q_auto` mean on the scale of `q_`."""

_KEPT = {"exif-data": 1, "xmp-data": 2, "iptc-data": 4, "icc-profile-data": 8}
"""Metadata blocks, and libvips' bits for keeping them."""
_DROPPED = ("exif-", "xmp-", "iptc-", "icc-", "jpeg-thumbnail", "png-comment", "gif-comment", "photoshop-")
_ATTRIBUTION = ("exif-ifd0-Copyright", "exif-ifd0-Artist")
_PLACE = "exif-ifd3-"

LEAST_QUALITY = 5


def save(frames: list[Image], opened: Opened, row: Format, saving: Saving, grade: str) -> bytes:
    """The file's bytes. Raises InvalidOption where `fl_max` cannot be met."""
    image, keep = _with_metadata(_joined(frames, opened, row), opened, saving)
    quality = saving.quality or LEVELS[saving.level or "good"] if saving.level else saving.quality or DEFAULT_QUALITY
    data = _encoded(image, row, saving, grade, keep, quality)
    if saving.most_bytes is None or len(data) <= saving.most_bytes:
        return data
    return _within(saving.most_bytes, image, row, saving, grade, keep, quality)


def _within(most: int, image: Image, row: Format, saving: Saving, grade: str, keep: int, quality: int) -> bytes:
    """The best quality that fits into so many bytes, found by halving."""
    least, best = LEAST_QUALITY, b""
    smallest = _encoded(image, row, saving, grade, keep, least)
    if len(smallest) > most:
        raise InvalidOption(
            f"fl_max: the picture cannot be written in {most} bytes; at its lowest quality it has {len(smallest)}",
            part=f"fl_max:{most}",
            expected=f"at least {len(smallest)}, or a smaller picture",
        )
    best = smallest
    while least + 1 < quality:
        middle = (least + quality) // 2
        data = _encoded(image, row, saving, grade, keep, middle)
        if len(data) <= most:
            least, best = middle, data
        else:
            quality = middle
    return best


def _joined(frames: list[Image], opened: Opened, row: Format) -> Image:
    """One image in libvips' way: the frames of an animation under each other."""
    if not row.alpha:
        frames = [shown_on(frame, WHITE) if frame.hasalpha() else frame for frame in frames]
    if len(frames) == 1:
        return frames[0].copy()
    image = Image.arrayjoin(frames, across=1).copy()
    image.set_type(GValue.gint_type, "page-height", frames[0].height)
    image.set_type(GValue.gint_type, "n-pages", len(frames))
    image.set_type(GValue.gint_type, "loop", opened.loop)
    if opened.delays:
        image.set_type(GValue.array_int_type, "delay", opened.delays)
    return image


def _with_metadata(image: Image, opened: Opened, saving: Saving) -> tuple[Image, int]:
    """The image with just the metadata that the result may carry, and libvips' bits for what to write."""
    image = image.copy()
    for name in image.get_fields():
        if name.startswith(
            ("exif-", "xmp-", "iptc-", "icc-", "jpeg-thumbnail", "png-comment", "gif-comment", "photoshop-")
        ):
            image.remove(name)
    keep = 0
    for name, value in _carried(opened.metadata, saving).items():
        if isinstance(value, str):
            image.set_type(GValue.gstr_type, name, value)
            keep |= _KEPT["exif-data"]
        else:
            image.set_type(GValue.blob_type, name, value)
            keep |= _KEPT[name]
    return image, keep


def _carried(metadata: Mapping[str, Any], saving: Saving) -> dict[str, Any]:
    """The metadata that goes from the original into the result."""
    carried: dict[str, Any] = {}
    if saving.metadata == "copyright":
        carried = {name: metadata[name] for name in _ATTRIBUTION if name in metadata}
    elif saving.metadata == "keep":
        # A file's EXIF block may hold more than its fields show, so the block itself stays only where everything may.
        carried = {
            name: value
            for name, value in metadata.items()
            if name.startswith("exif-ifd") and isinstance(value, str) and not name.endswith("Orientation")
        }
        if not saving.gps:
            carried = {name: value for name, value in carried.items() if not name.startswith(_PLACE)}
        for name in ("xmp-data", "iptc-data"):
            if name in metadata and (saving.gps or b"GPS" not in bytes(metadata[name])):
                carried[name] = metadata[name]
    if saving.space == "copy" and "icc-profile-data" in metadata:
        carried["icc-profile-data"] = metadata["icc-profile-data"]
    return carried


def _encoded(image: Image, row: Format, saving: Saving, grade: str, keep: int, quality: int) -> bytes:
    options: dict[str, Any] = dict(row.settings(grade))
    lossless = saving.lossless and row.lossless
    if row.name in _QUALITY_FORMATS:
        options["Q"] = 100 if lossless else row.quality(quality)
    if lossless and row.name in ("webp", "avif"):
        options["lossless"] = True
    if saving.progressive and row.name in ("jpg", "png", "gif"):
        options["interlace"] = True
    if saving.chroma and row.name in ("jpg", "avif"):
        options["subsample_mode"] = "on" if saving.chroma == "420" else "off"
    if saving.chroma == "444" and row.name == "webp":
        options["smart_subsample"] = True
    if saving.space == "p3":
        options["profile"] = "p3"
        keep |= _KEPT["icc-profile-data"]
    assert row.writer
    data: bytes = image.write_to_buffer(row.writer, keep=keep, **options)
    return data


_QUALITY_FORMATS = ("jpg", "webp", "avif")
