"""Qualities at which servers make pictures that look alike, so that speed is compared and not taste."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean

from bench.peers import OURS, PEERS, Running, Wish
from bench.results import Look
from bench.ssim import quality

ANCHOR = "IPX"
"""Whose pictures the others' are made like."""


@dataclass(frozen=True)
class Picture:
    """How a server makes a format: with which quality, how near to the original, how large."""

    wish: Wish
    ssim: float
    bytes: int

    def beside(self, theirs: "Picture") -> Look:
        """Both together."""
        return Look(self.ssim, theirs.ssim, self.bytes, theirs.bytes)


@dataclass(frozen=True)
class Taste:
    """What counts as alike in a format: the anchor's quality, from where others may begin, how far below is no matter.

    `fixed` are peers that are measured with a quality of their own, whatever it looks like.
    """

    anchor: int | None
    lowest: int
    tolerance: float
    fixed: Mapping[str, int | None]


TASTES: Mapping[str, Taste] = {
    "jpg": Taste(80, 80, 0.002, {"thumbor": 80, "imgproxy's settings": None}),
    "webp": Taste(80, 80, 0.002, {"thumbor": 80, "imgproxy's settings": None}),
    # sharp's default for AVIF is quality 50 at effort 4.
    "avif": Taste(None, 1, 0.0005, {"imgproxy's settings": None}),
}


async def alike(
    servers: Mapping[str, Running], form: str, widths: Sequence[int], original: Path, name: Callable[[], str]
) -> dict[str, Picture]:
    """For each server the wish whose results look like the anchor's, and what came of it.

    Several widths are judged together, by their mean; `name` says what to ask for.
    Without the anchor others are made like libvips with our own default.
    """
    taste = TASTES[form]

    async def made(server: str, value: int | None) -> Picture:
        wishes = [Wish(width, form, value) for width in widths]
        bodies = [(await servers[server].once(wish, name())).body for wish in wishes]
        return Picture(wishes[0], fmean(quality(original, body) for body in bodies), sum(map(len, bodies)))

    anchor = ANCHOR if ANCHOR in servers else "libvips"
    found = {anchor: await made(anchor, taste.anchor)}
    for server in servers:
        if server in taste.fixed:
            found[server] = await made(server, taste.fixed[server])
        elif server not in (anchor, "libvips"):
            found[server] = await least(partial(made, server), taste.lowest, found[anchor].ssim - taste.tolerance)
    if "libvips" in servers and anchor != "libvips":
        found["libvips"] = await made("libvips", found[OURS.name].wish.quality)
    return found


async def least(make: Callable[[int], Awaitable[Picture]], lowest: int, wanted: float) -> Picture:
    """The picture of the least quality from `lowest` on that is as near to its original as wanted; else that of 100."""
    low, high = lowest, 100
    first = await make(lowest)
    if first.ssim >= wanted:
        return first
    best = await make(high)
    while high - low > 1:
        middle = (low + high) // 2
        picture = await make(middle)
        if picture.ssim >= wanted:
            high, best = middle, picture
        else:
            low = middle
    return best


def said(name: str, picture: Picture) -> str:
    """A server's quality as people write it."""
    measure = OURS.measure if name == OURS.name else PEERS[name].measure
    if picture.wish.quality is None:
        return f"{name} default"
    return f"{name} {measure}{'' if measure.endswith('_') else ' '}{picture.wish.quality}"
