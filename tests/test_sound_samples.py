"""Samples of the grid: any stretch of a sound alone is what it is in the whole."""

import random
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.sounds import heard, sound, sweep
from transforms.audio.downmix import stereo
from transforms.audio.samples import GRID, track
from transforms.containers import opened
from transforms.errors import NoSuchStream
from transforms.limits import Limits

SECONDS = 3


@pytest.mark.parametrize(
    ("name", "rate", "codec"),
    [
        ("a.wav", 44_100, ""),
        ("a.wav", 8000, ""),
        ("a.wav", 96_000, ""),
        ("a.flac", 48_000, ""),
        ("a.flac", 44_100, ""),
        ("a.mp3", 44_100, ""),
        ("a.mp3", 22_050, ""),
        ("a.ogg", 44_100, ""),
        ("a.opus", 48_000, ""),
        ("a.webm", 44_100, "vorbis"),
        ("a.mkv", 44_100, "pcm_s16le"),
        ("a.mkv", 44_100, "flac"),
        ("a.ts", 44_100, "mp2"),
        ("a.avi", 44_100, ""),
    ],
)
def test_a_stretch_alone_is_the_stretch_of_the_whole_to_the_bit(
    tmp_path: Path, name: str, rate: int, codec: str
) -> None:
    path = sound(tmp_path / name, SECONDS, rate, codec=codec)
    whole = heard(path, 0, SECONDS * GRID)
    chance = random.Random(1)
    for _ in range(4):
        first = chance.randrange(SECONDS * GRID - 1000)
        last = min(SECONDS * GRID, first + chance.randrange(1000, 60_000))
        assert np.array_equal(heard(path, first, last), whole[:, first:last])


@pytest.mark.parametrize(
    ("name", "rate"), [("a.m4a", 44_100), ("a.mkv", 48_000), ("a.aac", 44_100), ("a.ts", 48_000), ("a.webm", 48_000)]
)
def test_a_stretch_differs_by_what_its_decoder_makes_up_alone(tmp_path: Path, name: str, rate: int) -> None:
    path = sound(tmp_path / name, SECONDS, rate)
    whole = heard(path, 0, SECONDS * GRID)
    for first in (50_000, 80_001, 120_000):
        assert (
            np.abs(heard(path, first, first + 20_000) - whole[:, first : first + 20_000]).max() < 1e-4
        )  # AAC makes up noise, and Opus never forgets all


@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000, 96_000])
def test_a_sample_lies_where_it_is_heard(tmp_path: Path, rate: int) -> None:
    path = sound(tmp_path / "a.wav", SECONDS, rate)
    wanted = sweep(SECONDS, GRID)[:, 60_000:120_000]
    error = heard(path, 60_000, 120_000) - wanted
    assert 10 * np.log10((error**2).mean() / (wanted**2).mean()) < -60


def test_one_channel_is_heard_on_both_sides(tmp_path: Path) -> None:
    both = heard(sound(tmp_path / "a.flac", 1, 48_000, "mono"), 0, GRID)
    assert np.array_equal(both[0], both[1])
    assert both.std() > 0.2


def test_six_channels_become_two_and_never_too_loud(tmp_path: Path) -> None:
    path = sound(tmp_path / "a.flac", 1, 48_000, "5.1")
    left, right = heard(path, 0, GRID)
    wave = sweep(1, GRID, 6)
    # Left, right, centre, the lowest, back left, back right: 16 bits of them.
    wanted = wave[0] + 0.5**0.5 * (wave[2] + wave[4])
    quiet = np.abs(wanted) < 0.8
    assert np.abs(left - wanted)[quiet].max() < 1e-3
    assert np.abs(right).max() < np.abs(left).max() < 1
    loud = av.AudioFrame.from_ndarray(np.ones((6, 16), np.float32), "fltp", "5.1")
    assert 0.99 < stereo(loud).max() <= 1


@pytest.mark.parametrize("format_", ["u8", "s16", "s32", "flt", "dbl", "s16p", "s32p", "dblp"])
def test_samples_of_every_kind_are_read_alike(format_: str) -> None:
    wave = sweep(0.1, GRID)
    frame = av.AudioFrame.from_ndarray(wave, "fltp", "stereo")
    frame.sample_rate = GRID
    (fitted,) = av.AudioResampler(format=format_, layout="stereo", rate=GRID).resample(frame)
    assert np.abs(stereo(fitted) - wave).max() < (0.01 if format_ == "u8" else 1e-4)


def delayed(path: Path, *skipped: tuple[int, int]) -> Path:
    """A sound in Matroska whose frames from one number up to another are left out."""
    with av.open(str(path), "w", format="matroska") as out:
        stream = out.add_stream("pcm_s16le", rate=GRID, layout="stereo")
        wave = (sweep(2, GRID) * 32767).astype(np.int16)
        for number in range(2 * GRID // 960):
            if not any(first <= number < last for first, last in skipped):
                piece = np.ascontiguousarray(wave[:, number * 960 : (number + 1) * 960].T.reshape(1, -1))
                frame = av.AudioFrame.from_ndarray(piece, "s16", "stereo")
                frame.sample_rate, frame.pts, frame.time_base = GRID, number * 960, Fraction(1, GRID)
                out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def test_there_is_silence_before_a_sound_in_its_gaps_and_after_it(tmp_path: Path) -> None:
    got = heard(delayed(tmp_path / "a.mkv", (0, 10), (50, 60)), -500, 2 * GRID + 500)[:, 500:]
    wave = sweep(2, GRID)
    for first, last in ((0, 10), (50, 60)):
        assert not got[:, first * 960 : last * 960].any()
    assert not got[:, 2 * GRID :].any()
    for first, last in ((10, 50), (60, 100)):
        assert np.abs(got - np.pad(wave, ((0, 0), (0, 500))))[:, first * 960 : last * 960].max() < 1e-4


def test_a_gap_is_where_it_is_from_wherever_reading_begins(tmp_path: Path) -> None:
    path = delayed(tmp_path / "a.mkv", (50, 60))
    whole = heard(path, 0, 2 * GRID)
    for first in (47 * 960, 52 * 960, 70 * 960):
        assert np.array_equal(heard(path, first, 2 * GRID), whole[:, first:])


def test_the_grid_begins_with_the_presentation(tmp_path: Path) -> None:
    path = sound(tmp_path / "a.wav", 2, 44_100)
    late = heard(path, -5000, 10_000, start=Fraction(1, 2))[:, 5000:]
    # What lies before the start is silence, and reaches as far as the resampler's filter.
    assert np.array_equal(late[:, 100:], heard(path, 24_100, 34_000))


def test_what_is_no_sound_is_refused(tmp_path: Path) -> None:
    path = sound(tmp_path / "a.wav", 1)
    with opened(path, "wav", Limits()) as container, pytest.raises(NoSuchStream, match="stream 1"):
        track(container, 1, Fraction(0))
