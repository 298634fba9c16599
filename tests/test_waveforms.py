"""A sound as a picture of its wave: as high as it is loud, at the size and in the colour that are asked for."""

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyvips import Image

from tests import sounds
from tests.conftest import corpus
from tests.sounds import encoded, tone, wav
from transforms.audio.peaks import peaks_of
from transforms.audio.waves import check_wave, points, wave_size
from transforms.errors import ConflictingOptions, NoSuchMoment, NoSuchStream, Refusal, ResultTooLarge
from transforms.formats import FORMATS
from transforms.limits import Limits
from transforms.plan import Plan
from transforms.probe import probe
from transforms.render import render
from transforms.sniff import sniff
from transforms.wishes import Loading
from transforms.work import perform
from transforms.worker import Aside

STEPS = (0.1, 0.8, 0.0, 0.4)
Draw = Callable[..., Any]


def steps(rate: int = 8_000) -> bytes:
    """A second of sound in four parts, each as loud as it says."""
    return wav(np.concatenate([tone(0.25, rate, 1, part, 400) for part in STEPS], axis=1), rate)


@pytest.fixture
def draw(tmp_path: Path) -> Draw:
    """The pixels of a wave."""

    def drawn(options: str, form: str = "png", original: bytes = b"") -> Any:
        path = tmp_path / "original"
        path.write_bytes(original or steps())
        made = render(path, probe(path), Plan.read(options), FORMATS[form], "first", Limits())
        return Image.new_from_buffer(made.data, "")

    return drawn


@pytest.fixture
def told(tmp_path: Path) -> Draw:
    """What a worker says of a wave as SVG or JSON."""

    def asked(options: str, form: str, original: bytes = b"") -> Any:
        path = tmp_path / "original"
        path.write_bytes(original or steps())
        job = {
            "do": "wave",
            "path": str(path),
            "header": probe(path).to_dict(),
            "plan": options,
            "format": form,
            "limits": asdict(Limits()),
        }
        meta, body = perform(job, tmp_path, Aside(tmp_path / "aside", lambda facts: None))
        return meta["facts"] if form == "json" else bytes(body).decode()  # type: ignore[arg-type]

    return asked


def reach(image: Image, column: int) -> int:
    """How many pixels of a column are more than half covered."""
    return int((image[3].numpy()[:, column] > 127).sum())


def test_a_wave_is_as_high_as_the_sound_is_loud(draw: Draw) -> None:
    image = draw("e_waveform")
    assert (image.width, image.height, image.bands) == (1200, 300, 4)
    assert [reach(image, column) for column in (150, 450, 750, 1050)] == pytest.approx([30, 240, 1, 120], abs=3)


def test_a_wave_is_of_its_colour_on_nothing(draw: Draw) -> None:
    image = draw("e_waveform:ff8000,w_100,h_50")
    assert image(38, 25) == [255, 128, 0, 255]
    assert image(38, 0)[3] == 0
    assert draw("e_waveform:ff800080,w_100,h_50")(38, 25)[3] == 128
    assert draw("e_waveform")(450, 150)[:3] == [51, 102, 204]


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ("e_waveform,w_640,h_80", (640, 80)),
        ("e_waveform,w_600", (600, 150)),
        ("e_waveform,h_100", (400, 100)),
        ("e_waveform,w_50p", (600, 150)),
        ("e_waveform,w_200,h_30,dpr_2", (400, 60)),
        ("c_pad,e_waveform,w_320,h_320", (320, 320)),
        ("ar_2:1,c_fill,e_waveform,w_300", (300, 150)),
        ("e_waveform/a_90", (300, 1200)),
    ],
)
def test_a_wave_is_drawn_at_the_size_of_its_box(draw: Draw, options: str, size: tuple[int, int]) -> None:
    image = draw(options)
    assert (image.width, image.height) == size
    if size[1] < 1000:
        assert reach(image, int(size[0] * 0.375)) == pytest.approx(size[1] * 0.8, abs=2)


def test_a_part_is_cut_out_of_the_usual_wave(draw: Draw) -> None:
    image = draw("c_crop,e_waveform,g_west,w_600,h_300")
    assert [reach(image, column) for column in (150, 450)] == pytest.approx([30, 240], abs=3)


def test_other_options_go_on_top_of_a_wave(draw: Draw) -> None:
    image = draw("b_white,e_waveform:black,w_200,h_50")
    assert image(75, 25)[:3] == [0, 0, 0]
    assert image(75, 0)[:3] == [255, 255, 255]


@pytest.mark.parametrize("form", ["png", "webp", "avif", "jpg"])
def test_a_wave_is_any_picture(draw: Draw, form: str) -> None:
    image = draw("e_waveform,w_200,h_50", form)
    assert (image.width, image.height) == (200, 50)


def test_an_excerpt_fills_the_wave(draw: Draw) -> None:
    image = draw("e_waveform,so_0.25,du_0.25,w_100,h_100")
    assert [reach(image, column) for column in (5, 50, 95)] == pytest.approx([80, 80, 80], abs=2)
    with pytest.raises(NoSuchMoment):
        draw("e_waveform,so_2")


