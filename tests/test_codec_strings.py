"""Codecs are named as their heads say, the way RFC 6381 wants it."""

import struct
from pathlib import Path

import pytest

from tests.clips import film
from tests.streamed import stream
from transforms.video.codecs import codecs


def _box(name: str, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, name.encode()) + body


def _head(entry: str, config: str, body: bytes, skipped: int = 78) -> bytes:
    """An init segment that holds nothing but how its samples are coded."""
    data = _box("stsd", bytes(4) + struct.pack(">I", 1) + _box(entry, bytes(skipped) + _box(config, body)))
    for name in ("stbl", "minf", "mdia", "trak", "moov"):
        data = _box(name, data)
    return _box("ftyp", b"iso6") + data


def _esds(kind: int, specific: bytes) -> bytes:
    decoder = bytes([kind]) + bytes(12) + (bytes([5, len(specific)]) + specific if specific else b"")
    inside = bytes(3) + bytes([4, 0x80, 0x80, 0x80, len(decoder)]) + decoder
    return bytes(4) + bytes([3, 0x80, 0x80, 0x80, len(inside)]) + inside


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (_head("avc1", "avcC", bytes.fromhex("0164001effe1")), "avc1.64001e"),
        (_head("avc1", "avcC", bytes.fromhex("0142c00bffe1")), "avc1.42c00b"),
        (_head("hvc1", "hvcC", bytes.fromhex("01022000000090000000000078") + bytes(10)), "hvc1.2.4.L120.90"),
        (_head("hvc1", "hvcC", bytes.fromhex("016160000000b0000000000099") + bytes(10)), "hvc1.A1.6.H153.B0"),
        (_head("vp09", "vpcC", bytes.fromhex("0100000000288202") + bytes(4)), "vp09.00.40.08"),
        (_head("av01", "av1C", bytes.fromhex("81050c00")), "av01.0.05M.08"),
        (_head("av01", "av1C", bytes.fromhex("812dcc00")), "av01.1.13H.10"),
        (_head("mp4a", "esds", _esds(0x40, bytes.fromhex("1190")), 28), "mp4a.40.2"),
        (_head("mp4a", "esds", _esds(0x40, bytes.fromhex("2b92")), 28), "mp4a.40.5"),
        (_head("mp4a", "esds", _esds(0x40, bytes.fromhex("f8500000")), 28), "mp4a.40.34"),
        (_head("mp4a", "esds", _esds(0x6B, b""), 28), "mp4a.6b"),
        (_head("Opus", "dOps", bytes(11), 28), "opus"),
        (_head("fLaC", "dfLa", bytes(42), 28), "flac"),
    ],
)
def test_a_head_names_its_codec(head: bytes, name: str) -> None:
    assert codecs(head) == name


@pytest.mark.parametrize("data", [b"", b"\0\0\0\1moov", _box("moov", b""), _head("avc1", "hvcC", b"")])
def test_what_is_no_head_has_no_codec(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        codecs(data)


def test_rungs_are_named_by_the_heads_that_players_get(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", seconds=1, size=(320, 240), sound="aac")
    streamed = stream(path)
    assert [rung.codecs for rung in streamed.plan.rungs] == ["avc1.42c00d", "mp4a.40.2"]
    for rung in streamed.plan.rungs:
        assert codecs(streamed.head(rung)) == rung.codecs
