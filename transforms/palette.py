"""The colours of a picture: the few that it consists of, their average, and how bright it is."""

from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from transforms.light import LINEAR, LUMINANCE, Pixels, Values, coverage, encoded, oklab

_LEVELS: Final = 16  # of each channel, in cells that colours are counted in
_ROUNDS: Final = 8
_SAME: Final = 0.08  # a distance in Oklab that two colours of a palette must have
_LEAST: Final = 0.005  # share of the picture

Groups: TypeAlias = NDArray[np.intp]


class Swatch(NamedTuple):
    """A colour of a palette, and which share of what is seen of the picture it stands for (0 to 1)."""

    colour: str
    share: float


def palette(pixels: Pixels, most: int = 8) -> list[Swatch]:
    """Up to `most` colours that differ visibly, the one with the largest share first; none where nothing is seen.

    Cells of like colours are gathered around centres (k-means in Oklab, begun at heavy cells far from each other). Each
    group is shown by the colour of its heaviest cell, one that is in the picture; groups that look the same are joined.
    """
    shares, colours = _cells(pixels)
    if not shares.size:
        return []
    places = oklab(LINEAR[colours.round().astype(np.uint8)])
    centres = _begun(places, shares, most)
    for _ in range(_ROUNDS):
        centres = _means(places, shares, _nearest(places, centres))
    groups = _nearest(places, centres)
    while len(shown := _heaviest(shares, groups)) > 1:
        apart = _squares(places[shown], places[shown]) + np.diag(np.full(len(shown), np.inf))
        if apart.min() > _SAME**2:
            break
        one, other = np.unravel_index(apart.argmin(), apart.shape)
        groups[groups == groups[shown[other]]] = groups[shown[one]]
    found = (Swatch(_hex(colours[cell]), round(float(shares[groups == groups[cell]].sum()), 3)) for cell in shown)
    return sorted((swatch for swatch in found if swatch.share >= _LEAST), key=lambda swatch: -swatch.share)


def average(pixels: Pixels) -> str | None:
    """The colour of all the picture's light mixed, "#rrggbb"; None where nothing is seen."""
    light = _mixed(pixels)
    return None if light is None else _hex(encoded(light))


def luminance(pixels: Pixels) -> float | None:
    """The relative luminance of all the picture's light, 0 to 1 (as in WCAG 2.2); None where nothing is seen."""
    light = _mixed(pixels)
    return None if light is None else round(float(light @ LUMINANCE), 4)


def _mixed(pixels: Pixels) -> Values | None:
    flat, seen = pixels[..., :3].reshape(-1, 3), coverage(pixels).ravel()
    weight = seen.sum()
    if not weight:
        return None
    mixed: Values = np.array([np.bincount(channel, seen, 256) @ LINEAR for channel in flat.T]) / weight
    return mixed


def _cells(pixels: Pixels) -> tuple[Values, Values]:
    """The share and the mean colour (0 to 255) of each cell that something falls into."""
    flat, seen = pixels[..., :3].reshape(-1, 3), coverage(pixels).ravel()
    cell = (flat // (256 // _LEVELS)).astype(np.int64) @ (_LEVELS**2, _LEVELS, 1)
    weights = np.bincount(cell, seen)
    sums = np.stack([np.bincount(cell, seen * channel) for channel in flat.T], axis=1)
    held = weights > 0
    return weights[held] / max(weights.sum(), 1e-9), sums[held] / weights[held, None]


def _begun(places: Values, shares: Values, most: int) -> Values:
    """The heaviest place, then always the one that is heaviest for its distance from those chosen before."""
    chosen = [int(shares.argmax())]
    apart = _squares(places, places[chosen])[:, 0]
    while len(chosen) < most and apart.max() > _SAME**2:
        chosen.append(int((shares * apart).argmax()))
        apart = np.minimum(apart, _squares(places, places[chosen[-1:]])[:, 0])
    return places[chosen]


def _squares(places: Values, centres: Values) -> Values:
    squares: Values = ((places[:, None] - centres) ** 2).sum(axis=2)
    return squares


def _nearest(places: Values, centres: Values) -> Groups:
    groups: Groups = _squares(places, centres).argmin(axis=1)
    return groups


def _means(places: Values, shares: Values, groups: Groups) -> Values:
    """The middle of each group that is not empty."""
    weights = np.bincount(groups, shares)
    sums = np.stack([np.bincount(groups, shares * axis) for axis in places.T], axis=1)
    return sums[weights > 0] / weights[weights > 0, None]


def _heaviest(shares: Values, groups: Groups) -> list[int]:
    """The heaviest cell of each group."""
    return [int(np.where(groups == group, shares, -1).argmax()) for group in np.unique(groups)]


def _hex(colour: Values) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour.round().astype(int))
