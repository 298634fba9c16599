"""Cues of subtitles: SubRip and WebVTT read, and WebVTT written; what a cue may hold is a closed list.

WebVTT: https://www.w3.org/TR/webvtt1/. SubRip has no specification; this is what is found in the wild.
"""

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from transforms.errors import DamagedOriginal

MOST_BYTES: Final = 1_000_000
"""Of a file of subtitles; those of a long film have a tenth of it."""
MOST_CUES: Final = 20_000
LONGEST_TEXT: Final = 2000
"""Characters of one cue."""

MAP: Final = "X-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000"
"""What HLS wants to know of a segment: its times are those of the film, which begins at 0 (RFC 8216, 3.5)."""

_DAY: Final = 86_400_000
_TIME: Final = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{2})[.,](\d{1,3})"
_TIMES: Final = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s+(.*))?")
_SETTING: Final = re.compile(r"(?:vertical:(?:rl|lr)|line:-?[\d.]+%?(?:,\w+)?|position:[\d.]+%(?:,[\w-]+)?"
                             r"|size:[\d.]+%|align:(?:start|center|end|left|right))")  # fmt: skip
_TOKEN: Final = re.compile(r"<[^<>\n]{0,200}>|[^<]+|<")
_TAG: Final = re.compile(r"<(/?)(b|i|u|c|v|ruby|rt|lang)((?:\.[\w-]+)*)(?:[ \t]([^<>]*))?>", re.IGNORECASE)
_MOMENT: Final = re.compile(r"<(?:\d{2,3}:)?\d{2}:\d{2}\.\d{3}>")
_OTHER_TAG: Final = re.compile(r"</?[A-Za-z][^<>]*>")
_OVERRIDE: Final = re.compile(r"\{\\[^{}\n]*\}")  # of ASS, which SubRip files have too
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_ANNOTATED: Final = ("v", "lang")


@dataclass(frozen=True, order=True)
class Cue:
    """Words that are shown from `start` up to `end`, in milliseconds of the film; the text is fit for WebVTT."""

    start: int
    end: int
    text: str
    settings: str = ""


def read(data: bytes, kind: str) -> tuple[Cue, ...]:
    """The cues of a file, "vtt" or "srt", in their order in time. Raises DamagedOriginal."""
    if len(data) > MOST_BYTES:
        raise DamagedOriginal(f"a file of subtitles has more than the {MOST_BYTES} bytes that are read")
    text = _decoded(data, kind).replace("\r\n", "\n").replace("\r", "\n")
    blocks = re.split(r"\n(?:[ \t]*\n)+", text.strip("\n"))
    if kind == "vtt":
        if not re.match(r"WEBVTT(?:[ \t\n]|\Z)", blocks[0]):
            raise DamagedOriginal("a file of subtitles does not begin as WebVTT does")
        blocks = blocks[1:] if "-->" not in blocks[0] else blocks
    cues = [cue for cue in map(_cue, blocks) if cue]
    if kind == "srt" and not cues:
        raise DamagedOriginal("a file of subtitles has no cue of SubRip")
    if len(cues) > MOST_CUES:
        raise DamagedOriginal(f"a file of subtitles has {len(cues)} cues; up to {MOST_CUES} are read")
    return tuple(sorted(cues))


def made(start: int, end: int, text: str, settings: str = "") -> Cue | None:
    """A cue whose text is made fit to be shown; None where nothing of it is left, or no time."""
    shown = fit(text)
    if not shown or not 0 < end <= _DAY or end <= start:
        return None
    kept = " ".join(word for word in settings.split() if _SETTING.fullmatch(word))
    return Cue(max(0, start), end, shown, kept)


def fit(text: str) -> str:
    """Text that holds no control characters, no blank lines, and no tags but those of WebVTT.

    >>> fit('<b>Hi</b> <font color="red">you</font> & <script>me</script> a < b --> c')
    '<b>Hi</b> you &amp; me a &lt; b --&gt; c'
    """
    plain = _CONTROLS.sub("", _OVERRIDE.sub("", text[:LONGEST_TEXT]))
    shown = "".join(map(_token, _TOKEN.findall(plain)))
    return "\n".join(line.strip() for line in shown.split("\n") if line.strip())


def _token(token: str) -> str:
    if found := _TAG.fullmatch(token):
        close, name, classes, annotation = found[1], found[2].lower(), found[3], found[4]
        if close:
            return f"</{name}>"
        annotation = _escaped(" ".join(html.unescape(annotation or "").split()))
        said = f" {annotation}" if annotation and name in _ANNOTATED else ""
        return f"<{name}{classes}{said}>"
    if _MOMENT.fullmatch(token):
        return token
    return "" if _OTHER_TAG.fullmatch(token) else _escaped(token)


def _escaped(text: str) -> str:
    shown = _CONTROLS.sub("", html.unescape(text))
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def written(cues: Iterable[Cue], *, mapped: bool) -> bytes:
    """A WebVTT file; `mapped` for a segment of HLS."""
    head = f"WEBVTT\n{MAP}\n" if mapped else "WEBVTT\n"
    return "\n".join([head, *(f"{_line(cue)}\n{cue.text}\n" for cue in cues)]).encode()


def within(cues: Iterable[Cue], begin: float, end: float) -> Iterator[Cue]:
    """The cues of a segment from `begin` up to `end`, in seconds: what is shown across its edge is in both."""
    return (cue for cue in cues if cue.start < end * 1000 and cue.end > begin * 1000)


def _cue(block: str) -> Cue | None:
    """The cue of a block; what stands before its times is its name, and is left out."""
    lines = block.split("\n")
    at = next((at for at, line in enumerate(lines[:2]) if "-->" in line), None)
    found = _TIMES.fullmatch(lines[at]) if at is not None else None
    if at is None or not found:
        return None
    start, end = (_milliseconds(*found.groups()[group : group + 4]) for group in (0, 4))
    return made(start, end, "\n".join(lines[at + 1 :]), found[9] or "")


def _milliseconds(hours: str | None, minutes: str, seconds: str, parts: str) -> int:
    return ((int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int(parts.ljust(3, "0"))


def _line(cue: Cue) -> str:
    return f"{_clock(cue.start)} --> {_clock(cue.end)}{' ' if cue.settings else ''}{cue.settings}"


def _clock(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"


def _decoded(data: bytes, kind: str) -> str:
    """The text of a file: Unicode as its first bytes say, else UTF-8, and for SubRip what Windows wrote in Europe."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) and kind == "srt":
        return data.decode("utf-16", "replace")
    try:
        return data.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError as error:
        if kind == "srt":
            return data.decode("cp1252", "replace")
        raise DamagedOriginal("a file of subtitles is not the UTF-8 that WebVTT is") from error
