"""What a result tells of its original: author and copyright, no more unless asked, and never the place unless asked."""

import struct

import pytest

from tests import pictures
from tests.conftest import corpus
from tests.developing import develop
from transforms.exif import read_exif
from transforms.facts import Facts
from transforms.formats import writable
from transforms.metadata import kept_exif, kept_iptc, kept_xmp

WRITTEN = [row.name for row in writable("picture")]
WITH_EXIF = ["jpg", "png", "webp", "avif"]
TOLD = {"artist", "copyright"}
DESCRIBED = TOLD | {"description", "model", "serial"}


def facts(data: bytes, gps: bool = True) -> Facts:
    """What the EXIF of a result says."""
    block = bytes(pictures.fields(data).get("exif-data", b"")).removeprefix(b"Exif\0\0")
    return read_exif(lambda start, length: block[start : start + length], gps=gps)


def xmp_of(data: bytes) -> bytes:
    return bytes(pictures.fields(data).get("xmp-data", b""))


def canary_tiff() -> bytes:
    """A TIFF with author, copyright, description, camera and place in its own directories."""
    order, plain = "<", pictures.encoded(pictures.quadrants(), "tiff", bigtiff=False)
    (start,) = struct.unpack_from(order + "I", plain, 4)
    (count,) = struct.unpack_from(order + "H", plain, start)
    entries = []
    for tag, kind, number, place in struct.iter_unpack(order + "HHII", plain[start + 2 : start + 2 + 12 * count]):
        length = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1}[kind] * number
        held = struct.pack(order + "I", place)[:length] if length <= 4 else plain[place : place + length]
        entries.append((tag, kind, held))
    names = {0x010E: "description", 0x0110: "model", 0x013B: "artist", 0x8298: "copyright"}
    entries += [pictures.ascii_entry(tag, pictures.CANARIES[name]) for tag, name in names.items()]
    return plain[:4] + struct.pack(order + "I", len(plain)) + plain[8:] + pictures.ifd(entries, len(plain))


ORIGINALS = {
    "JPEG": pictures.canary_jpeg(),
    "JPEG on its side": pictures.canary_jpeg(6),
    **{suffix: pictures.canary(suffix) for suffix in ("png", "webp", "avif")},
    "TIFF": canary_tiff(),
}


@pytest.mark.parametrize("suffix", WRITTEN)
@pytest.mark.parametrize("data", ORIGINALS.values(), ids=ORIGINALS)
def test_results_tell_author_and_copyright_and_nothing_else(data: bytes, suffix: str) -> None:
    for text in ("", "w_30", "f_auto", "c_fill,w_20,h_20/e_blur:20"):
        made = develop(data, text, suffix).data
        assert pictures.canaries_in(made) == (TOLD if suffix in WITH_EXIF else set())
        assert set(facts(made)) <= {*TOLD, "orientation"}
        assert not xmp_of(made)
        assert "jpeg-thumbnail-data" not in pictures.fields(made)


@pytest.mark.parametrize("suffix", WRITTEN)
@pytest.mark.parametrize("data", ORIGINALS.values(), ids=ORIGINALS)
def test_metadata_is_kept_where_that_is_asked_for_but_not_the_place(data: bytes, suffix: str) -> None:
    made = develop(data, "fl_keep_metadata,w_30", suffix).data
    assert pictures.canaries_in(made) & {"gps", "thumbnail", "maker", "comment", "trailer"} == set()
    assert "gps" not in facts(made)
    if suffix in WITH_EXIF:
        assert pictures.canaries_in(made) >= TOLD | {"description", "model"}
        assert facts(made).get("orientation", 1) == 1
    if suffix in ("jpg", "png", "webp", "avif", "tiff") and b"adobe:ns:meta" in data:
        assert pictures.CANARIES["xmp"].encode() in xmp_of(made)


def test_all_that_a_camera_wrote_down_is_kept_where_that_is_asked_for() -> None:
    made = develop(pictures.canary_jpeg(6), "fl_keep_metadata,w_30", "jpg").data
    before, after = facts(pictures.canary_jpeg(6), gps=False), facts(made)
    assert after == {**before, "orientation": 1}
    assert pictures.canaries_in(made) == DESCRIBED | {"xmp", "xmp-rights", "caption", "iptc-rights"}


