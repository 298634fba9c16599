"""What `f_json` answers of a film or a sound: its streams, what it says of itself, and how its poster looks."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from av.container import InputContainer

from transforms.containers import opened
from transforms.errors import Refusal
from transforms.facts import JSON, Facts, clean, known
from transforms.formats import FORMATS
from transforms.headers import Header
from transforms.limits import Limits
from transforms.look import aspect_ratio, look, looked_at, placeholder, within
from transforms.opening import open_original
from transforms.operation import Size
from transforms.video.covers import as_picture, cover_of
from transforms.video.stream_facts import stream_facts
from transforms.wishes import Loading

_CLOCKWISE: Final = {1: 0, 2: 0, 3: 180, 4: 180, 5: 270, 6: 90, 7: 90, 8: 270}
"""Degrees by which a frame is turned to be shown, by EXIF orientation."""
_TAGS: Final = {
    "title": "title",
    "artist": "artist",
    "album": "album",
    "album_artist": "album_artist",
    "albumartist": "album_artist",
    "composer": "composer",
    "performer": "performer",
    "genre": "genre",
    "date": "date",
    "year": "date",
    "track": "track",
    "tracktotal": "tracks",
    "disc": "disc",
    "disctotal": "discs",
    "publisher": "publisher",
    "label": "publisher",
    "copyright": "copyright",
    "language": "language",
    "grouping": "grouping",
    "bpm": "bpm",
    "tbpm": "bpm",
    "isrc": "isrc",
    "tsrc": "isrc",
    "show": "show",
    "season_number": "season",
    "episode_sort": "episode",
    "description": "description",
    "synopsis": "synopsis",
    "comment": "comment",
    "comments": "comment",
    "lyrics": "lyrics",
    "encoder": "encoder",
    "creation_time": "created",
    "com.apple.quicktime.creationdate": "created",
    "com.apple.quicktime.make": "make",
    "com.apple.quicktime.model": "model",
    "com.apple.quicktime.software": "software",
}
"""Names of ID3, Vorbis comments, MP4's atoms and the like as FFmpeg gives them, in small letters, and ours."""
_PLACES: Final = {"location": "place", "com.apple.quicktime.location.iso6709": "place"}
_MOST_CHAPTERS: Final = 500


def recording(path: Path, header: Header, limits: Limits, loading: Loading, *, gps: bool) -> Facts:
    """The facts of a film or a sound as JSON values; those that it does not tell are left out.

    It looks like the frame that a poster with the same options shows, a sound like its cover. Where it was taken is
    told only to those who ask for `gps`. Raises what `open_original` raises.
    """
    with opened(path, header.kind, limits) as container:
        facts: Facts = {
            **_file(header, container),
            "streams": [stream_facts(stream) for stream in container.streams],
            "chapters": list(_chapters(container)) or None,
            "tags": _tags(container, gps=gps) or None,
        }
        # Last, since it reads on.
        found = cover_of(container)
    if found:
        width, height = found[1].upright
        facts["cover"] = {"format": found[1].kind, "bytes": len(found[0]), "width": width, "height": height}
    if header.medium == "motion" or (found and _is_small(found[1], limits)):
        with as_picture(path, header, Loading(), limits) as (shown, picture):
            target = within(Size(*picture.upright))
            small = looked_at(open_original(shown, picture, loading, limits, target, animated=False))
        facts |= {**look(small), "placeholder": placeholder(small)}
    return known(facts)


def _is_small(cover: Header, limits: Limits) -> bool:
    """Whether a cover can be looked at; a sound is described without the look of one that is too large."""
    try:
        limits.check_original(cover, moving=False)
    except Refusal:
        return False
    return True


def _file(header: Header, container: InputContainer) -> Facts:
    row, seconds = FORMATS[header.kind], header.seconds
    facts: Facts = {
        "format": row.name,
        "media_type": row.media_type,
        "medium": "film" if header.medium == "motion" else "sound",
        "bytes": header.bytes,
        "duration": round(seconds * 1000),
        "bit_rate": container.bit_rate or (round(header.bytes * 8 / seconds) if seconds else None),
        "sound": header.sound,
    }
    if header.medium == "motion":
        upright = Size(*header.upright)
        facts |= {
            "width": upright.width,
            "height": upright.height,
            "orientation": header.orientation,
            "rotation": _CLOCKWISE[header.orientation],
            "aspect_ratio": aspect_ratio(upright),
            "frame_rate": round(header.rate, 3),
        }
    return facts


def _chapters(container: InputContainer) -> Iterable[JSON]:
    """Start and end in milliseconds, and the title of each."""
    for chapter in container.chapters()[:_MOST_CHAPTERS]:
        base = Fraction(chapter["time_base"] or 0)
        yield known(
            {
                "start": round(chapter["start"] * base * 1000),
                "end": round(chapter["end"] * base * 1000),
                "title": clean(chapter["metadata"].get("title", "")),
            }
        )


def _tags(container: InputContainer, *, gps: bool) -> Facts:
    """What people have written down, by names that are the same for all kinds; Ogg has it with the sound."""
    names = {**_TAGS, **(_PLACES if gps else {})}
    written: list[dict[str, Any]] = [container.metadata]
    written += [stream.metadata for stream in container.streams.audio[:1] if container.format.name == "ogg"]
    facts: Facts = {}
    for name, value in ((name, value) for tags in written for name, value in tags.items()):
        ours = names.get(name.lower().partition("-")[0] if name.lower().startswith("lyrics-") else name.lower())
        if ours and (text := clean(value)):
            facts.setdefault(ours, text)
    for one, all_of_them in (("track", "tracks"), ("disc", "discs")):
        place, slash, total = str(facts.get(one, "")).partition("/")
        if slash:
            facts[one] = place
            facts.setdefault(all_of_them, total)
    return facts
