"""Real photographs to measure with, what is made of them, and names for them that nobody has asked for yet."""

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyvips

from transforms.headers import Header, read_header
from transforms.samples import make_samples

WALLPAPERS = (Path("/usr/share/wallpapers"), Path("/usr/share/backgrounds"))
"""Where Debian's packages of photographs put theirs (plasma-workspace-wallpapers, lomiri-wallpapers-20.04)."""
LEAST_BYTES = 200_000

SIZES = {"1mp": (1136, 852), "12mp": (4032, 3024), "4k": (3840, 2160), "24mp": (6000, 4000)}
"""Width and height of what is made where no photograph has about that many pixels."""
ALIKE = 0.15
"""How far a photograph's pixels may be from a size's and still stand for it."""


def photographs(say: Callable[[str], None]) -> list[Path]:
    """JPEGs, the one nearest to 12 megapixels first: of the corpus, of the system, or else drawn by ourselves."""
    corpus = os.environ.get("DARKROOM_CORPUS")
    for folder in ([Path(corpus, "bench")] if corpus else []) + list(WALLPAPERS):
        found = [path for path in folder.rglob("*.jpg") if path.stat().st_size > LEAST_BYTES]
        if found:
            say(f"photographs: {len(found)} of {'the corpus' if corpus else folder}")
            return sorted(found, key=lambda path: abs(_pixels(path) - 12e6))
    say("photographs: none here, so drawn ones stand in; Debian's plasma-workspace-wallpapers has real ones")
    drawn = make_samples(Path(tempfile.mkdtemp(prefix="darkroom-bench-")))
    return sorted((path for path in drawn if path.suffix == ".jpg"), key=lambda path: abs(_pixels(path) - 12e6))


def prepared(photos: list[Path], out: Path, say: Callable[[str], None]) -> dict[str, Path]:
    """The inputs by name, copied or made into `out`: JPEGs of several sizes, one progressive, PNG and WebP."""
    folder = out / "inputs"
    folder.mkdir(parents=True, exist_ok=True)
    inputs = {name: _sized(name, photos, folder, say) for name in SIZES}
    return inputs | {name: _made(name, inputs["12mp"], folder, say) for name in _OTHERS}


def _sized(name: str, photos: list[Path], folder: Path, say: Callable[[str], None]) -> Path:
    path, (width, height) = folder / f"{name}.jpg", SIZES[name]
    if not path.exists():
        nearest = min(photos, key=lambda photo: abs(_pixels(photo) - width * height))
        if abs(_pixels(nearest) / (width * height) - 1) < ALIKE and not _progressive(nearest):
            shutil.copyfile(nearest, path)
        else:
            largest = max(photos, key=_pixels)
            say(f"  making {path.name} of {largest.name}")
            image = pyvips.Image.thumbnail(str(largest), width, height=height, crop="centre")
            image.jpegsave(str(path), Q=90, keep="none")
    return path


def _made(name: str, source: Path, folder: Path, say: Callable[[str], None]) -> Path:
    suffix, options = _OTHERS[name]
    path = folder / f"{name}{suffix}"
    if not path.exists():
        say(f"  making {path.name}")
        image = pyvips.Image.new_from_file(str(source)).autorot()
        image.write_to_file(str(path), keep="none", **options)
    return path


_OTHERS: dict[str, tuple[str, dict[str, object]]] = {
    "progressive": (".jpg", {"Q": 90, "interlace": True}),
    "png": (".png", {"compression": 6}),
    "webp": (".webp", {"Q": 80}),
}


def _pixels(path: Path) -> int:
    header = _header(path)
    return header.pixels if header else 0


def _progressive(path: Path) -> bool:
    header = _header(path)
    return header is not None and header.progressive


def _header(path: Path) -> Header | None:
    with path.open("rb") as file:
        return read_header(file, path.stat().st_size)


class Fresh:
    """A folder in which every name is new: hard links to an input, which cost nothing and are in the page cache."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = itertools.count()

    def name(self, original: Path) -> str:
        """A name that nobody has asked for."""
        name = f"{next(self._numbers)}{original.suffix}"
        try:
            os.link(original, self.folder / name)
        except OSError:  # another file system, or as many links as it can have
            shutil.copyfile(original, self.folder / name)
        return name


@contextmanager
def fresh(out: Path) -> Iterator[Fresh]:
    """Such a folder, removed in the end."""
    with tempfile.TemporaryDirectory(prefix="served-", dir=out) as folder:
        originals = Path(folder, "originals")
        originals.mkdir()
        yield Fresh(originals)
