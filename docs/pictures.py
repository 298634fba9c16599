"""Draws the pictures of the manual: `python -m docs.pictures` asks our own server for renditions of our own samples.

Every tile is shown with the steps of its URL. Captions need the font of Debian's fonts-dejavu-core, which
`tests/system-packages` installs.
"""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from pyvips import Image

from bench.serving import darkroom
from transforms.samples import make_samples

FOLDER = Path(__file__).parent / "images"
PAPER, INK = (248, 246, 242), (58, 54, 66)
GAP, LINE = 20, 19
MOST_BYTES = 150_000


@dataclass(frozen=True)
class Tile:
    """One rendition, and its steps under it; a line of the caption is as long as the cell has room for."""

    source: str
    steps: str


@dataclass(frozen=True)
class Sheet:
    """Tiles in rows; each cell is `width` by `height` pixels, and `lines` of caption stand under it."""

    width: int
    height: int
    lines: int
    rows: tuple[tuple[Tile, ...], ...]


CAT, BALLOONS, FLOWER, LAKE = "cats/1.jpg", "portrait-exif6.jpg", "flower.png", "landscape.jpg"

SHEETS = {
    "first-look": Sheet(
        width=288,
        height=216,
        lines=2,
        rows=(
            (
                Tile(CAT, "w_288"),
                Tile(CAT, "c_thumb,g_xy_center,h_216,w_216,x_54p,y_50p,z_2/r_max"),
                Tile(CAT, "c_fill,h_216,w_288/e_tint:80:teal"),
                Tile(CAT, "c_fill,g_east,h_216,w_162/bo_8px_solid_gold,r_24"),
            ),
            (
                Tile(LAKE, "w_288/e_sepia:90"),
                Tile(BALLOONS, "c_fill,g_north,h_216,w_288"),
                Tile(FLOWER, "b_midnightblue,c_pad,h_216,w_288"),
                Tile("print-cmyk.jpg", "h_180/a_-8"),
            ),
        ),
    ),
    "modes": Sheet(
        width=200,
        height=200,
        lines=3,
        rows=(
            (
                Tile(BALLOONS, "h_200,w_200"),
                Tile(BALLOONS, "c_scale,h_200,w_200"),
                Tile(BALLOONS, "b_lavender,c_pad,h_200,w_200"),
                Tile(BALLOONS, "b_lavender,c_fill_pad,h_120,w_200"),
                Tile(BALLOONS, "ar_16:9,c_fill,w_200"),
            ),
            (
                Tile(BALLOONS, "c_fill,h_200,w_200"),
                Tile(BALLOONS, "c_fill,g_south,h_200,w_200"),
                Tile(BALLOONS, "c_fill,g_auto,h_200,w_200"),
                Tile(BALLOONS, "h_500/c_crop,g_north_east,h_200,w_200"),
                Tile(BALLOONS, "c_thumb,g_xy_center,h_200,w_200,x_61p,y_30p,z_1.5"),
            ),
        ),
    ),
    "effects": Sheet(
        width=200,
        height=150,
        lines=1,
        rows=(
            tuple(
                Tile(CAT, f"w_200/{steps}") for steps in ("e_brightness:60", "e_contrast:60", "e_gamma:80", "e_hue:40")
            ),
            tuple(
                Tile(CAT, f"w_200/{steps}")
                for steps in ("e_saturation:90", "e_grayscale", "e_sepia", "e_tint:70:crimson")
            ),
            tuple(Tile(CAT, f"w_200/{steps}") for steps in ("e_negate", "e_blur:60", "e_sharpen:400", "e_pixelate:8")),
        ),
    ),
}


def draw(sheet: Sheet, port: int) -> Image:
    """The sheet as a picture, its tiles fetched from the server that listens on `port`."""
    down = sheet.height + 8 + sheet.lines * LINE + GAP
    size = (GAP + len(sheet.rows[0]) * (sheet.width + GAP), GAP + len(sheet.rows) * down)
    paper = (Image.black(*size, bands=3) + PAPER).cast("uchar").copy(interpretation="srgb")
    layers, across, along = [], [], []
    for row, tiles in enumerate(sheet.rows):
        for column, tile in enumerate(tiles):
            left, top = GAP + column * (sheet.width + GAP), GAP + row * down
            picture = fetched(tile, port)
            caption = written(tile.steps, sheet.width, sheet.lines)
            layers += [picture, caption]
            across += [left + (sheet.width - picture.width) // 2, left + (sheet.width - caption.width) // 2]
            along += [top + sheet.height - picture.height, top + sheet.height + 8]
    return paper.composite(layers, "over", x=across, y=along).flatten().cast("uchar")


def fetched(tile: Tile, port: int) -> Image:
    """The rendition, as a PNG so that the encoder of the sheet alone leaves marks, with its alpha."""
    with urlopen(f"http://127.0.0.1:{port}/{tile.steps}/f_png/{tile.source}") as answer:
        picture = Image.new_from_buffer(answer.read(), "").copy_memory()
    return picture if picture.hasalpha() else picture.addalpha()


def written(steps: str, width: int, lines: int) -> Image:
    """A caption, broken behind commas and slashes."""
    room = width // 8
    broken, line = [], ""
    for part in steps.replace(",", ",\n").replace("/", "/\n").split("\n"):
        if line and len(line + part) > room:
            broken.append(line)
            line = ""
        line += part
    broken.append(line)
    if len(broken) > lines:
        raise ValueError(f"{steps}: the caption takes {len(broken)} lines, not {lines}")
    text = Image.text("\n".join(broken), font="DejaVu Sans Mono 10", dpi=96, align="centre")
    return text.new_from_image(INK).bandjoin(text).copy(interpretation="srgb").cast("uchar")


def main(folder: Path) -> None:
    """Draw every sheet into a folder; ValueError for one that is too large for a page."""
    with tempfile.TemporaryDirectory(prefix="darkroom-pictures-") as place:
        make_samples(Path(place))
        with darkroom(Path(place), "--cache", "off", settings={"DARKROOM_QUEUE_SECONDS": "60"}) as port:
            for name, sheet in SHEETS.items():
                data: bytes = draw(sheet, port).jpegsave_buffer(Q=86, optimize_coding=True, interlace=True, keep="none")
                if len(data) > MOST_BYTES:
                    raise ValueError(f"{name} has {len(data)} bytes; {MOST_BYTES} are allowed")
                (folder / f"{name}.jpg").write_bytes(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