@pytest.mark.parametrize("suffix", WITH_EXIF)
def test_the_place_is_kept_where_that_is_asked_for_too(suffix: str) -> None:
    made = develop(pictures.canary_jpeg(), "fl_keep_gps,fl_keep_metadata,w_30", suffix).data
    assert facts(made)["gps"] == facts(pictures.canary_jpeg())["gps"]
    assert "gps" in pictures.canaries_in(made)
    assert pictures.canaries_in(made) & {"thumbnail", "maker", "comment", "trailer"} == set()


@pytest.mark.parametrize("suffix", WRITTEN)
@pytest.mark.parametrize("data", ORIGINALS.values(), ids=ORIGINALS)
def test_nothing_is_told_where_that_is_asked_for(data: bytes, suffix: str) -> None:
    made = develop(data, "fl_force_strip,w_30", suffix).data
    assert pictures.canaries_in(made) == set()
    assert not {"exif-data", "xmp-data", "iptc-data", "icc-profile-data"} & set(pictures.fields(made))


ENDS = {"jpg": b"\xff\xd9", "png": b"IEND\xaeB`\x82", "gif": b"\x3b"}


@pytest.mark.parametrize(("suffix", "end"), ENDS.items())
def test_nothing_follows_the_end_of_a_result(suffix: str, end: bytes) -> None:
    for text in ("", "w_30", "fl_keep_metadata.keep_gps"):
        assert develop(pictures.canary_jpeg(), text, suffix).data.endswith(end)


def test_a_webp_is_as_long_as_it_says() -> None:
    made = develop(pictures.canary_jpeg(), "w_30", "webp").data
    assert struct.unpack_from("<I", made, 4)[0] + 8 == len(made)


@pytest.mark.parametrize(
    "text", ["© Jürgen Müller", "Foo (Bar) Inc., ASCII, 3 components", "日本", "x " * 300, "Ann\0Bob"]
)
def test_names_come_through_letter_by_letter_however_often(text: str) -> None:
    entries = [(tag, 2, text.encode() + b"\0") for tag in (0x013B, 0x8298)]
    block = b"II*\0\x08\0\0\0" + pictures.ifd(entries, 8)
    data = pictures.encoded(pictures.quadrants(), "jpg", keep="none")
    data = data[:2] + pictures.segment(0xE1, b"Exif\0\0" + block) + data[2:]
    for suffix in WITH_EXIF:
        data = develop(data, "w_50", suffix).data
        assert text.encode() in data
    assert facts(data)["copyright"] == facts(develop(data, "", "jpg").data)["copyright"]


# The blocks themselves


def read_block(block: bytes, start: int, length: int) -> bytes:
    return block[start : start + length]


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_block_of_either_byte_order_is_written_anew(order: str) -> None:
    head = b"II*\0" if order == "<" else b"MM\0*"
    text = b"somebody\0"
    entry = struct.pack(order + "HHII", 0x8298, 2, len(text), 26)
    block = head + struct.pack(order + "IH", 8, 1) + entry + bytes(4) + text
    kept = kept_exif(lambda start, length: read_block(block, start, length))
    assert kept.startswith(b"Exif\0\0" + head)
    assert read_exif(lambda start, length: kept[6 + start : 6 + start + length], gps=True) == {"copyright": "somebody"}


@pytest.mark.parametrize(
    "block",
    [b"", b"II", b"II*\0", b"II*\0\xff\xff\xff\xff", b"II*\0\x08\0\0\0", b"II*\0\x08\0\0\0\xff\xff" + b"\xff" * 60],
    ids=["empty", "two bytes", "no directory", "far away", "cut", "nonsense"],
)
def test_a_broken_block_is_none(block: bytes) -> None:
    assert kept_exif(lambda start, length: read_block(block, start, length), everything=True, gps=True) == b""


def test_directories_that_point_to_themselves_are_read_once() -> None:
    block = b"II*\0\x08\0\0\0" + pictures.ifd([(0x8769, 4, struct.pack("<I", 8)), (0x8825, 4, struct.pack("<I", 8))], 8)
    assert len(kept_exif(lambda start, length: read_block(block, start, length), everything=True, gps=True)) < 400


