"""Animations stay animations: frames, delays and loops, every operation on each frame with geometry decided once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pyvips import Image

from tests import pictures
from tests.conftest import corpus
from tests.developing import develop
from transforms.errors import NoSuchPage, TooManyFrames
from transforms.formats import writable
from transforms.limits import Limits
from transforms.operation import Size
from transforms.pipeline import PIPELINE
from transforms.plan import Plan
from transforms.probe import probe

MOVING = ("gif", "webp")
COLOURS = list(pictures.FRAME_COLOURS[:4])


def frames(data: bytes) -> pictures.Frames:
    return pictures.frames_of(data)


@pytest.mark.parametrize("result", MOVING)
@pytest.mark.parametrize("original", MOVING)
def test_frames_delays_and_loops_are_kept(original: str, result: str) -> None:
    for loop in (0, 1, 3, 50):
        made = develop(pictures.animated(original, delays=(40, 100, 250, 3000), loop=loop), "w_16", result)
        assert made.frames == 4
        assert made.size == (16, 12)
        assert frames(made.data).colours == COLOURS
        assert frames(made.data).delays == [40, 100, 250, 3000]
        assert frames(made.data).loop == loop


@pytest.mark.parametrize("suffix", MOVING)
@pytest.mark.parametrize("result", [row.name for row in writable("picture") if not row.animation])
def test_still_formats_take_the_first_frame(suffix: str, result: str) -> None:
    made = develop(pictures.animated(suffix), "w_16", result)
    assert (made.frames, made.size) == (1, (16, 12))
    assert pictures.corners(made.data) == ("red",) * 4


@pytest.mark.parametrize("suffix", MOVING)
@pytest.mark.parametrize("number", [1, 2, 4])
def test_a_frame_can_be_chosen(number: int, suffix: str) -> None:
    for result in ("png", *MOVING):
        made = develop(pictures.animated(suffix), f"pg_{number},w_16", result)
        assert made.frames == 1
        assert pictures.named(pictures.colour_at(made.data, 8, 6)) == COLOURS[number - 1]
        assert "n-pages" not in pictures.fields(made.data) or pictures.fields(made.data)["n-pages"] == 1


def test_a_frame_that_is_not_there_is_refused_by_name() -> None:
    for suffix in MOVING:
        with pytest.raises(NoSuchPage, match="4 pages or frames; pg_5 came"):
            develop(pictures.animated(suffix), "pg_5", "png")


@pytest.mark.parametrize("suffix", MOVING)
@pytest.mark.parametrize("kind", [kind for kind in PIPELINE if kind.step_local], ids=lambda kind: kind.__name__)
def test_every_operation_works_on_every_frame(kind: type, suffix: str) -> None:
    """Each frame of the result is what the operation makes of that frame alone."""
    data = moving(suffix)
    made = develop(data, kind.example, "webp", limits=Limits())  # type: ignore[attr-defined]
    exact = frames(develop(data, f"{kind.example},fl_lossless", "webp").data)  # type: ignore[attr-defined]
    assert made.frames == len(exact.images) == 3
    assert exact.delays == [100, 200, 300]
    for number, image in enumerate(exact.images, 1):
        alone = develop(data, f"{kind.example},pg_{number}", "png").data  # type: ignore[attr-defined]
        if kind.__name__ == "Trim":
            assert pictures.size_of(image) == made.size
            continue
        assert pictures.difference(seen(image), seen(pictures.opened(alone))).max <= 2, number


def seen(image: Image) -> Image:
    return (image if image.hasalpha() else image.bandjoin(255)).flatten(background=[255, 0, 255])


def moving(suffix: str) -> bytes:
    """Three frames of quadrants that turn, with white round them."""
    turned = [pictures.quadrants(64, 64), pictures.quadrants(64, 64).rot90(), pictures.quadrants(64, 64).rot180()]
    shown = [frame.embed(8, 8, 80, 80, extend="white") for frame in turned]
    strip = Image.arrayjoin(shown, across=1).copy()
    strip.set_type(pictures.pyvips.GValue.gint_type, "page-height", 80)
    strip.set_type(pictures.pyvips.GValue.array_int_type, "delay", [100, 200, 300])
    return pictures.encoded(strip, suffix)


def test_a_trim_is_decided_on_the_first_frame_and_holds_for_all() -> None:
    made = frames(develop(moving("gif"), "e_trim", "webp").data)
    assert [pictures.size_of(image) for image in made.images] == [(64, 64)] * 3
    assert pictures.corners(made.images[0]) == pictures.UPRIGHT
    assert pictures.corners(made.images[2]) == tuple(reversed(pictures.UPRIGHT))


def test_attention_is_decided_on_the_first_frame_and_holds_for_all() -> None:
    spots = [pictures.spot(60, 60, 200, 120, 20), pictures.spot(150, 60, 200, 120, 20)]
    strip = Image.arrayjoin(spots, across=1).copy()
    strip.set_type(pictures.pyvips.GValue.gint_type, "page-height", 120)
    made = frames(develop(pictures.encoded(strip, "webp"), "c_crop,w_60,h_60,g_auto,fl_lossless", "webp").data)
    assert [pictures.mean(image)[0] > 125 for image in made.images] == [True, False]


@pytest.mark.parametrize("text", ["w_40/a_90", "c_fill,w_20,h_30/r_max", "e_blur:40/w_30/b_white", "c_pad,w_90,h_50"])
def test_chains_of_steps_keep_every_frame(text: str) -> None:
    for suffix in MOVING:
        made = develop(pictures.animated(suffix), text, "webp")
        assert made.size == Plan.read(text).measure(Size(32, 24))[-1]
        assert frames(made.data).colours == COLOURS


def test_an_orientation_turns_every_frame() -> None:
    upright = [pictures.quadrants(), pictures.quadrants().linear(0.9, 0).cast("uchar")]
    strip = Image.arrayjoin([pictures.STORED[6](image) for image in upright], across=1).copy()
    strip.set_type(pictures.pyvips.GValue.gint_type, "page-height", 60)
    strip.set_type(pictures.pyvips.GValue.gint_type, "orientation", 6)
    made = develop(pictures.encoded(strip, "webp"), "w_30", "webp")
    assert made.size == (30, 20)
    assert [pictures.corners(image) for image in frames(made.data).images] == [pictures.UPRIGHT] * 2


def test_an_animation_of_one_frame_is_a_still() -> None:
    for suffix in MOVING:
        made = develop(pictures.animated(suffix, frames=1, delays=(100,)), "w_16", suffix)
        assert (made.frames, made.size) == (1, (16, 12))


def test_transparent_frames_stay_transparent() -> None:
    discs = [pictures.opened(pictures.svg_disc(40)), pictures.opened(pictures.svg_disc(40)).flip("vertical")]
    strip = Image.arrayjoin(discs, across=1).copy()
    strip.set_type(pictures.pyvips.GValue.gint_type, "page-height", 40)
    for suffix in MOVING:
        for result in MOVING:
            made = frames(develop(pictures.encoded(strip, suffix), "w_20", result).data)
            for image in made.images:
                assert pictures.corners(image, 0) == ("transparent",) * 4
                assert pictures.named(pictures.colour_at(image, 10, 10)) == "red"


def test_too_many_frames_are_refused() -> None:
    for limits in (Limits(frames=3), Limits(frame_megapixels=0.003)):
        with pytest.raises(TooManyFrames):
            develop(pictures.animated("gif"), "w_16", limits=limits)


MEMORY = """
import sys
from pathlib import Path
from tests.developing import develop
made = develop(Path(sys.argv[1]), "w_60", "webp")
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(made.frames, int(status["VmHWM"].split()[0]) // 1024)
"""


def test_frames_are_read_one_after_another(tmp_path: Path) -> None:
    """150 frames of 600x400 pixels take 108 MB; all of them are never held."""
    path = tmp_path / "long.gif"
    shades = [pictures.quadrants(600, 400).wrap(x=4 * number, y=0) for number in range(150)]
    strip = Image.arrayjoin(shades, across=1).copy()
    strip.set_type(pictures.pyvips.GValue.gint_type, "page-height", 400)
    path.write_bytes(pictures.encoded(strip, "gif", effort=1, dither=0))
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", MEMORY, str(path)],
        cwd=root,
        env={**os.environ, "VIPS_CONCURRENCY": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    count, megabytes = map(int, done.stdout.split())
    assert count == 150
    assert megabytes < 120


# Real files


@pytest.mark.parametrize("path", corpus("image-animated", "*.gif"), ids=lambda path: path.name)
def test_frames_are_composed_as_libvips_composes_them(path: Path) -> None:
    """Disposal to background, to the frame before, none; frames smaller than the canvas; transparency of their own."""
    for number, expected in enumerate(pictures.frames_of(path).images[:12], 1):
        made = pictures.opened(develop(path, f"pg_{number}", "png").data)
        assert pictures.difference(seen(made), seen(expected)).max == 0


@pytest.mark.parametrize("path", corpus("image-animated"), ids=lambda path: path.name)
def test_animations_of_every_tool_become_small_ones_and_stills(path: Path) -> None:
    header = probe(path)
    for result in ("webp", "jpg"):
        made = develop(path, "w_40", result)
        assert made.size.width == min(40, header.width)
        assert made.frames == (header.frames if result == "webp" and header.kind in MOVING else 1)
