"""A whole `srcset` of an original that nobody has asked for yet: eight widths, all asked for at once."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean

from bench.alike import Picture, alike, said
from bench.inputs import Fresh, fresh
from bench.peers import OURS, Running, Wish
from bench.results import Comparison, Look, Row, Target
from bench.rounds import Play, Setting, Turn, interleaved, turn
from bench.ssim import quality

WIDTHS = (320, 480, 640, 800, 1024, 1280, 1600, 1920)
MIDDLE = 800  # the width at which qualities are found
SETTLE = 0.3  # seconds after the last answer that still count: work that no answer waits for
LEFT_OUT = "imgproxy's settings"

CASES: tuple[tuple[str, tuple[str, ...], Mapping[str, float]], ...] = (
    ("8 widths, JPEG", ("jpg",), {"libvips": 0.35}),
    ("8 widths, WebP", ("webp",), {}),
    ("8 widths, JPEG, WebP and AVIF", ("jpg", "webp", "avif"), {}),
)


@dataclass(frozen=True)
class Set:
    """How a server makes the eight widths of one format: at one quality, how near on the mean, how many bytes."""

    middle: Picture
    ssim: float
    bytes: int

    def wishes(self) -> list[Wish]:
        """The eight."""
        return [replace(self.middle.wish, width=width) for width in WIDTHS]


async def compare(setting: Setting) -> Comparison:
    """Processor time of whole process trees for one `srcset`, ours and theirs."""
    rows: list[Row] = []
    foreign: list[float] = []
    with ExitStack() as stack:
        names = stack.enter_context(fresh(setting.out))
        peers = {name: peer for name, peer in setting.peers.items() if name != LEFT_OUT}
        servers = {name: stack.enter_context(peer.start(setting.out, names.folder)) for name, peer in peers.items()}
        original = setting.inputs["12mp"]
        sets = {form: await _sets(servers, form, original, names) for form in ("jpg", "webp", "avif")}
        for what, formats, wanted in CASES:
            plays = {
                name: _all_at_once(
                    server, [wish for form in formats for wish in sets[form][name].wishes()], original, names
                )
                for name, server in servers.items()
            }
            turns = await interleaved(plays, setting, what)
            foreign += [taken.foreign for each in turns.values() for taken in each]
            for peer in servers:
                if peer != OURS.name:
                    chosen = [sets[form] for form in formats]
                    rows.append(_row(what, peer, chosen, turns, wanted.get(peer)))
    return Comparison("srcset", tuple(rows), tuple(foreign))


def _row(
    what: str, peer: str, sets: list[dict[str, Set]], turns: Mapping[str, list[Turn]], wanted: float | None
) -> Row:
    ours, theirs = [made[OURS.name] for made in sets], [made[peer] for made in sets]
    pairs = zip(ours, theirs, strict=True)
    return Row(
        what,
        "CPU s",
        tuple(taken.cpu for taken in turns[OURS.name]),
        peer,
        tuple(taken.cpu for taken in turns[peer]),
        Target(wanted, most=True) if wanted else None,
        Look(
            fmean(made.ssim for made in ours),
            fmean(made.ssim for made in theirs),
            sum(made.bytes for made in ours),
            sum(made.bytes for made in theirs),
        ),
        "; ".join(f"{said(OURS.name, one.middle)}, {said(peer, other.middle)}" for one, other in pairs),
    )


async def _sets(servers: Mapping[str, Running], form: str, original: Path, names: Fresh) -> dict[str, Set]:
    """For each server what its pictures look like, when they are asked for one after the other."""
    found = {}
    for name, middle in (await alike(servers, form, MIDDLE, original, partial(names.name, original))).items():
        source = names.name(original)
        answers = [await servers[name].once(replace(middle.wish, width=width), source) for width in WIDTHS]
        likeness = fmean(quality(original, answer.body) for answer in answers)
        found[name] = Set(middle, likeness, sum(len(answer.body) for answer in answers))
    return found


def _all_at_once(running: Running, wishes: list[Wish], original: Path, names: Fresh) -> Play:
    async def play() -> Turn:
        source = names.name(original)
        asked = [running.ask_for(wish, source) for wish in wishes]
        return await turn(running, iter(asked), len(asked), float("inf"), SETTLE)

    return play