PLACES = [
    b'<rdf:Description exif:GPSLatitude="48,51.5N" dc:title="t"/>',
    b"<rdf:Description exif:GPSLatitude = '48,51.5N'\n dc:title='t'/>",
    b"<exif:GPSLatitude>48,51.5N</exif:GPSLatitude><dc:title>t</dc:title>",
    b"<exif:GPSLatitude\n>48,51.5N</exif:GPSLatitude ><dc:title>t</dc:title>",
    b'<exif:GPSPosition rdf:parseType="Resource"><rdf:value>48.5</rdf:value></exif:GPSPosition><dc:title>t</dc:title>',
    b"<exifEX:GPSLatitude/><dc:title>t</dc:title><tiff:Orientation>6</tiff:Orientation>",
    b'<xmp:Thumbnails><rdf:Alt><rdf:li xmpGImg:image="AAAA48,51"/></rdf:Alt></xmp:Thumbnails><dc:title>t</dc:title>',
]


@pytest.mark.parametrize("packet", PLACES)
def test_places_thumbnails_and_orientation_are_cut_out_of_xmp(packet: bytes) -> None:
    kept = kept_xmp(packet)
    assert b"title" in kept
    for gone in (b"GPS", b"48", b"Orientation", b"Thumbnails"):
        assert gone not in kept


@pytest.mark.parametrize(
    "packet",
    [
        b'<!DOCTYPE x [<!ENTITY g "GPS">]><x/>',
        b'<x xmlns="http://ns.adobe.com/exif/1.0/"><GPSLatitude>48</GPSLatitude></x>',
        "<exif:GPSLatitude>48</exif:GPSLatitude>".encode("utf-16"),
        b"<exif:GPSLatitude>48",
        b"x" * 70_000,
    ],
    ids=["declaration", "no prefix", "UTF-16", "not closed", "long"],
)
def test_xmp_that_cannot_be_understood_is_dropped(packet: bytes) -> None:
    assert kept_xmp(packet) == b""


def test_a_place_in_xmp_stays_where_that_is_asked_for() -> None:
    assert b"48,51" in kept_xmp(PLACES[0], gps=True)


def test_many_openings_without_an_end_take_no_time() -> None:
    assert kept_xmp(b"<x:GPS>" * 8000) == b""
    assert kept_xmp(b"<x:GPSX " * 190 + b" " * 50_000) == b""


def test_captions_come_out_of_photoshops_block_alone() -> None:
    def resource(kind: int, data: bytes, name: bytes = b"") -> bytes:
        name = bytes([len(name)]) + name + bytes((len(name) + 1) % 2)
        return b"8BIM" + struct.pack(">H", kind) + name + struct.pack(">I", len(data)) + data + bytes(len(data) % 2)

    caption, thumbnail = resource(0x0404, b"\x1c\x02\x78\0\x05hello"), resource(0x040C, b"CANARY")
    head = b"Photoshop 3.0\0"
    for block in (thumbnail + caption, caption + thumbnail, resource(0x03ED, b"abc", b"name") + thumbnail + caption):
        assert kept_iptc(head + block) == head + caption
    assert kept_iptc(head + thumbnail) == kept_iptc(head) == kept_iptc(b"") == kept_iptc(head + b"8BIM\x04") == b""
    assert kept_iptc(head + b"8BIM\x03\xed\0\0\xff\xff\xff\xff") == b""


# Real files


@pytest.mark.parametrize("path", corpus("image-photo") + corpus("image-format", "*photo*"), ids=lambda path: path.name)
def test_no_picture_of_a_camera_tells_where_it_was_taken(path: object) -> None:
    for text, suffix in (("w_100", "jpg"), ("w_100,fl_keep_metadata", "jpg"), ("w_100,fl_keep_metadata", "webp")):
        made = develop(path, text, suffix).data  # type: ignore[arg-type]
        assert "gps" not in facts(made)
        assert b":GPS" not in xmp_of(made)
        assert not [name for name in pictures.fields(made) if name.startswith("exif-ifd3")]
