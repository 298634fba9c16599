"""HLS playlists (RFC 8216, and Apple's authoring specification) as text, from a plan alone."""

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import chain, pairwise
from types import MappingProxyType
from typing import Final

from transforms.video.stream_plan import Kind, Rung, StreamPlan

VERSION: Final = 7
"""Of the protocol: with heads for segments of MP4."""

_EASY: Final = 2_500_000
"""Bits a second that most players can begin with; they begin with the first rung that is listed."""

_WITHOUT_HEAD: Final = ("words", "text")
_EXTENSIONS: Final[Mapping[Kind, str]] = MappingProxyType({"words": "vtt", "text": "vtt"})
_UNKNOWN: Final = "und"


def folder(plan: StreamPlan, rung: Rung) -> str:
    """Where the parts of a rung lie, as it is written beside the playlist of playlists."""
    return f"~hls/{plan.id}/{rung.name}"


def file(rung: Rung, number: int | str) -> str:
    """The name of a segment in its folder."""
    return f"{number}.{_EXTENSIONS.get(rung.kind, 'm4s')}"


def master(plan: StreamPlan) -> str:
    """The playlist of playlists, with addresses relative to its own."""
    pictures, sounds, words = (plan.of_kind(kind) for kind in ("picture", "sound", "words"))
    lines: list[str] = ["#EXTM3U", f"#EXT-X-VERSION:{VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS"]
    if pictures:
        lines += (_medium("AUDIO", "sound", plan, rung) for rung in sounds)
        lines += (_medium("SUBTITLES", "words", plan, rung) for rung in words)
        lines += chain.from_iterable(_variant(plan, rung, sounds, words) for rung in _begun_with(pictures))
    else:
        # Without pictures a track of sound is a rung of its own: one for each language would be taken for qualities.
        lines += chain.from_iterable(_variant(plan, rung, (), ()) for rung in _default(sounds))
    return "\n".join((*lines, ""))


def media(plan: StreamPlan, rung: Rung) -> str:
    """The playlist of one rung, with addresses relative to its own. Its segments last what their clock says."""
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{VERSION}",
        f"#EXT-X-TARGETDURATION:{target(plan)}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
    ]
    if rung.kind not in _WITHOUT_HEAD:
        lines.append('#EXT-X-MAP:URI="init.mp4"')
    for number, seconds in enumerate(durations(plan.edges(rung))):
        lines += (f"#EXTINF:{seconds},", file(rung, number))
    return "\n".join((*lines, "#EXT-X-ENDLIST", ""))


def target(plan: StreamPlan) -> int:
    """The length of the longest segment of any rung in whole seconds, which all playlists of a stream tell alike."""
    lengths = (end - begin for rung in plan.rungs if rung.kind != "text" for begin, end in plan.segments(rung))
    return max(1, int(max(lengths, default=Fraction(1)) + Fraction(1, 2)))


def durations(edges: Iterable[Fraction]) -> Iterator[str]:
    """Seconds to six places between edges, whose sum is off by less than one of the last."""
    millionths = [round(edge * 1_000_000) for edge in edges]
    for begin, end in pairwise(millionths):
        yield f"{(end - begin) // 1_000_000}.{(end - begin) % 1_000_000:06}"


def _begun_with(rungs: Iterable[Rung]) -> list[Rung]:
    """The best rung that is easy to begin with, then the others from the best."""
    best = sorted(rungs, key=lambda rung: -rung.bandwidth)
    first = next((rung for rung in best if rung.bandwidth <= _EASY), best[-1])
    return [first, *(rung for rung in best if rung is not first)]


def _default(rungs: tuple[Rung, ...]) -> tuple[Rung, ...]:
    return tuple(rung for rung in rungs if rung.default)[:1] or rungs[:1]


def _medium(kind: str, group: str, plan: StreamPlan, rung: Rung) -> str:
    attributes = {
        "TYPE": kind,
        "GROUP-ID": _quoted(group),
        "NAME": _quoted(rung.title or rung.name),
        "LANGUAGE": _quoted(rung.language or _UNKNOWN),
        "DEFAULT": _said(rung.default),
        "AUTOSELECT": "YES",
    }
    if rung.forced:
        attributes["FORCED"] = "YES"
    if rung.channels:
        attributes["CHANNELS"] = _quoted(str(rung.channels))
    return _tag("MEDIA", {**attributes, "URI": _quoted(f"{folder(plan, rung)}/index.m3u8")})


def _variant(plan: StreamPlan, rung: Rung, sounds: tuple[Rung, ...], words: tuple[Rung, ...]) -> tuple[str, str]:
    attributes = {
        "BANDWIDTH": str(rung.bandwidth + max((sound.bandwidth for sound in sounds), default=0)),
        "AVERAGE-BANDWIDTH": str(rung.average + max((sound.average for sound in sounds), default=0)),
        # Words are left out: players that look for them here are fewer than those that stumble over them.
        "CODECS": _quoted(",".join(dict.fromkeys((rung.codecs, *(sound.codecs for sound in sounds))))),
    }
    if rung.kind == "picture":
        attributes |= {
            "RESOLUTION": f"{rung.width}x{rung.height}",
            "FRAME-RATE": f"{float(rung.rate):.3f}",
            "VIDEO-RANGE": rung.range,
            "CLOSED-CAPTIONS": "NONE",
        }
    if sounds:
        attributes["AUDIO"] = _quoted("sound")
    if words:
        attributes["SUBTITLES"] = _quoted("words")
    return _tag("STREAM-INF", attributes), f"{folder(plan, rung)}/index.m3u8"


def _tag(name: str, attributes: Mapping[str, str]) -> str:
    return f"#EXT-X-{name}:{','.join(f'{key}={value}' for key, value in attributes.items())}"


def _said(truth: bool) -> str:
    return "YES" if truth else "NO"


def _quoted(text: str) -> str:
    """A quoted string, which has no way to hold a quotation mark or a new line."""
    return '"' + "".join(" " if character in '"\r\n' or character < " " else character for character in text) + '"'
