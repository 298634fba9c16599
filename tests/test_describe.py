"""Descriptions of originals: facts of pictures that are known, and silence about where they were taken."""

import base64
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from pyvips import Image

from tests import pictures
from tests.conftest import corpus
from transforms.describe import describe
from transforms.errors import BadOriginal
from transforms.limits import Limits
from transforms.probe import probe

PHOTOGRAPHS = {path.name: path for path in corpus("image-photo")}
EVERY_KIND = {
    "jpg": pictures.oriented(6),
    "png": pictures.rgba(),
    "grey png": pictures.grey(),
    "16 bit png": pictures.sixteen_bit(),
    "palette png": pictures.palette_png(alpha=True),
    "webp": pictures.oriented(3, "webp"),
    "gif": pictures.animated(),
    "avif": pictures.oriented(8, "avif"),
    "tiff": pictures.tiff_pages(),
    "cmyk": pictures.cmyk_jpeg(),
    "svg": pictures.svg(),
    "pdf": pictures.pdf(),
}
COLOURS = {
    "#{:02x}{:02x}{:02x}".format(*colour) for colour in (pictures.RED, pictures.GREEN, pictures.BLUE, pictures.YELLOW)
}


@pytest.fixture
def described(tmp_path: Path) -> Any:
    """Facts about some bytes or a file, as whoever asks reads them."""

    def facts(original: bytes | Path, gps: bool = False) -> Any:
        path = original if isinstance(original, Path) else tmp_path / "original"
        if isinstance(original, bytes):
            path.write_bytes(original)
        return json.loads(json.dumps(describe(path, probe(path), Limits(), gps=gps), allow_nan=False))

    return facts


def test_a_picture_is_described(described: Any) -> None:
    data = pictures.encoded(pictures.quadrants(), keep="none")
    facts = described(data)
    assert facts.pop("placeholder").startswith("data:image/webp;base64,")
    assert len(base64.b64decode(facts.pop("thumbhash"))) == 21
    assert len(facts.pop("blurhash")) == 28
    assert {swatch["colour"]: swatch["share"] for swatch in facts.pop("palette")} == dict.fromkeys(COLOURS, 0.25)
    assert facts.pop("dominant") in COLOURS
    assert facts.pop("luminance") == 0.3058
    assert facts == {
        "format": "png",
        "media_type": "image/png",
        "bytes": len(data),
        "width": 60,
        "height": 40,
        "orientation": 1,
        "aspect_ratio": {"decimal": 1.5, "terms": "3:2"},
        "colour": {"space": "rgb", "bits": 8, "alpha": False, "progressive": False},
        "average": "#ac9277",  # of the light: (172, 146, 119)
        "opaque": True,
    }


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_every_kind_of_original_has_what_a_page_needs_before_the_picture_comes(described: Any, kind: str) -> None:
    facts = described(EVERY_KIND[kind])
    needed = {"format", "media_type", "bytes", "width", "height", "aspect_ratio", "colour", "palette", "dominant"}
    assert facts.keys() >= needed | {"average", "luminance", "opaque", "blurhash", "thumbhash", "placeholder"}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_facts_are_of_the_picture_as_it_is_shown(described: Any, orientation: int) -> None:
    upright, facts = described(pictures.oriented(1)), described(pictures.oriented(orientation))
    assert (facts["width"], facts["height"], facts["orientation"]) == (60, 40, orientation)
    tiny = base64.b64decode(facts["placeholder"].partition(",")[2])
    assert pictures.size_of(tiny) == (24, 16)
    assert pictures.corners(tiny) == pictures.UPRIGHT
    assert facts["thumbhash"][:6] == upright["thumbhash"][:6]


