"""What a sound says of itself beside its samples: title, artist and the like, chapters, and a cover.

Names are FFmpeg's, to which it brings ID3, MP4's atoms, Vorbis comments and RIFF's INFO, and from which it writes them.
"""

import base64
import struct
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, Final, NamedTuple

from av.audio.stream import AudioStream
from av.container import InputContainer

from transforms.audio.excerpt import Excerpt
from transforms.audio.kept_cover import Cover
from transforms.facts import clean

KEPT: Final = (
    "title", "artist", "album", "album_artist", "composer", "performer", "genre", "date", "year", "track", "disc",
    "copyright", "publisher", "compilation",
)  # fmt: skip
"""What every result keeps: who made it, and what it is. Nothing of where, or with what."""
TOLD: Final = (
    "comment", "description", "synopsis", "lyrics", "language", "grouping", "TBPM", "bpm", "isrc", "TSRC", "show",
    "season_number", "episode_id", "episode_sort", "network",
)  # fmt: skip
"""What it keeps beside that with `fl_keep_metadata`."""

_KINDS: Final = {
    "none": frozenset[str](),
    "copyright": frozenset(name.lower() for name in KEPT),
    "keep": frozenset(name.lower() for name in (*KEPT, *TOLD)),
}
_MOST_CHAPTERS: Final = 500


def kept_tags(container: InputContainer, stream: AudioStream, metadata: str) -> dict[str, str]:
    """The tags of a result; `metadata` says how many: "none", "copyright" or "keep". Texts are one line each."""
    told: dict[str, str] = {}
    # Ogg has them with the sound, all others with the file.
    for found in (stream.metadata, container.metadata):
        for name, value in found.items():
            if name.lower() in _KINDS[metadata] and (text := clean(value)):
                told[name if name in TOLD else name.lower()] = text
        told.update(_of_how_many(found, told))
    if "date" in told:
        told.pop("year", None)  # Vorbis' and others' word for the same
    return told


def _of_how_many(found: Mapping[str, str], told: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The number of a track and of a disc with how many there are, which Vorbis comments tell apart."""
    for name in ("track", "disc"):
        total = next((value for key, value in found.items() if key.lower() in (f"{name}total", f"total{name}s")), "")
        if total.isdecimal() and told.get(name, "").isdecimal():
            yield name, f"{told[name]}/{int(total)}"


class Chapter(NamedTuple):
    """A part that has a name, in seconds."""

    start: float
    end: float
    title: str


def kept_chapters(container: InputContainer, part: Excerpt) -> Iterator[Chapter]:
    """The chapters of an excerpt, counted from its beginning."""
    for found in container.chapters()[:_MOST_CHAPTERS]:
        base = Fraction(found["time_base"] or 0)
        start, end = (max(0.0, float(moment * base) - part.start) for moment in (found["start"], found["end"]))
        if part.end is not None:
            end = min(end, part.end - part.start)
        title = clean(found["metadata"].get("title", "")) or ""
        if end > start:
            yield Chapter(start, end, title)


def as_ffmpeg(chapters: Iterator[Chapter]) -> list[Any]:
    """The same as the muxers take them."""
    return [
        {
            "id": number,
            "start": round(chapter.start * 1000),
            "end": round(chapter.end * 1000),
            "time_base": Fraction(1, 1000),
            "metadata": {"title": chapter.title} if chapter.title else {},
        }
        for number, chapter in enumerate(chapters)
    ]


def chapter_comments(chapters: Iterator[Chapter]) -> dict[str, str]:
    """The comments that name chapters in Ogg (wiki.xiph.org/Chapter_Extension)."""
    comments = {}
    for number, chapter in enumerate(chapters):
        minutes, seconds = divmod(round(chapter.start * 1000) / 1000, 60)
        hours, minutes = divmod(int(minutes), 60)
        comments[f"CHAPTER{number:03}"] = f"{hours:02}:{minutes:02}:{seconds:06.3f}"
        comments[f"CHAPTER{number:03}NAME"] = chapter.title
    return comments


def picture_comment(cover: Cover) -> Mapping[str, str]:
    """The comment that holds a cover in Ogg: FLAC's block of a picture (RFC 9639, 8.8), in Base64."""
    media_type = cover.media_type.encode()
    block = struct.pack(">II", 3, len(media_type)) + media_type + struct.pack(">I", 0)
    block += struct.pack(">IIIII", cover.width, cover.height, 24, 0, len(cover.data)) + cover.data
    return {"METADATA_BLOCK_PICTURE": base64.b64encode(block).decode()}
