"""What holds for the whole plan: which original, how it is opened, how the result is written."""

import dataclasses
import re
from dataclasses import dataclass
from typing import Any, Self

from transforms.formats import DEFAULT_QUALITY, FORMATS
from transforms.operation import RESULTS, Operation, conflict, param
from transforms.params import Choice, Misspelt, Text, Whole
from transforms.wishes import Loading, Saving

LEVELS = ("best", "good", "eco", "low")
DESCRIPTIONS = ("json", "explain")
"""Words of `f_` that ask for facts instead of a picture."""

STREAMS = {"hls": "master.m3u8", "dash": "manifest.mpd", "vtt": "storyboard.vtt"}
"""Words of `f_` that ask for many files below one address, and which of them is the first."""

DRAWN = ("svg",)
"""Formats that are made of a sound's wave alone."""

WRITTEN = tuple(name for name, row in FORMATS.items() if row.writer)


def result_of(form: str) -> str:
    """What a word of `f_` makes, of `RESULTS`."""
    if form in DESCRIPTIONS:
        return "facts"
    if form in STREAMS:
        return "sheets" if form == "vtt" else "stream"
    return "picture" if form in DRAWN else FORMATS[form].medium


_WORDS = (*WRITTEN, *DRAWN, *STREAMS, *DESCRIPTIONS)


class Page(Operation, name="pg", step_local=False):
    """Take one page of a document or one frame of an animation."""

    originals = ("picture",)
    example = "pg_2"
    number: int = param(Whole(1, 10_000), "which page or frame, counted from 1")

    def loading(self, loading: Loading) -> Loading:
        return dataclasses.replace(loading, page=self.number)


@dataclass(frozen=True)
class FormatWord:
    """A format, `auto` or `auto:redirect`, or a kind of description."""

    expected = f"one of {', '.join(('auto', *_WORDS))}"

    def read(self, text: str) -> str:
        if text == "auto:redirect":
            return text
        return Choice(("auto", *_WORDS), {"jpeg": "jpg", "tif": "tiff"}).read(text)

    def write(self, value: str) -> str:
        return value

    def schema(self) -> dict[str, Any]:
        return {"enum": ["auto", "auto:redirect", *_WORDS]}


class Format(Operation, name="f", step_local=False):
    """Choose the format of the result.

    `f_auto` is the best one that the client takes, `f_auto:redirect` a redirect to it; without `f_` the original's own
    is kept where it can be written. `f_json` describes the original, `f_explain` the plan. Of a film, a format of
    pictures shows one frame, or moves where `du_` or `e_preview` says how long; a format of sounds is its sound. Of a
    sound, a format of pictures is its cover, or its wave with `e_waveform`. `f_hls` and `f_dash` lead to a stream's
    playlist, `f_vtt` to the cues of a storyboard.
    """

    media = RESULTS
    example = "f_webp"
    format: str = param(FormatWord(), "the format", whole=True)

    def saving(self, saving: Saving) -> Saving:
        name, _, detail = self.format.partition(":")
        return dataclasses.replace(saving, format=name, redirect=detail == "redirect")


@dataclass(frozen=True)
class QualityValue:
    """A number or a level of `auto`, and the chroma subsampling."""

    number: int | None = None
    level: str | None = None
    chroma: str | None = None


@dataclass(frozen=True)
class QualityKind:
    """`80`, `80:444`, `auto`, `auto:eco`."""

    expected = (
        "a whole number from 1 to 100, with :420 or :444 behind it if wanted, or auto with :best, :good, :eco or :low"
    )

    def read(self, text: str) -> QualityValue:
        head, _, detail = text.partition(":")
        if head == "auto":
            level = detail or "good"
            if level not in LEVELS or text.endswith(":"):
                raise Misspelt("auto:good")
            return QualityValue(level=level)
        if detail not in ("", "420", "444") or text.endswith(":"):
            raise ValueError(text)
        return QualityValue(Whole(1, 100).read(head), chroma=detail or None)

    def write(self, value: QualityValue) -> str:
        if value.level:
            return "auto" if value.level == "good" else f"auto:{value.level}"
        return f"{value.number}:{value.chroma}" if value.chroma else str(value.number)

    def schema(self) -> dict[str, Any]:
        return {
            "type": "string",
            "pattern": r"^(\d+(:(420|444))?|auto(:(best|good|eco|low))?)$",
            "examples": ["80", "auto"],
        }


