"""One moment 0 for everything: a film begins when its first frame is shown, a sound with its first sample."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import sounds
from tests.counted import RATE, clicks, counted, number_of, shown
from transforms.audio.encode import encode
from transforms.limits import Limits
from transforms.plan import Plan
from transforms.probe import probe
from transforms.transcodes.transcode import Places, transcode
from transforms.video.frames import film
from transforms.video.reading import read

LATE = Fraction(1, 2)
"""Seconds after the sound at which the first frame of the film is shown."""


@pytest.fixture(params=["mp4", "matroska", "mpegts"])
def late(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A film that is heard half a second before it is seen, with a click before that and one a second after it."""
    form, codec = request.param, "mp2" if request.param == "mpegts" else "flac"
    times = {number: LATE + Fraction(number, 30) for number in range(45)}
    name = {"mp4": "a.mp4", "matroska": "a.mkv", "mpegts": "a.ts"}[form]
    before, after = round(LATE * RATE) // 2, round((LATE + Fraction(1, 2)) * RATE)
    return counted(tmp_path / name, frames=45, times=times, clicks=(before, after), sound=codec, form=form)


def test_a_poster_an_excerpt_a_sound_and_a_stream_begin_together(late: Path, tmp_path: Path) -> None:
    header, limits = probe(late), Limits()
    with film(late, header.kind, limits) as found:
        assert number_of(_grey(found.frame_at(Fraction(1, 2)))) == 15

    places = Places(tmp_path / "film", None, lambda: None, lambda share: None)
    transcode(late, header, Plan.read("f_mp4,ac_flac"), "mp4", limits, 10_000_000, places)
    assert [number for _, number in shown(places.finished)] == list(range(45))
    assert clicks(places.finished) == [pytest.approx(RATE // 2, abs=2)]

    sound = encode(late, header, Plan.read("f_wav"), "wav", limits, tmp_path)
    assert clicks(sound.path) == [pytest.approx(RATE // 2, abs=2)]

    index = read(late, header.kind, limits)
    streamed = np.abs(sounds.heard(late, 0, RATE, index.sounds[0].stream, index.start)[0])
    assert int(streamed.argmax()) == pytest.approx(RATE // 2, abs=2)


def _grey(frame: Any) -> Any:
    return frame.reformat(format="gray", dst_color_range=2).to_ndarray()
