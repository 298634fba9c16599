"""A stream put together again: its parts made in some order, joined, and looked into box by box."""

import io
import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av

from transforms.limits import Limits
from transforms.video.boxes import boxes, found
from transforms.video.index import Index
from transforms.video.ladders import LADDERS, Ladder
from transforms.video.parts import Source
from transforms.video.planning import HEAD, part, planned
from transforms.video.stream_plan import Rung, StreamPlan


class Stream(NamedTuple):
    """A plan with its original."""

    source: Source
    plan: StreamPlan
    index: Index

    def rung(self, name: str) -> Rung:
        rung = self.plan.rung(name)
        assert rung, f"no {name} among {[rung.name for rung in self.plan.rungs]}"
        return rung

    @property
    def encoded(self) -> Rung:
        """The largest rung of pictures that is encoded."""
        return next(rung for rung in self.plan.of_kind("picture") if not rung.remux)

    def head(self, rung: Rung) -> bytes:
        return part(self.source, self.plan, rung.name, HEAD).data

    def segments(self, rung: Rung, order: Sequence[int] | None = None) -> list[bytes]:
        """All segments in their order, made in another."""
        count = len(self.plan.segments(rung))
        made = {
            number: part(self.source, self.plan, rung.name, number).data for number in order or reversed(range(count))
        }
        return [made[number] for number in sorted(made)]


def stream(path: Path, ladder: Ladder = LADDERS["auto"], **limits: Any) -> Stream:
    """Plan a stream of a film; its kind is the extension of its name."""
    source = Source(path, path.suffix[1:].lower(), Limits(**limits))
    plan, index = planned(source, ladder, "v1")
    return Stream(source, plan, index)


class Times(NamedTuple):
    """What the boxes of a segment say, in ticks."""

    begin: int
    durations: list[int]
    offsets: list[int]
    """By how much later than it is decoded each frame is shown."""

    @property
    def shown(self) -> list[int]:
        at, moments = self.begin, []
        for duration, offset in zip(self.durations, self.offsets, strict=True):
            moments.append(at + offset)
            at += duration
        return moments

    @property
    def end(self) -> int:
        return self.begin + sum(self.durations)


def times(segment: bytes) -> Times:
    """When frames are decoded and shown, from `tfdt` and `trun` (ISO/IEC 14496-12, 8.8)."""
    assert [box.name for box in boxes(segment)] == ["moof", "mdat"]
    traf = found(segment, "moof", "traf")
    assert traf
    inside = {box.name: segment[box.body : box.end] for box in boxes(segment, traf.body, traf.end)}
    version = inside["tfdt"][0]
    assert version == 1
    (begin,) = struct.unpack_from(">q", inside["tfdt"], 4)
    default = _default_duration(inside["tfhd"])
    flags, count = int.from_bytes(inside["trun"][1:4], "big"), *struct.unpack_from(">I", inside["trun"], 4)
    at = 8 + 4 * bool(flags & 1) + 4 * bool(flags & 4)
    durations, offsets = [], []
    for _ in range(count):
        fields = {}
        for bit in (0x100, 0x200, 0x400, 0x800):
            if flags & bit:
                fields[bit] = struct.unpack_from(">i" if bit == 0x800 else ">I", inside["trun"], at)[0]
                at += 4
        durations.append(fields.get(0x100, default))
        offsets.append(fields.get(0x800, 0))
    return Times(begin, durations, offsets)


def _default_duration(tfhd: bytes) -> int:
    flags = int.from_bytes(tfhd[1:4], "big")
    if not flags & 8:
        return 0
    at = 8 + 8 * bool(flags & 1) + 4 * bool(flags & 2)
    return int(struct.unpack_from(">I", tfhd, at)[0])


def pictures(data: bytes) -> list[Any]:
    """All frames that a head and the segments behind it decode to."""
    with av.open(io.BytesIO(data), format="mp4") as container:
        return list(container.decode(video=0))


def grey(frame: Any) -> Any:
    """Its brightness as an array."""
    return frame.reformat(format="gray").to_ndarray().astype(int)


def seconds(playlist: str) -> list[Fraction]:
    """The lengths of segments that a playlist tells."""
    return [
        Fraction(line.removeprefix("#EXTINF:").rstrip(","))
        for line in playlist.splitlines()
        if line.startswith("#EXTINF:")
    ]
