"""Pages and drawings, and the formats that other packages read."""

import gzip
import sys
from pathlib import Path

import pylibjxl
import pytest

from tests import pictures
from tests.conftest import corpus
from tests.developing import develop
from transforms.errors import DamagedOriginal, NoSuchPage, TooManyPixels, UnsupportedFormat
from transforms.limits import Limits
from transforms.probe import probe

# Pages


def test_a_page_of_a_pdf_is_drawn_at_150_dots_an_inch() -> None:
    made = develop(pictures.pdf(), "")
    assert made.size == (125, 84)
    assert pictures.corners(made.data) == ("red",) * 4


@pytest.mark.parametrize(("text", "size", "colour"), [("pg_1", (125, 84), "red"), ("pg_2", (84, 125), "blue")])
def test_each_page_has_its_own_size(text: str, size: tuple[int, int], colour: str) -> None:
    for suffix in ("png", "jpg", "webp", "gif"):
        made = develop(pictures.pdf(), text, suffix)
        assert (made.size, made.frames) == (size, 1)
        assert pictures.corners(made.data) == (colour,) * 4
    assert develop(pictures.pdf(), f"{text},w_42", "png").size.width == 42


def test_pages_of_a_tiff_are_taken_one_by_one() -> None:
    for number, name in enumerate(pictures.FRAME_COLOURS[:3], 1):
        made = develop(pictures.tiff_pages(), f"pg_{number},w_30", "png")
        assert pictures.corners(made.data) == (name,) * 4
    assert pictures.corners(develop(pictures.tiff_pages(), "", "webp").data) == ("red",) * 4


@pytest.mark.parametrize("data", [pictures.pdf(), pictures.tiff_pages(2)], ids=["PDF", "TIFF"])
def test_a_page_that_is_not_there_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(NoSuchPage, match=r"2 pages.*; pg_3 came"):
        develop(data, "pg_3", "png")
    with pytest.raises(NoSuchPage):
        develop(pictures.encoded(pictures.quadrants()), "pg_2")


def test_every_page_is_held_against_the_limits() -> None:
    small, large = pictures.quadrants(20, 20), pictures.quadrants(400, 300)
    first, second = pictures.encoded(small, "tiff"), pictures.encoded(large, "tiff")
    data = joined_tiffs(first, second)
    assert develop(data, "pg_2", "png").size == (400, 300)
    with pytest.raises(TooManyPixels):
        develop(data, "pg_2", "png", limits=Limits(picture_megapixels=0.1))


def joined_tiffs(first: bytes, second: bytes) -> bytes:
    """Two little-endian TIFFs of one page as one of two: the second moved behind the first, its offsets with it."""
    shift = len(first) + len(first) % 2
    data = bytearray(first.ljust(shift, b"\0"))
    moved, start = bytearray(second), int.from_bytes(second[4:8], "little")
    count = int.from_bytes(second[start : start + 2], "little")
    sizes = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1}
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind = (int.from_bytes(second[entry + at : entry + at + 2], "little") for at in (0, 2))
        number = int.from_bytes(second[entry + 4 : entry + 8], "little")
        places = [entry + 8] if sizes[kind] * number > 4 or tag == 273 else []
        if tag == 273 and number > 1:
            table = int.from_bytes(second[entry + 8 : entry + 12], "little")
            places += [table + 4 * strip for strip in range(number)]
        for place in places:
            value = int.from_bytes(second[place : place + 4], "little") + shift
            moved[place : place + 4] = value.to_bytes(4, "little")
    one = int.from_bytes(first[4:8], "little")
    link = one + 2 + 12 * int.from_bytes(first[one : one + 2], "little")
    data[link : link + 4] = (start + shift).to_bytes(4, "little")
    return bytes(data + moved)


def test_a_pdf_is_as_sharp_as_it_is_large() -> None:
    made = pictures.opened(develop(pictures.pdf(), "c_scale,w_1200,h_800", "png").data)
    assert pictures.size_of(made) == (1200, 800)
    pictures.assert_close(pictures.mean(made), pictures.RED, 1)


