"""From frames to a file: one table of formats, one way to write each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, Final

from pyvips import GValue, Image

from transforms.auto_quality import LEVELS, Level, chosen
from transforms.colour_management import PROFILE
from transforms.errors import ConflictingOptions, InvalidOption, ResultTooLarge
from transforms.formats import DEFAULT_QUALITY, Format
from transforms.image import shown_on
from transforms.metadata import carried
from transforms.opening import Opened
from transforms.operation import Size
from transforms.stored import annotated, cleaned, own_quality
from transforms.turbo import encode_jpeg, recoded
from transforms.wishes import Saving

WHITE: Final = (255.0, 255.0, 255.0)

LEAST_QUALITY: Final = 5
"""The lowest quality that `fl_max` goes to."""

_KEPT: Final = {"exif-data": 1, "xmp-data": 2, "iptc-data": 4, PROFILE: 8}
"""Metadata blocks, and libvips' bits for keeping them."""
_QUICKLY: Final = ("jpg",)
"""Written by libjpeg-turbo itself where it can be: 1.5 ms for 2.5 of libvips, of 6 for a result of shared pixels."""
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


@dataclass(frozen=True)
class Saved:
    """A file's bytes, and the quality that they have on the scale of `q_`, where their format has any."""

    data: bytes
    quality: int | None


def save(
    frames: list[Image],
    opened: Opened,
    profile: bytes | str | None,
    row: Format,
    saving: Saving,
    grade: str,
    stored: Path | None = None,
    array: Any = None,
) -> Saved:
    """The frames as a file; `stored` is a JPEG that has these very pixels, where there is one.

    `array` is the one frame as numpy's rows of pixels, where it is there already.

    Raises InvalidOption where `fl_max` cannot be met.
    """
    frames = _shown(frames, row)
    blocks = carried(opened.metadata, saving)
    lossy = row.name in _WITH_QUALITY and not saving.lossless
    # libvips completes what a camera wrote down, by the orientation for one.
    plain = not profile and not saving.progressive and saving.metadata != "keep"

    def encoded(quality: int, grade: str = "first") -> bytes:
        if row.name in _QUICKLY and grade == "first" and plain:
            held = frames[0].numpy() if array is None else array
            quick = encode_jpeg(held, row.quality(quality), saving.chroma or "")
            if quick is not None:
                return annotated(quick, blocks)
        image, keep = _with_metadata(_joined(frames, opened), blocks, profile)
        options = _options(row, saving, grade, quality)
        if isinstance(profile, str):
            options["profile"] = profile
        data: bytes = image.write_to_buffer(row.writer, keep=keep, **options)
        return data

    quality, kept = saving.quality or DEFAULT_QUALITY, None
    if lossy and saving.level:
        quality = quality_for(frames, row, saving, grade, LEVELS[saving.level])
        if stored:
            quality, kept = _no_better(stored, quality, row, saving, opened)
    data, most = encoded(quality, grade), saving.most_bytes
    if kept is not None and len(kept) <= len(data):
        data = kept
    if most is not None and len(data) > most:
        # The best quality is looked for with the fast settings; the slow ones need fewer bytes for the same quality.
        data, quality = _within(most, encoded, quality, least=LEAST_QUALITY if lossy else quality)
        final = encoded(quality, grade) if grade != "first" else data
        data = final if len(final) <= most else data
    return Saved(data, quality if lossy else None)


def quality_for(frames: list[Image], row: Format, saving: Saving, grade: str, level: Level) -> int:
    """The quality that reaches a level. A JPEG is quickly tried, and what it needs is near what others need."""

    def as_jpeg(part: Image, quality: int) -> Image:
        pixels = recoded(part, quality)
        if pixels is not None:
            return Image.new_from_array(pixels, interpretation="srgb")
        return Image.jpegload_buffer(part.jpegsave_buffer(Q=quality, keep="none"))

    def as_written(part: Image, quality: int) -> Image:
        data = part.write_to_buffer(row.writer, keep="none", **_options(row, saving, grade, quality))
        return Image.new_from_buffer(data, "")

    return chosen(frames, level, as_jpeg) if row.name == "jpg" else chosen(frames, level, as_written, as_jpeg)


def _no_better(stored: Path, quality: int, row: Format, saving: Saving, opened: Opened) -> tuple[int, bytes | None]:
    """The quality, but no higher than the original's own; and the original itself, where it could go out instead."""
    with stored.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        same = row.name == "jpg" and not saving.progressive
        kept = cleaned(data, carried(opened.metadata, saving)) if same else None
        return min(quality, own_quality(data) or quality), kept


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


def _shown(frames: list[Image], row: Format) -> list[Image]:
    """The frames without transparency where the format has none."""
    return [shown_on(frame, WHITE) if frame.hasalpha() and not row.alpha else frame for frame in frames]


def _joined(frames: list[Image], opened: Opened) -> Image:
    """One image in libvips' way, the frames of an animation under each other."""
    if len(frames) == 1:
        return frames[0].copy()
    image = Image.arrayjoin(frames, across=1).copy()
    image.set_type(GValue.gint_type, "page-height", frames[0].height)
    image.set_type(GValue.gint_type, "n-pages", len(frames))
    image.set_type(GValue.gint_type, "loop", opened.loop)
    if opened.delays:
        image.set_type(GValue.array_int_type, "delay", opened.delays)
    return image


def _with_metadata(image: Image, blocks: Mapping[str, bytes], profile: bytes | str | None) -> tuple[Image, int]:
    """The image with just the metadata that the result may carry, and libvips' bits for what to write."""
    if isinstance(profile, bytes):
        blocks = {**blocks, PROFILE: profile}
    for name, block in blocks.items():
        image.set_type(GValue.blob_type, name, block)
    return image, sum(_KEPT[name] for name in blocks) | (_KEPT[PROFILE] if profile else 0)


def _options(row: Format, saving: Saving, grade: str, quality: int) -> dict[str, Any]:
    """The options of libvips' saver."""
    options: dict[str, Any] = dict(row.settings(grade))
    if row.name in _WITH_QUALITY:
        exact = {"Q": row.exactness(grade), "lossless": True}
        options |= exact if saving.lossless else {"Q": row.quality(quality)}
    if saving.progressive and row.name in _WITH_PASSES:
        options["interlace"] = True
    if saving.chroma and "subsample_mode" in options:
        options["subsample_mode"] = "on" if saving.chroma == "420" else "off"
    if saving.chroma == "444" and row.name == "webp":
        options["smart_subsample"] = True  # WebP has no more than 4:2:0, but a sharper way to it
    return options
