"""What stands beside the pixels: EXIF, XMP, IPTC and profile names, told truly and lied about."""

import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import pictures
from tests.pictures import CANARIES, Entry, ascii_entry, ifd, rationals
from transforms.captions import read_iptc, read_xmp
from transforms.exif import read_exif
from transforms.facts import LONGEST, Facts, clean
from transforms.icc import profile_name


def read(block: bytes, gps: bool = True) -> Facts:
    return read_exif(lambda start, length: block[start : start + length], gps=gps)


def block_of(*picture: Entry, shot: tuple[Entry, ...] = (), place: tuple[Entry, ...] = ()) -> bytes:
    """An EXIF block with these entries in its directories of the picture, the shot and the place."""
    starts = [0, 0]
    for _ in range(2):  # once to learn the sizes, once with the places that follow from them
        pointers = [(tag, 4, struct.pack("<I", start)) for tag, start in zip((0x8769, 0x8825), starts, strict=True)]
        main = ifd([*picture, *pointers], 8)
        starts[0] = 8 + len(main)
        detail = ifd(shot, starts[0])
        starts[1] = starts[0] + len(detail)
    return b"II*\0\x08\0\0\0" + main + detail + ifd(place, starts[1])


def big_endian(orientation: int) -> bytes:
    return b"MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)


def place(latitude: tuple[str, float], longitude: tuple[str, float], *more: Entry) -> bytes:
    (north, up), (east, across) = latitude, longitude
    return block_of(
        place=(
            ascii_entry(0x0001, north),
            rationals(0x0002, up, 0, 0),
            ascii_entry(0x0003, east),
            rationals(0x0004, across, 0, 0),
            *more,
        )
    )


def test_the_facts_of_a_camera_are_read_under_readable_names() -> None:
    facts = read(pictures.exif(6))
    latitude, longitude, altitude = pictures.GPS
    assert facts.pop("gps") == {
        "latitude": pytest.approx(latitude, abs=1e-6),
        "longitude": pytest.approx(longitude, abs=1e-6),
        "altitude": altitude,
    }
    assert facts == {
        "make": "Darkroom",
        "model": CANARIES["model"],
        "description": CANARIES["description"],
        "artist": CANARIES["artist"],
        "copyright": CANARIES["copyright"],
        "orientation": 6,
        "lens": "Darkroom 50 mm",
        "focal_length": 50,
        "aperture": 2.8,
        "iso": 200,
        "exposure": 0.008,
        "exposure_text": "1/125",
        "taken": "2024-06-01T12:34:56",
    }


def test_the_place_is_left_out_unless_it_is_asked_for() -> None:
    assert "gps" not in read(pictures.exif(), gps=False)


def test_serial_numbers_notes_and_thumbnails_are_never_told() -> None:
    told = json.dumps(read(pictures.exif())).encode()
    assert pictures.canaries_in(told) == {"model", "description", "artist", "copyright"}


def test_both_byte_orders_are_read() -> None:
    assert read(big_endian(8)) == {"orientation": 8}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        ((1, 250), "1/250"),
        ((10, 2500), "1/250"),
        ((1, 4), "1/4"),
        ((1, 2), "0.5"),
        ((30, 1), "30"),
        ((1200, 1), "1200"),
    ],
)
def test_an_exposure_is_told_as_cameras_show_it(seconds: tuple[int, int], text: str) -> None:
    facts = read(block_of(shot=((0x829A, 5, struct.pack("<II", *seconds)),)))
    assert facts["exposure_text"] == text
    assert facts["exposure"] == pytest.approx(seconds[0] / seconds[1])


def test_a_time_has_its_fraction_and_its_offset_where_they_are_known() -> None:
    time = ascii_entry(0x9003, "2025:06:01 16:59:26")
    assert read(block_of(shot=(time,)))["taken"] == "2025-06-01T16:59:26"
    more = (ascii_entry(0x9291, "023 "), ascii_entry(0x9011, "+02:00"))
    assert read(block_of(shot=(time, *more)))["taken"] == "2025-06-01T16:59:26.023+02:00"
    assert read(block_of(shot=(time, ascii_entry(0x9011, "summer"))))["taken"] == "2025-06-01T16:59:26"


@pytest.mark.parametrize(
    "time", ["0000:00:00 00:00:00", "    :  :     :  :  ", "2025:13:01 00:00:00", "2025:02:30 25:00:00"]
)
def test_a_time_that_never_was_is_left_out(time: str) -> None:
    assert "taken" not in read(block_of(shot=(ascii_entry(0x9003, time),)))


