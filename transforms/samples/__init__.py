"""Pictures, a film and a sound for a first look, made by our own code: the same on every run, and nobody else's."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from pyvips import GValue, Image

from transforms.samples import (
    aurora,
    balloons,
    bells,
    cat,
    flower,
    graphics,
    landscape,
    lighthouse,
    paper,
    poster,
    silk,
)


def _exif(taken: str, exposure: str, sensitivity: int, length: int, place: tuple[float, float, int]) -> dict[str, str]:
    """EXIF fields as libvips names them; the place is degrees north and east, and metres."""

    def sexagesimal(degrees: float) -> str:
        minutes = degrees % 1 * 60
        return f"{int(degrees)}/1 {int(minutes)}/1 {round(minutes % 1 * 6000)}/100"

    north, east, high = place
    return {
        "exif-ifd0-Make": "Darkroom",
        "exif-ifd0-Model": "Paintbox",
        "exif-ifd0-Artist": "Darkroom contributors",
        "exif-ifd0-Copyright": "Darkroom contributors, Apache-2.0",
        "exif-ifd0-DateTime": taken,
        "exif-ifd2-DateTimeOriginal": taken,
        "exif-ifd2-ExposureTime": exposure,
        "exif-ifd2-FNumber": "18/10",
        "exif-ifd2-ISOSpeedRatings": str(sensitivity),
        "exif-ifd2-FocalLength": f"{length}/1",
        "exif-ifd2-LensModel": f"Brush {length} mm f/1.8",
        "exif-ifd3-GPSLatitudeRef": "N",
        "exif-ifd3-GPSLatitude": sexagesimal(north),
        "exif-ifd3-GPSLongitudeRef": "E",
        "exif-ifd3-GPSLongitude": sexagesimal(east),
        "exif-ifd3-GPSAltitude": f"{high}/1",
    }


def _jpeg(image: Image, orientation: int = 1, exif: dict[str, str] | None = None) -> bytes:
    image = image.copy()
    image.set_type(GValue.gint_type, "orientation", orientation)
    for name, text in (exif or {}).items():
        image.set_type(GValue.gstr_type, name, text)
    return _saved(image, ".jpg", Q=92, optimize_coding=True)


def _saved(image: Image, suffix: str, **saving: Any) -> bytes:
    data: bytes = image.write_to_buffer(suffix, **saving)
    return data


def _portrait() -> bytes:
    # Turned in memory: pixels asked for in columns would be painted several times.
    lying = balloons.paint().copy_memory().rot270()
    return _jpeg(lying, 6, exif=_exif("2024:05:11 05:52:19", "1/500", 100, 50, (38.6431, 34.8289, 1170)))


NIGHT = _exif("2024:10:17 22:41:08", "1/15", 3200, 85, (41.0256, 28.9744, 61))
EVENING = _exif("2024:09:02 19:31:44", "1/250", 100, 24, (46.3636, 14.0938, 475))

# The files by name; the slowest stand first, so that two threads end together.
SAMPLES: dict[str, Callable[[], bytes]] = {
    "cats/1.jpg": lambda: _jpeg(cat.paint(), exif=NIGHT),
    "landscape.jpg": lambda: _jpeg(landscape.paint(), exif=EVENING),
    "portrait-exif6.jpg": _portrait,
    "lighthouse.mp4": lighthouse.film,
    "paper.tiff": lambda: _saved(paper.paint(), ".tiff", compression="deflate", predictor="horizontal"),
    # The encoder cuts the picture by the number of threads: between machines its bytes differ, not its look.
    "aurora.avif": lambda: _saved(aurora.paint(), ".avif", Q=70, effort=1, bitdepth=10),
    "print-cmyk.jpg": lambda: _jpeg(poster.paint()),
    "wide-gamut.jpg": lambda: _jpeg(silk.paint()),
    "clock.gif": lambda: _saved(graphics.clock(), ".gif", dither=0.6, effort=5),
    "flower.png": lambda: _saved(flower.paint(), ".png"),
    "icon.svg": graphics.icon,
    "bells.flac": bells.sound,
}


def make_samples(folder: Path, progress: Callable[[str], None] | None = None) -> list[Path]:
    """Paint the samples that the folder does not have yet and return the paths of all.

    `progress` is told the name of each new file when it is whole. A file that exists is left alone, whatever it holds.
    """
    missing = [name for name in SAMPLES if not (folder / name).exists()]
    with ThreadPoolExecutor(2) as pool:
        for done in as_completed([pool.submit(_write, folder, name) for name in missing]):
            name = done.result()
            if progress:
                progress(name)
    return [folder / name for name in SAMPLES]


def _write(folder: Path, name: str) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(SAMPLES[name]())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return name
