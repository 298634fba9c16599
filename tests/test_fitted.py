"""Frames of streams are upright, whole, and in colours that every screen has."""

from pathlib import Path
from typing import Any

import av
import pytest

from tests.clips import film, turned
from tests.streamed import SMALL, Stream, grey, pictures, stream

H265 = {"preset": "ultrafast", "x265-params": "log-level=none:open-gop=0"}


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_film_is_upright_in_a_stream(tmp_path: Path, degrees: int) -> None:
    plain = stream(film(tmp_path / "a.mp4", size=(160, 96), seconds=2), SMALL)
    streamed = stream(turned(film(tmp_path / "b.mp4", size=(160, 96), seconds=2), degrees), SMALL)
    rung = streamed.encoded
    assert "turned" in streamed.index.picture.why  # type: ignore[union-attr]
    assert (rung.width < rung.height) == (degrees != 180)
    upright, shown = (
        grey(pictures(one.head(one.encoded) + one.segments(one.encoded)[0])[3]) for one in (plain, streamed)
    )
    expected = {90: upright.T[:, ::-1], 180: upright[::-1, ::-1], 270: upright.T[::-1]}[degrees]
    assert shown.shape == expected.shape
    assert abs(shown - expected).mean() < 6


def _frame(streamed: Stream, number: int = 3) -> Any:
    return grey(pictures(streamed.head(streamed.encoded) + streamed.segments(streamed.encoded)[0])[number])


def test_interlaced_films_are_made_whole(tmp_path: Path) -> None:
    options = {"preset": "ultrafast", "flags": "+ildct+ilme", "x264-params": "tff=1:interlaced=1"}
    streamed = stream(film(tmp_path / "a.ts", seconds=3, size=(160, 96), options=options), SMALL)
    again = stream(film(tmp_path / "a.mp4", seconds=3, size=(160, 96), options=options), SMALL)
    assert again.index.picture.why == "it is interlaced"  # type: ignore[union-attr]
    for one in (streamed, again):
        frames = pictures(one.head(one.encoded) + b"".join(one.segments(one.encoded)))
        assert len(frames) == 75
        assert not any(frame.interlaced_frame for frame in frames)


def test_colours_of_old_films_stay_in_a_stream_that_says_it_has_new_ones(tmp_path: Path) -> None:
    """Small films that say nothing are in BT.601; segments are in BT.709, and say so."""
    path = film(tmp_path / "a.avi", seconds=1, size=(160, 96), codec="mpeg4", options={"qscale": "2"})
    streamed = stream(path, SMALL)
    rung = streamed.encoded
    frame = pictures(streamed.head(rung) + streamed.segments(rung)[0])[5]
    assert (frame.colorspace, frame.color_range) == (1, 1)
    with av.open(str(path)) as container:
        original = list(container.decode(video=0))[5].reformat(rung.width, rung.height, interpolation="BILINEAR")
    shown, expected = (
        one.reformat(format="rgb24", src_colorspace=matrix, dst_color_range="JPEG").to_ndarray().astype(int)
        for one, matrix in ((frame, 1), (original, 5))
    )
    wrong = original.reformat(format="rgb24", src_colorspace=1, dst_color_range="JPEG").to_ndarray().astype(int)
    assert abs(shown - expected).mean() < 6
    assert abs(shown - expected).mean() < 0.7 * abs(wrong - expected).mean()


@pytest.mark.parametrize("transfer", [16, 18])
def test_high_range_becomes_that_of_every_screen(tmp_path: Path, transfer: int) -> None:
    path = film(
        tmp_path / "a.mp4",
        seconds=2,
        codec="libx265",
        pixels="yuv420p10le",
        options=H265,
        colour=(9, transfer, 9),
    )
    streamed = stream(path, SMALL)
    assert streamed.rung("src").range == {16: "PQ", 18: "HLG"}[transfer]
    rung = streamed.encoded
    assert rung.range == "SDR"
    frame = pictures(streamed.head(rung) + streamed.segments(rung)[0])[0]
    assert (frame.format.name, frame.colorspace, frame.color_trc, frame.color_primaries) == ("yuv420p", 1, 1, 1)
    bright = grey(frame).max()
    assert bright > 200