def test_the_digitisation_stands_in_for_a_time_that_is_missing() -> None:
    assert read(block_of(shot=(ascii_entry(0x9004, "2001:02:03 04:05:06"),)))["taken"] == "2001-02-03T04:05:06"


@pytest.mark.parametrize(("flags", "fired"), [(0x19, True), (0x10, False)])
def test_a_flash_fired_or_not(flags: int, fired: bool) -> None:
    assert read(block_of(shot=((0x9209, 3, struct.pack("<H", flags)),)))["flash"] is fired


def test_south_and_west_and_below_the_sea_are_negative() -> None:
    below = ((0x0005, 1, b"\1"), rationals(0x0006, 12.5))
    found = read(place(("S", 33.5), ("W", 70.25), *below))["gps"]
    assert found == {"latitude": -33.5, "longitude": -70.25, "altitude": -12.5}


def test_the_time_of_the_satellites_is_universal() -> None:
    time = (rationals(0x0007, 14, 27, 7.24), ascii_entry(0x001D, "2008:10:23"))
    assert read(block_of(place=time))["gps"] == {"time": "2008-10-23T14:27:07Z"}


@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [
        (("N", 90.5), ("E", 10)),
        (("N", 10), ("E", 181)),
        (("", 10), ("E", 10)),
        (("N", 10), ("?", 10)),
    ],
)
def test_half_a_place_is_none(latitude: tuple[str, float], longitude: tuple[str, float]) -> None:
    assert "gps" not in read(place(latitude, longitude))


def test_fractions_of_nothing_are_left_out() -> None:
    nothing = struct.pack("<II", 0, 0)
    shot = tuple((tag, 5, nothing) for tag in (0x829A, 0x829D, 0x920A))
    where = (ascii_entry(1, "N"), (2, 5, nothing * 3), ascii_entry(3, "E"), (4, 5, nothing * 3), (6, 5, nothing))
    assert read(block_of(shot=shot, place=where)) == {}


def test_texts_are_one_short_line() -> None:
    texts = (
        (0x010E, 2, b"one\r\n\ttwo\x07three\0four\0"),
        (0x010F, 2, b"M" * 60_000),
        (0x0110, 2, "caf\u00e9\u202e".encode()),
        (0x013B, 2, b"caf\xe9 \xff\0"),
        (0x8298, 2, b"photographer\0editor\0"),
        (0x0131, 2, b" \0"),
    )
    facts = read(block_of(*texts))
    make = facts.pop("make")
    assert isinstance(make, str)
    assert len(make) == LONGEST
    assert facts == {
        "description": "one two three",
        "model": "caf\u00e9",
        "artist": "caf\u00e9 \u00ff",
        "copyright": "photographer, editor",
    }


def entry(tag: int, kind: int, count: int, place: int) -> bytes:
    return struct.pack("<HHII", tag, kind, count, place)


