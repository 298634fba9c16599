"""What one stream of a film or a sound says of itself."""

from typing import Any, Final

from av.stream import Disposition

from transforms.facts import Facts, clean, known

_TYPES: Final = {"video": "picture", "audio": "sound", "subtitle": "words"}
_PRIMARIES: Final = {1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 9: "bt2020", 12: "p3"}
_TRANSFERS: Final = {1: "bt709", 6: "smpte170m", 13: "srgb", 14: "bt2020", 15: "bt2020", 16: "pq", 18: "hlg"}
_MATRICES: Final = {0: "rgb", 1: "bt709", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 9: "bt2020"}
"""Names of the numbers of ITU-T H.273."""
_RANGES: Final = {1: "limited", 2: "full"}
_WOVEN: Final = (2, 3, 4, 5)
"""FFmpeg's field orders of frames that hold two moments each."""


def stream_facts(stream: Any) -> Facts:
    """A stream as JSON values; those that it does not tell are left out. Bit rates are bits a second."""
    codec = stream.codec_context
    facts: Facts = {
        "type": "cover" if _has(stream, Disposition.attached_pic) else _TYPES.get(stream.type, "data"),
        "codec": codec.codec.canonical_name if codec else None,
        "profile": clean(str(codec.profile)) if codec and codec.profile else None,
        "level": codec.level if codec and codec.level and codec.level > 0 else None,
        "bit_rate": codec.bit_rate or None if codec else None,
        "duration": round(stream.duration * stream.time_base * 1000) if stream.duration and stream.time_base else None,
        "language": _language(stream),
        "title": clean(stream.metadata.get("title", "")),
        "default": True if _has(stream, Disposition.default) else None,
        "forced": True if _has(stream, Disposition.forced) else None,
    }
    more = {"video": _picture, "audio": _sound}.get(stream.type)
    return known(facts | (more(stream, codec) if more and codec else {}))


def _has(stream: Any, disposition: Disposition) -> bool:
    return bool(stream.disposition & disposition)


def _language(stream: Any) -> str | None:
    language = clean(stream.language or "")
    return None if language == "und" else language


def _picture(stream: Any, codec: Any) -> Facts:
    form = codec.format
    return {
        "width": codec.width or None,
        "height": codec.height or None,
        "pixel_format": codec.pix_fmt,
        "bits": max((component.bits for component in form.components), default=None) if form else None,
        "pixel_ratio": _ratio(stream.sample_aspect_ratio),
        "frame_rate": _rate(stream),
        "interlaced": True if codec.field_order in _WOVEN else None,
        "primaries": _PRIMARIES.get(codec.color_primaries),
        "transfer": _TRANSFERS.get(codec.color_trc),
        "matrix": _MATRICES.get(codec.colorspace),
        "range": _RANGES.get(codec.color_range),
    }


def _rate(stream: Any) -> float | None:
    """Frames a second, where FFmpeg's two guesses agree on it."""
    average, guessed = float(stream.average_rate or 0), float(stream.guessed_rate or 0)
    return round(average, 3) if average and average <= 1.1 * guessed else None


def _ratio(ratio: Any) -> str | None:
    return f"{ratio.numerator}:{ratio.denominator}" if ratio and ratio != 1 else None


def _sound(stream: Any, codec: Any) -> Facts:
    return {
        "channels": codec.channels or None,
        "layout": codec.layout.name if codec.channels else None,
        "sample_rate": codec.sample_rate or None,
    }