@pytest.mark.parametrize(
    ("size", "expected"),
    [((80, 60), {"decimal": 1.3333, "terms": "4:3"}), ((101, 60), {"decimal": 1.6833})],
)
def test_an_aspect_ratio_has_terms_only_where_they_are_small(
    described: Any, size: tuple[int, int], expected: dict[str, Any]
) -> None:
    assert described(pictures.encoded(pictures.flat(pictures.RED, *size)))["aspect_ratio"] == expected


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_an_animation_has_frames_a_duration_and_a_loop(described: Any, suffix: str) -> None:
    facts = described(pictures.animated(suffix, loop=3))
    assert (facts["frames"], facts["duration"], facts["loop"]) == (4, 1000, 3)
    assert "pages" not in facts
    assert [swatch["share"] for swatch in facts["palette"]] == [1]
    pictures.assert_close([int(facts["dominant"][at : at + 2], 16) for at in (1, 3, 5)], pictures.RED, 3)


@pytest.mark.parametrize(("data", "pages"), [(pictures.tiff_pages(), 3), (pictures.pdf(), 2)])
def test_a_document_has_pages(described: Any, data: bytes, pages: int) -> None:
    facts = described(data)
    assert facts["pages"] == pages
    assert not {"frames", "duration", "loop"} & facts.keys()


def test_a_still_picture_has_neither_frames_nor_pages(described: Any) -> None:
    assert not {"frames", "pages", "duration", "loop"} & described(pictures.animated(frames=1)).keys()


def test_the_colours_of_a_jpeg_are_told_as_they_are_stored(described: Any) -> None:
    colour = described(pictures.display_p3())["colour"]
    assert "P3" in colour.pop("profile")
    assert colour == {"space": "rgb", "bits": 8, "alpha": False, "subsampling": "4:4:4", "progressive": False}
    assert described(pictures.sampled_jpeg("4:2:2"))["colour"]["subsampling"] == "4:2:2"
    assert described(pictures.progressive_jpeg())["colour"]["progressive"]
    assert described(pictures.cmyk_jpeg())["colour"]["space"] == "cmyk"


def test_palettes_are_of_the_picture_as_it_is_shown(described: Any) -> None:
    found = {swatch["colour"] for swatch in described(pictures.display_p3("png"))["palette"]}
    for shown in pictures.P3_SHOWN:
        assert any(pictures.delta_e(rgb(colour), shown).max < 2 for colour in found), (shown, found)


def rgb(colour: str) -> pictures.Colour:
    return tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5))


def test_a_picture_with_a_profile_of_its_own_is_read_to_its_end(described: Any) -> None:
    image = pictures.with_profile(pictures.photograph(900, 600), pictures.icc_profile(gamma=1.8))
    assert described(pictures.encoded(image, "jpg"))["colour"]["profile"] == "Darkroom test"


def test_one_pixel_of_many_that_is_looked_through_shows(described: Any) -> None:
    image = pictures.with_alpha(pictures.noise(900, 700), right=255)
    assert described(pictures.encoded(image))["opaque"]
    pixels = image.numpy().copy()
    pixels[350, 450, 3] = 254
    holed = Image.new_from_array(pixels, interpretation="srgb")
    assert not described(pictures.encoded(holed))["opaque"]


def test_a_picture_of_nothing_has_no_colours_but_a_placeholder(described: Any) -> None:
    facts = described(pictures.encoded(pictures.flat((10, 20, 30, 0))))
    assert facts["palette"] == []
    assert not {"dominant", "average", "luminance"} & facts.keys()
    assert not facts["opaque"]
    assert facts["placeholder"]


def test_placeholders_are_tiny_and_carry_nothing_but_pixels(described: Any) -> None:
    image = pictures.with_profile(pictures.photograph(600, 400), pictures.icc_profile())
    tiny = base64.b64decode(described(pictures.encoded(image, "jpg"))["placeholder"].partition(",")[2])
    assert len(tiny) < 400
    assert not {"exif-data", "xmp-data", "icc-profile-data"} & pictures.fields(tiny).keys()
    assert pictures.size_of(tiny) == (24, 16)