@pytest.mark.parametrize(
    "table",
    [
        entry(0x010F, 2, 0xFFFFFFFF, 8),
        entry(0x010F, 2, 10, 0xFFFFFFF0),
        entry(0x8769, 4, 1, 8) + entry(0x8825, 4, 1, 8),
        entry(0x0112, 5, 0x20000001, 0),
        entry(0x0112, 99, 1, 0),
        entry(0x0112, 3, 0, 1),
        entry(0x0112, 3, 1, 9),
    ],
    ids=["count", "offset", "loop", "overflow", "kind", "empty", "orientation"],
)
def test_a_lying_entry_is_left_out(table: bytes) -> None:
    block = b"II*\0\x08\0\0\0" + struct.pack("<H", len(table) // 12) + table + struct.pack("<I", 8)
    facts = read(block)
    facts.pop("make", None)  # as much of a text as is there
    assert facts == {}


@given(st.binary(max_size=200), st.sampled_from((b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"")))
def test_no_bytes_make_the_reader_fail(tail: bytes, head: bytes) -> None:
    json.dumps(read(head + tail), allow_nan=False)


@given(st.lists(st.tuples(st.integers(0, len(pictures.exif()) - 1), st.integers(0, 255)), max_size=12), st.data())
def test_no_damage_to_a_block_makes_the_reader_fail(changes: list[tuple[int, int]], data: st.DataObject) -> None:
    block = bytearray(pictures.exif())
    for at, value in changes:
        block[at] = value
    facts = read(bytes(block[: data.draw(st.integers(0, len(block)))]))
    assert len(json.dumps(facts, allow_nan=False)) < 20 * 6 * LONGEST


def test_clean_keeps_scripts_and_joins_of_any_language() -> None:
    assert clean("Überraschung 写真 \U0001f468\u200d\U0001f469\u200d\U0001f467") == (
        "Überraschung 写真 \U0001f468\u200d\U0001f469\u200d\U0001f467"
    )


@given(st.one_of(st.text(), st.binary()))
def test_clean_text_can_be_written_anywhere(text: str | bytes) -> None:
    found = clean(text)
    assert found is None or (found == found.strip() != "" and not any(ord(c) < 32 for c in found))
    json.dumps(found, ensure_ascii=False).encode()


def test_xmp_tells_title_creator_and_rights() -> None:
    assert read_xmp(pictures.xmp()) == {"title": CANARIES["xmp"], "rights": CANARIES["xmp-rights"]}
    creators = (
        '<x xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        "<dc:creator><r:Seq><r:li>Ada</r:li><r:li> </r:li><r:li>Grace</r:li></r:Seq></dc:creator></x>"
    )
    assert read_xmp(creators.encode()) == {"creator": "Ada, Grace"}


def entities() -> bytes:
    nested = "".join(
        f'<!ENTITY {name} "{f"&{inner};" * 10}">' for name, inner in zip("bcdefghij", "abcdefghi", strict=True)
    )
    return f'<!DOCTYPE x [<!ENTITY a "ha">{nested}]><x>&j;</x>'.encode()


@pytest.mark.parametrize(
    "packet",
    [b"", b"<x", b"\xff\xfe<\0", entities(), b"<a>" * 9000 + b"</a>" * 9000, b"<x/>" + b" " * 100_000, b"<x>\0</x>"],
    ids=["empty", "cut", "utf16", "entities", "deep", "long", "zero"],
)
def test_xmp_that_cannot_be_read_tells_nothing(packet: bytes) -> None:
    assert read_xmp(packet) == {}


def test_iptc_tells_title_creator_and_rights_bare_or_in_a_photoshop_block() -> None:
    assert read_iptc(pictures.iptc()) == {"rights": CANARIES["iptc-rights"]}
    records = b"".join(
        struct.pack(">BBBH", 0x1C, 2, kind, len(text)) + text
        for kind, text in ((5, b"Title"), (80, b"Ada"), (80, b"Grace"))
    )
    assert read_iptc(records) == {"title": "Title", "creator": "Ada, Grace"}
    other = b"8BIM" + struct.pack(">H", 0x03ED) + b"\x04name\0" + struct.pack(">I", 3) + b"abc\0"
    resource = b"8BIM" + struct.pack(">HHI", 0x0404, 0, len(records)) + records
    assert read_iptc(b"Photoshop 3.0\0" + other + resource) == {"title": "Title", "creator": "Ada, Grace"}


@given(st.binary(max_size=60), st.sampled_from((b"", b"Photoshop 3.0\x008BIM\x04\x04\0\0", b"8BIM", b"\x1c\x02\x05")))
def test_no_bytes_make_iptc_fail(tail: bytes, head: bytes) -> None:
    json.dumps(read_iptc(head + tail))


def named_profile(description: bytes) -> bytes:
    head = bytes(36) + b"acsp" + bytes(88)
    return head + struct.pack(">I4sII", 1, b"desc", 144, len(description)) + description


def localised(*names: tuple[bytes, str]) -> bytes:
    table, texts, start = b"", b"", 16 + 12 * len(names)
    for language, name in names:
        text = name.encode("utf-16-be")
        table += struct.pack(">2s2sII", language, b"ZZ", len(text), start + len(texts))
        texts += text
    return b"mluc" + struct.pack(">4xII", len(names), 12) + table + texts


def test_a_profile_is_named_as_it_calls_itself() -> None:
    assert profile_name(pictures.icc_profile()) == "Darkroom test"
    assert profile_name(named_profile(localised((b"de", "Anzeige"), (b"en", "Display P3")))) == "Display P3"
    assert profile_name(named_profile(localised((b"ja", "写真")))) == "写真"


@pytest.mark.parametrize("profile", [b"", bytes(128), named_profile(b"")[:-8], named_profile(b"mluc" + b"\xff" * 20)])
def test_a_profile_without_a_name_has_none(profile: bytes) -> None:
    assert profile_name(profile) is None


@given(st.binary(max_size=80), st.sampled_from((b"mluc", b"desc", b"")))
def test_no_bytes_make_a_profile_fail(tail: bytes, kind: bytes) -> None:
    found: Any = profile_name(named_profile(kind + tail))
    json.dumps(found)