def test_a_page_that_would_be_too_large_is_never_drawn() -> None:
    huge = pictures.pdf().replace(b"MediaBox[0 0 60 40]", b"MediaBox[0 0 90000 90000]")
    with pytest.raises(TooManyPixels, match="drawn at this size"):
        develop(huge, "")
    assert develop(huge, "w_100").size == (100, 100)


# Drawings


def test_a_drawing_has_its_own_size_and_a_transparent_ground() -> None:
    made = develop(pictures.svg_disc(), "")
    assert made.size == (40, 40)
    assert pictures.corners(made.data, 0) == ("transparent",) * 4
    assert pictures.named(pictures.colour_at(made.data, 20, 20)) == "red"
    assert pictures.corners(develop(pictures.svg_disc(), "", "jpg").data, 0) == ("white",) * 4


@pytest.mark.parametrize("text", ["c_fit,w_600", "c_scale,w_600,h_400", "c_fill,w_600,h_400", "c_pad,w_600,h_400"])
def test_a_drawing_is_sharp_at_any_size(text: str) -> None:
    made = pictures.opened(develop(pictures.svg(), text).data)
    assert pictures.size_of(made) == (600, 400)
    for x, colour in ((298, pictures.RED), (301, pictures.GREEN)):
        assert pictures.colour_at(made, x, 20)[:3] == colour
    row = [pictures.colour_at(made, x, 200)[:3] for x in range(600)]
    assert sum(colour == (255, 255, 255) for colour in row) in range(97, 101)  # the disc's diameter is a hundred


def test_a_drawing_made_smaller_is_drawn_smaller() -> None:
    assert pictures.corners(develop(pictures.svg(600, 400), "w_30").data) == pictures.UPRIGHT
    assert develop(pictures.svg(600, 400), "c_fill,w_20,h_20").size == (20, 20)


SIZES = {
    'width="100%" height="100%" viewBox="0 0 80 40"': 2.0,
    'viewBox="0 0 80 40"': 2.0,
    'width="2in" height="1in"': 2.0,
    'width="80" height="80" viewBox="0 0 80 40"': 1.0,
}


