"""Films made anew: frames, moments, sound, geometry and codecs, by what comes out."""

import hashlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.clips import film
from tests.conftest import corpus
from tests.counted import RATE, boxes, clicks, counted, heard, lively, pictures, shown
from transforms.errors import ConflictingOptions, DamagedOriginal, NotSupported, Refusal, ResultTooLarge
from transforms.limits import Limits
from transforms.operation import Size
from transforms.plan import Plan
from transforms.probe import probe
from transforms.transcodes.transcode import Film, Places, transcode
from transforms.video.frames import film as opened_film
from transforms.video.stills import still


@dataclass(frozen=True)
class Made:
    """A film that was made, both files of it, and the shares that were told."""

    film: Film
    finished: Path
    growing: Path
    told: list[float]

    @property
    def codecs(self) -> list[str]:
        with av.open(str(self.finished)) as film:
            return [stream.codec_context.codec.canonical_name for stream in film.streams]


def make(source: Path, plan: str, folder: Path, *, most: int = 100_000_000, threads: int = 1) -> Made:
    read, told = Plan.read(plan), []
    folder.mkdir(exist_ok=True)
    places = Places(folder / "finished", folder / "growing", lambda: told.append(0.0), told.append)
    for place in (places.finished, folder / "growing"):
        place.unlink(missing_ok=True)
    form = read.saving.format or "mp4"
    film = transcode(source, probe(source), read, form, Limits(), most, places, threads=threads)
    return Made(film, places.finished, folder / "growing", told)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds in thirty frames each, with a click at one second and at one and a half."""
    return counted(tmp_path_factory.mktemp("films") / "counted.mp4", clicks=(RATE, RATE * 3 // 2))


def numbers(path: Path) -> list[int]:
    return [number for _, number in shown(path)]


@pytest.mark.parametrize("plan", ["f_mp4", "f_webm", "f_mp4,vc_h265", "f_mp4,vc_vp9", "f_mp4,vc_av1,w_128,h_72"])
def test_a_film_has_the_frames_of_its_original_each_at_its_moment(source: Path, tmp_path: Path, plan: str) -> None:
    made = make(source, plan, tmp_path)
    for path in (made.finished, made.growing):
        found = shown(path)
        assert [number for _, number in found] == list(range(60))
        assert all(abs(time - Fraction(number, 30)) < Fraction(1, 500) for time, number in found)
    assert made.film.frames == 60
    assert made.film.digest == hashlib.sha256(made.finished.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("plan", "codecs"),
    [
        ("f_mp4", ["h264", "aac"]),
        ("f_webm", ["vp9", "opus"]),
        ("f_mp4,vc_h265,ac_opus", ["hevc", "opus"]),
        ("f_webm,vc_av1,w_128,h_72", ["av1", "opus"]),
        ("f_mp4,vc_vp9,ac_mp3", ["vp9", "mp3"]),
        ("f_mp4,ac_flac", ["h264", "flac"]),
        ("f_mp4,ac_none", ["h264"]),
        ("f_mp4,vc_copy,ac_copy", ["h264", "flac"]),
        ("f_mp4,ac_copy", ["h264", "flac"]),
        ("f_mp4,vc_copy,ac_none", ["h264"]),
    ],
)
def test_codecs_are_those_that_are_asked_for(source: Path, tmp_path: Path, plan: str, codecs: list[str]) -> None:
    assert make(source, plan, tmp_path).codecs == codecs


def test_the_index_of_an_mp4_stands_in_front_and_that_of_a_growing_one_too(source: Path, tmp_path: Path) -> None:
    made = make(source, "f_mp4", tmp_path)
    finished, growing = boxes(made.finished.read_bytes()), boxes(made.growing.read_bytes())
    assert finished.index("moov") < finished.index("mdat")
    assert growing[:3] == ["ftyp", "moov", "moof"]
    assert growing.count("moof") >= 3, "a piece of half a second each"


def test_a_webm_has_its_cues_in_front_of_its_clusters(source: Path, tmp_path: Path) -> None:
    data = make(source, "f_webm", tmp_path).finished.read_bytes()
    # RFC 9559: Cues are 0x1C53BB6B; they are named in the SeekHead first.
    assert 0 < data.find(b"\x1c\x53\xbb\x6b", data.find(b"\x16\x54\xae\x6b")) < data.find(b"\x1f\x43\xb6\x75")


@pytest.mark.parametrize(
    ("plan", "first", "count", "samples"),
    [
        ("f_mp4,so_0.5,ac_flac", 15, 45, RATE * 3 // 2),
        ("f_mp4,so_0.5,du_1,ac_flac", 15, 30, RATE),
        ("f_mp4,so_0.4,eo_0.9,ac_flac", 12, 15, RATE // 2),
        ("f_mp4,so_50p,ac_flac", 30, 30, RATE),
        ("f_mp4,du_0.1,ac_flac", 0, 3, RATE // 10),
        ("f_mp4,du_9,ac_flac", 0, 60, RATE * 2),
    ],
)
def test_an_excerpt_is_exact_to_the_frame_and_to_the_sample(
    source: Path, tmp_path: Path, plan: str, first: int, count: int, samples: int
) -> None:
    made = make(source, plan, tmp_path)
    for path in (made.finished, made.growing):
        assert numbers(path) == list(range(first, first + count))
        start = round(Fraction(first, 30) * RATE)
        ends = start + samples
        assert clicks(path) == [place - start for place in (RATE, RATE * 3 // 2) if start <= place < ends]
    assert len(heard(made.finished)) == samples


@pytest.mark.parametrize("plan", ["f_mp4", "f_webm", "f_mp4,ac_mp3", "f_mp4,so_0.5", "f_webm,so_0.5,du_1.2"])
def test_sound_stays_with_its_picture(source: Path, tmp_path: Path, plan: str) -> None:
    made = make(source, plan, tmp_path)
    start = Fraction(1, 2) if "so_" in plan else 0
    for path in (made.finished, made.growing):
        seen = next(time for time, number in shown(path) if number == 30)
        with av.open(str(path)) as film:
            rate = film.streams.audio[0].rate
        assert abs(seen - (1 - start)) < Fraction(1, 50)
        # A growing file has no list of edits where a browser expects none; what a codec adds in front is 25 ms at most.
        assert abs(Fraction(clicks(path)[0], rate) - seen) < Fraction(1, 35)


def test_sound_that_begins_late_or_has_a_hole_is_silent_there(tmp_path: Path) -> None:
    path = tmp_path / "late.mkv"
    one = counted(tmp_path / "one.mkv", form="matroska", clicks=(RATE // 2, RATE * 3 // 2))
    with av.open(str(one)) as film, av.open(str(path), "w", format="matroska") as out:
        streams = {stream.index: out.add_stream_from_template(stream) for stream in film.streams}
        for packet in film.demux():
            assert packet.time_base
            late = packet.stream.type == "audio" and packet.pts is not None and packet.pts * packet.time_base < 1
            if packet.dts is not None and not late:
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
    made = make(path, "f_mp4,ac_flac", tmp_path / "made")
    assert numbers(made.finished) == list(range(60))
    (click,) = clicks(made.finished)
    assert abs(click - RATE * 3 // 2) <= RATE // 1000 + 1, "Matroska tells of milliseconds"


def test_a_film_of_uneven_frames_becomes_one_of_even_frames(tmp_path: Path) -> None:
    # Frame 20 comes 0.2 seconds late, and so do those after it.
    times = {number: Fraction(number + 6 * (number >= 20), 30) for number in range(60)}
    source = counted(tmp_path / "uneven.mp4", times=times, sound=None)
    found = numbers(make(source, "f_mp4,fps_30", tmp_path).finished)
    assert found == [*range(20), *[19] * 6, *range(20, 60)]


def test_sound_is_shaped_like_that_of_sounds(tmp_path: Path) -> None:
    source = lively(tmp_path / "lively.mp4", seconds=2)
    loudest = float(np.abs(heard(make(source, "w_64,f_mp4,ac_flac", tmp_path).finished)).max())
    softer = float(np.abs(heard(make(source, "w_64,f_mp4,ac_flac,e_volume:0.5", tmp_path).finished)).max())
    assert softer == pytest.approx(loudest / 2, rel=0.05)
    late = heard(make(source, "w_64,f_mp4,ac_flac,e_fade:2", tmp_path).finished)
    assert float(np.abs(late).max()) == pytest.approx(loudest / 2, rel=0.05), "the click is in the middle of the fade"
    assert make(source, "w_64,f_mp4,e_loudness:-16", tmp_path).film.frames == 30


@pytest.mark.parametrize(("fps", "count", "second"), [("12", 24, 3), ("60", 120, 0), ("15", 30, 2)])
def test_another_frame_rate_takes_the_nearest_frames(
    source: Path, tmp_path: Path, fps: str, count: int, second: int
) -> None:
    found = numbers(make(source, f"f_mp4,fps_{fps}", tmp_path).finished)
    assert len(found) == count
    assert found[1] in (second, second + 1)
    assert found == sorted(found)


def test_a_film_faster_than_sixty_frames_keeps_every_second_one(tmp_path: Path) -> None:
    source = counted(tmp_path / "fast.mp4", fps=120, frames=48, sound=None)
    assert len(numbers(make(source, "f_mp4", tmp_path).finished)) == 24


@pytest.mark.parametrize(
    ("plan", "size", "left", "right"),
    [
        ("w_81,f_mp4", (80, 46), 20, 0),  # sides are even
        ("w_80,h_80,f_mp4", (80, 44), 20, 0),
        ("w_320,c_fit,f_mp4", (320, 180), 20, 0),
        ("w_40,h_90,c_fill,g_west,f_mp4", (40, 90), 20, 20),
        ("w_40,h_90,c_crop,g_east,f_mp4", (40, 90), 0, 0),
        ("w_100,h_100,c_scale,f_mp4", (100, 100), 20, 0),
        ("w_160,h_160,c_pad,b_white,f_mp4", (160, 160), 20, 0),
        ("a_180,f_mp4", (160, 90), 0, 20),
        ("a_hflip,f_mp4", (160, 90), 0, 20),
        ("a_vflip,f_mp4", (160, 90), 20, 0),
        ("w_80/a_90.hflip/w_40,f_mp4", (40, 72), None, None),
    ],
)
def test_geometry_is_that_of_pictures(
    source: Path, tmp_path: Path, plan: str, size: tuple[int, int], left: int | None, right: int | None
) -> None:
    made = make(source, f"{plan},du_0.1", tmp_path)
    _, picture = next(pictures(made.finished))
    height, width = picture.shape
    assert (width, height) == size == (made.film.width, made.film.height)
    if left is not None and right is not None:
        assert picture[height // 2, width // 5] == pytest.approx(left, abs=8)
        assert picture[height // 2, -width // 5] == pytest.approx(right, abs=8)
    if "b_white" in plan:
        assert picture[5, width // 2] > 240
        assert picture[-5, width // 2] > 240


def test_a_quarter_turn_goes_clockwise(source: Path, tmp_path: Path) -> None:
    _, picture = next(pictures(make(source, "a_90,du_0.1,f_mp4", tmp_path).finished))
    height, width = picture.shape
    assert (width, height) == (90, 160)
    assert picture[height // 5, width // 2] == pytest.approx(20, abs=8), "left becomes top"
    assert picture[-height // 5, width // 2] == pytest.approx(0, abs=8)


def test_pixels_that_are_not_square_become_square(tmp_path: Path) -> None:
    path = tmp_path / "wide.mp4"
    with av.open(str(path), "w", format="mp4") as out:
        video: Any = out.add_stream("libx264", rate=10)
        video.width, video.height, video.pix_fmt = 120, 90, "yuv420p"
        video.codec_context.sample_aspect_ratio = Fraction(4, 3)
        for number in range(3):
            frame = av.VideoFrame(120, 90, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    film = make(path, "f_mp4", tmp_path).film
    assert (film.width, film.height) == (160, 90)


def test_ten_bits_become_eight_that_browsers_show(tmp_path: Path) -> None:
    source = counted(tmp_path / "deep.mp4", frames=20, pixels="yuv420p10le", sound=None)
    made = make(source, "f_mp4", tmp_path)
    assert numbers(made.finished) == list(range(20))
    with av.open(str(made.finished)) as film:
        assert film.streams.video[0].format.name == "yuv420p"


@pytest.mark.parametrize("transfer", [16, 18])
def test_high_range_looks_as_on_a_poster(tmp_path: Path, transfer: int) -> None:
    options = {"preset": "ultrafast", "x265-params": "log-level=none:open-gop=0"}
    look = {"codec": "libx265", "pixels": "yuv420p10le", "options": options, "colour": (9, transfer, 9)}
    source = film(tmp_path / "bright.mp4", seconds=1, size=(320, 180), **look)  # type: ignore[arg-type]
    made = make(source, "c_crop,h_180,w_160,x_0,y_0,f_mp4", tmp_path).finished
    with av.open(str(made)) as container:
        frame = next(container.decode(video=0))
    assert (frame.colorspace, frame.color_trc, frame.color_primaries) == (1, 1, 1)
    result = frame.reformat(format="rgb24", src_colorspace=1, dst_color_range="JPEG").to_ndarray().astype(int)
    with opened_film(source, "mp4", Limits()) as found:
        poster = still(found.frame_at(Fraction(0)), Size(320, 180)).numpy().astype(int)
    assert abs(result - poster[:, :160]).mean() < 8


def test_fields_of_an_interlaced_film_are_woven(tmp_path: Path) -> None:
    options = {"flags": "+ilme+ildct", "x264-params": "tff=1"}
    source = counted(tmp_path / "fields.mp4", frames=20, height=96, sound=None, options=options)
    assert numbers(make(source, "f_mp4", tmp_path).finished) == list(range(20))


def test_a_preview_joins_parts_of_the_film(source: Path, tmp_path: Path) -> None:
    made = make(source, "e_preview:1:2,f_mp4,ac_flac", tmp_path)
    # A half of the film each, and half a second from its middle.
    begins = numbers(made.finished)
    assert len(begins) == 30
    assert begins == [*range(begins[0], begins[0] + 15), *range(begins[15], begins[15] + 15)]
    assert (begins[0], begins[15]) in {(7, 37), (8, 38), (7, 38), (8, 37)}
    assert len(heard(made.finished)) == RATE


def test_an_excerpt_that_reaches_beyond_the_film_ends_with_it(source: Path, tmp_path: Path) -> None:
    assert numbers(make(source, "f_mp4,so_1.5,eo_9", tmp_path).finished) == list(range(45, 60))


def test_what_is_copied_begins_at_the_keyframe_before(source: Path, tmp_path: Path) -> None:
    made = make(source, "f_mp4,vc_copy,so_0.9,ac_flac", tmp_path)
    assert numbers(made.finished) == list(range(15, 60)), "keyframes are 15 frames apart"
    assert clicks(made.finished) == [RATE // 2, RATE], "and the sound begins there too"
    assert make(source, "f_mp4,vc_copy,ac_none,eo_1", tmp_path).film.frames in (30, 31)


def test_keyframes_come_as_often_as_asked_for(source: Path, tmp_path: Path) -> None:
    made = make(source, "f_mp4,ki_0.5", tmp_path)
    with av.open(str(made.finished)) as film:
        keys = [packet.pts * packet.time_base for packet in film.demux(video=0) if packet.is_keyframe and packet.size]
    assert all(later - sooner <= Fraction(1, 2) for sooner, later in zip(keys, [*keys[1:], Fraction(2)], strict=True))


def test_a_higher_quality_and_a_higher_rate_take_more_bytes(tmp_path: Path) -> None:
    path = lively(tmp_path / "lively.mp4", seconds=2)

    def size(plan: str) -> int:
        return make(path, f"{plan},ac_none", tmp_path).finished.stat().st_size

    for form in ("mp4", "webm"):
        sizes = [size(f"f_{form},q_{quality}") for quality in (20, 80, 95)]
        assert sizes == sorted(sizes)
        assert sizes[0] * 2 < sizes[2]
        assert size(f"f_{form},br_60k") * 2 < size(f"f_{form},br_600k")


def test_the_same_work_makes_the_same_bytes(source: Path, tmp_path: Path) -> None:
    one, other = (make(source, "f_mp4,w_96", tmp_path / name) for name in ("one", "other"))
    assert one.film.digest == other.film.digest


def test_a_film_beyond_its_bytes_is_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(ResultTooLarge):
        make(source, "f_mp4", tmp_path, most=2000)


@pytest.mark.parametrize("plan", ["f_webm,vc_copy", "f_webm,ac_copy", "f_mp4,ac_copy,e_preview:1:2"])
def test_what_a_container_does_not_take_is_not_copied(source: Path, tmp_path: Path, plan: str) -> None:
    with pytest.raises(NotSupported):
        make(source, plan, tmp_path)


@pytest.mark.parametrize(
    "plan",
    [
        *("f_mp4,vc_copy,w_80", "f_mp4,vc_copy,fps_10", "f_mp4,vc_copy,br_1m", "f_mp4,vc_copy,e_preview"),
        *("f_webm,vc_h264", "f_webm,ac_aac", "f_mp4,ac_none,e_volume:2", "f_mp4,ac_copy,af_44100"),
        *("f_mp4,so_1,eo_1", "f_mp4,so_1,du_0"),
    ],
)
def test_options_that_contradict_each_other_are_refused(source: Path, tmp_path: Path, plan: str) -> None:
    with pytest.raises(ConflictingOptions):
        make(source, plan, tmp_path)


def test_half_a_film_is_half_a_film_or_none(source: Path, tmp_path: Path) -> None:
    data = counted(tmp_path / "whole.mkv", form="matroska", frames=60).read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(data[: len(data) // 2])
    found = numbers(make(cut, "f_mp4", tmp_path / "made").finished)
    assert 5 < len(found) < 60
    assert found == list(range(len(found)))
    noise = tmp_path / "noise.mp4"
    noise.write_bytes(source.read_bytes()[:400] + bytes(1000))
    with pytest.raises((DamagedOriginal, Refusal)):
        make(noise, "f_mp4", tmp_path / "made")


def test_progress_is_told_from_the_beginning(source: Path, tmp_path: Path) -> None:
    made = make(source, "f_mp4", tmp_path)
    assert made.told[0] == 0
    assert made.told == sorted(made.told)
    assert made.told[-1] <= 1


def test_real_films_are_made_or_refused(source: Path, tmp_path: Path) -> None:
    real, done = [*corpus("video"), *corpus("hostile")], 0
    for path in (source, *real):
        try:
            header = probe(path)
        except Refusal:
            continue
        if header.medium != "motion":
            continue
        for plan in ("f_mp4,w_96,du_0.5", "f_webm,w_96,so_0.3,du_0.3"):
            try:
                made = make(path, plan, tmp_path)
            except Refusal:
                continue
            assert 0 < len(shown(made.finished)) <= 61, path.name
            done += 1
    assert done > (20 if real else 1)
