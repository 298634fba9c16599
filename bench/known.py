"""Further sizes of originals that others have just asked for: what a page's `srcset` or a new layout brings."""

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from bench.alike import alike, said
from bench.inputs import fresh
from bench.peers import OURS, Running, Wish
from bench.results import Comparison, Row, Target
from bench.rounds import WARM, Setting, interleaved, turn

CLIENTS, WIDTH = 8, 600
ORIGINALS = 8
WIDTHS = range(560, 641)  # so that no two neighbours are one size
BEFORE = (320, 1200)
"""Widths that were asked for before."""

CASES = (
    ("12 MP JPEG to JPEG", "12mp", "jpg", 8.0),
    ("4K JPEG to JPEG", "4k", "jpg", 5.0),
    ("12 MP JPEG to WebP", "12mp", "webp", 3.3),
)


async def compare(setting: Setting) -> Comparison:
    """Ours and IPX, which has no memory of originals and does the whole work each time."""
    rows: list[Row] = []
    foreign: list[float] = []
    peers = {name: peer for name, peer in setting.peers.items() if name in (OURS.name, "IPX")}
    for what, kind, form, wanted in CASES if len(peers) == 2 else ():
        with ExitStack() as stack:
            names = stack.enter_context(fresh(setting.out))
            servers = {name: stack.enter_context(peer.start(setting.out, names.folder)) for name, peer in peers.items()}
            known = [names.name(setting.inputs[kind]) for _ in range(ORIGINALS)]
            for server, width, source in itertools.product(servers.values(), BEFORE, known):
                await server.once(Wish(width, form), source)
            original = setting.inputs[kind]
            pictures = await alike(servers, form, [WIDTH], original, partial(next, itertools.cycle(known)))
            for name, server in servers.items():
                await turn(server, _sizes(server, pictures[name].wish, known), CLIENTS, WARM)
            turns = await interleaved(
                {
                    name: partial(turn, server, _sizes(server, pictures[name].wish, known), CLIENTS, setting.seconds)
                    for name, server in servers.items()
                },
                setting,
                what,
            )
        rates = {name: tuple(turn.rate for turn in taken) for name, taken in turns.items()}
        look = pictures[OURS.name].beside(pictures["IPX"])
        settings = f"{said(OURS.name, pictures[OURS.name])}, {said('IPX', pictures['IPX'])}"
        rows.append(Row(what, "pictures/s", rates[OURS.name], "IPX", rates["IPX"], Target(wanted), look, settings))
        foreign += [turn.foreign for taken in turns.values() for turn in taken]
    return Comparison("known", tuple(rows), tuple(foreign))


def _sizes(server: Running, wish: Wish, known: list[str]) -> Iterator[str]:
    for width, source in zip(itertools.cycle(WIDTHS), itertools.cycle(known), strict=False):
        yield server.ask_for(replace(wish, width=width), source)
