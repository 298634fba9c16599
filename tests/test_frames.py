"""Frames of films: the right one, the right way up, in the right shape and colours."""

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from pyvips import Image

from tests import clips
from tests.conftest import corpus
from tests.developing import develop
from transforms.containers import DEMUXERS
from transforms.errors import DamagedOriginal
from transforms.limits import Limits
from transforms.probe import probe
from transforms.sniff import sniff
from transforms.video.brightness import shown
from transforms.video.frames import film

H264_B = {"preset": "superfast", "bf": "3", "sc_threshold": "0"}
FILMS: dict[str, dict[str, Any]] = {
    "plain.mp4": {},
    "reordered.mp4": {"options": H264_B, "key": 40},
    "reordered.mkv": {"options": H264_B, "rate": Fraction(30_000, 1001)},
    "reordered.ts": {"options": H264_B},
    "open.mp4": {"codec": "libx265", "options": {"preset": "ultrafast", "bframes": "3", "x265-params": "log-level=0"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}, "seconds": 2},
    "vp8.webm": {"codec": "libvpx", "options": {"deadline": "realtime", "cpu-used": "8"}, "seconds": 2},
    "part2.avi": {"codec": "mpeg4", "options": {}},
    "irregular.mp4": {"keys": (0, 13, 71), "key": 1000, "options": H264_B},
    "varying.mp4": {"moments": lambda number: Fraction(number * number, 2500), "options": H264_B},
}


def made(folder: Path, name: str) -> Path:
    return clips.film(folder / name, clips.Film(seconds=FILMS[name].get("seconds", 3)), **FILMS[name])


def pixels(frame: Any) -> bytes:
    data: bytes = frame.to_ndarray().tobytes()
    return data


def all_of(path: Path, kind: str) -> list[tuple[Fraction, bytes]]:
    """Every frame of a film that is decoded from end to end, and when it begins."""
    with film(path, kind, Limits()) as found:
        stream = found.stream
        start, base = max(stream.start_time or 0, 0), stream.time_base or Fraction(1)
        return [
            ((frame.pts - start) * base, pixels(frame))
            for frame in stream.container.decode(stream)  # type: ignore[attr-defined]
        ]


def at(frames: list[tuple[Fraction, bytes]], moment: Fraction) -> bytes:
    begun = [data for begins, data in frames if begins <= moment + Fraction(1, 1_000_000)]
    return begun[-1] if begun else frames[0][1]


def moments(last: Fraction) -> Iterator[Fraction]:
    """Out of order, on frames and between them, before the first and behind the last."""
    shares = (50, 0, 97, 3, 33, 66, 12, 100, 88, 51)
    yield from (last * share / 100 for share in shares)
    yield last + 100


