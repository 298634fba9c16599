"""An original that was decoded once shows the same as one that is decoded each time."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import pictures
from tests.conftest import corpus
from tests.developing import original
from transforms.errors import DamagedOriginal, Refusal
from transforms.formats import FORMATS
from transforms.headers import Header
from transforms.limits import Limits
from transforms.operation import Size
from transforms.pixels import Sharing
from transforms.plan import Plan
from transforms.probe import probe
from transforms.render import Rendered, render
from transforms.shrunk import MOST_BYTES, Shrunk, wanted

PHOTO = pictures.photograph(1600, 1200)
NONE = Size(1, 1)


class Aside:
    """Pixels as one worker leaves them and another finds them: what is said of them goes over as JSON."""

    def __init__(self, folder: Path, data: bytes | Path, reach: Size = NONE) -> None:
        self.path, self.data, self.told, self.reach = folder / "aside", data, "", reach

    def first(self, text: str, form: str = "png") -> Rendered:
        """A result from the original, whose pixels are left."""
        sharing = Sharing(self.path, self.reach, lambda facts: setattr(self, "told", json.dumps(facts)))
        with original(self.data) as path:
            return self._render(path, text, form, sharing=sharing)

    def later(self, text: str, form: str = "png") -> Rendered:
        """A result from the pixels that were left."""
        return self._render(self.path, text, form, shared=self.shrunk)

    def each_time(self, text: str, form: str = "png") -> Rendered:
        """The same result as if nothing were shared."""
        with original(self.data) as path:
            return self._render(path, text, form)

    @property
    def shrunk(self) -> Shrunk:
        return Shrunk.from_dict(json.loads(self.told), self.path.stat().st_size)

    @property
    def header(self) -> Header:
        with original(self.data) as path:
            return probe(path)

    def _render(self, path: Path, text: str, form: str, **more: Any) -> Rendered:
        return render(path, self.header, Plan.read(text), FORMATS[form], "first", Limits(), **more)


def distance(one: Rendered, other: Rendered) -> float:
    a, b = (pictures.opened(made.data).numpy().astype(float) for made in (one, other))
    assert a.shape == b.shape
    return float(np.abs(a - b).mean())


ORIGINALS = {
    "plain JPEG": pictures.encoded(PHOTO, "jpg", Q=90),
    "JPEG with half the colour": pictures.encoded(PHOTO, "jpg", Q=80, subsample_mode="on"),
    "odd JPEG": pictures.encoded(PHOTO.crop(0, 0, 1597, 1195), "jpg"),
    "progressive JPEG": pictures.encoded(PHOTO, "jpg", interlace=True),
    "grey JPEG": pictures.encoded(PHOTO.colourspace("b-w"), "jpg"),
    "JPEG in CMYK": pictures.encoded(PHOTO.icc_transform("cmyk", input_profile="srgb"), "jpg"),
    "JPEG in Display P3": PHOTO.jpegsave_buffer(profile="p3"),
    "PNG": pictures.encoded(PHOTO, "png"),
    "PNG with alpha": pictures.encoded(pictures.with_alpha(PHOTO), "png"),
    "PNG of 16 bits": pictures.encoded((PHOTO.cast("ushort") * 257).copy(interpretation="rgb16"), "png"),
    "grey PNG with alpha": pictures.encoded(pictures.with_alpha(PHOTO).colourspace("b-w"), "png"),
    "WebP": pictures.encoded(PHOTO, "webp"),
    "TIFF": pictures.encoded(PHOTO, "tiff"),
    "AVIF": pictures.encoded(PHOTO.resize(0.5), "avif"),
}


@pytest.mark.parametrize("kind", ORIGINALS)
def test_a_result_of_shared_pixels_shows_the_same(kind: str, tmp_path: Path) -> None:
    aside = Aside(tmp_path, ORIGINALS[kind])
    first = aside.first("w_400")
    assert distance(first, aside.each_time("w_400")) < 0.8
    for text in ("w_400", "w_150", "c_fill,h_90,w_200", "c_fill,g_auto,h_90,w_200", "b_white,c_pad,h_200,w_200/a_90"):
        assert distance(aside.later(text), aside.each_time(text)) < 1.3, text


def test_one_side_may_grow_while_the_other_shrinks(tmp_path: Path) -> None:
    aside = Aside(tmp_path, pictures.encoded(pictures.photograph(900, 700), "jpg"))
    aside.first("c_scale,h_690,w_890")
    for text in ("c_scale,h_600,w_2400", "c_scale,h_1400,w_880"):
        assert distance(aside.later(text), aside.each_time(text)) < 1.3, text


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_stands_upright_in_every_orientation(orientation: int, tmp_path: Path) -> None:
    aside = Aside(tmp_path, pictures.oriented(orientation, "jpg", 900, 600))
    assert pictures.corners(aside.first("w_300").data) == pictures.UPRIGHT
    assert pictures.corners(aside.later("w_200").data) == pictures.UPRIGHT
    assert distance(aside.later("a_ignore,w_200"), aside.each_time("a_ignore,w_200")) < 1


def test_metadata_and_profile_go_along(tmp_path: Path) -> None:
    data = pictures.canary_jpeg()
    photo = pictures.opened(data).resize(1600 / pictures.opened(data).width)
    aside = Aside(tmp_path, photo.jpegsave_buffer(keep="all"))
    aside.first("w_400", "jpg")
    for text in ("w_300", "fl_keep_metadata/w_300", "cs_copy/w_300", "fl_force_strip/w_300"):
        later, each = aside.later(text, "jpg").data, aside.each_time(text, "jpg").data
        assert pictures.fields(later) == pictures.fields(each)
        assert pictures.canaries_in(later) == pictures.canaries_in(each)


def test_what_was_left_suffices_for_what_others_want(tmp_path: Path) -> None:
    aside = Aside(tmp_path, ORIGINALS["plain JPEG"], reach=Size(1000, 750))
    aside.first("w_100")
    assert aside.shrunk.layer(Size(1000, 750), aside.header)


@pytest.mark.parametrize(("form", "widths"), [("jpg", [2400, 1200]), ("png", [2700, 1350])])
def test_a_large_original_leaves_less_than_itself(form: str, widths: list[int], tmp_path: Path) -> None:
    big = PHOTO.resize(3)
    assert big.width * big.height * 3 > MOST_BYTES
    aside = Aside(tmp_path, pictures.encoded(big, form), reach=Size(1800, 1350))
    first = aside.first("w_300")
    assert distance(first, aside.each_time("w_300")) < 1
    assert aside.path.stat().st_size < 1.4 * MOST_BYTES
    assert [layer.width for layer in aside.shrunk.layers] == widths
    assert distance(aside.later("w_1800"), aside.each_time("w_1800")) < 1
    assert distance(aside.later("w_200"), aside.each_time("w_200")) < 1
    assert not aside.shrunk.layer(Size(3000, 2250), aside.header)


def test_a_disk_without_room_shares_nothing_and_fails_nothing(tmp_path: Path) -> None:
    aside = Aside(tmp_path / "nowhere", ORIGINALS["plain JPEG"])
    assert distance(aside.first("w_400"), aside.each_time("w_400")) < 0.8
    assert not aside.told


def test_a_damaged_original_is_refused_as_ever_and_leaves_nothing(tmp_path: Path) -> None:
    for number, kind in enumerate(("plain JPEG", "PNG", "WebP")):
        (tmp_path / str(number)).mkdir()
        aside = Aside(tmp_path / str(number), ORIGINALS[kind][: len(ORIGINALS[kind]) // 2])
        with pytest.raises(DamagedOriginal):
            aside.first("w_400")
        assert not aside.told
        assert not aside.path.exists()


def test_what_moves_has_pages_or_is_drawn_is_not_shared() -> None:
    resize, big = Plan.read("w_300"), Header("png", 3000, 2000, 1_000_000)
    assert wanted(resize, big, None) == (300, 200)
    assert wanted(Plan.read("c_scale,w_4000,h_300"), big, None) == (3000, 300)
    assert wanted(resize, replace(big, orientation=6), None) == (450, 300)
    assert wanted(Plan.read("a_ignore,w_300"), replace(big, orientation=6), None) == (300, 200)
    for other in (replace(big, kind="gif", frames=5), replace(big, kind="svg"), replace(big, kind="tiff", frames=2)):
        assert wanted(resize, other, None) is None
    assert wanted(resize, replace(big, width=300, height=200), None) is None
    assert wanted(Plan.read("e_blur:200/w_300"), big, None) is None
    assert wanted(Plan.read("f_png"), big, None) is None


def changed(facts: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    layers = [list(facts["layers"][0])]
    if isinstance(name, int):
        layers[0][name] = value
        return {**facts, "layers": layers}
    return {**facts, name: value}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((0, value) for value in (0, -1, 10**9, "x", None, 1e400, float("nan"))),
        *((2, value) for value in (-1, 10**12, None)),
        *((3, value) for value in (0, -1.0, 10**6, float("nan"), float("inf"))),
        *((5, value) for value in (0, float("nan"))),
        ("bands", 0),
        ("bands", 10**6),
        ("format", "double"),
        ("interpretation", "matrix"),
        ("resolution", [float("inf"), 1]),
        ("resolution", []),
        ("layers", []),
        ("layers", [[1, 1, 0, 1.0, 1.0, 1.3]] * 6),
        ("layers", 5),
        ("blocks", {"exif-data": [0, 10**12]}),
        ("blocks", {"exif-data": [-1, 5]}),
        ("blocks", {"other": [0, 1]}),
        ("blocks", [1]),
    ],
)
def test_what_a_worker_says_of_a_file_is_looked_through(name: Any, value: Any, tmp_path: Path) -> None:
    aside = Aside(tmp_path, ORIGINALS["plain JPEG"])
    aside.first("w_400")
    facts, size = json.loads(aside.told), aside.path.stat().st_size
    assert Shrunk.from_dict(facts, size).to_dict() == facts
    with pytest.raises(ValueError, match="shared pixels"):
        Shrunk.from_dict(changed(facts, name, value), size)
    with pytest.raises(ValueError, match="shared pixels"):
        Shrunk.from_dict(facts, size // 2)


@pytest.mark.parametrize(
    "path",
    [
        path
        for folder in ("image-photo", "image-orientation", "image-colour", "image-format", "image-png")
        for path in corpus(folder)
    ],
    ids=lambda path: path.name,
)
def test_real_originals_show_the_same(path: Path, tmp_path: Path) -> None:
    aside = Aside(tmp_path, path)
    try:
        if not wanted(Plan.read("w_200"), aside.header, None):
            return
        each, full = aside.each_time("w_200"), aside.each_time("c_crop,h_100p,w_100p/w_200")
    except Refusal:
        return
    aside.first("w_300")
    if aside.told:
        assert distance(aside.later("w_200"), full) < max(1.0, 1.1 * distance(each, full))
