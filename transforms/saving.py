"""From frames to a file: one table of formats, one way to write each."""

from collections.abc import Callable
from typing import Any, Final

from pyvips import GValue, Image

from transforms.colour_management import PROFILE
from transforms.errors import ConflictingOptions, InvalidOption, ResultTooLarge
from transforms.formats import DEFAULT_QUALITY, Format
from transforms.image import shown_on
from transforms.metadata import carried
from transforms.opening import Opened
from transforms.operation import Saving, Size

WHITE: Final = (255.0, 255.0, 255.0)
LEVELS: Final = {"best": 90, "good": 80, "eco": 65, "low": 50}
"""What the levels of `q_auto` mean on the scale of `q_`."""

LEAST_QUALITY: Final = 5
"""The lowest quality that `fl_max` goes to."""

_KEPT: Final = {"exif-data": 1, "xmp-data": 2, "iptc-data": 4, PROFILE: 8}
"""Metadata blocks, and libvips' bits for keeping them."""
_WITH_QUALITY: Final = ("jpg", "webp", "avif")
_WITH_PASSES: Final = ("jpg", "png", "gif")


def check(size: Size, row: Format, saving: Saving) -> None:
    """Refuse what a format cannot hold. Raises ConflictingOptions and ResultTooLarge."""
    if saving.lossless and not row.lossless:
        raise ConflictingOptions(f"fl_lossless: {row.title} cannot keep every pixel as it is", part="fl_lossless")
    if max(size) > row.max_side:
        raise ResultTooLarge(
            f"the result would have {size.width}x{size.height} pixels; {row.title} holds {row.max_side} a side",
            expected=f"at most {row.max_side} pixels a side",
        )


def save(
    frames: list[Image], opened: Opened, profile: bytes | str | None, row: Format, saving: Saving, grade: str
) -> bytes:
    """The file's bytes. Raises InvalidOption where `fl_max` cannot be met."""
    image, keep = _with_metadata(_joined(frames, opened, row), opened, profile, saving)
    lossy = row.name in _WITH_QUALITY

    def encoded(quality: int, grade: str = "first") -> bytes:
        options = _options(row, saving, grade)
        if isinstance(profile, str):
            options["profile"] = profile
        if lossy:
            options["Q"] = 100 if saving.lossless else row.quality(quality)
        data: bytes = image.write_to_buffer(row.writer, keep=keep, **options)
        return data

    quality = LEVELS[saving.level] if saving.level else saving.quality or DEFAULT_QUALITY
    data, most = encoded(quality, grade), saving.most_bytes
    if most is None or len(data) <= most:
        return data
    # The best quality is looked for with the fast settings; the slow ones need fewer bytes for the same quality.
    best, quality = _within(most, encoded, quality, least=LEAST_QUALITY if lossy and not saving.lossless else quality)
    data = encoded(quality, grade) if grade != "first" else best
    return data if len(data) <= most else best


def _within(most: int, encoded: Callable[[int], bytes], quality: int, least: int) -> tuple[bytes, int]:
    """The best that fits into so many bytes, and its quality, found by halving below `quality`."""
    least = min(least, quality)
    best = encoded(least)
    if len(best) > most:
        raise InvalidOption(
            f"fl_max: the picture cannot be written in {most} bytes; the smallest that can be made has {len(best)}",
            part=f"fl_max:{most}",
            expected=f"at least {len(best)}, or a smaller picture",
        )
    while least + 1 < quality:
        middle = (least + quality) // 2
        data = encoded(middle)
        if len(data) <= most:
            least, best = middle, data
        else:
            quality = middle
    return best, least


def _joined(frames: list[Image], opened: Opened, row: Format) -> Image:
    """One image in libvips' way, the frames of an animation under each other."""
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


def _with_metadata(image: Image, opened: Opened, profile: bytes | str | None, saving: Saving) -> tuple[Image, int]:
    """The image with just the metadata that the result may carry, and libvips' bits for what to write."""
    blocks = carried(opened.metadata, saving)
    if isinstance(profile, bytes):
        blocks[PROFILE] = profile
    for name, block in blocks.items():
        image.set_type(GValue.blob_type, name, block)
    return image, sum(_KEPT[name] for name in blocks) | (_KEPT[PROFILE] if profile else 0)


def _options(row: Format, saving: Saving, grade: str) -> dict[str, Any]:
    """The options of libvips' saver, without the quality."""
    options: dict[str, Any] = dict(row.settings(grade))
    if saving.lossless and row.name in _WITH_QUALITY:
        options["lossless"] = True
    if saving.progressive and row.name in _WITH_PASSES:
        options["interlace"] = True
    if saving.chroma and "subsample_mode" in options:
        options["subsample_mode"] = "on" if saving.chroma == "420" else "off"
    if saving.chroma == "444" and row.name == "webp":
        options["smart_subsample"] = True  # WebP has no more than 4:2:0, but a sharper way to it
    return options
