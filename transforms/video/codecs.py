"""Codecs as players want them named (RFC 6381), read from the heads that decoders read.

A name that says more or less than the head makes a player leave the rung out, silently.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from transforms.video.boxes import boxes, found

_VISUAL: Final = 78  # bytes of a sample entry of pictures before the boxes in it, and of sound (ISO/IEC 14496-12, 12)
_AUDIO: Final = 28

_ES, _DECODER, _SPECIFIC = 3, 4, 5  # tags of descriptors of ISO/IEC 14496-1, 7.2.2
_MPEG4_AUDIO: Final = 0x40


def codecs(head: bytes) -> str:
    """The name of the codec of an init segment's one track. Raises ValueError for what is none."""
    table = found(head, "moov", "trak", "mdia", "minf", "stbl", "stsd")
    entry = next(boxes(head, table.body + 8, table.end), None) if table else None
    if entry is None:
        raise ValueError("an init segment without a description of its samples")
    if entry.name in _WITHOUT_MORE:
        return _WITHOUT_MORE[entry.name]
    name, skipped, named = _NAMED[entry.name]
    for box in boxes(head, entry.body + skipped, entry.end):
        if box.name == name:
            return named(entry.name, head[box.body : box.end])
    raise ValueError(f"a sample entry {entry.name} without {name}")


def _avc(entry: str, config: bytes) -> str:
    """ISO/IEC 14496-15, 5.3.3.1: profile, what it is compatible with, level."""
    return f"{entry}.{config[1:4].hex()}"


def _hevc(entry: str, config: bytes) -> str:
    """ISO/IEC 14496-15, 8.3.3.1 and annex E.3: the compatibility flags are written from the last one to the first."""
    space = ("", "A", "B", "C")[config[1] >> 6]
    tier = "H" if config[1] & 0x20 else "L"
    flags = int(f"{int.from_bytes(config[2:6], 'big'):032b}"[::-1], 2)
    constraints = config[6:12].rstrip(b"\0")
    rest = "".join(f".{byte:X}" for byte in constraints)
    return f"{entry}.{space}{config[1] & 31}.{flags:X}.{tier}{config[12]}{rest}"


def _vp9(entry: str, config: bytes) -> str:
    """VP Codec ISO Media File Format Binding: behind version and flags profile, level, bits."""
    return f"{entry}.{config[4]:02}.{config[5]:02}.{config[6] >> 4:02}"


def _av1(entry: str, config: bytes) -> str:
    """AV1 Codec ISO Media File Format Binding, 5: the short form, since some players refuse the long one."""
    profile, level = config[1] >> 5, config[1] & 31
    tier = "H" if config[2] & 0x80 else "M"
    bits = 8 if not config[2] & 0x40 else 12 if config[2] & 0x20 else 10
    return f"{entry}.{profile}.{level:02}{tier}.{bits:02}"


def _mpeg4_audio(entry: str, config: bytes) -> str:
    """ISO/IEC 14496-1, 7.2.6: the kind of object, and for MPEG-4 sound what kind of that."""
    stream = _descriptor(config[4:], _ES)
    decoder = _descriptor(stream[3:], _DECODER)
    if decoder[0] != _MPEG4_AUDIO:
        return f"{entry}.{decoder[0]:x}"
    first, second = (*_descriptor(decoder[13:], _SPECIFIC), 0, 0)[:2]
    kind = first >> 3
    if kind == 31:
        kind = 32 + ((first & 7) << 3 | second >> 5)
    return f"{entry}.{decoder[0]:x}.{kind}"


def _descriptor(data: bytes, tag: int) -> bytes:
    """The contents of the first descriptor of a tag among some that lie side by side."""
    at = 0
    while at + 2 <= len(data):
        found_tag, at, size = data[at], at + 1, 0
        while at < len(data):
            byte, at = data[at], at + 1
            size = size << 7 | byte & 0x7F
            if not byte & 0x80:
                break
        if found_tag == tag:
            return data[at : at + size]
        at += size
    raise ValueError(f"no descriptor {tag}")


_WITHOUT_MORE: Final[Mapping[str, str]] = MappingProxyType(
    {"Opus": "opus", "fLaC": "flac", "ac-3": "ac-3", "ec-3": "ec-3"}
)
_NAMED: Final[Mapping[str, tuple[str, int, Callable[[str, bytes], str]]]] = MappingProxyType(
    {
        "avc1": ("avcC", _VISUAL, _avc),
        "hvc1": ("hvcC", _VISUAL, _hevc),
        "vp09": ("vpcC", _VISUAL, _vp9),
        "av01": ("av1C", _VISUAL, _av1),
        "mp4a": ("esds", _AUDIO, _mpeg4_audio),
    }
)
"""By sample entry: the box with what is to be known, how many bytes come before it, and how it is named."""