def test_both_sides_count(draw: Draw) -> None:
    samples = np.zeros((2, 48_000))
    samples[1] = tone(1.0, channels=1, level=0.5)[0]
    assert reach(draw("e_waveform,w_100,h_100", original=wav(samples)), 50) == pytest.approx(50, abs=2)


def test_a_film_has_a_wave_where_it_has_sound(draw: Draw) -> None:
    image = draw("e_waveform,w_100,h_100", original=sounds.film(1.0))
    assert reach(image, 50) == pytest.approx(25, abs=4)
    with pytest.raises(NoSuchStream):
        draw("e_waveform", original=sounds.film(0.5, sound=False))


def test_a_wave_that_would_be_too_large_is_refused(draw: Draw, told: Draw) -> None:
    with pytest.raises(ResultTooLarge):
        draw("e_waveform,w_9000,h_10")
    with pytest.raises(ResultTooLarge):
        told("e_waveform,w_9000,h_10", "svg")
    with pytest.raises(ResultTooLarge):
        told("e_waveform,w_9000", "json")


# SVG and JSON


def test_an_svg_is_one_path_that_is_as_high_as_the_sound_is_loud(told: Draw) -> None:
    text = told("e_waveform:ff0000,w_400,h_100", "svg")
    assert re.fullmatch(
        r'<svg xmlns="http://www.w3.org/2000/svg" width="400" height="100" viewBox="0 0 400 100" '
        r'preserveAspectRatio="none"><path fill="#ff0000" d="M0 50(V[\d.]+h1){400}(V[\d.]+h-1){400}z"/></svg>',
        text,
    )
    image = Image.svgload_buffer(text.encode())
    assert [reach(image, column) for column in (50, 150, 250, 350)] == pytest.approx([10, 80, 1, 40], abs=2)


def test_an_svg_may_let_what_is_behind_it_shine_through(told: Draw) -> None:
    assert 'fill-opacity="0.502"' in told("e_waveform:ff000080", "svg")


def test_peaks_are_numbers_for_a_program_that_draws_itself(told: Draw) -> None:
    facts = told("e_waveform", "json")
    assert set(facts) == {"seconds", "rate", "peaks"}
    assert (facts["seconds"], facts["rate"], len(facts["peaks"])) == (1.0, 1000.0, 1000)
    assert [facts["peaks"][place] for place in (125, 375, 625, 875)] == pytest.approx([0.1, 0.8, 0, 0.4], abs=0.02)
    assert len(json.dumps(facts)) < 10_000


def test_there_are_as_many_peaks_as_are_asked_for(told: Draw) -> None:
    facts = told("e_waveform,so_0.25,w_3", "json")
    assert (facts["seconds"], facts["rate"]) == (0.75, 4.0)
    assert facts["peaks"] == pytest.approx([0.8, 0, 0.4], abs=0.01)


def test_there_are_more_points_than_samples_where_that_is_asked_for(told: Draw) -> None:
    assert told("e_waveform,w_10", "json", wav(np.full((1, 3), 0.5), 8_000))["peaks"] == [0.5] * 10


def test_a_wave_that_is_no_pixels_takes_a_size_alone() -> None:
    for options in ("e_blur", "c_crop,w_10,h_10", "w_100/e_blur"):
        with pytest.raises(ConflictingOptions, match="a wave in SVG"):
            check_wave(Plan.read(options), "svg")
    check_wave(Plan.read("w_100,h_10"), "svg")
    assert (wave_size(Plan.read("e_blur")), points(Plan.read("h_20"))) == ((1200, 300), 1000)


def test_peaks_take_no_more_memory_for_a_longer_sound(tmp_path: Path) -> None:
    """Halved again and again, the parts still stand where they stood."""
    path = tmp_path / "long"
    samples = np.zeros((1, 600_000))
    for place in (0, 299_999, 400_123, 599_999):
        samples[0, place] = 0.5 + place / 2_000_000
    path.write_bytes(wav(samples, 8_000))
    values = peaks_of(path, probe(path), Loading(), Limits(), 600).values
    assert {int(place): round(float(values[place]), 2) for place in np.flatnonzero(values)} == {
        0: 0.5,
        299: 0.65,
        400: 0.7,
        599: 0.8,
    }


AUDIO = {path.name: path for path in corpus("audio") if sniff(path.read_bytes()[:4096]) in FORMATS}


@pytest.mark.parametrize("name", AUDIO)
def test_sounds_of_the_world_have_waves(told: Draw, name: str) -> None:
    try:
        facts = told("e_waveform,w_100", "json", AUDIO[name].read_bytes())
    except Refusal:
        return
    assert len(facts["peaks"]) == 100


def test_a_wave_of_a_lossy_sound_reaches_no_further_than_its_box(draw: Draw) -> None:
    image = draw("e_waveform,w_60,h_40", original=encoded("mp3", tone(0.5, level=1.0)))
    assert reach(image, 30) == 40
