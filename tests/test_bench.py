"""The arithmetic and the page of the bench; what it measures is not asked here."""

import asyncio
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import plots, report, results, ssim, wrk
from bench.__main__ import COMPARISONS, PAGE, SUMMARY
from bench.alike import Picture, least
from bench.inputs import fresh
from bench.peers.darkroom import darkroom_path
from bench.peers.ipx import ipx_path
from bench.peers.libvips import job
from bench.peers.peer import Wish
from bench.peers.thumbor import thumbor_path
from bench.results import Comparison, Look, Row, Target
from signing import Address
from tests import pictures
from transforms.formats import FORMATS
from transforms.plan import Plan


def test_a_picture_is_like_itself() -> None:
    picture = ssim.decoded(pictures.encoded(pictures.photograph(120, 80), "png"))
    assert ssim.ssim(picture, picture) == pytest.approx(1.0)


def test_flat_pictures_are_compared_by_brightness_alone() -> None:
    """Without variance the index is (2ab + C1) / (a² + b² + C1)."""
    one, other = (np.full((20, 30, 3), value, np.uint8) for value in (100, 150))
    c1 = 2.55**2
    expected = (2 * 100 * 150 + c1) / (100**2 + 150**2 + c1)
    assert ssim.ssim(one, other) == pytest.approx(expected, abs=1e-4)


def test_a_negative_is_unlike() -> None:
    rising = np.tile(np.linspace(0, 255, 40).astype(np.uint8)[:, None], (40, 1, 3))
    assert ssim.ssim(rising, 255 - rising) < 0


def test_more_noise_is_less_alike() -> None:
    picture = ssim.decoded(pictures.encoded(pictures.photograph(120, 80), "png"))
    noise = np.random.default_rng(1).normal(0.0, 1.0, (*picture.shape[:2], 1))
    noisy = [np.clip(picture + strength * noise, 0, 255).astype(np.uint8) for strength in (2, 8, 32)]
    values = [ssim.ssim(picture, one) for one in noisy]
    assert values == sorted(values, reverse=True)
    assert values[0] > 0.9 > values[-1]


def test_pictures_of_two_sizes_are_not_compared() -> None:
    with pytest.raises(ValueError, match="one size"):
        ssim.ssim(np.zeros((20, 20, 3), np.uint8), np.zeros((20, 21, 3), np.uint8))


def test_a_rendition_is_compared_with_its_original_at_the_same_size(tmp_path: Path) -> None:
    original = tmp_path / "photo.png"
    photo = pictures.photograph(400, 300)
    original.write_bytes(pictures.encoded(photo, "png"))
    fine = pictures.encoded(photo.resize(0.5, kernel="lanczos3"), "png")
    coarse = photo.resize(0.5, kernel="lanczos3").jpegsave_buffer(Q=10)
    assert ssim.quality(original, coarse) < ssim.quality(original, fine)
    assert ssim.quality(original, fine) > 0.98


# The arithmetic


def row(ours: tuple[float, ...], theirs: tuple[float, ...] = (), **values: Any) -> Row:
    return Row("12 MP", "pictures/s", ours, "IPX" if theirs else "", theirs, **values)


def test_a_figure_is_the_median_of_the_ratios_of_the_rounds() -> None:
    """Not the ratio of the medians: a slow minute of the machine slows both."""
    measured = row((10.0, 2.0, 30.0), (5.0, 1.0, 10.0))
    assert measured.rounds == (2.0, 2.0, 3.0)
    assert measured.figure == 2.0


def test_without_a_peer_the_figure_is_the_median_of_ours() -> None:
    assert row((7.0, 90.0, 8.0)).figure == 8.0


def test_rounds_that_are_not_of_both_are_refused() -> None:
    with pytest.raises(ValueError, match="as many rounds"):
        row((1.0, 2.0), (1.0,))


@pytest.mark.parametrize(
    ("target", "met"),
    [(Target(2.0), True), (Target(2.1), False), (Target(2.0, most=True), True), (Target(1.9, most=True), False)],
)
def test_a_target_is_at_least_or_at_most(target: Target, met: bool) -> None:
    assert row((4.0,), (2.0,), target=target).met is met


def test_a_row_without_a_target_is_neither_met_nor_missed() -> None:
    assert row((4.0,)).met is None


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    found = example()
    results.merge(tmp_path / "results.json", found)
    assert results.load(tmp_path / "results.json") == found