@pytest.mark.parametrize(("attributes", "ratio"), SIZES.items())
def test_drawings_without_a_size_in_pixels_have_their_ratio(attributes: str, ratio: float) -> None:
    data = f'<svg xmlns="http://www.w3.org/2000/svg" {attributes}><rect width="80" height="40" fill="red"/></svg>'
    made = develop(data.encode(), "c_fit,w_200")
    assert made.size == (200, round(200 / ratio))
    assert pictures.named(pictures.colour_at(made.data, 100, made.size.height // 2)) not in ("transparent", "white")


def test_a_drawing_may_be_compressed() -> None:
    made = develop(gzip.compress(pictures.svg()), "w_30")
    assert made.size == (30, 20)
    assert pictures.corners(made.data) == pictures.UPRIGHT


DECLARED = {
    "an entity": '<!DOCTYPE svg [<!ENTITY a "b">]>',
    "a file": '<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/hostname">]>',
    "a parameter": '<!DOCTYPE svg [<!ENTITY % a SYSTEM "http://127.0.0.1/">%a;]>',
    "an attribute list": '<!DOCTYPE svg [<!ATTLIST svg a CDATA "b">]>',
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("declared", DECLARED.values(), ids=DECLARED)
def test_a_drawing_that_declares_anything_is_refused(declared: str, encoding: str) -> None:
    data = (declared + pictures.svg().decode()).encode(encoding)
    for text in (data, gzip.compress(data)):
        with pytest.raises((DamagedOriginal, UnsupportedFormat)):
            develop(text, "w_30")


def test_the_declaration_of_drawing_programs_is_allowed() -> None:
    head = (
        '<?xml version="1.0"?><!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" '
        '"http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">'
    )
    assert develop(head.encode() + pictures.svg(), "").size == (60, 40)


def test_a_drawing_that_inflates_to_too_much_is_refused() -> None:
    bomb = pictures.svg().replace(b"</svg>", b" " * 20_000_000 + b"</svg>")
    for data in (bomb, gzip.compress(bomb)):
        with pytest.raises(DamagedOriginal, match="more than 16 MiB"):
            develop(data, "w_30")


@pytest.mark.parametrize("name", ["file", "relative", "data"])
def test_a_drawing_loads_nothing_from_outside(name: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(pictures.encoded(pictures.flat(pictures.RED, 20, 20)))
    links = {"file": secret.as_uri(), "relative": "secret.png", "data": "data:image/png,nonsense"}
    drawing = tmp_path / "drawing.svg"
    drawing.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="20" height="20">'
        f'<image width="20" height="20" href="{links[name]}" xlink:href="{links[name]}"/></svg>'
    )
    assert pictures.corners(develop(drawing, "").data) == ("transparent",) * 4


def test_a_drawing_that_would_be_too_large_is_never_drawn() -> None:
    huge = pictures.svg(100_000, 100_000)
    with pytest.raises(TooManyPixels):
        develop(huge, "")
    assert develop(huge, "w_100").size == (100, 100)


# Other packages


def jxl(image: pictures.Image) -> bytes:
    return bytes(pylibjxl.encode(image.numpy(), lossless=True))


def test_jpeg_xl_is_read() -> None:
    made = develop(jxl(pictures.quadrants()), "w_30", "png")
    assert made.size == (30, 20)
    assert pictures.corners(made.data) == pictures.UPRIGHT
    exact = develop(jxl(pictures.with_alpha(pictures.quadrants())), "").data
    assert pictures.difference(exact, pictures.with_alpha(pictures.quadrants())).max == 0


@pytest.mark.parametrize(
    ("data", "package"),
    [
        (jxl(pictures.quadrants()), "pylibjxl"),
        (pictures.pdf(), "pypdfium2"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40), "pi_heif"),
    ],
    ids=["JPEG XL", "PDF", "HEIC"],
)
def test_a_format_whose_package_is_missing_is_refused_with_its_name(
    data: bytes, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UnsupportedFormat, match=f"the package {package} is missing"):
        develop(data, "w_30")


@pytest.mark.parametrize(
    "data",
    [jxl(pictures.quadrants())[:30], pictures.pdf()[:200], b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40)],
    ids=["JPEG XL", "PDF", "HEIC"],
)
def test_what_other_packages_cannot_read_is_damaged(data: bytes) -> None:
    with pytest.raises(DamagedOriginal):
        develop(data, "w_30")


@pytest.mark.parametrize(
    "path", corpus("image-format", "*.[hH][eE][iI][cC]") + corpus("image-format", "*.jxl"), ids=lambda path: path.name
)
def test_pictures_of_telephones_and_of_the_conformance_suite_are_read(path: Path) -> None:
    header = probe(path)
    made = develop(path, "w_120", "png")
    assert abs(made.size.height - 120 * header.height / header.width) <= 1
    assert pictures.opened(made.data).deviate() > 5
    assert pictures.fields(made.data).get("orientation", 1) == 1


@pytest.mark.parametrize("path", corpus("doc", "*.pdf"), ids=lambda path: path.name)
def test_documents_of_other_programs_are_drawn_or_ask_for_a_password(path: Path) -> None:
    if "password" in path.name:
        with pytest.raises(DamagedOriginal, match="password"):
            develop(path, "w_200")
    else:
        made = pictures.opened(develop(path, "w_400").data)
        assert 150 < made.avg() < 255


@pytest.mark.parametrize("path", corpus("doc", "*.svg*"), ids=lambda path: path.name)
def test_drawings_of_other_programs_are_drawn(path: Path) -> None:
    if "ENTITY" in path.name:
        with pytest.raises(DamagedOriginal, match="declares entities"):
            develop(path, "w_200")
    else:
        assert pictures.opened(develop(path, "c_fit,w_200").data)[3].max() > 150
