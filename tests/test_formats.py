"""The table of formats."""

import subprocess
import sys

import pytest

from tests import pictures
from transforms.formats import DEFAULT_QUALITY, FORMATS, Format, by_extension, reader_available, writable

WRITABLE = list(writable("picture"))


def named(row: Format) -> str:
    return row.name


@pytest.mark.parametrize(
    ("extension", "name"),
    [("jpg", "jpg"), ("jpeg", "jpg"), (".JPG", "jpg"), ("tif", "tiff"), (".svgz", "svg"), ("heif", "heic")],
)
def test_an_extension_names_its_format(extension: str, name: str) -> None:
    assert by_extension(extension) is FORMATS[name]


@pytest.mark.parametrize("extension", ["", ".", "exe", "jpg.", "..jpg"])
def test_an_unknown_extension_names_none(extension: str) -> None:
    assert by_extension(extension) is None


def test_no_two_formats_share_an_extension_or_a_media_type() -> None:
    extensions = [extension for row in FORMATS.values() for extension in row.extensions]
    assert len(set(extensions)) == len(extensions)
    # What is in an Ogg file has no media type of its own (RFC 7845, 9).
    media_types = [row.media_type for row in FORMATS.values() if row.name != "opus"]
    assert len(set(media_types)) == len(media_types)


def test_every_format_is_called_by_its_usual_extension() -> None:
    assert all(row.extensions[0] == name == row.name for name, row in FORMATS.items())


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        FORMATS["jpg"].first["interlace"] = True  # type: ignore[index]
    with pytest.raises(AttributeError):
        FORMATS["jpg"].version = 2  # type: ignore[misc]


@pytest.mark.parametrize("grade", ["first", "final"])
@pytest.mark.parametrize("row", WRITABLE, ids=named)
def test_libvips_takes_the_settings_of_every_grade(row: Format, grade: str) -> None:
    picture = pictures.gradient(64, 48)
    data = picture.write_to_buffer(row.writer, **row.settings(grade))
    written = pictures.opened(data)
    assert (written.width, written.height) == (64, 48)
    progressive = written.get_typeof("interlaced") != 0
    assert progressive == (row.name == "jpg" and grade == "final")


@pytest.mark.parametrize("row", [row for row in WRITABLE if row.refined], ids=named)
def test_the_final_grade_is_no_larger(row: Format) -> None:
    picture = pictures.photograph(300, 200)
    first, final = (picture.write_to_buffer(row.writer, **row.settings(grade)) for grade in ("first", "final"))
    assert len(final) <= len(first) * 1.02


@pytest.mark.parametrize("row", WRITABLE, ids=named)
def test_alpha_is_kept_where_the_table_says_so(row: Format) -> None:
    data = pictures.with_alpha(pictures.gradient(64, 48)).write_to_buffer(row.writer, **row.first)
    assert bool(pictures.opened(data).hasalpha()) == row.alpha


# AVIF and TIFF hold several pictures, but without times: a collection and a document. The others hold one.
@pytest.mark.parametrize("row", [FORMATS[name] for name in ("gif", "webp", "avif", "tiff")], ids=named)
def test_animation_is_kept_where_the_table_says_so(row: Format) -> None:
    moving = pictures.opened(pictures.animated(frames=3), n=-1)
    assert len(pictures.frames_of(moving.write_to_buffer(row.writer, **row.first)).delays) == 3 * row.animation


@pytest.mark.parametrize("row", [row for row in WRITABLE if row.lossless], ids=named)
def test_a_lossless_format_keeps_every_pixel(row: Format) -> None:
    asked = {"lossless": True} if row.name in ("webp", "avif") else {}
    full = {"subsample_mode": "off"} if row.name == "avif" else {}
    data = pictures.quadrants().write_to_buffer(row.writer, **{**row.first, **asked, **full})
    assert pictures.difference(pictures.opened(data).colourspace("srgb")[:3], pictures.quadrants()).max <= 1


@pytest.mark.parametrize("row", FORMATS.values(), ids=named)
def test_quality_rises_and_stays_between_1_and_100(row: Format) -> None:
    qualities = [row.quality(q) for q in range(1, 101)]
    assert qualities == sorted(qualities)
    assert qualities[0] >= 1
    assert qualities[-1] == 100


@pytest.mark.parametrize("q", [0, 101, -5])
def test_a_quality_outside_its_range_is_an_error(q: int) -> None:
    with pytest.raises(ValueError, match="1 to 100"):
        FORMATS["webp"].quality(q)


def test_a_jpeg_keeps_its_quality() -> None:
    assert [FORMATS["jpg"].quality(q) for q in (1, DEFAULT_QUALITY, 100)] == [1, 80, 100]


@pytest.mark.parametrize("name", ["webp", "avif"])
@pytest.mark.parametrize("q", [40, 80])
def test_the_same_quality_looks_alike_in_every_format(name: str, q: int) -> None:
    picture = pictures.photograph(300, 200)

    def error(row: Format) -> float:
        data = picture.write_to_buffer(row.writer, Q=row.quality(q), **row.first)
        return float(((pictures.opened(data).colourspace("b-w") - picture.colourspace("b-w")) ** 2).avg())

    assert 0.4 < error(FORMATS[name]) / error(FORMATS["jpg"]) < 2.5


def test_libvips_reads_what_the_table_gives_it_to_read() -> None:
    for row in FORMATS.values():
        assert reader_available(row.name), f"{row.reader} reads {row.title}"
    assert {row.name for row in FORMATS.values() if row.reader not in ("vips", "av")} == {"jxl", "heic", "pdf"}
    assert all((row.reader == "av") == (row.medium != "picture") for row in FORMATS.values())


def test_asking_for_a_reader_imports_nothing() -> None:
    code = """
import sys
from transforms.formats import FORMATS, reader_available
available = [reader_available(name) for name in FORMATS]
assert not {"pyvips", "av", "pi_heif", "pylibjxl", "pypdfium2"} & set(sys.modules), sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], check=True)