class Quality(Operation, name="q", step_local=False):
    """Choose between fewer bytes and more detail; the same number looks alike in every format.

    `q_auto` finds the number that each picture needs to look as good as others do, by measuring: with `best` like
    photographs at 90, with `good` (or none) at 80, with `eco` at 65, with `low` at 50.
    """

    media = ("picture", "motion", "sheets")
    version = 2
    example = "q_85"
    value: QualityValue = param(QualityKind(), "1 to 100, or `auto` with a level", whole=True)

    def idle(self) -> bool:
        return self.value == QualityValue(number=DEFAULT_QUALITY)

    def saving(self, saving: Saving) -> Saving:
        return dataclasses.replace(
            saving, quality=self.value.number, level=self.value.level, chroma=self.value.chroma or saving.chroma
        )


class ColourSpace(Operation, name="cs", step_local=False):
    """Choose the colour space of the result: sRGB, Display P3, or the original's own profile."""

    example = "cs_p3"
    space: str = param(
        Choice(("srgb", "p3", "copy")), "`srgb`, `p3` for wide gamut, `copy` for the original's profile", default="srgb"
    )

    def idle(self) -> bool:
        return self.space == "srgb"

    def saving(self, saving: Saving) -> Saving:
        return dataclasses.replace(saving, space=self.space)


class Progressive(Operation, name="fl_progressive", step_local=False):
    """Write the picture so that a coarse version shows first."""

    example = "f_jpg,fl_progressive"

    def saving(self, saving: Saving) -> Saving:
        return dataclasses.replace(saving, progressive=True)


class Lossless(Operation, name="fl_lossless", step_local=False):
    """Keep every pixel as it is; for WebP, AVIF, PNG and TIFF, and in GIF as far as 256 colours go."""

    example = "f_webp,fl_lossless"

    def saving(self, saving: Saving) -> Saving:
        return dataclasses.replace(saving, lossless=True)


class MaxBytes(Operation, name="fl_max", step_local=False):
    """Lower the quality until the result has at most so many bytes."""

    example = "f_jpg,fl_max:20000"
    most: int = param(Whole(100, 100_000_000), "bytes that the result may have")

    def saving(self, saving: Saving) -> Saving:
        return dataclasses.replace(saving, most_bytes=self.most)


class KeepMetadata(Operation, name="fl_keep_metadata", step_local=False):
    """Keep EXIF, IPTC and XMP, but not the place where the picture was taken; of a sound, comments and lyrics too."""

    media = ("picture", "sound")
    example = "fl_keep_metadata"

    def saving(self, saving: Saving) -> Saving:
        return dataclasses.replace(saving, metadata="keep")


class KeepGps(Operation, name="fl_keep_gps", step_local=False):
    """Keep the place where the picture was taken too; beside `fl_keep_metadata`."""

    example = "fl_keep_gps,fl_keep_metadata"

    def saving(self, saving: Saving) -> Saving:
        if saving.metadata != "keep":
            raise conflict("fl_keep_gps: it goes with fl_keep_metadata", self.name)
        return dataclasses.replace(saving, gps=True)


class ForceStrip(Operation, name="fl_force_strip", step_local=False):
    """Drop all metadata, the author and the copyright as well, which are kept otherwise; of a sound, tags and cover."""

    media = ("picture", "sound")
    example = "fl_force_strip"

    def saving(self, saving: Saving) -> Saving:
        if saving.metadata == "keep":
            raise conflict("fl_force_strip: fl_keep_metadata says the opposite", self.name)
        return dataclasses.replace(saving, metadata="none")


class Attachment(Operation, name="fl_attachment", step_local=False):
    """Offer the result for download, under a name if one is given."""

    media = RESULTS
    example = "fl_attachment:holiday"
    filename: str | None = param(
        Text("a file name", 200), "the file's name; its extension is added", default=None, whole=True
    )

    def saving(self, saving: Saving) -> Saving:
        return dataclasses.replace(saving, attachment=self.filename or "")


class Fallback(Operation, name="d", step_local=False):
    """Show another original of the same site where this one is missing; the status stays 404."""

    media = RESULTS
    example = "d_placeholder.jpg"
    source: str = param(Text("a source", 1000), "the other original", whole=True)

    def checked(self) -> Self:
        if re.match(r"https?:", self.source):
            raise conflict("d_: the picture shown instead is an original of a mount, not a URL", f"d_{self.source}")
        return self

    def saving(self, saving: Saving) -> Saving:
        return dataclasses.replace(saving, fallback=self.source)


class Version(Operation, name="v", step_local=False):
    """Name a version of the original: part of the result's key, and the answer may be kept for ever."""

    media = RESULTS
    example = "v_7"
    token: str = param(
        Text("a version", 64, r"[A-Za-z0-9._-]+"), "any token that changes with the original", whole=True
    )

    def saving(self, saving: Saving) -> Saving:
        return dataclasses.replace(saving, version=self.token)
