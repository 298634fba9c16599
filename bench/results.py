"""What was measured, as values: rows with every round's figures, curves, and their file."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

Point = tuple[float, float]


@dataclass(frozen=True)
class Target:
    """A limit that is wanted of a row's figure: at least, or at most where `most` is true."""

    limit: float
    most: bool = False

    def met(self, figure: float) -> bool:
        """Whether a figure is as wanted."""
        return figure <= self.limit if self.most else figure >= self.limit


@dataclass(frozen=True)
class Look:
    """How good the pictures of both sides were (SSIM), and their bytes on the mean."""

    ssim: float
    ssim_theirs: float
    bytes: int
    bytes_theirs: int


@dataclass(frozen=True)
class Row:
    """One comparison with one peer: what both did in each round; without a peer the figure is ours alone."""

    what: str
    unit: str
    ours: tuple[float, ...]
    peer: str = ""
    theirs: tuple[float, ...] = ()
    target: Target | None = None
    look: Look | None = None
    settings: str = ""

    def __post_init__(self) -> None:
        if not self.ours or (self.peer and len(self.ours) != len(self.theirs)):
            raise ValueError(f"{self.what}: as many rounds of both, and one at least: {self.ours} and {self.theirs}")

    @property
    def rounds(self) -> tuple[float, ...]:
        """The figure of each round: the ratio of ours to theirs, or ours where there is no peer."""
        return tuple(one / other for one, other in zip(self.ours, self.theirs, strict=True)) if self.peer else self.ours

    @property
    def figure(self) -> float:
        """The median of the rounds' figures, which a moment's noise does not move."""
        return median(self.rounds)

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        return self.target.met(self.figure) if self.target else None


@dataclass(frozen=True)
class Comparison:
    """All that one comparison found; `foreign` is the most that others took in a round, in cores."""

    name: str
    rows: tuple[Row, ...]
    foreign: tuple[float, ...] = ()
    curves: Mapping[str, tuple[Point, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    rounds: int = 1
    seconds: float = 1.0
    machine: Mapping[str, str] = field(default_factory=dict)
    peers: Mapping[str, str] = field(default_factory=dict)  # versions by name


def to_fields(found: Comparison) -> dict[str, Any]:
    """A comparison as JSON can carry it, figures to six digits."""
    fields: dict[str, Any] = _rounded(asdict(found))
    return fields


def from_fields(fields: Mapping[str, Any]) -> Comparison:
    """The comparison again."""
    rows = tuple(
        Row(
            **{
                **row,
                "ours": tuple(row["ours"]),
                "theirs": tuple(row["theirs"]),
                "target": Target(**row["target"]) if row["target"] else None,
                "look": Look(**row["look"]) if row["look"] else None,
            }
        )
        for row in fields["rows"]
    )
    curves = {name: tuple((x, y) for x, y in points) for name, points in fields["curves"].items()}
    kept = {"rows": rows, "curves": curves, "foreign": tuple(fields["foreign"]), "notes": tuple(fields["notes"])}
    return Comparison(**{**fields, **kept})


def load(path: Path) -> dict[str, Comparison]:
    """The comparisons of a file by name; none where there is no file."""
    if not path.exists():
        return {}
    return {name: from_fields(fields) for name, fields in json.loads(path.read_text()).items()}


def merge(path: Path, found: Mapping[str, Comparison]) -> None:
    """Put comparisons into a file; others that are there stay."""
    kept = load(path) | dict(found)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({name: to_fields(kept[name]) for name in sorted(kept)}, indent=1, ensure_ascii=False)
    path.write_text(text + "\n")


def thinned(points: tuple[Point, ...], most: int) -> tuple[Point, ...]:
    """A curve of no more than so many points, each the highest of those that it stands for."""
    step = -(-len(points) // most)
    return tuple(max(points[at : at + step], key=lambda point: point[1]) for at in range(0, len(points), step or 1))


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    return value
