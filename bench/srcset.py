"""A whole `srcset` of an original that nobody has asked for yet: eight widths, all asked for at once."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import fmean

from bench.alike import Picture, alike, said
from bench.inputs import fresh
from bench.peers import OURS, Running, Wish
from bench.results import Comparison, Look, Row, Target
from bench.rounds import Play, Setting, Turn, interleaved, turn
from bench.ssim import quality

WIDTHS = (320, 480, 640, 800, 1024, 1280, 1600, 1920)
JUDGED = (320, 800, 1280)  # widths by which qualities are chosen
MOST_ROUNDS = 3  # of a case with AVIF, which takes a peer half a minute of processor time
SETTLE = 0.3  # seconds after the last answer that still count: work that no answer waits for
LEFT_OUT = "imgproxy's settings"

CASES: tuple[tuple[str, tuple[str, ...], Mapping[str, float]], ...] = (
    ("8 widths, JPEG", ("jpg",), {"libvips": 0.35}),
    ("8 widths, WebP", ("webp",), {}),
    ("8 widths, JPEG, WebP and AVIF", ("jpg", "webp", "avif"), {}),
)


async def compare(setting: Setting) -> Comparison:
    """Processor time of whole process trees for one `srcset`, ours and theirs."""
    rows: list[Row] = []
    foreign: list[float] = []
    original = setting.inputs["12mp"]
    with ExitStack() as stack:
        names = stack.enter_context(fresh(setting.out))
        peers = {name: peer for name, peer in setting.peers.items() if name != LEFT_OUT}
        servers = {name: stack.enter_context(peer.start(setting.out, names.folder)) for name, peer in peers.items()}
        new = partial(names.name, original)
        chosen = {form: await alike(servers, form, JUDGED, original, new) for form in ("jpg", "webp", "avif")}
        for what, formats, wanted in CASES:
            made: dict[str, list[bytes]] = {name: [] for name in servers}
            plays = {
                name: _all_at_once(server, _wishes(name, [chosen[form] for form in formats]), new, made[name])
                for name, server in servers.items()
            }
            rounds = min(setting.rounds, MOST_ROUNDS) if "avif" in formats else setting.rounds
            turns = await interleaved(plays, replace(setting, rounds=rounds), what)
            foreign += [taken.foreign for each in turns.values() for taken in each]
            seen = {name: _seen(original, bodies) for name, bodies in made.items()}
            for peer in servers:
                if peer != OURS.name:
                    settings = "; ".join(_said(chosen[form], peer) for form in formats)
                    rows.append(_row(what, peer, turns, seen, wanted.get(peer), settings))
    return Comparison("srcset", tuple(rows), tuple(foreign))


def _wishes(name: str, chosen: list[dict[str, Picture]]) -> list[Wish]:
    return [replace(pictures[name].wish, width=width) for pictures in chosen for width in WIDTHS]


def _all_at_once(running: Running, wishes: list[Wish], new: Callable[[], str], made: list[bytes]) -> Play:
    """A turn in which all is asked for at once; `made` holds the pictures of the last one."""

    async def play() -> Turn:
        made.clear()
        source = new()
        asked = [running.ask_for(wish, source) for wish in wishes]
        return await turn(running, iter(asked), len(asked), float("inf"), SETTLE, made)

    return play


def _seen(original: Path, bodies: list[bytes]) -> tuple[float, int]:
    """The mean SSIM of pictures, and their bytes together."""
    return fmean(quality(original, body) for body in bodies), sum(map(len, bodies))


def _said(pictures: Mapping[str, Picture], peer: str) -> str:
    return f"{said(OURS.name, pictures[OURS.name])}, {said(peer, pictures[peer])}"


def _row(
    what: str,
    peer: str,
    turns: Mapping[str, list[Turn]],
    seen: Mapping[str, tuple[float, int]],
    wanted: float | None,
    settings: str,
) -> Row:
    (ssim, size), (ssim_theirs, size_theirs) = seen[OURS.name], seen[peer]
    ours, theirs = (tuple(taken.cpu for taken in turns[name]) for name in (OURS.name, peer))
    target = Target(wanted, most=True) if wanted else None
    return Row(what, "CPU s", ours, peer, theirs, target, Look(ssim, ssim_theirs, size, size_theirs), settings)