def check(path: Path, kind: str) -> None:
    whole = all_of(path, kind)
    last = whole[-1][0]
    with film(path, kind, Limits()) as found:
        for moment in [*moments(last), *(begins for begins, _ in whole[:: max(1, len(whole) // 8)])]:
            assert pixels(found.frame_at(moment)) == at(whole, moment), moment
    every = [last * number / 20 for number in range(21)]
    with film(path, kind, Limits()) as found:
        assert [pixels(frame) for frame in found.frames_at(every)] == [at(whole, moment) for moment in every]


@pytest.mark.parametrize("name", FILMS)
def test_the_frame_of_a_moment_is_the_one_that_a_whole_decode_shows(tmp_path: Path, name: str) -> None:
    path = made(tmp_path, name)
    check(path, name.rpartition(".")[2])


@pytest.mark.parametrize("path", corpus("video"), ids=lambda path: path.name)
def test_so_it_is_of_films_from_everywhere(path: Path) -> None:
    kind = sniff(path.read_bytes()[:65_536]) or ""
    if kind in DEMUXERS and "invalid" not in path.name:
        check(path, kind)


def test_frames_far_apart_are_looked_for_each_from_its_keyframe(tmp_path: Path) -> None:
    path = clips.film(tmp_path / "long.mp4", seconds=12, rate=10, key=10)
    whole = all_of(path, "mp4")
    far = [Fraction(1, 3), Fraction(11, 2), Fraction(23, 2)]
    with film(path, "mp4", Limits()) as found:
        assert [pixels(frame) for frame in found.frames_at(far)] == [at(whole, moment) for moment in far]


@pytest.mark.parametrize("name", ["reordered.mp4", "irregular.mp4", "open.mp4", "reordered.ts", "part2.avi"])
def test_the_nearest_keyframe_has_begun_by_the_moment(tmp_path: Path, name: str) -> None:
    path, kind = made(tmp_path, name), name.rpartition(".")[2]
    with film(path, kind, Limits()) as found:
        for moment in (Fraction(0), Fraction(3, 2), Fraction(29, 10)):
            frame = found.keyframe_at(moment)
            assert frame.key_frame
            assert found.begins(frame) <= moment
            assert pixels(frame) == pixels(found.frame_at(found.begins(frame)))


def test_a_keyframe_of_an_irregular_film_is_the_last_one(tmp_path: Path) -> None:
    path = made(tmp_path, "irregular.mp4")
    with film(path, "mp4", Limits()) as found:
        begins = [found.begins(found.keyframe_at(Fraction(number, 25))) for number in (12, 13, 70, 71, 74)]
    assert begins == [0, Fraction(13, 25), Fraction(13, 25), Fraction(71, 25), Fraction(71, 25)]


def drawn(path: Path, frames: list[Any], **codec: Any) -> Path:
    """A film of frames given as rows of RGB, ten a second."""
    options = {"preset": "ultrafast", "g": "5", "crf": "5", **codec.pop("options", {})}
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream(codec.pop("codec", "libx264"), rate=10, options=options)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = codec.pop("pixels", "yuv420p")
        for name, value in codec.items():
            setattr(stream.codec_context, name, value)
        for number, rows in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(rows, "rgb24")
            frame = frame.reformat(format=stream.pix_fmt, dst_colorspace=codec.get("colorspace"))
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def flat(colour: tuple[int, int, int], size: tuple[int, int] = (64, 48)) -> Any:
    return np.full((size[1], size[0], 3), colour, np.uint8)


def corner(size: tuple[int, int] = (64, 48)) -> Any:
    """White, with a red quarter at the upper left, and a blue one at the upper right."""
    rows = flat((255, 255, 255), size)
    rows[: size[1] // 2, : size[0] // 2] = (255, 0, 0)
    rows[: size[1] // 2, size[0] // 2 :] = (0, 0, 255)
    return rows


def colours(data: bytes) -> list[str]:
    """What is seen in the four quarters, row by row."""
    image = Image.new_from_buffer(data, "")
    names = {(255, 0, 0): "red", (0, 0, 255): "blue", (255, 255, 255): "white"}
    found = []
    for y in (0.25, 0.75):
        for x in (0.25, 0.75):
            values = image(int(image.width * x), int(image.height * y))[:3]
            found.append(names[min(names, key=lambda name: sum(abs(a - b) for a, b in zip(name, values, strict=True)))])
    return found


def test_what_shows_something_is_found_behind_black_and_plain_frames(tmp_path: Path) -> None:
    grain = np.random.default_rng(1).integers(0, 12, (48, 64, 3), np.uint8)
    path = drawn(
        tmp_path / "late.mp4", [flat((0, 0, 0))] * 7 + [grain] * 4 + [flat((200, 30, 30))] * 6 + [corner()] * 5
    )
    with film(path, "mp4", Limits()) as found:
        assert found.begins(found.interesting(Fraction(2))) == Fraction(17, 10)
    assert colours(develop(path, "so_auto", "png").data) == ["red", "blue", "white", "white"]
    nothing = drawn(tmp_path / "black.mp4", [flat((0, 0, 0))] * 20)
    with film(nothing, "mp4", Limits()) as found:
        assert found.begins(found.interesting(Fraction(2))) == 0


def test_a_long_beginning_in_black_is_not_decoded_frame_by_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transforms.video.frames._LOOKED_THROUGH", 64 * 48 * 10)
    path = drawn(tmp_path / "late.mp4", [flat((0, 0, 0))] * 60 + [corner()] * 60)
    with film(path, "mp4", Limits()) as found:
        assert 6 <= found.begins(found.interesting(Fraction(12))) < 9


MATRICES = {
    1: (1, 0, 0, 1),
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}
SEEN = {  # what becomes of red, blue, white, white
    1: ["red", "blue", "white", "white"],
    2: ["blue", "red", "white", "white"],
    3: ["white", "white", "blue", "red"],
    4: ["white", "white", "red", "blue"],
    5: ["red", "white", "blue", "white"],
    6: ["white", "red", "white", "blue"],
    7: ["white", "blue", "white", "red"],
    8: ["blue", "white", "red", "white"],
}


@pytest.mark.parametrize("orientation", MATRICES)
def test_films_are_shown_as_their_display_matrix_says(tmp_path: Path, orientation: int) -> None:
    path = drawn(tmp_path / "turned.mp4", [corner()] * 3)
    data = bytearray(path.read_bytes())
    a, b, c, d = (value << 16 for value in MATRICES[orientation])
    struct.pack_into(">9i", data, data.index(b"tkhd") + 44, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    header = probe(path)
    assert (header.width, header.height, header.orientation) == (64, 48, orientation)
    result = develop(path, "w_32", "png")
    assert result.size == ((32, 24) if orientation < 5 else (32, 43))
    assert colours(result.data) == SEEN[orientation]
    assert develop(path, "du_1", "webp").size == ((64, 48) if orientation < 5 else (48, 64))
    assert colours(develop(path, "a_ignore", "png").data) == SEEN[1]


def test_pixels_that_are_not_square_are_made_so(tmp_path: Path) -> None:
    path = clips.film(tmp_path / "wide.mp4", seconds=1, aspect=Fraction(4, 3))
    assert probe(path).upright == (213, 90)
    assert develop(path, "", "png").size == (213, 90)
    assert develop(path, "w_100", "png").size == (100, 42)


def test_a_matroska_film_that_names_no_rate_is_counted(tmp_path: Path) -> None:
    path = clips.film(tmp_path / "counted.mkv", seconds=2, rate=30)
    data = path.read_bytes()
    assert b"\x23\xe3\x83" in data  # DefaultDuration
    path.write_bytes(data.replace(b"\x23\xe3\x83", b"\x23\xe3\x84", 1))
    assert probe(path).rate == pytest.approx(30, abs=0.2)


def test_a_recording_without_a_length_is_measured(tmp_path: Path) -> None:
    """As browsers write them: live, without an index."""
    path = clips.film(tmp_path / "live.webm", codec="libvpx", options={}, seconds=2, muxer={"live": "1"})
    assert probe(path).seconds == pytest.approx(2, abs=0.1)
    assert develop(path, "so_1.5", "png").size == (160, 90)


def test_colours_are_those_of_the_matrix_and_the_range_that_a_film_names(tmp_path: Path) -> None:
    red = flat((255, 0, 0))
    for matrix, name in ((1, "hd.mp4"), (5, "sd.mp4")):
        path = drawn(tmp_path / name, [red] * 2, colorspace=matrix)
        image = Image.new_from_buffer(develop(path, "", "png").data, "")
        assert image(30, 20) == pytest.approx([255, 0, 0], abs=5)


def test_ten_bits_become_eight(tmp_path: Path) -> None:
    path = drawn(
        tmp_path / "ten.mp4",
        [corner()] * 2,
        codec="libx265",
        pixels="yuv420p10le",
        options={"x265-params": "log-level=0"},
    )
    assert probe(path).bits == 10
    assert colours(develop(path, "", "png").data) == ["red", "blue", "white", "white"]


def test_alpha_of_a_film_is_left_out(tmp_path: Path) -> None:
    path = drawn(
        tmp_path / "clear.webm", [corner()] * 3, codec="libvpx-vp9", pixels="yuva420p", options={"deadline": "realtime"}
    )
    made = develop(path, "", "png")
    assert Image.new_from_buffer(made.data, "").bands == 3
    assert colours(made.data) == ["red", "blue", "white", "white"]


def test_a_frame_of_two_moments_shows_one_of_them(tmp_path: Path) -> None:
    """Lines of one moment are white and those of the other black: a comb, of which one of both must be left."""
    comb = flat((0, 0, 0))
    comb[::2] = 255
    options = {"x264-params": "tff=1:interlaced=1", "crf": "1"}
    path = drawn(tmp_path / "woven.mp4", [comb] * 3, options=options, pixels="yuv422p")
    rows = Image.new_from_buffer(develop(path, "", "png").data, "").numpy().astype(int)
    assert np.abs(np.diff(rows[4:-4, :, 1], axis=0)).mean() < 20


def nits(light: float) -> int:
    """The value of sixteen bits that PQ has for light."""
    power = (light / 10_000) ** (1305 / 8192)
    return round(65_535 * ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32))


def test_light_beyond_white_is_brought_down_to_it() -> None:
    def of(value: int, transfer: int) -> int:
        return int(shown(np.full((1, 1, 3), value, np.uint16), transfer)[0, 0, 1])

    assert of(0, 16) == of(0, 18) == 0
    assert 225 <= of(nits(203), 16) <= 235  # paper
    assert of(nits(1000), 16) == of(65_535, 18) == 255
    assert abs(of(round(0.75 * 65_535), 18) - of(nits(203), 16)) <= 2  # HLG has paper at three quarters
    rising = [of(nits(light), 16) for light in (1, 10, 50, 100, 203, 400, 800)]
    assert rising == sorted(set(rising))


@pytest.mark.parametrize(("transfer", "brighter"), [(16, True), (18, True), (1, False)])
def test_hdr_films_become_pictures_for_any_screen(tmp_path: Path, transfer: int, brighter: bool) -> None:
    path = clips.film(
        tmp_path / "bright.mp4",
        codec="libx265",
        pixels="yuv420p10le",
        options={"preset": "ultrafast", "x265-params": "log-level=0"},
        seconds=0.4,
        colour=(9, transfer, 9),
    )
    plain = clips.film(tmp_path / "plain.mp4", seconds=0.4)
    ours, theirs = (Image.new_from_buffer(develop(name, "", "png").data, "").avg() for name in (path, plain))
    assert (abs(ours - theirs) > 3) is brighter


def test_damage_is_refused_and_no_frame_is_made_up(tmp_path: Path) -> None:
    path = clips.film(tmp_path / "whole.mp4", seconds=3, muxer={"movflags": "faststart"})
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    assert develop(path, "so_0.5", "png").size == (160, 90)
    with pytest.raises(DamagedOriginal, match="not a whole MP4 film"):
        develop(path, "so_2.9", "png")


def test_a_decoder_is_told_how_large_a_frame_may_be(tmp_path: Path) -> None:
    path = clips.film(tmp_path / "large.mp4", seconds=0.4, size=(640, 360))
    with pytest.raises(DamagedOriginal), film(path, "mp4", Limits(video_megapixels=0.1)) as found:
        found.frame_at(Fraction(0))
