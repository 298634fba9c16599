"""What some bytes are, by their content; a file's name says nothing.

Recognising is not trusting: what is named here is handed to the one reader of that format, which may still refuse it.
What is not read here is named too, so that a refusal can say what came.
"""

import re
import zlib
from typing import Final

from transforms.formats import FORMATS

HEAD: Final = 4096  # bytes that tell all but an SVG with a long comment before its root
WINDOW: Final = 65536  # bytes in which the root of an SVG is looked for

# Kind, what to call it, and how it begins; an earlier line wins. Sources: the formats' own specifications.
_OTHERS: Final = (
    ("bmp", "a BMP picture", rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0"),
    ("ico", "an icon", rb"\0\0[\x01\x02]\0(?!\0\0)"),
    ("jp2", "a JPEG 2000 picture", rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51"),
    ("psd", "a Photoshop document", rb"8BPS"),
    ("xcf", "a GIMP document", rb"gimp xcf"),
    ("hdr", "a Radiance picture", rb"#\?(?:RADIANCE|RGBE)"),
    ("exr", "an OpenEXR picture", rb"v/1\x01"),
    ("qoi", "a QOI picture", rb"qoif"),
    ("farbfeld", "a farbfeld picture", rb"farbfeld"),
    ("dds", "a DirectDraw surface", rb"DDS "),
    ("flif", "a FLIF picture", rb"FLIF"),
    ("djvu", "a DjVu document", rb"AT&TFORM"),
    ("pnm", "a PNM picture", rb"P[1-7fF]\s"),
    ("raw", "a camera's raw file", rb"FUJIFILMCCD-RAW|IIRO|IIRS|MMOR|IIU\0|\0.{3}ftypcrx "),
    ("postscript", "a PostScript document", rb"%!PS|\xc5\xd0\xd3\xc6"),
    ("flv", "an FLV film", rb"FLV\x01"),
    ("asf", "an ASF or WMV film", rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
    ("mpeg", "an MPEG film", rb"\0\0\x01[\xb3\xba]"),
    ("y4m", "a raw YUV film", rb"YUV4MPEG2"),
    ("swf", "a Flash film", rb"[FCZ]WS[\x01-\x32]"),
    ("aiff", "an AIFF sound", rb"FORM.{4}AIF[FC]"),
    ("midi", "a MIDI file", rb"MThd"),
    ("gzip", "gzip data", rb"\x1f\x8b"),
    ("zip", "a ZIP archive or an office document", rb"PK(?:\x03\x04|\x05\x06|\x07\x08)"),
    ("ole", "an old office document", rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    ("archive", "an archive", rb"7z\xbc\xaf\x27\x1c|Rar!\x1a\x07|BZh[1-9]|\xfd7zXZ\0|\x28\xb5\x2f\xfd|.{257}ustar"),
    ("program", "a program", rb"\x7fELF|MZ.{58}.{4}|\xca\xfe\xba\xbe|\xcf\xfa\xed\xfe|\0asm"),
    ("font", "a font", rb"wOF[F2]|OTTO\0|\0\x01\0\0\0.{7}[A-Za-z]"),
    ("sqlite", "an SQLite database", rb"SQLite format 3\0"),
)

_OURS: Final = (
    ("jpg", rb"\xff\xd8\xff"),
    ("png", rb"\x89PNG\r\n\x1a\n"),
    ("webp", rb"RIFF.{4}WEBP"),
    ("gif", rb"GIF8[79]a"),
    ("tiff", rb"II[\x2a\x2b]\0|MM\0[\x2a\x2b]"),
    ("jxl", rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n"),
    ("pdf", rb"(?:\xef\xbb\xbf)?\s{0,64}%PDF-"),
    ("webm", rb"\x1a\x45\xdf\xa3(?=.{0,60}\x42\x82[\x40-\x88]?.webm)"),
    ("mkv", rb"\x1a\x45\xdf\xa3"),
    ("avi", rb"RIFF.{4}AVI "),
    ("ts", rb"G(?=.{187}G.{187}G)"),
    ("mov", rb"\0.{3}(?:ftypqt  |(?:moov|mdat|wide|free|skip|pnot))"),
    ("m4a", rb"\0.{3}ftypM4[AB] "),
    ("3gp", rb"\0.{3}ftyp3g"),
    ("mp4", rb"\0.{3}ftyp(?!crx )"),
    ("wav", rb"(?:RIFF|RF64).{4}WAVE"),
    ("flac", rb"fLaC"),
    ("opus", rb"OggS(?=.{24}OpusHead)"),
    ("ogg", rb"OggS"),
    ("aac", rb"\xff[\xf0\xf1\xf8\xf9]"),
    ("mp3", rb"ID3|\xff[\xe2\xe3\xf2\xf3\xfa\xfb]"),
)

# Words that begin scripts which media libraries would follow to other files and hosts, and other text worth naming.
_TEXTS: Final = (
    ("hls", "an HLS playlist", r"#EXTM3U"),
    ("ffconcat", "an FFmpeg script", r"ffconcat\b"),
    ("sdp", "a session description", r"v=0\s"),
    ("mvg", "an ImageMagick script", r"push\s+graphic-context"),
    ("subtitles", "subtitles", r"WEBVTT|\[Script Info\]"),
)

# By the root of the document; XML of any other kind is "xml".
_ROOTS: Final = {
    "svg": "svg",
    "MPD": "dash",
    **dict.fromkeys(("html", "HTML", "head", "body", "script", "title", "iframe", "style"), "html"),
}

_STILL_BRANDS: Final = {
    **dict.fromkeys((b"avif", b"avis"), "avif"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), "heic"),
}
_GENERIC_BRANDS: Final = (b"mif1", b"mif2", b"msf1", b"miaf", b"heif")

_NOUNS: Final = {"picture": "picture", "motion": "film", "sound": "sound"}
_CALLED: Final = {
    **{kind: words for kind, words, _ in (*_OTHERS, *_TEXTS)},
    **{
        name: f"{'an' if row.title[0] in 'ASMO' else 'a'} {row.title} {_NOUNS[row.medium]}"
        for name, row in FORMATS.items()
    },
    "mkv": "a Matroska film",
    "pdf": "a PDF document",
    "html": "an HTML page",
    "dash": "a DASH manifest",
    "xml": "XML",
    "text": "plain text",
}

# Group names may not begin with a digit.
_BINARY = re.compile(
    b"|".join(b"(?P<k_%b>%b)" % (k.encode(), p) for k, p in (*_OURS, *((k, p) for k, _, p in _OTHERS))), re.DOTALL
)
_TEXT = re.compile("|".join(rf"(?P<{kind}>{pattern})" for kind, _, pattern in _TEXTS))
_CONTROLS = re.compile(r"[\0-\x08\x0e-\x1a\x1c-\x1f]")
_PROLOGUE = re.compile(r"\s+|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^\[>]*+(?:\[.*?\]\s*)?>", re.DOTALL | re.IGNORECASE)
_ROOT = re.compile(r"<(?:[\w.-]+:)?([\w.-]+)(?=[\s/>])")
_HTML = re.compile(r"<!doctype\s+html", re.IGNORECASE)


def sniff(head: bytes) -> str | None:
    """The kind of the bytes that begin with `head`: a name of `FORMATS`, or a word for `called`, or None.

    `HEAD` bytes are enough, but where they are "xml" or "gzip", `WINDOW` bytes may turn out to be "svg".
    """
    found = _BINARY.match(head)
    kind = (found.lastgroup or "")[2:] if found else None
    if kind in ("mp4", "3gp"):
        return _still(head) or kind
    if kind == "gzip":
        return "svg" if _textual(_inflated(head)) == "svg" else kind
    return kind or _textual(head)


def called(kind: str) -> str:
    """What to call a kind in a sentence: "a PNG picture", "an HLS playlist"."""
    return _CALLED[kind]


def _still(head: bytes) -> str | None:
    """The kind of an ISO file that holds a picture: by its major brand, or where that is a general one, the others."""
    major, length = head[8:12], int.from_bytes(head[:4])
    if major not in _GENERIC_BRANDS:
        return _STILL_BRANDS.get(major)
    others = (head[at : at + 4] for at in range(16, min(length, len(head), 512), 4))
    return next((_STILL_BRANDS[brand] for brand in others if brand in _STILL_BRANDS), "heic")


def _inflated(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(head, WINDOW)
    except zlib.error:
        return b""


def _textual(head: bytes) -> str | None:
    text = _decoded(head).lstrip()
    if not text or _CONTROLS.search(text, 0, HEAD):
        return None
    if text.startswith("<"):
        return _document(text)
    found = _TEXT.match(text)
    return found.lastgroup if found else "text"


def _decoded(head: bytes) -> str:
    """The text of some bytes, as far as ASCII is concerned: UTF-16 by its mark or its zeros, all else byte by byte."""
    if head.startswith((b"\xff\xfe", b"<\0")):
        return head.decode("utf-16-le", "ignore").removeprefix("\ufeff")
    if head.startswith((b"\xfe\xff", b"\0<")):
        return head.decode("utf-16-be", "ignore").removeprefix("\ufeff")
    return head.removeprefix(b"\xef\xbb\xbf").decode("latin-1")


def _document(text: str) -> str:
    if _HTML.match(text):
        return "html"
    position = 0
    while found := _PROLOGUE.match(text, position):
        position = found.end()
    root = _ROOT.match(text, position)
    return _ROOTS.get(root[1], "xml") if root else "xml"
