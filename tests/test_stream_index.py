"""What is read of a film before it is cut: keyframes, lengths, rates, and where its presentation starts."""

from fractions import Fraction
from pathlib import Path

import pytest

from tests.clips import B_FRAMES, film
from transforms.limits import Limits
from transforms.video.index import Index
from transforms.video.reading import read

NTSC = Fraction(30000, 1001)


def _read(path: Path) -> Index:
    return read(path, path.suffix[1:], Limits())


@pytest.mark.parametrize("kind", ["mp4", "mov", "mkv", "3gp"])
def test_keyframes_are_where_they_are_shown(tmp_path: Path, kind: str) -> None:
    """Behind B-frames they are decoded earlier, and the index of some containers says that."""
    path = film(tmp_path / f"a.{kind}", seconds=4, key=250, keys=[0, 13, 55, 60], options=B_FRAMES)
    picture = _read(path).picture
    assert picture
    assert [round(key * picture.time_base * 25) for key in picture.keys] == [0, 13, 55, 60]
    assert picture.seconds == 4
    assert picture.rate == 25
    assert picture.remux
    assert len(picture.weights) == 4
    assert 0.9 * path.stat().st_size < sum(picture.weights) <= path.stat().st_size


@pytest.mark.parametrize("kind", ["mp4", "webm", "mkv", "avi", "ts"])
def test_a_film_lasts_until_its_last_frame_ends(tmp_path: Path, kind: str) -> None:
    codec = {"webm": "libvpx-vp9", "avi": "mpeg4"}.get(kind, "libx264")
    options = {"libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"}, "libx264": B_FRAMES}.get(codec, {})
    index = _read(film(tmp_path / f"a.{kind}", seconds=3, rate=NTSC, codec=codec, options=options))
    assert index.picture
    assert index.picture.rate == NTSC
    assert round(index.seconds * NTSC) == 90
    assert abs(index.seconds - 90 / NTSC) < Fraction(1, 500)


def test_the_index_of_a_fragmented_film_is_whole(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", seconds=4, key=20, muxer={"movflags": "frag_keyframe+empty_moov"})
    picture = _read(path).picture
    assert picture
    assert [key * picture.time_base for key in picture.keys] == [Fraction(number * 20, 25) for number in range(5)]


def test_a_presentation_starts_with_its_first_frame_whatever_the_clock_says(tmp_path: Path) -> None:
    index = _read(film(tmp_path / "a.ts", seconds=2, options=B_FRAMES))
    assert index.start > 0
    assert index.seconds == 2
    late = _read(film(tmp_path / "a.mkv", seconds=2, moments=lambda number: Fraction(number, 25) + 1))
    assert (late.start, late.seconds) == (1, 2)
    assert late.picture
    assert late.picture.keys[0] == 0


def test_tracks_are_told_with_their_languages(tmp_path: Path) -> None:
    index = _read(film(tmp_path / "a.mkv", seconds=1, sound="aac", sounds=("eng", "deu")))
    assert [(sound.stream, sound.codec, sound.channels, sound.rate) for sound in index.sounds] == [
        (1, "aac", 2, 48_000),
        (2, "aac", 2, 48_000),
    ]
    assert [sound.language for sound in index.sounds] == ["eng", "deu"] or index.sounds[1].language == "ger"


def test_an_index_that_was_read_survives_json(tmp_path: Path) -> None:
    index = _read(film(tmp_path / "a.mp4", seconds=1, sound="aac"))
    assert Index.from_dict(index.to_dict()) == index