def test_a_comparison_that_is_taken_again_replaces_itself_alone(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    results.merge(file, example())
    again = replace(example()["cold"], rounds=9)
    results.merge(file, {"cold": again})
    assert results.load(file) == {**example(), "cold": again}


def test_a_thinned_curve_keeps_its_peak() -> None:
    curve = tuple((float(x), 900.0 if x == 333 else 1.0) for x in range(1000))
    short = results.thinned(curve, 50)
    assert len(short) == 50
    assert (333.0, 900.0) in short


# What is asked of peers


def test_a_wish_is_written_as_each_server_reads_it() -> None:
    wish = Wish(600, "jpg", 80)
    assert ipx_path(wish, "1.jpg") == "/f_jpeg,q_80,w_600/1.jpg"
    assert thumbor_path(wish, "1.jpg") == "/unsafe/600x/filters:format(jpeg):quality(80)/1.jpg"
    assert ipx_path(Wish(600, "avif"), "1.jpg") == "/f_avif,w_600/1.jpg"
    assert thumbor_path(Wish(600, "avif"), "1.jpg") == "/unsafe/600x/filters:format(avif)/1.jpg"


def test_a_path_of_ours_is_read_and_never_the_same() -> None:
    one, other = (darkroom_path(Wish(600, "webp", 70), "1.jpg") for _ in range(2))
    assert one != other
    address = Address.read(one.removeprefix("/"))
    plan = Plan.read(address.steps)
    assert (address.source, plan.saving.format, plan.saving.quality) == ("1.jpg", "webp", 70)


def test_libvips_is_given_the_settings_of_our_encoders() -> None:
    order = json.loads(job(Wish(600, "webp", 80), Path("/o/1.jpg"), {**FORMATS["webp"].first, "Q": 77}))
    assert order == {"path": "/o/1.jpg", "width": 600, "suffix": ".webp", "options": {"effort": 2, "Q": 77}}


def test_every_name_is_new_and_the_same_picture(tmp_path: Path) -> None:
    original = tmp_path / "photo.png"
    original.write_bytes(pictures.encoded(pictures.photograph(20, 20), "png"))
    with fresh(tmp_path) as names:
        made = [names.name(original) for _ in range(5)]
        assert len(set(made)) == 5
        assert {(names.folder / name).read_bytes() for name in made} == {original.read_bytes()}
    assert not names.folder.exists()


@pytest.mark.parametrize("wanted", [0.2, 0.555, 0.91])
def test_the_least_quality_that_looks_alike_is_found(wanted: float) -> None:
    async def make(quality: int) -> Picture:
        return Picture(Wish(600, "avif", quality), quality / 100, quality)

    found = asyncio.run(least(make, 1, wanted))
    assert found.bytes == math.ceil(wanted * 100)


def test_the_best_quality_is_taken_where_none_is_alike() -> None:
    async def make(quality: int) -> Picture:
        return Picture(Wish(600, "avif", quality), 0.5, quality)

    assert asyncio.run(least(make, 80, 0.9)).bytes == 100


def test_what_wrk_prints_is_read() -> None:
    text = "  Latency Distribution\n     50%  812.00us\n     99%    3.21ms\nRequests/sec:  12345.67\n"
    assert wrk.read(text) == wrk.Said(12345.67, 0.812, 3.21)
    with pytest.raises(RuntimeError):
        wrk.read(text + "  Non-2xx or 3xx responses: 7\n")


# The page


def example() -> dict[str, Comparison]:
    machine = {"date": "2026-01-02", "processor": "a processor of two cores", "Python": "3.11.7"}
    slow = row((10.0, 12.0, 11.0), (10.0, 10.0, 10.0), target=Target(1.4), look=Look(0.97, 0.971, 40_000, 41_000))
    fast = replace(slow, what="4K", ours=(20.0, 20.0, 20.0))
    curve = ((0.0, 50.0), (1.0, 90.0))
    return {
        "cold": Comparison("cold", (slow, fast), (0.1, 0.2, 0.1), rounds=3, machine=machine, peers={"IPX": "3.1.1"}),
        "memory": Comparison("memory", (row((90.0,)),), curves={"worker 1": curve, "front": curve}, machine=machine),
        "overload": Comparison(
            "overload",
            (row((9.0,), target=Target(8.0, most=True)),),
            curves={"99th percentile": curve, "median": curve, "load": ((0.0, 0.0), (1.0, 0.0))},
            machine=machine,
        ),
    }


def test_the_page_says_what_is_not_as_it_is_wanted() -> None:
    page = report.page(example())
    assert "1 of 3 targets are met" in page
    assert "| 12 MP, beside IPX ([more](#pictures-that-nobody-asked-for-before)) | 1.1 | at least 1.4 |" in page
    assert "4K" not in page.partition("## ")[0]


def test_a_page_without_results_says_so() -> None:
    assert "Nothing was measured yet." in report.page({})


def test_the_page_says_which_figures_a_loud_machine_made_rough() -> None:
    quiet = example()
    loud = {**quiet, "cold": replace(quiet["cold"], foreign=(0.05, 0.6, 0.6))}
    assert "Rough figures" not in report.page(quiet)
    assert f"quiet machine: {report.CHAPTERS['cold'][0]}." in report.page(loud).replace("\n", " ")


def test_a_row_of_the_page_has_both_sides_and_the_range_of_the_rounds() -> None:
    line = next(line for line in report.page(example()).splitlines() if line.startswith("| 12 MP, beside IPX | "))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[1:8] == [
        "11 pictures/s",
        "10 pictures/s",
        "1.1 (1–1.2)",
        "at least 1.4",
        "**no**",
        ".9700, .9710",
        "40,000, 41,000",
    ]


def test_the_page_says_with_whom_on_what_and_how_quiet_it_was() -> None:
    page = report.page(example())
    for said in ("| IPX | 3.1.1 |", "a processor of two cores", "2026-01-02", "0.10, 0.20"):
        assert said in page


def test_every_comparison_has_a_chapter_in_the_order_of_the_run() -> None:
    assert list(report.CHAPTERS) == list(COMPARISONS)


def test_every_plot_is_drawn_small_and_readable_on_any_ground(tmp_path: Path) -> None:
    drawn = plots.draw(example(), tmp_path)
    assert drawn == [f"{name}.svg" for name in plots.PLOTS]
    for name in drawn:
        text = (tmp_path / name).read_text()
        assert len(text) < 100_000
        assert "fill: #ffffff" not in text
        assert "<text" in text


def test_the_page_that_is_kept_is_drawn_from_the_results_that_are_kept() -> None:
    assert PAGE.read_text() == report.page(results.load(SUMMARY)), "run `python -m bench --report`"
