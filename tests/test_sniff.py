"""What bytes are, by their content."""

import gzip
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import pictures
from tests.conftest import corpus
from transforms.formats import FORMATS, by_extension
from transforms.sniff import HEAD, WINDOW, called, sniff

MADE = {
    **{suffix: pictures.encoded(pictures.flat(), suffix) for suffix in ("jpg", "png", "webp", "gif", "tiff", "avif")},
    "svg": pictures.svg(),
    "pdf": pictures.pdf(),
}
ROOT = b'<svg xmlns="http://www.w3.org/2000/svg"/>'


@pytest.mark.parametrize("name", MADE)
def test_a_picture_is_recognised(name: str) -> None:
    assert sniff(MADE[name][:HEAD]) == name


def box(major: bytes, *others: bytes) -> bytes:
    content = b"ftyp" + major + bytes(4) + b"".join(others)
    return (len(content) + 4).to_bytes(4) + content + b"\0\0\0\x08free"


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (box(b"avif"), "avif"),
        (box(b"avis", b"msf1"), "avif"),
        (box(b"heic", b"mif1"), "heic"),
        (box(b"heix"), "heic"),
        (box(b"mif1", b"avif", b"heic"), "avif"),
        (box(b"mif1", b"miaf", b"heic"), "heic"),
        (box(b"mif1"), "heic"),
        (box(b"isom", b"avif"), "mp4"),
        (box(b"mp42"), "mp4"),
        (box(b"M4A "), "m4a"),
        (box(b"qt  "), "mov"),
        (box(b"3gp5"), "3gp"),
        (box(b"crx "), "raw"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "jxl"),
        (b"\xff\x0a\xfa\x7f", "jxl"),
        (b"II\x2b\0\x08\0\0\0", "tiff"),
        (b"MM\0\x2a\0\0\0\x08", "tiff"),
        (b"BM" + bytes(12) + b"\x28\0\0\0", "bmp"),
        (b"BMW is a make of cars", "text"),
        (b"8BPS\0\1", "psd"),
        (b"\0\0\1\0\1\0\x10\x10", "ico"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "postscript"),
        (b"PK\3\4", "zip"),
        (b"\x1a\x45\xdf\xa3", "mkv"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm", "webm"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x88matroska", "mkv"),
        (b"OggS" + bytes(24) + b"OpusHead", "opus"),
        (b"OggS" + bytes(25) + b"vorbis", "ogg"),
        (b"FLV\1\5", "flv"),
        (b"GIF87a", "gif"),
        (b"GIF86a\0", None),
        (b"RIFF\0\0\0\0WAVE", "wav"),
        (b"", None),
        (bytes(4096), None),
    ],
)
def test_a_beginning_names_its_kind(head: bytes, kind: str | None) -> None:
    assert sniff(head) == kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (ROOT, "svg"),
        (b"\xef\xbb\xbf\n  " + ROOT, "svg"),
        (b'<?xml version="1.0"?>\n<!-- a <html> --><!DOCTYPE svg [<!ENTITY a "]b">]>' + ROOT, "svg"),
        (b'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/svg11.dtd">' + ROOT, "svg"),
        (b'<x:svg xmlns:x="http://www.w3.org/2000/svg"/>', "svg"),
        (ROOT.decode().encode("utf-16"), "svg"),
        (ROOT.decode().encode("utf-16-le"), "svg"),
        (ROOT.decode().encode("utf-16-be"), "svg"),
        (gzip.compress(ROOT), "svg"),
        (gzip.compress(b"text"), "gzip"),
        (gzip.compress(gzip.compress(ROOT)), "gzip"),
        (b"\x1f\x8b and no more", "gzip"),
        (b"<svgx/>", "xml"),
        (b"<!-- <svg> -->", "xml"),
        (b"<g><svg/></g>", "xml"),
        (b"text <svg/>", "text"),
        (b"<!doctype html><svg/>", "html"),
        (b"<html><svg/></html>", "html"),
        (b"<script>alert(1)</script>", "html"),
        (b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011">', "dash"),
        (b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n", "hls"),
        (b"ffconcat version 1.0\nfile other.mp4", "ffconcat"),
        (b"\n  ffconcat version 1.0", "ffconcat"),
        (b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n", "sdp"),
        (b"push graphic-context\nimage over 0,0 0,0 'https://127.0.0.1'", "mvg"),
        (b"[Script Info]\nTitle: x", "subtitles"),
        (b"hello", "text"),
        (b"hello\0", None),
    ],
)
def test_text_is_told_apart(text: bytes, kind: str | None) -> None:
    assert sniff(text) == kind


def test_a_root_behind_a_long_comment_takes_the_whole_window() -> None:
    late = b"<!--" + b"x" * HEAD + b"-->" + ROOT
    assert sniff(late[:HEAD]) == "xml"
    assert sniff(late[:WINDOW]) == "svg"


def test_every_format_of_ours_is_recognised_somewhere_here() -> None:
    pictures_of_ours = {name for name, row in FORMATS.items() if row.medium == "picture"}
    assert pictures_of_ours - set(MADE) == {"jxl", "heic"}


@pytest.mark.parametrize(("kind", "words"), [("png", "a PNG picture"), ("avif", "an AVIF picture"), ("xml", "XML")])
def test_a_kind_has_a_name_for_people(kind: str, words: str) -> None:
    assert called(kind) == words


def test_a_picture_of_the_corpus_is_what_its_name_says() -> None:
    for folder in (
        "bench",
        "image-animated",
        "image-colour",
        "image-format",
        "image-orientation",
        "image-photo",
        "doc",
    ):
        for path in corpus(folder):
            row = by_extension(path.suffix)
            assert not row or sniff(path.read_bytes()[:WINDOW]) == row.name, path.name


LYING = {
    "pdf_named.jpg": "pdf",
    "gzip_named.jpg": "gzip",
    "html_named.jpg": "html",
    "eps_named.jpg": "postscript",
    "svg_named.png": "svg",
    "mvg_named.png": "mvg",
    "msl_named.gif": "xml",
    "text_named.heic": "text",
    "ffconcat_named.mp4": "ffconcat",
    "ffconcat_abs.mp4": "ffconcat",
    "hls_http_named.mp4": "hls",
    "sdp_named.mp4": "sdp",
    "tty_named.mp4": "text",
    "nul_4k.webp": None,
    "svg_comment_first.svg": "svg",
    "svg_ns_prefix.svg": "svg",
    "svg_utf16_script.svg": "svg",
    "svg_utf7.svg": "xml",
    "svgz_bomb.svgz": "svg",
    "gif_html_polyglot.gif": "gif",
    "dash.mpd": "dash",
}


def test_a_lying_name_does_not_help() -> None:
    for path in corpus("hostile"):
        if path.name in LYING:
            assert sniff(path.read_bytes()[:HEAD]) == LYING[path.name], path.name


def test_no_film_and_no_sound_is_taken_for_a_picture() -> None:
    for path in (*corpus("video"), *corpus("audio")):
        kind = sniff(path.read_bytes()[:WINDOW])
        assert kind not in FORMATS or FORMATS[kind].medium != "picture", path.name


LONG = {
    "comments": b"<!---->" * 10_000,
    "declarations": b"<??>" * 20_000,
    "an open comment": b"<!--" * 20_000,
    "an open doctype": b"<!DOCTYPE svg [" + b"] " * 40_000,
    "doctypes": b"<!DOCTYPE a [" + b"]" * 70_000,
    "spaces": b"<" + b" " * 70_000,
    "inflating": gzip.compress(b"<!---->" * 1_000_000),
}


@pytest.mark.parametrize("name", LONG)
def test_nothing_takes_long_to_recognise(name: str) -> None:
    started = time.process_time()
    sniff(LONG[name][:WINDOW])
    assert time.process_time() - started < 0.05


@given(st.binary(max_size=64), st.sampled_from(sorted(MADE)), st.integers(0, 64))
def test_any_bytes_have_a_kind_that_can_be_named(noise: bytes, name: str, kept: int) -> None:
    kind = sniff(MADE[name][:kept] + noise)
    assert kind is None or called(kind)
