"""Pictures of originals that nobody has asked for yet: the whole work, for eight clients at once."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial

from bench.alike import Picture, alike, said
from bench.inputs import fresh
from bench.peers import OURS
from bench.results import Comparison, Row, Target
from bench.rounds import WARM, Setting, Turn, cold_turn, interleaved

CLIENTS, WIDTH = 8, 600


@dataclass(frozen=True)
class Case:
    """An original and a format, and how many times each peer's speed is wanted."""

    what: str
    original: str
    format: str
    wanted: Mapping[str, float]
    memory: Mapping[str, float] = field(default_factory=dict)  # share of the peer's highest memory
    most_bytes: Mapping[str, float] = field(default_factory=dict)  # times the peer's bytes
    patient: float = 1.0  # times the usual length, where single pictures take long


CASES = (
    Case("12 MP JPEG to JPEG", "12mp", "jpg", {"IPX": 1.4, "thumbor": 1.4, "libvips": 1.4}),
    Case("4K JPEG to JPEG", "4k", "jpg", {"IPX": 1.4, "thumbor": 1.4, "libvips": 1.4}),
    Case("12 MP progressive JPEG to JPEG", "progressive", "jpg", {"IPX": 2.7}, memory={"IPX": 0.25}),
    Case("12 MP JPEG to WebP", "12mp", "webp", {"IPX": 1.4}),
    Case("12 MP JPEG to AVIF", "12mp", "avif", {"IPX": 10.0}, most_bytes={"IPX": 1.2}, patient=1.5),
)


async def compare(setting: Setting) -> Comparison:
    """Every case with every peer."""
    rows: list[Row] = []
    foreign: list[float] = []
    for case in CASES:
        with ExitStack() as stack:
            names = stack.enter_context(fresh(setting.out))
            servers = {
                name: stack.enter_context(peer.start(setting.out, names.folder)) for name, peer in setting.peers.items()
            }
            original = setting.inputs[case.original]
            pictures = await alike(servers, case.format, [WIDTH], original, partial(names.name, original))
            setting.say(f"{case.what}: {', '.join(said(name, picture) for name, picture in pictures.items())}")
            for name, server in servers.items():
                await cold_turn(server, pictures[name].wish, original, names, CLIENTS, WARM)()
            turns = await interleaved(
                {
                    name: cold_turn(
                        server, pictures[name].wish, original, names, CLIENTS, setting.seconds * case.patient
                    )
                    for name, server in servers.items()
                },
                setting,
                case.what,
            )
        rows += [row for name in servers if name != OURS.name for row in _rows(case, name, pictures, turns)]
        foreign += [turn.foreign for taken in turns.values() for turn in taken]
    return Comparison("cold", tuple(rows), tuple(foreign))


def _rows(case: Case, peer: str, pictures: Mapping[str, Picture], turns: Mapping[str, list[Turn]]) -> list[Row]:
    ours, theirs = pictures[OURS.name], pictures[peer]
    settings = f"{said(OURS.name, ours)}, {said(peer, theirs)}"
    wanted = case.wanted.get(peer)
    rows = [
        Row(
            case.what,
            "pictures/s",
            tuple(turn.rate for turn in turns[OURS.name]),
            peer,
            tuple(turn.rate for turn in turns[peer]),
            Target(wanted) if wanted else None,
            ours.beside(theirs),
            settings,
        )
    ]
    if share := case.memory.get(peer):
        peaks = {name: max(turn.peak for turn in turns[name]) / 1e6 for name in (OURS.name, peer)}
        target = Target(share, most=True)
        rows.append(Row(f"{case.what}, highest memory", "MB", (peaks[OURS.name],), peer, (peaks[peer],), target))
    if times := case.most_bytes.get(peer):
        target = Target(times, most=True)
        rows.append(Row(f"{case.what}, bytes", "bytes", (ours.bytes,), peer, (theirs.bytes,), target))
    return rows