def test_what_stands_beside_the_pixels_is_told_but_not_where_they_were_taken(described: Any) -> None:
    facts = described(pictures.canary_jpeg())
    assert facts["exif"]["model"] == pictures.CANARIES["model"]
    assert facts["xmp"] == {"title": pictures.CANARIES["xmp"], "rights": pictures.CANARIES["xmp-rights"]}
    assert facts["iptc"] == {"rights": pictures.CANARIES["iptc-rights"]}
    text = json.dumps(facts)
    assert "gps" not in text
    assert not any(str(number)[:5] in text for number in pictures.GPS[:2])
    told = {"description", "model", "artist", "copyright", "xmp", "xmp-rights", "iptc-rights"}
    assert pictures.canaries_in(text.encode()) == told


def test_where_a_picture_was_taken_is_told_to_those_who_ask(described: Any) -> None:
    latitude, longitude, altitude = pictures.GPS
    found = described(pictures.canary_jpeg(), gps=True)["exif"]["gps"]
    assert (found["latitude"], found["longitude"]) == pytest.approx((latitude, longitude), abs=1e-6)
    assert found["altitude"] == altitude


def test_a_tiff_tells_its_own_tags(described: Any) -> None:
    data = bytearray(pictures.encoded(pictures.quadrants(), "tiff"))
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    table = data[start + 2 : start + 2 + 12 * count] + struct.pack("<HHI4s", 0x8298, 2, 4, b"Ada\0")
    moved = struct.pack("<H", count + 1) + table + bytes(4)
    struct.pack_into("<I", data, 4, len(data))
    assert described(bytes(data + moved))["exif"]["copyright"] == "Ada"


def test_a_block_of_lies_is_left_out(described: Any) -> None:
    lies = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 0x010F, 2, 0xFFFFFFFF, 0xFFFFFFF0, 8)
    plain = pictures.encoded(pictures.quadrants(), "jpg", keep="none")
    assert "exif" not in described(plain[:2] + pictures.segment(0xE1, lies) + plain[2:])


def test_a_large_text_does_not_blow_up_the_answer(described: Any) -> None:
    text = ("x" * 59_000).encode()
    block = b"Exif\0\0II*\0\x08\0\0\0" + pictures.ifd([(0x010E, 2, text)], 8)
    plain = pictures.encoded(pictures.quadrants(), "jpg", keep="none")
    assert len(json.dumps(described(plain[:2] + pictures.segment(0xE1, block) + plain[2:]))) < 4000


def test_a_picture_that_is_cut_is_refused(described: Any) -> None:
    data = pictures.encoded(pictures.photograph(300, 200), "jpg")
    with pytest.raises(BadOriginal):
        described(data[: len(data) // 2])


NIKON, PHONE, CANON = (
    "exif-samples__DSCN0010.jpg",
    "metadata-extra__Apple_iPhone_4.jpg",
    "metadata-extra__Canon_EOS_7D.jpg",
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (NIKON, {"make": "NIKON", "aperture": 5.9, "exposure_text": "1/75", "taken": "2008-10-22T16:28:39"}),
        (PHONE, {"make": "Apple", "focal_length": 3.85, "iso": 500, "exposure_text": "1/15", "flash": False}),
        (CANON, {"model": "Canon EOS 7D"}),
    ],
)
def test_photographs_of_real_cameras_are_read(described: Any, name: str, expected: dict[str, Any]) -> None:
    if name in PHOTOGRAPHS:
        assert described(PHOTOGRAPHS[name])["exif"].items() >= expected.items()


def test_a_real_place_is_told_only_to_those_who_ask(described: Any) -> None:
    if NIKON in PHOTOGRAPHS:
        asked, text = described(PHOTOGRAPHS[NIKON], gps=True), json.dumps(described(PHOTOGRAPHS[NIKON]))
        assert asked["exif"]["gps"] == {"latitude": 43.467448, "longitude": 11.885127, "time": "2008-10-23T14:27:07Z"}
        assert not any(word in text for word in ("gps", "43.4", "11.8"))
