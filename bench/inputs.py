"""Real photographs to measure with, from the first place that has any."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

WALLPAPERS = (Path("/usr/share/wallpapers"), Path("/usr/share/backgrounds"))
"""Where Debian's packages of photographs put theirs (plasma-workspace-wallpapers, lomiri-wallpapers-20.04)."""
LEAST_BYTES = 500_000


def photographs(say: Callable[[str], None]) -> list[Path]:
    """JPEGs, the one nearest to 12 megapixels first: of the corpus, of the system, or else drawn by ourselves."""
    from transforms.headers import read_header
    from transforms.samples import make_samples

    def megapixels(path: Path) -> float:
        with path.open("rb") as file:
            header = read_header(file, path.stat().st_size)
        return header.pixels / 1e6 if header else 0.0

    corpus = os.environ.get("DARKROOM_CORPUS")
    for folder in ([Path(corpus, "bench")] if corpus else []) + list(WALLPAPERS):
        found = [path for path in folder.rglob("*.jpg") if path.stat().st_size > LEAST_BYTES]
        if found:
            say(f"photographs: {len(found)} of {'the corpus' if corpus else folder}")
            return sorted(found, key=lambda path: abs(megapixels(path) - 12))
    say("photographs: none here, so drawn ones stand in; Debian's plasma-workspace-wallpapers has real ones")
    drawn = make_samples(Path(tempfile.mkdtemp(prefix="darkroom-bench-")))
    return sorted((path for path in drawn if path.suffix == ".jpg"), key=lambda path: abs(megapixels(path) - 12))
